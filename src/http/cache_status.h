/* SPDX-License-Identifier: MIT */
/* The field Cache-Status (RFC 9211): each cache on the way adds a member, the last one at the end.
 */
#ifndef CACHETTE_HTTP_CACHE_STATUS_H
#define CACHETTE_HTTP_CACHE_STATUS_H

#include "cachette/http.h"

enum {
  CACHETTE__HTTP_CACHE_NAME_MAX = 100,  /* characters of a cache's name */
  CACHETTE__HTTP_CACHE_STATUS_MAX = 256 /* of our member with such a name */
};

/*
 * Writes our member for the verdict of an exchange, such as `cachette; hit; ttl=30`.
 *   status     that of the origin's response; 0: there is none
 *   collapsed  why the request waited for the response of another one, which is no hit (RFC 9211,
 *              2.5); NONE: it did not
 * Returns the size; 0: it does not fit.
 */
size_t cachette__http_status_write(const cachette_http_exchange *exchange, cachette_slice name,
                                   int status, enum cachette_http_reason collapsed, char *text,
                                   size_t capacity);

/* A member: what a cache did with a request. */
typedef struct cachette__http_status {
  cachette_slice cache; /* its name */
  bool hit, stored, collapsed;
  cachette_slice forwarded; /* the parameter fwd; empty: absent */
  int64_t forwarded_status; /* fwd-status; -1: absent */
  bool has_ttl;
  int64_t ttl_s;         /* negative: the response was stale */
  cachette_slice key;    /* without its quotes, escapes not removed; empty: absent */
  cachette_slice detail; /* the same for a string; or a token */
} cachette__http_status;

/*
 * Reads the member of an index. False: there is none, or the field is invalid.
 *   lines  all lines of Cache-Status
 * Parameters of a wrong type are ignored (RFC 9211, 2).
 */
bool cachette__http_status_read(const cachette_slice *lines, size_t count, size_t index,
                                cachette__http_status *status);

#endif
