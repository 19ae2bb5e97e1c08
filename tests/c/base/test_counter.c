/* SPDX-License-Identifier: MIT */
/* Stored counters: which texts are counters, and sums at the limits of 64 bits. */
#include "base/counter.h"

#include <string.h>

#include "support.h"

static void a_counter_is_a_decimal_number_of_64_bits(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t number;
  } cases[] = {
      {"0", 0},
      {"7", 7},
      {"-1", -1},
      {"10", 10},
      {"9223372036854775807", INT64_MAX},
      {"-9223372036854775807", -INT64_MAX},
      {"-9223372036854775808", INT64_MIN},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    int64_t number = 42;
    assert_true(cachette__counter_read(cachette_str(cases[i].text), &number));
    assert_int_equal(number, cases[i].number);
    assert_true(cachette__is_counter(cachette_str(cases[i].text)));
  }
}

static void other_texts_are_not_counters(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",
      "-",
      "+1",
      "00",
      "01",
      "-0",
      "-01",
      " 1",
      "1 2",
      "1.5",
      "1e3",
      "0x1",
      "abc",
      "1a",
      "--1",
      "/",
      ":",
      "9223372036854775808",
      "-9223372036854775809",
      "99999999999999999999",
      "000000000000000000001",
      "-99999999999999999999",
  };
  for (size_t i = 0; i < LENGTH(texts); i++) {
    int64_t number = 42;
    if (cachette__counter_read(cachette_str(texts[i]), &number)) fail_msg("\"%s\"", texts[i]);
    if (cachette__is_counter(cachette_str(texts[i]))) fail_msg("\"%s\"", texts[i]);
    assert_int_equal(number, 42);
  }
  int64_t number;
  assert_false(cachette__counter_read((cachette_slice){"1\0", 2}, &number));
  assert_false(cachette__counter_read((cachette_slice){NULL, 0}, &number));
}

/* memcached pads a counter that becomes shorter with spaces. */
static void spaces_may_follow_a_counter(void **state) {
  (void)state;
  int64_t number;
  assert_true(cachette__is_counter(cachette_str("9 ")));
  assert_true(cachette__is_counter(cachette_str("9                   "))); /* 20 bytes */
  assert_false(cachette__is_counter(cachette_str("9                    ")));
  assert_false(cachette__is_counter(cachette_str(" ")));
  assert_false(cachette__is_counter(cachette_str(" 9")));
  assert_false(cachette__counter_read(cachette_str("9 "), &number));
}

/* Adds an amount to a value. Checks the digits or, if `expected` is NULL, the error. */
static void expect_sum(const char *value, int64_t amount, const char *expected, int code) {
  char digits[CACHETTE__COUNTER_DIGITS] = "untouched";
  size_t size = 42;
  cachette_item item = {.key = cachette_str("key"), .amount = amount};
  cachette_error error = {.code = 0};
  assert_int_equal(cachette__counter_add(&item, cachette_str(value), digits, &size, &error), code);
  if (expected != NULL) {
    int64_t sum;
    cachette_slice written = {digits, size};
    assert_slice(written, expected);
    assert_true(cachette__counter_read(written, &sum));
    assert_int_equal(item.amount, sum);
  } else {
    assert_string_equal(digits, "untouched");
    assert_int_equal(size, 42);
    assert_int_equal(item.amount, amount);
    assert_int_equal(error.code, code);
    assert_string_equal(error.subject, "key");
    assert_non_null(strstr(error.message, "\"key\""));
  }
}

static void a_sum_is_written_unless_it_overflows(void **state) {
  (void)state;
  expect_sum("0", 0, "0", CACHETTE_OK);
  expect_sum("41", 1, "42", CACHETTE_OK);
  expect_sum("1", -2, "-1", CACHETTE_OK);
  expect_sum("9223372036854775806", 1, "9223372036854775807", CACHETTE_OK);
  expect_sum("9223372036854775807", 1, NULL, CACHETTE_EINVAL);
  expect_sum("-9223372036854775807", -1, "-9223372036854775808", CACHETTE_OK);
  expect_sum("-9223372036854775808", -1, NULL, CACHETTE_EINVAL);
  expect_sum("-1", INT64_MIN, NULL, CACHETTE_EINVAL);
  expect_sum("0", INT64_MIN, "-9223372036854775808", CACHETTE_OK);
  expect_sum("-9223372036854775808", INT64_MAX, "-1", CACHETTE_OK);
  expect_sum("text", 1, NULL, CACHETTE_ECODEC);
  expect_sum("", 1, NULL, CACHETTE_ECODEC);
}

static void a_key_in_a_message_is_printable_and_truncated(void **state) {
  (void)state;
  cachette_error error;
  cachette_slice key = cachette_str("\n234567890123456789012345678901234567890");
  assert_int_equal(cachette__counter_fail_value(key, &error), CACHETTE_ECODEC);
  assert_string_equal(error.subject, "?234567890123456789012345678901");
  assert_int_equal(cachette__counter_fail_range(key, &error), CACHETTE_EINVAL);
  assert_string_equal(error.subject, "?234567890123456789012345678901");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_counter_is_a_decimal_number_of_64_bits),
      cmocka_unit_test(other_texts_are_not_counters),
      cmocka_unit_test(spaces_may_follow_a_counter),
      cmocka_unit_test(a_sum_is_written_unless_it_overflows),
      cmocka_unit_test(a_key_in_a_message_is_printable_and_truncated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
