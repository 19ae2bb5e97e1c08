/* SPDX-License-Identifier: MIT */
/*
 * How old a response is and how long it is fresh (RFC 9111, 4.2), and how long it may be used when
 * it is stale (RFC 9111, 4.2.4; RFC 5861).
 */
#ifndef CACHETTE_HTTP_FRESHNESS_H
#define CACHETTE_HTTP_FRESHNESS_H

#include "record.h"
#include "response.h"

/* Where a lifetime comes from. */
enum cachette__http_life {
  CACHETTE__HTTP_LIFE_NONE,     /* nothing says it: the lifetime is 0 */
  CACHETTE__HTTP_LIFE_EXPLICIT, /* s-maxage, max-age, Expires, or a targeted field */
  CACHETTE__HTTP_LIFE_DEFAULT,  /* the policy's default_ttl_ms */
  CACHETTE__HTTP_LIFE_HEURISTIC /* a tenth of the time since Last-Modified */
};

/* The largest duration: 2^31 seconds (RFC 9111, 1.2.2). */
#define CACHETTE__HTTP_DURATION_MAX (CACHETTE__HTTP_SECONDS_MAX * 1000)

/* Add and subtract without overflow: the nearest number is the result. */
static inline int64_t cachette__http_plus(int64_t left, int64_t right) {
  int64_t sum;
  if (!__builtin_add_overflow(left, right, &sum)) return sum;
  return right > 0 ? INT64_MAX : INT64_MIN;
}

static inline int64_t cachette__http_minus(int64_t left, int64_t right) {
  int64_t difference;
  if (!__builtin_sub_overflow(left, right, &difference)) return difference;
  return right < 0 ? INT64_MAX : INT64_MIN;
}

/* Returns whether a status is cacheable without explicit freshness (RFC 9110, 15.1). */
bool cachette__http_is_heuristic_status(int status);

/*
 * Fills status, flags except FOR_ALL, times, lifetime, windows, validators and the parts of a range
 * from a response; other members are unchanged. A 206 whose range is malformed, or does not tell
 * the total size, has the total 0. Returns where the lifetime comes from.
 *
 * Lifetime, windows and initial age are between 0 and CACHETTE__HTTP_DURATION_MAX.
 */
enum cachette__http_life cachette__http_find_freshness(const cachette_http_policy *policy,
                                                       const cachette__http_answered *answered,
                                                       cachette__http_stored *stored);

/* Returns the age of a stored response (RFC 9111, 4.2.3: current_age). It never decreases while
 * `now_ms` does not, and is at most 2^31 seconds. */
int64_t cachette__http_age(const cachette__http_stored *stored, int64_t now_ms);

/* Returns whether a stored response can be validated: it has an entity tag or Last-Modified. */
static inline bool cachette__http_can_validate(const cachette__http_stored *stored) {
  return stored->etag.size > 0 || stored->last_modified_ms >= 0;
}

#endif
