/* SPDX-License-Identifier: MIT */
/*
 * The order of the checks decides which reason is reported, if there are several. Those that the
 * origin states come before those that follow from what it left out.
 */
#include "storable.h"

#include "entity_tag.h"
#include "text.h"
#include "vary.h"

enum {
  BODY_MAX = 1 << 20,         /* bytes of a body, if the policy does not tell */
  VALIDATION_MS = 300 * 1000, /* how long a stale response is kept for its validator */
};

/* What the checks are about. */
struct subject {
  const cachette_http_policy *policy;
  const cachette__http_asked *asked;
  const cachette__http_answered *answered;
  cachette__http_stored *stored;
  bool is_shared;
};

static bool says(const struct subject *subject, unsigned directives) {
  return (subject->answered->control.directives & directives) != 0;
}

/* ---- The size of the body ---- */

int64_t cachette__http_max_body(const cachette_http_policy *policy) {
  return policy->max_body > 0 ? policy->max_body : BODY_MAX;
}

static enum cachette_http_reason check_body_size(const struct subject *subject) {
  const cachette__http_answered *answered = subject->answered;
  int64_t known = answered->response->body_size;
  bool counts = subject->stored->status != 204 &&
                !cachette__http_has(&answered->message, CACHETTE__HTTP_TRANSFER_ENCODING);
  if (counts && known >= 0 && answered->content_length >= 0 && known != answered->content_length)
    return CACHETTE_HTTP_BECAUSE_INCOMPLETE;
  bool fits = subject->stored->body_size <= cachette__http_max_body(subject->policy);
  return fits ? CACHETTE_HTTP_BECAUSE_NONE : CACHETTE_HTTP_BECAUSE_TOO_LARGE;
}

/* ---- Method and status ---- */

/* Returns whether this cache knows what a status means for caching (RFC 9111, 5.2.2.3). */
static bool is_understood(int status) {
  switch (status) {
    case 302:
    case 303:
    case 307:
    case 400:
    case 401:
    case 403:
      return true;
    default:
      return cachette__http_is_heuristic_status(status) || (status >= 500 && status <= 505);
  }
}

/* Returns whether a status must not be stored, even if its freshness is explicit: 428, 429, 431 and
 * 511 (RFC 6585), and 425, after which a second request succeeds (RFC 8470, 5.2). 412, 416
 * and 417 are about conditions, ranges and Expect, which are not in the key: they would answer
 * those who sent none. */
static bool is_for_one_request(int status) {
  switch (status) {
    case 412:
    case 416:
    case 417:
    case 425:
    case 428:
    case 429:
    case 431:
    case 511:
      return true;
    default:
      return false;
  }
}

/* A HEAD response has no body that could be stored (RFC 9110, 9.3.2), and unsafe methods have no
 * response that could answer another request (RFC 9111, 3 and 4). */
static enum cachette_http_reason check_kind(const struct subject *subject) {
  int status = subject->stored->status;
  bool is_cached = subject->asked->method == CACHETTE__HTTP_GET ||
                   subject->asked->method == CACHETTE__HTTP_QUERY ||
                   subject->asked->method == CACHETTE__HTTP_POST;
  if (!is_cached) return CACHETTE_HTTP_BECAUSE_METHOD;
  if (status == 304) return CACHETTE_HTTP_BECAUSE_NOT_MODIFIED;
  bool is_final = status >= 200 && status <= 599;
  return is_final && !is_for_one_request(status) ? CACHETTE_HTTP_BECAUSE_NONE
                                                 : CACHETTE_HTTP_BECAUSE_UNCACHEABLE_STATUS;
}

/* ---- What the directives forbid ---- */

static enum cachette_http_reason check_directives(const struct subject *subject) {
  bool must_understand = says(subject, CACHETTE__HTTP_MUST_UNDERSTAND);
  bool understood = is_understood(subject->stored->status);
  if ((subject->asked->control.directives & CACHETTE__HTTP_NO_STORE) != 0) /* RFC 9111, 5.2.1.5 */
    return CACHETTE_HTTP_BECAUSE_NO_STORE;
  /* RFC 9111, 5.2.2.3: no-store is for caches that do not know must-understand. */
  if (says(subject, CACHETTE__HTTP_NO_STORE) && !(must_understand && understood))
    return CACHETTE_HTTP_BECAUSE_NO_STORE;
  if (must_understand && !understood) return CACHETTE_HTTP_BECAUSE_NOT_UNDERSTOOD;
  if (subject->is_shared && says(subject, CACHETTE__HTTP_PRIVATE)) /* RFC 9111, 5.2.2.7 */
    return CACHETTE_HTTP_BECAUSE_PRIVATE_RESPONSE;
  return CACHETTE_HTTP_BECAUSE_NONE;
}

/* ---- Who may see it ---- */

static bool sets_cookie(const cachette__http_message *message) {
  for (size_t i = 0; i < message->fields.count; i++) {
    if (cachette__http_sets_cookie(message->fields.list[i].name)) return true;
  }
  return false;
}

/*
 * Returns whether a response may answer requests with credentials, and be stored if its own request
 * had some (RFC 9111, 3.5). That section is about Authorization. A cookie is more careful: only
 * what says that it is for everyone counts.
 */
static bool is_for_all(const struct subject *subject) {
  if (!subject->is_shared) return true;
  if (says(subject, CACHETTE__HTTP_PUBLIC) || subject->answered->control.s_maxage >= 0) return true;
  if (!subject->policy->trust_must_revalidate) return false;
  const cachette__http_asked *asked = subject->asked;
  if (!asked->has_credentials) return true;
  bool may_have_cookie =
      !subject->policy->trust_cookies && cachette__http_has(&asked->message, CACHETTE__HTTP_COOKIE);
  return asked->has_authorization && !may_have_cookie &&
         says(subject, CACHETTE__HTTP_MUST_REVALIDATE);
}

static enum cachette_http_reason check_audience(const struct subject *subject) {
  const cachette__http_message *message = &subject->answered->message;
  if (subject->policy->set_cookie == CACHETTE_HTTP_COOKIE_REFUSE && sets_cookie(message))
    return CACHETTE_HTTP_BECAUSE_SET_COOKIE;
  enum cachette_http_reason reason = cachette__http_vary_check(subject->policy, message);
  if (reason != CACHETTE_HTTP_BECAUSE_NONE) return reason;
  if (is_for_all(subject))
    subject->stored->flags |= CACHETTE__HTTP_FOR_ALL;
  else if (subject->asked->has_credentials)
    return CACHETTE_HTTP_BECAUSE_CREDENTIALS;
  return CACHETTE_HTTP_BECAUSE_NONE;
}

/* ---- Partial responses ---- */

/* Returns whether a validator is strong (RFC 9110, 8.8.1): a part is worth nothing if it cannot be
 * combined with others. A date is strong if the response was made at least a second later
 * (8.8.2.2); that needs the origin's own Date. */
static bool is_strong(const struct subject *subject) {
  const cachette__http_stored *stored = subject->stored;
  cachette__http_entity_tag tag;
  if (cachette__http_tag_parse(stored->etag, &tag)) return !tag.weak;
  return stored->last_modified_ms >= 0 &&
         cachette__http_has(&subject->answered->message, CACHETTE__HTTP_DATE) &&
         cachette__http_minus(stored->date_ms, stored->last_modified_ms) >= 1000;
}

/* Checks a 206 (RFC 9111, 3.3). A server sends it only if it was asked for a range, and never for
 * POST (RFC 9110, 14.2). */
static enum cachette_http_reason check_range(const struct subject *subject) {
  cachette__http_stored *stored = subject->stored;
  if (stored->status != 206) return CACHETTE_HTTP_BECAUSE_NONE;
  cachette__http_content_range range;
  bool is_fit = subject->policy->store_partial && subject->asked->method != CACHETTE__HTTP_POST &&
                cachette__http_has(&subject->asked->message, CACHETTE__HTTP_RANGE) &&
                cachette__http_answered_range(subject->answered, &range) && range.total >= 0 &&
                is_strong(subject);
  if (!is_fit) return CACHETTE_HTTP_BECAUSE_RANGE;
  int64_t size = range.last - range.first + 1;
  if (stored->body_size >= 0 && stored->body_size != size) return CACHETTE_HTTP_BECAUSE_RANGE;
  stored->body_size = size;
  return CACHETTE_HTTP_BECAUSE_NONE;
}

/* ---- Freshness ---- */

/* Checks a response that does not tell how long it is fresh, and for which the policy has nothing
 * either: it is worth storing only for its validator. */
static enum cachette_http_reason check_unknown_life(const struct subject *subject) {
  const cachette__http_stored *stored = subject->stored;
  bool may_guess = cachette__http_is_heuristic_status(stored->status) ||
                   says(subject, CACHETTE__HTTP_PUBLIC) || /* RFC 9111, 3 */
                   (!subject->is_shared && says(subject, CACHETTE__HTTP_PRIVATE));
  if (!may_guess) return CACHETTE_HTTP_BECAUSE_UNCACHEABLE_STATUS;
  if ((stored->flags & CACHETTE__HTTP_ALWAYS_VALIDATE) != 0)
    return cachette__http_can_validate(stored) ? CACHETTE_HTTP_BECAUSE_NONE
                                               : CACHETTE_HTTP_BECAUSE_NO_CACHE;
  return subject->policy->heuristic && cachette__http_can_validate(stored)
             ? CACHETTE_HTTP_BECAUSE_NONE
             : CACHETTE_HTTP_BECAUSE_NO_FRESHNESS;
}

/* Returns the end of the lifetime and of the stale windows, as an age. */
static int64_t last_use(const cachette__http_stored *stored) {
  int64_t window = stored->while_revalidate_ms > stored->if_error_ms ? stored->while_revalidate_ms
                                                                     : stored->if_error_ms;
  return cachette__http_plus(stored->lifetime_ms, window);
}

static enum cachette_http_reason check_freshness(const struct subject *subject,
                                                 enum cachette__http_life life) {
  const cachette__http_stored *stored = subject->stored;
  /* RFC 9110, 9.3.3. */
  if (subject->asked->method == CACHETTE__HTTP_POST && life != CACHETTE__HTTP_LIFE_EXPLICIT)
    return CACHETTE_HTTP_BECAUSE_NO_FRESHNESS;
  if (life == CACHETTE__HTTP_LIFE_NONE) return check_unknown_life(subject);
  if (cachette__http_can_validate(stored)) return CACHETTE_HTTP_BECAUSE_NONE;
  /* Without a validator, it must be usable as it is. */
  if ((stored->flags & CACHETTE__HTTP_ALWAYS_VALIDATE) != 0) return CACHETTE_HTTP_BECAUSE_NO_CACHE;
  return stored->initial_age_ms < last_use(stored) ? CACHETTE_HTTP_BECAUSE_NONE
                                                   : CACHETTE_HTTP_BECAUSE_NOT_FRESH;
}

/* ---- All of it ---- */

enum cachette_http_reason cachette__http_may_store(const cachette_http_policy *policy,
                                                   const cachette__http_asked *asked,
                                                   const cachette__http_answered *answered,
                                                   cachette__http_stored *stored) {
  struct subject subject = {policy, asked, answered, stored,
                            policy->sharing == CACHETTE_HTTP_SHARED};
  *stored = (cachette__http_stored){0};
  enum cachette__http_life life = cachette__http_find_freshness(policy, answered, stored);
  stored->body_size = cachette__http_announced_size(answered);
  if (answered->is_malformed) return CACHETTE_HTTP_BECAUSE_MALFORMED;
  enum cachette_http_reason reason = check_kind(&subject);
  if (reason == CACHETTE_HTTP_BECAUSE_NONE) reason = check_directives(&subject);
  if (reason == CACHETTE_HTTP_BECAUSE_NONE) reason = check_audience(&subject);
  if (reason == CACHETTE_HTTP_BECAUSE_NONE) reason = check_range(&subject);
  if (reason == CACHETTE_HTTP_BECAUSE_NONE) reason = check_body_size(&subject);
  if (reason == CACHETTE_HTTP_BECAUSE_NONE) reason = check_freshness(&subject, life);
  return reason;
}

int64_t cachette__http_keep_ms(const cachette__http_stored *stored, int64_t now_ms) {
  int64_t left = cachette__http_minus(last_use(stored), cachette__http_age(stored, now_ms));
  int64_t validation = cachette__http_can_validate(stored) ? VALIDATION_MS : 0;
  return cachette__http_plus(left > 0 ? left : 0, validation);
}
