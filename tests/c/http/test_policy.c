/* SPDX-License-Identifier: MIT */
/* Policies: their checks, that of the RFCs, and the texts of reasons. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cachette/http.h"
#include "http/text.h"
#include "http_message.h"
#include "support.h"

/* Checks that a policy is refused with this message about a member. */
static void expect_refused(const cachette_http_policy *policy, const char *member,
                           const char *message) {
  cachette_error error = {0};
  assert_int_equal(cachette_http_policy_check(policy, &error), CACHETTE_ECONFIG);
  assert_int_equal(cachette_http_policy_check(policy, NULL), CACHETTE_ECONFIG);
  assert_int_equal(error.code, CACHETTE_ECONFIG);
  assert_string_equal(error.subject, member);
  assert_string_equal(error.message, message);
}

static void expect_valid(const cachette_http_policy *policy) {
  cachette_error error = {0};
  if (cachette_http_policy_check(policy, &error) != CACHETTE_OK) fail_msg("%s", error.message);
  assert_int_equal(error.code, 0);
}

static void the_defaults_and_the_policy_of_the_rfcs_are_valid(void **state) {
  (void)state;
  cachette_http_policy defaults = {0}, rfc = cachette_http_policy_rfc();
  expect_valid(&defaults);
  expect_valid(&rfc);
  rfc.targeted_count = 0; /* a caller may change it */
  expect_valid(&rfc);
}

static void the_policy_of_the_rfcs_is_all_that_they_permit(void **state) {
  (void)state;
  cachette_http_policy policy = cachette_http_policy_rfc();
  assert_int_equal(policy.sharing, CACHETTE_HTTP_SHARED);
  assert_int_equal(policy.set_cookie, CACHETTE_HTTP_COOKIE_STORE);
  assert_int_equal(policy.request_control, CACHETTE_HTTP_CONTROL_FULL);
  assert_int_equal(policy.normalize, CACHETTE_HTTP_ACCEPT_LANGUAGE);
  assert_int_equal(policy.vary_allow, CACHETTE_HTTP_VARY_COOKIE | CACHETTE_HTTP_VARY_AUTHORIZATION);
  assert_int_equal(policy.stale_if_error_ms, 86400000);
  assert_true(policy.heuristic && policy.max_stale && policy.store_partial);
  assert_true(policy.trust_cookies && policy.trust_must_revalidate);
  assert_int_equal(policy.targeted_count, 1);
  assert_slice(policy.targeted[0], "CDN-Cache-Control");
  /* What must come from the origin, or is not permitted. */
  assert_int_equal(policy.default_ttl_ms, 0);
  assert_int_equal(policy.stale_while_revalidate_ms, 0);
  assert_false(policy.cache_post);
  assert_int_equal(policy.query, CACHETTE_HTTP_QUERY_KEEP);
}

static void choices_must_be_constants(void **state) {
  (void)state;
  cachette_http_policy policy = {.sharing = (enum cachette_http_sharing)2};
  expect_refused(
      &policy, "sharing",
      "The policy's \"sharing\" is 2, which has no meaning. Set it to a constant of enum "
      "cachette_http_sharing.");
  policy = (cachette_http_policy){.set_cookie = (enum cachette_http_set_cookie)3};
  expect_refused(&policy, "set_cookie",
                 "The policy's \"set_cookie\" is 3, which has no meaning. Set it to a constant of "
                 "enum cachette_http_set_cookie.");
  policy = (cachette_http_policy){.query = (enum cachette_http_query) - 1};
  expect_refused(&policy, "query",
                 "The policy's \"query\" is -1, which has no meaning. Set it to a constant of enum "
                 "cachette_http_query.");
  policy = (cachette_http_policy){.request_control = (enum cachette_http_control)3};
  expect_refused(
      &policy, "request_control",
      "The policy's \"request_control\" is 3, which has no meaning. Set it to a constant "
      "of enum cachette_http_control.");
  policy = (cachette_http_policy){.sharing = CACHETTE_HTTP_PRIVATE,
                                  .set_cookie = CACHETTE_HTTP_COOKIE_STORE,
                                  .query = CACHETTE_HTTP_QUERY_SORT,
                                  .request_control = CACHETTE_HTTP_CONTROL_IGNORE};
  expect_valid(&policy);
}

static void flags_must_be_known(void **state) {
  (void)state;
  cachette_http_policy policy = {.normalize = 7};
  expect_refused(&policy, "normalize",
                 "The policy's \"normalize\" has the flag 0x4, which has no meaning. Combine only "
                 "flags of enum cachette_http_normalize.");
  policy = (cachette_http_policy){.vary_allow = 0x10};
  expect_refused(
      &policy, "vary_allow",
      "The policy's \"vary_allow\" has the flag 0x10, which has no meaning. Combine only "
      "flags of enum cachette_http_vary.");
  policy = (cachette_http_policy){.normalize = 3, .vary_allow = 3};
  expect_valid(&policy);
}

static void durations_and_sizes_are_not_negative(void **state) {
  (void)state;
  const int64_t most = 2147483648000;
  cachette_http_policy policy = {.default_ttl_ms = most,
                                 .stale_while_revalidate_ms = most,
                                 .stale_if_error_ms = most,
                                 .max_body = INT64_MAX};
  expect_valid(&policy);
  policy = (cachette_http_policy){.default_ttl_ms = -1};
  expect_refused(
      &policy, "default_ttl_ms",
      "The policy's \"default_ttl_ms\" must be between 0 and 2147483648000 milliseconds. "
      "It is -1.");
  policy = (cachette_http_policy){.stale_while_revalidate_ms = most + 1};
  expect_refused(&policy, "stale_while_revalidate_ms",
                 "The policy's \"stale_while_revalidate_ms\" must be between 0 and 2147483648000 "
                 "milliseconds. It is 2147483648001.");
  policy = (cachette_http_policy){.stale_if_error_ms = INT64_MIN};
  expect_refused(&policy, "stale_if_error_ms",
                 "The policy's \"stale_if_error_ms\" must be between 0 and 2147483648000 "
                 "milliseconds. It is -9223372036854775808.");
  policy = (cachette_http_policy){.max_body = -5};
  expect_refused(&policy, "max_body",
                 "The policy's \"max_body\" must be between 0 and 9223372036854775807 bytes. It is "
                 "-5.");
}

static void names_are_tokens(void **state) {
  (void)state;
  cachette_slice names[] = {http_copy("ok", 2), http_copy("a b", 3)};
  cachette_http_policy policy = {.targeted = names, .targeted_count = 2};
  expect_refused(&policy, "targeted",
                 "The policy's \"targeted\" has \"a b\" at index 1, which is not a field name. Use "
                 "letters, digits and characters such as \"-\" and \"_\".");
  policy = (cachette_http_policy){.key_cookies = names, .key_cookie_count = 2};
  expect_refused(&policy, "key_cookies",
                 "The policy's \"key_cookies\" has \"a b\" at index 1, which is not a cookie name. "
                 "Use letters, digits and characters such as \"-\" and \"_\".");
  policy = (cachette_http_policy){.session_cookies = names + 1, .session_cookie_count = 1};
  expect_refused(&policy, "session_cookies",
                 "The policy's \"session_cookies\" has \"a b\" at index 0, which is not a cookie "
                 "name. Use letters, digits and characters such as \"-\" and \"_\".");
  policy = (cachette_http_policy){.targeted = names,
                                  .targeted_count = 1,
                                  .key_cookies = names,
                                  .key_cookie_count = 1,
                                  .session_cookies = names,
                                  .session_cookie_count = 1};
  expect_valid(&policy);
  http_free(names[1]);
  names[1] = (cachette_slice){NULL, 0};
  policy = (cachette_http_policy){.key_cookies = names, .key_cookie_count = 2};
  expect_refused(
      &policy, "key_cookies",
      "The policy's \"key_cookies\" has \"\" at index 1, which is not a cookie name. Use "
      "letters, digits and characters such as \"-\" and \"_\".");
  http_free(names[0]);
}

static void names_need_their_array(void **state) {
  (void)state;
  cachette_http_policy policy = {.targeted_count = 1};
  expect_refused(&policy, "targeted",
                 "The policy's \"targeted\" is NULL, but \"targeted_count\" is 1. Set both, or "
                 "neither.");
  policy = (cachette_http_policy){.session_cookie_count = 2};
  expect_refused(&policy, "session_cookies",
                 "The policy's \"session_cookies\" is NULL, but \"session_cookie_count\" is 2. Set "
                 "both, or neither.");
}

static void cache_control_is_not_a_targeted_field(void **state) {
  (void)state;
  cachette_slice names[] = {cachette_str("Surrogate-Control"), cachette_str("CACHE-Control")};
  cachette_http_policy policy = {.targeted = names, .targeted_count = 2};
  expect_refused(&policy, "targeted",
                 "The policy's \"targeted\" has Cache-Control at index 1, which is for all caches. "
                 "Remove it: it counts if no targeted field does.");
}

static void no_vary_search_must_parse(void **state) {
  (void)state;
  cachette_http_policy policy = {.no_vary_search = cachette_str("params=(\"utm_source\"")};
  expect_refused(&policy, "no_vary_search",
                 "The policy's \"no_vary_search\" is \"params=(\"utm_source\"\", which is not a "
                 "valid value of No-Vary-Search. Write it like this: params=(\"utm_source\").");
  policy.no_vary_search = cachette_str("key-order, params=(\"utm_source\")");
  expect_valid(&policy);
}

static void the_name_is_a_token(void **state) {
  (void)state;
  static const struct {
    const char *name;
    bool is_valid;
  } rows[] = {{"", true},     {"edge", true}, {"a.b-c_1", true}, {"*", true},   {"1a", false},
              {"a b", false}, {"a;", false},  {"\"a\"", false},  {" a", false}, {"-a", false}};
  for (size_t i = 0; i < LENGTH(rows); i++) {
    cachette_slice name = http_copy(rows[i].name, strlen(rows[i].name));
    cachette_http_policy policy = {.name = name};
    cachette_error error = {0};
    int status = cachette_http_policy_check(&policy, &error);
    if (status != (rows[i].is_valid ? CACHETTE_OK : CACHETTE_ECONFIG)) fail_msg("%s", rows[i].name);
    assert_string_equal(error.subject, rows[i].is_valid ? "" : "name");
    http_free(name);
  }
  cachette_http_policy policy = {.name = cachette_str("a\nb")};
  expect_refused(&policy, "name",
                 "The policy's \"name\" is \"a?b\", which is not a token. Begin it with a letter, "
                 "and use letters, digits, \".\", \"_\" and \"-\".");
}

static void the_longest_message_has_its_end(void **state) {
  (void)state;
  char text[200];
  memset(text, '(', sizeof text);
  cachette_http_policy policy = {.no_vary_search = {text, sizeof text}};
  cachette_error error = {0};
  assert_int_equal(cachette_http_policy_check(&policy, &error), CACHETTE_ECONFIG);
  assert_non_null(strstr(error.message, "params=(\"utm_source\")."));
}

static void what_is_reserved_is_null(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(((cachette_http_policy *)NULL)->more); i++) {
    cachette_http_policy policy = {0};
    policy.more[i] = &policy;
    expect_refused(&policy, "more",
                   "The policy's \"more\" is reserved and must be NULL. Zero the struct before you "
                   "set its members.");
  }
}

static void each_reason_has_a_token_and_a_sentence(void **state) {
  (void)state;
  assert_string_equal(cachette_http_reason_token(CACHETTE_HTTP_BECAUSE_NONE), "");
  assert_string_equal(cachette_http_reason_text(CACHETTE_HTTP_BECAUSE_NONE), "");
  assert_string_equal(cachette_http_reason_token(CACHETTE_HTTP_BECAUSE_EXPIRED), "stale");
  assert_string_equal(cachette_http_reason_text(CACHETTE_HTTP_BECAUSE_NO_STORE),
                      "Cache-Control has no-store");
  size_t count = 0;
#define COUNT(name, token, text) count++;
  CACHETTE_HTTP_REASONS(COUNT)
#undef COUNT
  for (size_t i = 1; i < count; i++) {
    const char *token = cachette_http_reason_token((enum cachette_http_reason)i);
    assert_true(cachette__http_is_token(cachette_str(token)));
    assert_true(strlen(cachette_http_reason_text((enum cachette_http_reason)i)) > 5);
    for (size_t j = 1; j < i; j++)
      assert_string_not_equal(token, cachette_http_reason_token((enum cachette_http_reason)j));
  }
  assert_string_equal(cachette_http_reason_token((enum cachette_http_reason)count), "");
  assert_string_equal(cachette_http_reason_text((enum cachette_http_reason) - 1), "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_defaults_and_the_policy_of_the_rfcs_are_valid),
      cmocka_unit_test(the_policy_of_the_rfcs_is_all_that_they_permit),
      cmocka_unit_test(choices_must_be_constants),
      cmocka_unit_test(flags_must_be_known),
      cmocka_unit_test(durations_and_sizes_are_not_negative),
      cmocka_unit_test(names_are_tokens),
      cmocka_unit_test(names_need_their_array),
      cmocka_unit_test(cache_control_is_not_a_targeted_field),
      cmocka_unit_test(no_vary_search_must_parse),
      cmocka_unit_test(the_name_is_a_token),
      cmocka_unit_test(the_longest_message_has_its_end),
      cmocka_unit_test(what_is_reserved_is_null),
      cmocka_unit_test(each_reason_has_a_token_and_a_sentence),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
