/* SPDX-License-Identifier: MIT */
/* Properties of storing: malformed fields never make a response more cacheable, and what a targeted
 * field replaces does not matter at all. */
#include <stdio.h>
#include <string.h>

#include "http/text.h"
#include "http_storing.h"
#include "support.h"

/* Puts a text into a value of a response, at an offset. */
static cachette_slice with_junk(cachette_slice value, size_t at, const char *junk) {
  char bytes[512];
  size_t size = strlen(junk);
  assert_true(value.size + size < sizeof bytes);
  if (at > 0) memcpy(bytes, value.data, at);
  memcpy(bytes + at, junk, size);
  if (value.size > at) memcpy(bytes + at + size, (const char *)value.data + at, value.size - at);
  return http_copy(bytes, value.size + size);
}

/* Whether junk at an offset damages the value. Inside a word it would make another word of it,
 * which is not malformed, but unknown. */
static bool is_between_words(cachette_slice value, size_t at) {
  return at == 0 || at == value.size ||
         !cachette__http_is_token_char(cachette__http_at(value, at - 1)) ||
         !cachette__http_is_token_char(cachette__http_at(value, at));
}

/* Checks that a damaged response is not more cacheable than the whole one. Returns whether it is
 * less cacheable. */
static bool check_damaged(const char *text, const struct stored_result *whole,
                          const struct stored_result *damaged, cachette_slice value) {
  bool is_whole = whole->reason == CACHETTE_HTTP_BECAUSE_NONE;
  bool is_damaged = damaged->reason == CACHETTE_HTTP_BECAUSE_NONE;
  const cachette__http_stored *before = &whole->stored, *after = &damaged->stored;
  bool more = is_damaged && (!is_whole || after->lifetime_ms > before->lifetime_ms ||
                             after->while_revalidate_ms > before->while_revalidate_ms ||
                             after->if_error_ms > before->if_error_ms ||
                             (after->flags & ~before->flags & CACHETTE__HTTP_FOR_ALL) != 0 ||
                             (before->flags & ~after->flags & CACHETTE__HTTP_ALWAYS_VALIDATE) != 0);
  if (more) fail_msg("%s\n%.*s", text, (int)value.size, (const char *)value.data);
  return is_whole && !is_damaged;
}

/* Damages a value at each place, with each kind of junk. Returns how often that mattered. */
static size_t damage(const cachette_http_policy *policy, const char *text, size_t index) {
  static const char *const junk[] = {"\"",   "=", "\\",    "(",   "/", " x ", "\x7f",
                                     "\x01", "@", "\" x ", "=\"", "?", "\xff"};
  cachette_http_request *request = http_request_new("GET /");
  cachette_http_response *response = http_response_new(text);
  struct stored_result whole = try_to_store(policy, request, response);
  cachette_slice *value = &((cachette_http_field *)response->fields.list)[index].value;
  cachette_slice original = *value;
  size_t mattered = 0;
  for (size_t at = 0; at <= original.size; at++) {
    for (size_t i = 0; i < LENGTH(junk) && is_between_words(original, at); i++) {
      *value = with_junk(original, at, junk[i]);
      struct stored_result damaged = try_to_store(policy, request, response);
      mattered += check_damaged(text, &whole, &damaged, *value);
      http_free(*value);
    }
  }
  *value = original;
  http_response_free(response);
  http_request_free(request);
  return mattered;
}

static void malformed_is_never_more_cacheable_than_well_formed(void **state) {
  (void)state;
  static const struct {
    const char *policy, *response; /* the first field is damaged */
  } cases[] = {
      {"", "200\nCache-Control: max-age=60"},
      {"", "200\nCache-Control: no-store, max-age=60"},
      {"", "200\nCache-Control: max-age=60, private"},
      {"", "200\nCache-Control: private=\"a\", max-age=60"},
      {"", "200\nCache-Control: no-cache=\"a, b\", max-age=60"},
      {"", "200\nCache-Control: max-age=60, no-cache\nETag: \"a\""},
      {"", "200\nCache-Control: public, max-age=60, immutable"},
      {"", "200\nCache-Control: s-maxage=60"},
      {"sie=70", "200\nCache-Control: max-age=60, must-revalidate"},
      {"sie=70 swr=9", "200\nCache-Control: max-age=60, stale-if-error=5"},
      {"", "200\nCache-Control: no-store, must-understand, max-age=60"},
      {"", "200\nExpires: @60"},
      {"heuristic ttl=90", "200\nExpires: @60"},
      {"", "200\nExpires: @-60"},
      {"heuristic", "200\nLast-Modified: @-1000"},
      {"", "200\nDate: @-30\nExpires: @60"},
      {"", "200\nETag: \"a\"\nCache-Control: no-cache"},
      {"", "200\nVary: Accept, Accept-Encoding" FRESH},
      {"", "200\nVary: *" FRESH},
      {"", "200\nContent-Length: 10" FRESH},
      {"max=9", "200\nContent-Length: 10" FRESH},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_http_policy policy = http_policy(cases[i].policy);
    damage(&policy, cases[i].response, 0);
  }
  /* The damage must be real. */
  cachette_http_policy policy = http_policy("");
  assert_true(damage(&policy, "200\nCache-Control: max-age=60", 0) > 10);
  assert_true(damage(&policy, "200\nExpires: @60", 0) > 100);
  assert_true(damage(&policy, "200\nContent-Length: 10" FRESH, 0) > 10);
}

static void cache_control_does_not_matter_beside_a_targeted_field(void **state) {
  (void)state;
  static const char *const values[] = {"no-store",
                                       "private",
                                       "no-cache",
                                       "max-age=0",
                                       "max-age=9999",
                                       "s-maxage=1",
                                       "public",
                                       "must-revalidate",
                                       "stale-if-error=5",
                                       "private=\"etag\"",
                                       "no-cache=\"etag\"",
                                       "\"",
                                       ""};
  static const char *const targeted[] = {"max-age=60", "max-age=60, public", "no-store", "foo",
                                         "no-cache"};
  for (size_t i = 0; i < LENGTH(targeted); i++) {
    struct stored_result first = {0};
    for (size_t j = 0; j < LENGTH(values); j++) {
      char text[256];
      snprintf(text, sizeof text,
               "200\nCache-Control: %s\nExpires: @%zu\nETag: \"a\"\nCDN-Cache-Control: %s",
               values[j], j, targeted[i]);
      struct stored_result result = try_texts("cdn", "GET /", text);
      if (j == 0) first = result;
      assert_int_equal(result.reason, first.reason);
      assert_memory_equal(&result.stored, &first.stored, sizeof first.stored);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(malformed_is_never_more_cacheable_than_well_formed),
      cmocka_unit_test(cache_control_does_not_matter_beside_a_targeted_field),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
