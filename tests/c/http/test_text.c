/* SPDX-License-Identifier: MIT */
/* The grammar that all HTTP fields share. */
#include "http/text.h"

#include "support.h"

static void digits_are_a_number_and_too_large_ones_the_largest(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t most, number; /* -1: not a number */
  } cases[] = {
      {"0", 9, 0},   {"7", 9, 7},    {"007", 9, 7},   {"10", 9, 9},   {"9", 5, 5},
      {"1", 0, 0},   {"", 9, -1},    {"-1", 9, -1},   {"1.5", 9, -1}, {"1 ", 9, -1},
      {"+1", 9, -1}, {"99x", 9, -1}, {"0x1", 9, -1},
      {"9223372036854775799", INT64_MAX, INT64_MAX - 8},
      {"9223372036854775800", INT64_MAX, INT64_MAX - 7},
      {"9223372036854775806", INT64_MAX, INT64_MAX - 1},
      {"9223372036854775807", INT64_MAX, INT64_MAX},
      {"9223372036854775806", INT64_MAX - 2, INT64_MAX - 2},
      {"9223372036854775808", INT64_MAX, INT64_MAX},
      {"99999999999999999999999999999999999999", 1 << 30, 1 << 30},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    int64_t number = -1;
    bool is_number = cachette__http_number(cachette_str(cases[i].text), cases[i].most, &number);
    if (is_number != (cases[i].number >= 0) || number != cases[i].number)
      fail_msg("case %zu: %lld", i, (long long)number);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(digits_are_a_number_and_too_large_ones_the_largest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
