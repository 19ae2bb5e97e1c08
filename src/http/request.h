/* SPDX-License-Identifier: MIT */
/*
 * What the rules need to know of a request. It is found once, when an exchange begins.
 */
#ifndef CACHETTE_HTTP_REQUEST_H
#define CACHETTE_HTTP_REQUEST_H

#include "cache_control.h"
#include "names.h"

enum cachette__http_method {
  CACHETTE__HTTP_GET,
  CACHETTE__HTTP_HEAD,  /* has the key of GET */
  CACHETTE__HTTP_QUERY, /* RFC 10008 */
  CACHETTE__HTTP_POST,  /* only if the policy caches it; else it is UNSAFE */
  CACHETTE__HTTP_SAFE,  /* OPTIONS, TRACE and those of WebDAV: passes and invalidates nothing */
  CACHETTE__HTTP_UNSAFE /* passes; also every unknown method (RFC 9111, 4.4) */
};

typedef struct cachette__http_asked {
  const cachette_http_request *request;
  cachette__http_message message;
  enum cachette__http_method method;
  cachette__http_cache_control control; /* empty if the policy ignores it; Pragma included */
  cachette_slice authority;  /* of the request, or Host; not normalized; empty: in doubt */
  cachette_slice host, port; /* of it; the port is empty if it is the default */
  int64_t arrived_ms;        /* when it was first decided about; INT64_MAX: it was not yet */
  bool has_authorization;
  bool has_credentials; /* Authorization, or a cookie that is one by the policy */
  bool has_conditions;  /* If-None-Match, If-Modified-Since, If-Match, If-Unmodified-Since */
} cachette__http_asked;

/*
 * Looks at a request. Returns why it passes the cache, or NONE. `asked` is filled in either case.
 * The reasons, in this order:
 *
 *   MALFORMED  a field or the method is no such, or the target is no path and query; or Connection
 *              lists a field that is for all recipients, so that the origin would not see it
 *   METHOD     it is SAFE or UNSAFE
 *   OVERRIDE   a field replaces the method or the target
 *   BODY       GET and HEAD: there is one; QUERY and POST: it is not here as a whole, or a QUERY
 * has no Content-Type HOST       the host is missing, invalid or in doubt: Host occurs twice, or
 * differs from the authority of the request
 */
enum cachette_http_reason cachette__http_ask(const cachette_http_policy *policy,
                                             const cachette_http_request *request,
                                             cachette__http_asked *asked);

/* Reads Cache-Control of a request, or Pragma if there is none (RFC 9111, 5.4). */
void cachette__http_request_control(const cachette__http_message *message,
                                    cachette__http_cache_control *control);

/*
 * Walks over the cookies of a request, in all lines of Cookie. Begin with `*at` 0 and `rest` empty.
 * False: there is no further one.
 *   value  `data` is NULL if there is no '='; such a text counts as a name
 */
bool cachette__http_next_cookie(const cachette__http_message *message, size_t *at,
                                cachette_slice *rest, cachette_slice *name, cachette_slice *value);

#endif
