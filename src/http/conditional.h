/* SPDX-License-Identifier: MIT */
/*
 * A client's conditions and range, applied to the stored response that answers it (RFC 9110, 13.2.2
 * and 14; RFC 9111, 4.3.2). In this order, as RFC 9110 has it:
 *
 *     If-Match, else If-Unmodified-Since             false: 412
 *     If-None-Match, else If-Modified-Since          false: 304
 *     Range, if If-Range is true or absent           206, 416, or all of it
 *
 * What is malformed is ignored, except a malformed If-Match: that is false.
 */
#ifndef CACHETTE_HTTP_CONDITIONAL_H
#define CACHETTE_HTTP_CONDITIONAL_H

#include "freshness.h"
#include "request.h"

typedef struct cachette__http_selection {
  int status; /* of the stored response, or 304, 412, 206, 416 */
  bool send_body;
  int64_t first, size; /* the part of the stored body: nothing for 304, 412 and 416; for HEAD all of
                          it, though it is not sent */
} cachette__http_selection;

/* Applies conditions and range. False: the record is partial and does not have what is wanted, so
 * the request must be forwarded (reason PARTIAL). `now_ms` is for dates with two-digit years. */
bool cachette__http_select(const cachette__http_asked *asked, const cachette__http_stored *stored,
                           int64_t now_ms, cachette__http_selection *selection);

/* Returns whether the Last-Modified of a stored response is a strong validator: the response was
 * made at least a second later, so no second change has the same date (RFC 9110, 8.8.2.2). */
static inline bool cachette__http_has_strong_date(const cachette__http_stored *stored) {
  return stored->last_modified_ms >= 0 &&
         cachette__http_minus(stored->date_ms, stored->last_modified_ms) >= 1000;
}

/* Returns the second that a time in milliseconds is in. */
static inline int64_t cachette__http_second_of(int64_t ms) { return ms / 1000 - (ms % 1000 < 0); }

/* Returns whether a response is a part of a representation. */
static inline bool cachette__http_is_part(const cachette__http_stored *stored) {
  return stored->status == 206 || stored->total_size >= 0;
}

#endif
