/* SPDX-License-Identifier: MIT */
/*
 * May a stored response answer a request (RFC 9111, 4)? Its key and Vary match already.
 */
#ifndef CACHETTE_HTTP_USABLE_H
#define CACHETTE_HTTP_USABLE_H

#include "freshness.h"
#include "request.h"

typedef struct cachette__http_use {
  enum cachette_http_action action; /* HIT, STALE, REVALIDATE, MISS, PASS or ERROR (504) */
  enum cachette_http_reason forwarded;
  int64_t age_ms, ttl_ms;
  bool coalesce, refresh, usable_if_error;
} cachette__http_use;

/* Decides about a stored response. MISS: it cannot be validated, so a full response is wanted. */
void cachette__http_may_use(const cachette_http_policy *policy, const cachette__http_asked *asked,
                            const cachette__http_stored *stored, int64_t now_ms,
                            cachette__http_use *use);

/* The same if nothing is stored that matches: MISS with the reason, or ERROR for only-if-cached. */
void cachette__http_use_nothing(const cachette_http_policy *policy,
                                const cachette__http_asked *asked, enum cachette_http_reason reason,
                                cachette__http_use *use);

/* Returns whether a stored response may answer because the origin failed, with `status` 500, 502,
 * 503 or 504, or 0 for no answer (RFC 5861, 4; RFC 9111, 4.2.4). */
bool cachette__http_may_use_on_error(const cachette_http_policy *policy,
                                     const cachette__http_asked *asked,
                                     const cachette__http_stored *stored, int status,
                                     int64_t now_ms);

#endif
