/* SPDX-License-Identifier: MIT */
/* Bytes as text for messages: printable, truncated, and with secrets redacted. */
#include "base/slice.h"

#include <stdio.h>
#include <string.h>

#include "support.h"

static void a_string_is_a_slice_without_its_nul(void **state) {
  (void)state;
  static const char text[] = "text";
  cachette_slice slice = cachette_str(text);
  assert_ptr_equal(slice.data, text);
  assert_int_equal(slice.size, 4);
  assert_int_equal(cachette_str("").size, 0);
}

static void a_prefix_is_compared_from_an_offset(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t skip;
    const char *head;
    bool matches;
  } cases[] = {
      {"abc", 0, "", true},   {"abc", 0, "a", true},    {"abc", 0, "abc", true},
      {"abc", 0, "b", false}, {"abc", 0, "abd", false}, {"abc", 0, "abcd", false},
      {"abc", 1, "bc", true}, {"abc", 1, "bcd", false}, {"abc", 1, "a", false},
      {"abc", 3, "", true},   {"abc", 3, "a", false},   {"abc", 4, "", false},
      {"", 0, "", true},      {"", 0, "a", false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    bool matches =
        cachette__begins(cachette_str(cases[i].bytes), cases[i].skip, cachette_str(cases[i].head));
    if (matches != cases[i].matches) fail_msg("case %zu", i);
  }
  assert_true(cachette__begins((cachette_slice){NULL, 0}, 0, (cachette_slice){NULL, 0}));
}

static void bytes_other_than_printable_ascii_are_replaced(void **state) {
  (void)state;
  char text[16];
  cachette__key_text((cachette_slice){"\0\x1f \x7e\x7f\x80\xff", 7}, text, sizeof text);
  assert_string_equal(text, "?? ~???");
}

static void a_key_is_truncated_to_fit(void **state) {
  (void)state;
  static const char *const expected[] = {NULL, "", "k", "ke", "key", "key"};
  for (size_t size = 1; size < LENGTH(expected); size++) {
    char *text = test_malloc(size); /* detects writes beyond its ends */
    cachette__key_text(cachette_str("key"), text, size);
    assert_string_equal(text, expected[size]);
    test_free(text);
  }
}

static void a_url_given_as_another_value_is_redacted(void **state) {
  (void)state;
  static const char *const hidden[] = {"redis://u:secret@h", "u:secret@h", "secret@h",
                                       "redis:/secret", "/u:secret@h"};
  static const char *const expected[] = {"", "eu-central-1", "/run/a@b.sock", "a/b c", "a:b"};
  char text[64];
  for (size_t i = 0; i < LENGTH(hidden); i++) {
    cachette__value_text(hidden[i], text, sizeof text);
    assert_string_equal(text, "***");
  }
  for (size_t i = 0; i < LENGTH(expected); i++) {
    cachette__value_text(expected[i], text, sizeof text);
    assert_string_equal(text, expected[i]);
  }
}

static void a_known_secret_is_redacted_in_messages_of_servers(void **state) {
  (void)state;
  static const struct {
    const char *text, *secret, *left;
  } words[] = {
      {"ERR 'AUTH' 'secret'", "secret", "ERR 'AUTH' '******'"},
      {"secretsecret x", "secret", "************ x"},
      {"ERR AUTH secr", "secret", "ERR AUTH ****"}, /* the server truncated the message there */
      {"ERR AUTH sec", "secret", "ERR AUTH sec"},
      {"a cat", "cat", "a cat"}, /* too short to redact */
      {"words", NULL, "words"},
  };
  for (size_t i = 0; i < LENGTH(words); i++) {
    char text[64];
    snprintf(text, sizeof text, "%s", words[i].text);
    cachette__redact(text, words[i].secret);
    assert_string_equal(text, words[i].left);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_string_is_a_slice_without_its_nul),
      cmocka_unit_test(a_prefix_is_compared_from_an_offset),
      cmocka_unit_test(bytes_other_than_printable_ascii_are_replaced),
      cmocka_unit_test(a_key_is_truncated_to_fit),
      cmocka_unit_test(a_url_given_as_another_value_is_redacted),
      cmocka_unit_test(a_known_secret_is_redacted_in_messages_of_servers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
