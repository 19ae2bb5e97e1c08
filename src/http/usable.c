/* SPDX-License-Identifier: MIT */
#include "usable.h"

enum { NEVER_STALE = CACHETTE__HTTP_NEVER_STALE | CACHETTE__HTTP_ALWAYS_VALIDATE };

/* Numbers of Cache-Control are at most 2^31. */
static int64_t to_ms(int64_t seconds) { return seconds * 1000; }

static bool asks(const cachette__http_asked *asked, unsigned directives) {
  return (asked->control.directives & directives) != 0;
}

/* A request has no qualified no-cache, so this is the plain one. */
static bool asks_no_cache(const cachette__http_asked *asked) {
  return asks(asked, CACHETTE__HTTP_NO_CACHE | CACHETTE__HTTP_NO_CACHE_FIELDS);
}

static bool is_full(const cachette_http_policy *policy) {
  return policy->request_control == CACHETTE_HTTP_CONTROL_FULL;
}

/* ---- The request's wishes ---- */

/* Returns whether the request objects to a response of this age. */
static bool objects(const cachette_http_policy *policy, const cachette__http_asked *asked,
                    const cachette__http_stored *stored, const cachette__http_use *use) {
  const cachette__http_cache_control *control = &asked->control;
  /* Those who wait share one revalidation, so what came after the request is new enough. */
  if (!is_full(policy) && stored->received_ms >= asked->arrived_ms) return false;
  if (asks_no_cache(asked)) return true; /* RFC 9111, 5.2.1.4 */
  /* A reload sends max-age=0. It cannot get anything newer than what never changes (RFC 8246, 2),
   * but no-cache, which a forced reload sends, must be able to repair a damaged response. */
  if (use->ttl_ms > 0 && (stored->flags & CACHETTE__HTTP_NEVER_CHANGES) != 0) return false;
  if (control->max_age >= 0 && use->age_ms > to_ms(control->max_age)) return true; /* 5.2.1.1 */
  return control->min_fresh >= 0 && use->ttl_ms < to_ms(control->min_fresh);       /* 5.2.1.3 */
}

/* Returns whether the request may have what is staler than the response itself permits. */
static bool may_widen(const cachette_http_policy *policy, const cachette__http_stored *stored) {
  return (is_full(policy) || policy->max_stale) &&
         (stored->flags & (NEVER_STALE | CACHETTE__HTTP_OWN_WINDOWS)) == 0;
}

/* Returns whether the request accepts a response that is this stale (RFC 9111, 5.2.1.2). */
static bool accepts_stale(const cachette_http_policy *policy, const cachette__http_asked *asked,
                          const cachette__http_stored *stored, int64_t ttl_ms) {
  int64_t most = asked->control.max_stale;
  return most >= 0 && may_widen(policy, stored) && ttl_ms >= -to_ms(most);
}

/* Returns whether a stale window, which begins when the lifetime ends, is not over. */
static bool is_within(int64_t ttl_ms, int64_t window_ms) {
  return window_ms > 0 && ttl_ms > -window_ms;
}

/* ---- Forwarding ---- */

/* Returns whether others can share the response to this request. */
static bool can_share(const cachette__http_asked *asked, const cachette__http_use *use) {
  if (asked->method == CACHETTE__HTTP_HEAD) return false;   /* it has no body */
  if (asks(asked, CACHETTE__HTTP_NO_STORE)) return false;   /* RFC 9111, 5.2.1.5 */
  if (use->action == CACHETTE_HTTP_REVALIDATE) return true; /* with our own conditions */
  return !asked->has_conditions && !cachette__http_has(&asked->message, CACHETTE__HTTP_RANGE);
}

/* Returns whether a validation request can be sent. One for a part would need If-Range; and a
 * condition of an unsafe method asks for something else (RFC 9110, 13.1.2). */
static bool can_validate(const cachette__http_asked *asked, const cachette__http_stored *stored) {
  return cachette__http_can_validate(stored) && stored->total_size < 0 &&
         asked->method != CACHETTE__HTTP_POST;
}

static void forward(const cachette__http_asked *asked, enum cachette_http_action action,
                    enum cachette_http_reason reason, cachette__http_use *use) {
  if (asks(asked, CACHETTE__HTTP_ONLY_IF_CACHED)) { /* RFC 9111, 5.2.1.7 */
    use->action = CACHETTE_HTTP_ERROR;
    return;
  }
  use->action = action;
  use->forwarded = reason;
  use->coalesce = can_share(asked, use);
}

/* ---- Decisions ---- */

/* Asks the origin about a response that is stored. */
static void check(const cachette_http_policy *policy, const cachette__http_asked *asked,
                  const cachette__http_stored *stored, int64_t now_ms, bool objected,
                  cachette__http_use *use) {
  /* RFC 9211, 2.2: it is the request's wish only if the response is fresh. */
  bool is_fresh = use->ttl_ms > 0 && (stored->flags & CACHETTE__HTTP_ALWAYS_VALIDATE) == 0;
  forward(asked, can_validate(asked, stored) ? CACHETTE_HTTP_REVALIDATE : CACHETTE_HTTP_MISS,
          is_fresh ? CACHETTE_HTTP_BECAUSE_REQUEST : CACHETTE_HTTP_BECAUSE_EXPIRED, use);
  if (use->action == CACHETTE_HTTP_ERROR) return;
  /* In full, such a request must not get what was on its way before it came. */
  if (objected && is_full(policy)) use->coalesce = false;
  use->usable_if_error = cachette__http_may_use_on_error(policy, asked, stored, 0, now_ms);
}

void cachette__http_may_use(const cachette_http_policy *policy, const cachette__http_asked *asked,
                            const cachette__http_stored *stored, int64_t now_ms,
                            cachette__http_use *use) {
  *use = (cachette__http_use){.action = CACHETTE_HTTP_HIT};
  use->age_ms = cachette__http_age(stored, now_ms);
  use->ttl_ms = cachette__http_minus(stored->lifetime_ms, use->age_ms);
  if (cachette__http_is_withheld(policy, asked, stored)) { /* RFC 9111, 3.5 */
    forward(asked, CACHETTE_HTTP_MISS, CACHETTE_HTTP_BECAUSE_CREDENTIALS, use);
    use->coalesce = false;
    return;
  }
  bool objected = objects(policy, asked, stored, use);
  bool is_barred = objected || (stored->flags & CACHETTE__HTTP_ALWAYS_VALIDATE) != 0; /* 5.2.2.4 */
  if (!is_barred && use->ttl_ms > 0) return; /* RFC 9111, 4.2 */
  bool in_window = (stored->flags & NEVER_STALE) == 0 &&
                   is_within(use->ttl_ms, stored->while_revalidate_ms); /* RFC 5861, 3 */
  if (is_barred || !(in_window || accepts_stale(policy, asked, stored, use->ttl_ms))) {
    check(policy, asked, stored, now_ms, objected, use);
    return;
  }
  use->action = CACHETTE_HTTP_STALE;
  /* A request with no-store cannot bring a response that is stored. */
  use->refresh = in_window && !asks(asked, CACHETTE__HTTP_NO_STORE);
}

void cachette__http_use_nothing(const cachette_http_policy *policy,
                                const cachette__http_asked *asked, enum cachette_http_reason reason,
                                cachette__http_use *use) {
  *use = (cachette__http_use){0};
  forward(asked, CACHETTE_HTTP_MISS, reason, use);
  bool is_private = policy->sharing == CACHETTE_HTTP_SHARED && asked->has_credentials;
  if (is_private || (is_full(policy) && asks_no_cache(asked))) use->coalesce = false;
}

static bool is_failure(int status) {
  return status == 0 || status == 500 || (status >= 502 && status <= 504);
}

bool cachette__http_may_use_on_error(const cachette_http_policy *policy,
                                     const cachette__http_asked *asked,
                                     const cachette__http_stored *stored, int status,
                                     int64_t now_ms) {
  if (!is_failure(status) || (stored->flags & NEVER_STALE) != 0) return false;
  if (cachette__http_is_withheld(policy, asked, stored)) return false;
  if (is_full(policy) && asks_no_cache(asked)) return false; /* RFC 9111, 5.2.1.4 */
  int64_t ttl_ms = cachette__http_minus(stored->lifetime_ms, cachette__http_age(stored, now_ms));
  int64_t wished = asked->control.stale_if_error;
  return ttl_ms > 0 || is_within(ttl_ms, stored->if_error_ms) ||
         (wished > 0 && may_widen(policy, stored) && is_within(ttl_ms, to_ms(wished)));
}
