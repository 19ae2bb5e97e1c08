/* SPDX-License-Identifier: MIT */
/*
 * May a response be stored (RFC 9111, 3)?
 */
#ifndef CACHETTE_HTTP_STORABLE_H
#define CACHETTE_HTTP_STORABLE_H

#include "freshness.h"
#include "request.h"

/*
 * Returns NONE if a response may be stored, or the reason why not. Fills `stored`: key, vary,
 * generation, checksum, tags and fields are empty; `body_size` is -1 if nobody announced it; the
 * flag FOR_ALL is set if it may answer requests with credentials.
 */
enum cachette_http_reason cachette__http_may_store(const cachette_http_policy *policy,
                                                   const cachette__http_asked *asked,
                                                   const cachette__http_answered *answered,
                                                   cachette__http_stored *stored);

/* Returns how long a stored response is worth keeping from `now_ms` on; see `keep_ms`. */
int64_t cachette__http_keep_ms(const cachette__http_stored *stored, int64_t now_ms);

/* Returns the largest body that is stored, in bytes. */
int64_t cachette__http_max_body(const cachette_http_policy *policy);

#endif
