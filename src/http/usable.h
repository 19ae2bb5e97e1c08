/* SPDX-License-Identifier: MIT */
/*
 * May a stored response answer a request (RFC 9111, 4)? Its key and Vary match already.
 *
 *     age 0            lifetime          + while_revalidate      + if_error
 *       |   fresh: HIT    |   STALE, refresh    |   REVALIDATE or MISS  |   the same
 *       |                 |                     |   usable_if_error     |
 *
 * The request may object to a response that the cache would use (no-cache, max-age, min-fresh), and
 * may accept one that is staler (max-stale, stale-if-error). Whatever must not be used stale is
 * not, whoever wishes it.
 */
#ifndef CACHETTE_HTTP_USABLE_H
#define CACHETTE_HTTP_USABLE_H

#include "freshness.h"
#include "request.h"

typedef struct cachette__http_use {
  enum cachette_http_action action; /* HIT, STALE, REVALIDATE, MISS or ERROR (504) */
  enum cachette_http_reason forwarded;
  int64_t age_ms, ttl_ms;
  bool coalesce, refresh, usable_if_error;
} cachette__http_use;

/* Returns whether a stored response is kept from a request because the request has credentials and
 * nothing says that the response is for all (RFC 9111, 3.5). */
static inline bool cachette__http_is_withheld(const cachette_http_policy *policy,
                                              const cachette__http_asked *asked,
                                              const cachette__http_stored *stored) {
  return policy->sharing == CACHETTE_HTTP_SHARED && asked->has_credentials &&
         (stored->flags & CACHETTE__HTTP_FOR_ALL) == 0;
}

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
