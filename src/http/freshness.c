/* SPDX-License-Identifier: MIT */
/*
 * All times may be any int64_t, since they come from the caller's clock. So they are added and
 * subtracted only with saturation. Durations are limited to 2^31 seconds, and sums of these cannot
 * overflow.
 */
#include "freshness.h"

#include "age.h"
#include "date.h"
#include "entity_tag.h"
#include "text.h"

static const int64_t day_ms = INT64_C(86400) * 1000;

/* Limits a duration to what the header says. */
static int64_t limited(int64_t ms) {
  if (ms < 0) return 0;
  return ms < CACHETTE__HTTP_DURATION_MAX ? ms : CACHETTE__HTTP_DURATION_MAX;
}

static int64_t later_of(int64_t left, int64_t right) { return left > right ? left : right; }

static bool says(const cachette__http_answered *answered, unsigned directives) {
  return (answered->control.directives & directives) != 0;
}

/* ---- Dates ---- */

static bool parse_date(const cachette__http_answered *answered, cachette_slice text, int64_t *ms) {
  int64_t seconds;
  if (!cachette__http_date_parse(text, answered->response->received_ms / 1000, &seconds))
    return false;
  *ms = seconds * 1000;
  return true;
}

/* Returns when a response was made. Without a valid Date it is when it was received (RFC 9110,
 * 6.6.1). Of several the earliest counts: it makes the response oldest. */
static int64_t find_date(const cachette__http_answered *answered) {
  cachette_slice line;
  int64_t earliest = 0, ms;
  bool found = false;
  for (size_t at = 0; cachette__http_line(&answered->message, CACHETTE__HTTP_DATE, &at, &line);) {
    if (!parse_date(answered, line, &ms) || (found && ms >= earliest)) continue;
    earliest = ms;
    found = true;
  }
  return found ? earliest : answered->response->received_ms;
}

/* Returns when a response expires. INT64_MIN: in the past, because Expires is not a date, or
 * several lines differ (RFC 9111, 5.3). */
static int64_t find_expires(const cachette__http_answered *answered) {
  cachette_slice line;
  int64_t expires = INT64_MIN, ms;
  for (size_t at = 0;
       cachette__http_line(&answered->message, CACHETTE__HTTP_EXPIRES, &at, &line);) {
    if (!parse_date(answered, line, &ms)) return INT64_MIN;
    if (expires != INT64_MIN && expires != ms) return INT64_MIN;
    expires = ms;
  }
  return expires;
}

/* ---- Validators ---- */

/* Finds the only line of a field that is stored. A validator that is not stored must not be used,
 * either: the origin said that it is for one user, or for one connection. */
static bool find_stored(const cachette_http_policy *policy, const cachette__http_answered *answered,
                        enum cachette__http_name name, cachette_slice *value) {
  if (!cachette__http_single(&answered->message, name, value)) return false;
  cachette_http_field field = {cachette__http_name_text(name), *value};
  return cachette__http_is_stored(policy, answered, &field);
}

static void find_validators(const cachette_http_policy *policy,
                            const cachette__http_answered *answered,
                            cachette__http_stored *stored) {
  cachette_slice value;
  cachette__http_entity_tag tag;
  bool found = find_stored(policy, answered, CACHETTE__HTTP_ETAG, &value);
  stored->etag = found && cachette__http_tag_parse(value, &tag) ? value : (cachette_slice){NULL, 0};
  stored->last_modified_ms = -1;
  if (find_stored(policy, answered, CACHETTE__HTTP_LAST_MODIFIED, &value))
    parse_date(answered, value, &stored->last_modified_ms);
  /* No file is older than Unix time; such a date is an error of the origin. */
  if (stored->last_modified_ms < 0) stored->last_modified_ms = -1;
}

/* ---- Age (RFC 9111, 4.2.3) ---- */

/* Returns the first member of Age in milliseconds; 0: there is none, or it is not a number. Others
 * do not count, in whatever line they are (RFC 9111, 5.1). */
static int64_t find_age(const cachette__http_answered *answered) {
  cachette_slice line, first;
  int64_t seconds = 0;
  for (size_t at = 0; cachette__http_line(&answered->message, CACHETTE__HTTP_AGE, &at, &line);) {
    cachette_slice rest = line;
    if (!cachette__http_next(&rest, &first)) continue;
    cachette__http_age_parse(line, &seconds);
    break;
  }
  return seconds * 1000;
}

/* Returns a time without its fraction of a second. */
static int64_t whole_seconds(int64_t ms) {
  int64_t fraction = ms % 1000;
  return cachette__http_minus(ms, fraction < 0 ? fraction + 1000 : fraction);
}

static int64_t find_initial_age(const cachette__http_answered *answered, int64_t date_ms) {
  const cachette_http_response *response = answered->response;
  /* Date has no fraction of a second. With one on the other side, a response that was just made
   * would be up to a second old, and `max-age=1` would hardly ever be fresh. */
  int64_t apparent = cachette__http_minus(whole_seconds(response->received_ms), date_ms);
  int64_t delay = cachette__http_minus(response->received_ms, response->requested_ms);
  int64_t corrected = cachette__http_plus(find_age(answered), later_of(delay, 0));
  return limited(later_of(apparent, corrected));
}

int64_t cachette__http_age(const cachette__http_stored *stored, int64_t now_ms) {
  /* The clock may have been set back since then. */
  int64_t resident = later_of(cachette__http_minus(now_ms, stored->received_ms), 0);
  return limited(cachette__http_plus(limited(stored->initial_age_ms), resident));
}

/* ---- Lifetime (RFC 9111, 4.2.1 and 4.2.2) ---- */

bool cachette__http_is_heuristic_status(int status) {
  switch (status) {
    case 200:
    case 203:
    case 204:
    case 206:
    case 300:
    case 301:
    case 308:
    case 404:
    case 405:
    case 410:
    case 414:
    case 501:
      return true;
    default:
      return false;
  }
}

/* Errors and empty responses are left out: a failure or an attacker that causes one must not take a
 * page off the air for the time of a default. */
static bool is_default_status(int status) {
  return status == 200 || status == 203 || status == 300 || status == 301 || status == 308;
}

static bool has_s_maxage(const cachette_http_policy *policy,
                         const cachette__http_answered *answered) {
  return policy->sharing == CACHETTE_HTTP_SHARED && answered->control.s_maxage >= 0;
}

/* Finds the lifetime that a response tells. */
static bool find_explicit(const cachette_http_policy *policy,
                          const cachette__http_answered *answered, int64_t date_ms,
                          int64_t *lifetime_ms) {
  const cachette__http_cache_control *control = &answered->control;
  if (has_s_maxage(policy, answered)) { /* RFC 9111, 5.2.2.10 */
    *lifetime_ms = control->s_maxage * 1000;
  } else if (control->max_age >= 0) { /* RFC 9111, 5.3: it overrides Expires */
    *lifetime_ms = control->max_age * 1000;
  } else if (!answered->is_targeted &&
             cachette__http_has(&answered->message, CACHETTE__HTTP_EXPIRES)) {
    *lifetime_ms = cachette__http_minus(find_expires(answered), date_ms);
  } else {
    return false;
  }
  return true;
}

/* Returns a tenth of the time for which the response had not changed when it was made, or -1. */
static int64_t find_heuristic(const cachette_http_policy *policy,
                              const cachette__http_answered *answered,
                              const cachette__http_stored *stored) {
  if (!policy->heuristic || stored->last_modified_ms < 0) return -1;
  if (!cachette__http_is_heuristic_status(stored->status) && !says(answered, CACHETTE__HTTP_PUBLIC))
    return -1; /* RFC 9111, 4.2.2 */
  int64_t unchanged = cachette__http_minus(stored->date_ms, stored->last_modified_ms);
  if (unchanged <= 0) return -1;
  return unchanged / 10 < day_ms ? unchanged / 10 : day_ms;
}

static enum cachette__http_life find_lifetime(const cachette_http_policy *policy,
                                              const cachette__http_answered *answered,
                                              cachette__http_stored *stored) {
  enum cachette__http_life life = CACHETTE__HTTP_LIFE_NONE;
  int64_t lifetime_ms = 0;
  if (find_explicit(policy, answered, stored->date_ms, &lifetime_ms)) {
    life = CACHETTE__HTTP_LIFE_EXPLICIT;
  } else if (says(answered, CACHETTE__HTTP_NO_CACHE)) {
    /* The origin has said how it wants to be cached, so nothing is assumed. */
  } else if (policy->default_ttl_ms > 0 && is_default_status(stored->status)) {
    lifetime_ms = policy->default_ttl_ms;
    life = CACHETTE__HTTP_LIFE_DEFAULT;
  } else {
    lifetime_ms = find_heuristic(policy, answered, stored);
    if (lifetime_ms >= 0) life = CACHETTE__HTTP_LIFE_HEURISTIC;
  }
  stored->lifetime_ms = limited(lifetime_ms);
  return life;
}

/* ---- Stale windows (RFC 9111, 4.2.4; RFC 5861) ---- */

static unsigned find_flags(const cachette_http_policy *policy,
                           const cachette__http_answered *answered) {
  const cachette__http_cache_control *control = &answered->control;
  bool is_shared = policy->sharing == CACHETTE_HTTP_SHARED;
  bool has_windows = control->stale_while_revalidate >= 0 || control->stale_if_error >= 0;
  unsigned flags = 0;
  if (says(answered, CACHETTE__HTTP_NO_CACHE)) flags |= CACHETTE__HTTP_ALWAYS_VALIDATE;
  if (says(answered, CACHETTE__HTTP_IMMUTABLE))
    flags |= CACHETTE__HTTP_NEVER_CHANGES; /* RFC 8246 */
  if (says(answered, CACHETTE__HTTP_MUST_REVALIDATE)) flags |= CACHETTE__HTTP_NEVER_STALE;
  if (is_shared && says(answered, CACHETTE__HTTP_PROXY_REVALIDATE))
    flags |= CACHETTE__HTTP_NEVER_STALE;
  /* s-maxage implies proxy-revalidate (RFC 9111, 5.2.2.10), unless the same response says when it
   * may be stale. */
  if (has_s_maxage(policy, answered))
    flags |= has_windows ? CACHETTE__HTTP_OWN_WINDOWS : CACHETTE__HTTP_NEVER_STALE;
  return flags;
}

/* Returns a window in milliseconds, of what the response and the policy say. */
static int64_t window_of(unsigned flags, int64_t seconds, int64_t policy_ms) {
  if ((flags & (CACHETTE__HTTP_ALWAYS_VALIDATE | CACHETTE__HTTP_NEVER_STALE)) != 0) return 0;
  if (seconds >= 0) return seconds * 1000;
  return (flags & CACHETTE__HTTP_OWN_WINDOWS) != 0 ? 0 : limited(policy_ms);
}

/* ---- All of it ---- */

static void find_range(const cachette__http_answered *answered, cachette__http_stored *stored) {
  cachette__http_content_range range;
  stored->first_byte = 0;
  stored->total_size = stored->status == 206 ? 0 : -1;
  if (!cachette__http_answered_range(answered, &range) || range.total < 0) return;
  stored->first_byte = range.first;
  stored->total_size = range.total;
}

enum cachette__http_life cachette__http_find_freshness(const cachette_http_policy *policy,
                                                       const cachette__http_answered *answered,
                                                       cachette__http_stored *stored) {
  const cachette__http_cache_control *control = &answered->control;
  unsigned flags = find_flags(policy, answered);
  stored->status = answered->response->status;
  stored->flags = flags;
  stored->requested_ms = answered->response->requested_ms;
  stored->received_ms = answered->response->received_ms;
  stored->date_ms = find_date(answered);
  stored->initial_age_ms = find_initial_age(answered, stored->date_ms);
  stored->while_revalidate_ms =
      window_of(flags, control->stale_while_revalidate, policy->stale_while_revalidate_ms);
  stored->if_error_ms = window_of(flags, control->stale_if_error, policy->stale_if_error_ms);
  find_validators(policy, answered, stored);
  find_range(answered, stored);
  return find_lifetime(policy, answered, stored);
}
