/* SPDX-License-Identifier: MIT */
/*
 * A client's conditions and range, applied to the stored response that answers it (RFC 9110, 13.2.2
 * and 14; RFC 9111, 4.3.2).
 */
#ifndef CACHETTE_HTTP_CONDITIONAL_H
#define CACHETTE_HTTP_CONDITIONAL_H

#include "record.h"
#include "request.h"

typedef struct cachette__http_selection {
  int status; /* of the stored response, or 304, 412, 206, 416 */
  bool send_body;
  int64_t first, size; /* the part of the stored body */
} cachette__http_selection;

/* Applies conditions and range. False: the record is partial and does not have what is wanted, so
 * the request must be forwarded (reason PARTIAL). `now_ms` is for dates with two-digit years. */
bool cachette__http_select(const cachette__http_asked *asked, const cachette__http_stored *stored,
                           int64_t now_ms, cachette__http_selection *selection);

#endif
