/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stddef.h>

#include "base/error.h"
#include "base/slice.h"
#include "cache_control.h"
#include "cache_status.h"
#include "query.h"
#include "structured_text.h"
#include "text.h"

/* ---- Reasons ---- */

static const struct reason {
  const char *token, *text;
} reasons[] = {
#define REASON(name, token, text) {token, text},
    CACHETTE_HTTP_REASONS(REASON)
#undef REASON
};

/* Returns a reason; one that is not in the table is NONE. */
static const struct reason *reason_of(enum cachette_http_reason reason) {
  size_t index = (size_t)reason;
  return &reasons[index < sizeof reasons / sizeof *reasons ? index : 0];
}

const char *cachette_http_reason_text(enum cachette_http_reason reason) {
  return reason_of(reason)->text;
}

const char *cachette_http_reason_token(enum cachette_http_reason reason) {
  return reason_of(reason)->token;
}

/* ---- The policy of the RFCs ---- */

/*
 * What is set, and why it is permitted; what is not set is not a matter of the RFCs, or not
 * permitted:
 *
 *     set_cookie             RFC 9111, 7.3: Set-Cookie does not inhibit caching
 *     request_control        RFC 9111, 5.2.1: all directives of requests
 *     normalize              RFC 9111, 4.1: languages, whose case and order do not matter. Codings
 *                            without their weights are not the same, so they are left as they are
 *     stale_if_error_ms      RFC 9111, 4.2.4: a cache that is disconnected may use stale responses
 *     heuristic              RFC 9111, 4.2.2
 *     max_stale              RFC 9111, 5.2.1.2
 *     forward_preconditions  RFC 9111, 4.3.2
 *     store_partial          RFC 9111, 3.3 and 3.4
 *     trust_cookies          RFC 9111, 3.5: Authorization alone is a credential
 *     trust_must_revalidate  RFC 9111, 3.5
 *     vary_allow             RFC 9111, 4.1: Cookie and Authorization select like other fields
 *     targeted               RFC 9213, 3.1
 *
 *     default_ttl_ms             a lifetime must come from the response (RFC 9111, 4.2)
 *     stale_while_revalidate_ms  only the origin may permit it while it can be reached (4.2.4)
 *     cache_post                 a stored POST may answer GET, but not POST (RFC 9110, 9.3.3)
 *     query, key_cookies, session_cookies, no_vary_search  the key is the URI (RFC 9111, 2)
 *     max_body                   what fits is a matter of the store
 */
cachette_http_policy cachette_http_policy_rfc(void) {
  static const cachette_slice targeted[] = {
      {"CDN-Cache-Control", sizeof "CDN-Cache-Control" - 1},
  };
  return (cachette_http_policy){
      .set_cookie = CACHETTE_HTTP_COOKIE_STORE,
      .request_control = CACHETTE_HTTP_CONTROL_FULL,
      .normalize = CACHETTE_HTTP_ACCEPT_LANGUAGE,
      .vary_allow = CACHETTE_HTTP_VARY_COOKIE | CACHETTE_HTTP_VARY_AUTHORIZATION,
      .stale_if_error_ms = INT64_C(86400) * 1000,
      .heuristic = true,
      .max_stale = true,
      .forward_preconditions = true,
      .store_partial = true,
      .trust_cookies = true,
      .trust_must_revalidate = true,
      .targeted = targeted,
      .targeted_count = sizeof targeted / sizeof *targeted,
  };
}

/* ---- Checks ---- */

static int check_choices(const cachette_http_policy *policy, cachette_error *error) {
  const struct {
    const char *member;
    unsigned value, most;
    const char *type;
  } choices[] = {
      {"sharing", (unsigned)policy->sharing, CACHETTE_HTTP_PRIVATE, "sharing"},
      {"set_cookie", (unsigned)policy->set_cookie, CACHETTE_HTTP_COOKIE_STORE, "set_cookie"},
      {"query", (unsigned)policy->query, CACHETTE_HTTP_QUERY_SORT, "query"},
      {"request_control", (unsigned)policy->request_control, CACHETTE_HTTP_CONTROL_IGNORE,
       "control"},
  };
  for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
    if (choices[i].value <= choices[i].most) continue;
    return cachette__fail(
        error, CACHETTE_ECONFIG, choices[i].member,
        "The policy's \"%s\" is %d, which has no meaning. Set it to a constant of "
        "enum cachette_http_%s.",
        choices[i].member, (int)choices[i].value, choices[i].type);
  }
  return CACHETTE_OK;
}

static int check_flags(const cachette_http_policy *policy, cachette_error *error) {
  const struct {
    const char *member;
    unsigned value, known;
    const char *type;
  } flags[] = {
      {"normalize", policy->normalize,
       CACHETTE_HTTP_ACCEPT_ENCODING | CACHETTE_HTTP_ACCEPT_LANGUAGE, "normalize"},
      {"vary_allow", policy->vary_allow,
       CACHETTE_HTTP_VARY_COOKIE | CACHETTE_HTTP_VARY_AUTHORIZATION, "vary"},
  };
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
    unsigned unknown = flags[i].value & ~flags[i].known;
    if (unknown == 0) continue;
    return cachette__fail(error, CACHETTE_ECONFIG, flags[i].member,
                          "The policy's \"%s\" has the flag 0x%x, which has no meaning. Combine "
                          "only flags of enum cachette_http_%s.",
                          flags[i].member, unknown, flags[i].type);
  }
  return CACHETTE_OK;
}

static int check_numbers(const cachette_http_policy *policy, cachette_error *error) {
  const int64_t longest = CACHETTE__HTTP_SECONDS_MAX * 1000;
  const struct {
    const char *member;
    int64_t value, most;
    const char *unit;
  } numbers[] = {
      {"default_ttl_ms", policy->default_ttl_ms, longest, "milliseconds"},
      {"stale_while_revalidate_ms", policy->stale_while_revalidate_ms, longest, "milliseconds"},
      {"stale_if_error_ms", policy->stale_if_error_ms, longest, "milliseconds"},
      {"max_body", policy->max_body, INT64_MAX, "bytes"},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (numbers[i].value >= 0 && numbers[i].value <= numbers[i].most) continue;
    return cachette__fail(error, CACHETTE_ECONFIG, numbers[i].member,
                          "The policy's \"%s\" must be between 0 and %" PRId64 " %s. It is %" PRId64
                          ".",
                          numbers[i].member, numbers[i].most, numbers[i].unit, numbers[i].value);
  }
  return CACHETTE_OK;
}

static int fail_name(cachette_error *error, const char *member, size_t index, const char *kind,
                     cachette_slice name) {
  char text[64];
  cachette__key_text(name, text, sizeof text);
  return cachette__fail(error, CACHETTE_ECONFIG, member,
                        "The policy's \"%s\" has \"%s\" at index %zu, which is not a %s name. Use "
                        "letters, digits and characters such as \"-\" and \"_\".",
                        member, text, index, kind);
}

/* Checks names of fields or cookies, which are tokens (RFC 9110, 5.1; RFC 6265, 4.1.1). */
static int check_names(const cachette_http_policy *policy, cachette_error *error) {
  const struct {
    const char *member, *count_member, *kind;
    const cachette_slice *names;
    size_t count;
  } lists[] = {
      {"targeted", "targeted_count", "field", policy->targeted, policy->targeted_count},
      {"key_cookies", "key_cookie_count", "cookie", policy->key_cookies, policy->key_cookie_count},
      {"session_cookies", "session_cookie_count", "cookie", policy->session_cookies,
       policy->session_cookie_count},
  };
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (lists[i].names == NULL && lists[i].count > 0)
      return cachette__fail(error, CACHETTE_ECONFIG, lists[i].member,
                            "The policy's \"%s\" is NULL, but \"%s\" is %zu. Set both, or neither.",
                            lists[i].member, lists[i].count_member, lists[i].count);
    for (size_t j = 0; j < lists[i].count; j++) {
      if (!cachette__http_is_token(lists[i].names[j]))
        return fail_name(error, lists[i].member, j, lists[i].kind, lists[i].names[j]);
    }
  }
  return CACHETTE_OK;
}

/* Cache-Control is read anyway, and its grammar is another. */
static int check_targeted(const cachette_http_policy *policy, cachette_error *error) {
  for (size_t i = 0; i < policy->targeted_count; i++) {
    if (!cachette__http_is(policy->targeted[i], "cache-control")) continue;
    return cachette__fail(error, CACHETTE_ECONFIG, "targeted",
                          "The policy's \"targeted\" has Cache-Control at index %zu, which is for "
                          "all caches. Remove it: it counts if no targeted field does.",
                          i);
  }
  return CACHETTE_OK;
}

static int check_texts(const cachette_http_policy *policy, cachette_error *error) {
  char text[64];
  if (policy->no_vary_search.size > 0 &&
      !cachette__http_no_vary_search_is_valid(policy->no_vary_search)) {
    cachette__key_text(policy->no_vary_search, text, sizeof text);
    return cachette__fail(
        error, CACHETTE_ECONFIG, "no_vary_search",
        "The policy's \"no_vary_search\" is \"%s\", which is not a valid value of "
        "No-Vary-Search. Write it like this: params=(\"utm_source\").",
        text);
  }
  /* RFC 9211, 2: the name is a token of Structured Fields. */
  if (policy->name.size > 0 && cachette__sf_token_size(policy->name) != policy->name.size) {
    cachette__key_text(policy->name, text, sizeof text);
    return cachette__fail(error, CACHETTE_ECONFIG, "name",
                          "The policy's \"name\" is \"%s\", which is not a token. Begin it with a "
                          "letter, and use letters, digits, \".\", \"_\" and \"-\".",
                          text);
  }
  if (policy->name.size > CACHETTE__HTTP_CACHE_NAME_MAX)
    return cachette__fail(error, CACHETTE_ECONFIG, "name",
                          "The policy's \"name\" has %zu characters. Use at most %d.",
                          policy->name.size, (int)CACHETTE__HTTP_CACHE_NAME_MAX);
  return CACHETTE_OK;
}

static int check_reserved(const cachette_http_policy *policy, cachette_error *error) {
  for (size_t i = 0; i < sizeof policy->more / sizeof *policy->more; i++) {
    if (policy->more[i] == NULL) continue;
    return cachette__fail(error, CACHETTE_ECONFIG, "more",
                          "The policy's \"more\" is reserved and must be NULL. Zero the struct "
                          "before you set its members.");
  }
  return CACHETTE_OK;
}

int cachette_http_policy_check(const cachette_http_policy *policy, cachette_error *error) {
  int status = check_reserved(policy, error);
  if (status == CACHETTE_OK) status = check_choices(policy, error);
  if (status == CACHETTE_OK) status = check_flags(policy, error);
  if (status == CACHETTE_OK) status = check_numbers(policy, error);
  if (status == CACHETTE_OK) status = check_names(policy, error);
  if (status == CACHETTE_OK) status = check_targeted(policy, error);
  if (status == CACHETTE_OK) status = check_texts(policy, error);
  return status;
}
