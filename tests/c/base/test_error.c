/* SPDX-License-Identifier: MIT */
/* The error struct: its fields, defaults and truncation. */
#include "base/error.h"

#include <string.h>

#include "support.h"

static void every_code_has_a_description(void **state) {
  (void)state;
#define X(name, number, text)                \
  assert_int_equal(CACHETTE_##name, number); \
  assert_string_equal(cachette_strerror(CACHETTE_##name), text);
  CACHETTE_CODES(X)
#undef X
  assert_string_equal(cachette_strerror(CACHETTE_OK), "no error");
  assert_string_equal(cachette_strerror(-1000), "an unknown error");
  assert_string_equal(cachette_strerror(1), "an unknown error");
}

static void a_failure_fills_the_struct_and_returns_its_code(void **state) {
  (void)state;
  cachette_error error;
  assert_int_equal(cachette__fail(&error, CACHETTE_EINVAL, "ttl", "It is %d.", -1),
                   CACHETTE_EINVAL);
  assert_int_equal(error.code, CACHETTE_EINVAL);
  assert_string_equal(error.subject, "ttl");
  assert_string_equal(error.message, "It is -1.");
}

static void without_a_struct_only_the_code_is_returned(void **state) {
  (void)state;
  assert_int_equal(cachette__fail(NULL, CACHETTE_ENOMEM, "ttl", "It is %d.", -1), CACHETTE_ENOMEM);
}

static void subject_and_message_have_defaults(void **state) {
  (void)state;
  cachette_error error;
  cachette__fail(&error, CACHETTE_ECLOSED, NULL, NULL);
  assert_string_equal(error.subject, "");
  assert_string_equal(error.message, cachette_strerror(CACHETTE_ECLOSED));
}

static void long_texts_are_truncated(void **state) {
  (void)state;
  char text[400];
  cachette_error error;
  for (int more = 0; more < 2; more++) {
    size_t subject = sizeof error.subject - 1, message = sizeof error.message - 1;
    memset(text, 'x', sizeof text);
    text[message + (size_t)more] = '\0';
    cachette__fail(&error, CACHETTE_EINVAL, text + message - subject, "%s", text);
    assert_int_equal(strlen(error.subject), subject);
    assert_int_equal(strlen(error.message), message);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_code_has_a_description),
      cmocka_unit_test(a_failure_fills_the_struct_and_returns_its_code),
      cmocka_unit_test(without_a_struct_only_the_code_is_returned),
      cmocka_unit_test(subject_and_message_have_defaults),
      cmocka_unit_test(long_texts_are_truncated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
