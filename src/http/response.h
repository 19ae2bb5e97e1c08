/* SPDX-License-Identifier: MIT */
/*
 * What the rules need to know of a response: its fields, and the Cache-Control that counts for it.
 */
#ifndef CACHETTE_HTTP_RESPONSE_H
#define CACHETTE_HTTP_RESPONSE_H

#include "cache_control.h"
#include "names.h"
#include "range.h"

typedef struct cachette__http_answered {
  const cachette_http_response *response;
  cachette__http_message message;
  cachette__http_cache_control control; /* the application's own, of Cache-Control, or of a targeted
                                           field */
  bool is_targeted;  /* `control` is the application's own or that of a targeted field: Expires and
                        Pragma do not count */
  bool is_malformed; /* a field has CR, LF or NUL, or a name that is not a token; Content-Length is
                        not a number; or Connection lists a field that is for all recipients */
  int64_t content_length;  /* -1: absent */
  cachette_slice targeted; /* the name of that field, as in the policy; empty: another control */
} cachette__http_answered;

/* Looks at a response. The application's own control counts alone. Else, of the targeted fields of
 * the policy, the first that is valid and not empty counts; a private cache uses none (RFC 9213,
 * 2.2). The control of a malformed response is no-store. */
void cachette__http_look_at_response(const cachette_http_policy *policy,
                                     const cachette_http_response *response,
                                     cachette__http_answered *answered);

/* Returns whether a field name is Set-Cookie or its relative, Set-Cookie2. */
bool cachette__http_sets_cookie(cachette_slice field);

/* Returns whether a field of a response is to be stored: not hop-by-hop, not Age, not the range of
 * a 206, not Set-Cookie unless the policy stores it, not named by a qualified private (in a shared
 * cache) or no-cache. */
bool cachette__http_is_stored(const cachette_http_policy *policy,
                              const cachette__http_answered *answered,
                              const cachette_http_field *field);

/* Returns the size of the body that a response announced: that of the caller, or Content-Length.
 * -1: it announced none. */
int64_t cachette__http_announced_size(const cachette__http_answered *answered);

/* Finds the range of a 206 with one part. False: it has no valid Content-Range. */
bool cachette__http_answered_range(const cachette__http_answered *answered,
                                   cachette__http_content_range *range);

#endif
