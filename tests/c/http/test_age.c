/* SPDX-License-Identifier: MIT */
/* The field Age. */
#include "http/age.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

/* Parses a text in a block of its own size, so that ASan finds each read beyond it: cmocka's
 * test_malloc() would hide some behind its guard bytes. */
static bool parse(const char *text, int64_t *seconds) {
  size_t size = strlen(text);
  char *bytes = size > 0 ? malloc(size) : NULL;
  if (size > 0) memcpy(bytes, text, size);
  bool is_age = cachette__http_age_parse((cachette_slice){bytes, size}, seconds);
  free(bytes);
  return is_age;
}

static void the_first_value_counts_and_must_be_a_number(void **state) {
  (void)state;
  static const int64_t most = INT64_C(2147483648);
  static const struct {
    const char *section;
    const char *text;
    int64_t seconds; /* -1: there is none */
  } cases[] = {
      {"9111 5.1: delta-seconds", "0", 0},
      {"9111 5.1: delta-seconds", "7", 7},
      {"9111 5.1: delta-seconds", "86400", 86400},
      {"9111 1.2.2: leading zeros", "0007", 7},
      {"9110 5.5: whitespace around the value", " 7\t", 7},
      {"9111 1.2.2: the largest number", "2147483647", most - 1},
      {"9111 1.2.2: 2^31", "2147483648", most},
      {"9111 1.2.2: above it", "2147483649", most},
      {"9111 1.2.2: 2^32 + 1", "4294967297", most},
      {"9111 1.2.2: 2^63", "9223372036854775808", most},
      {"9111 1.2.2: 2^64 + 1", "18446744073709551617", most},
      {"9111 1.2.2: of any length", "100000000000000000000000000000000000000000000", most},
      {"9111 5.1: the first of a list", "7, 9", 7},
      {"9111 5.1: the first of a list", "7,9", 7},
      {"9111 5.1: the others need not be numbers", "7, x", 7},
      {"9111 5.1: the others need not be numbers", "7, -1", 7},
      {"9110 5.6.1.2: an empty element", ", 7", 7},
      {"9110 5.6.1.2: an empty element", "7,", 7},
      {"9111 5.1: the first is not a number", "x, 7", -1},
      {"9111 5.1: the first is not a number", "-1, 7", -1},
      {"9111 5.1: nothing", "", -1},
      {"9111 5.1: nothing", " ", -1},
      {"9111 5.1: nothing", ",", -1},
      {"9111 5.1: negative", "-1", -1},
      {"9111 5.1: negative", "-0", -1},
      {"9111 1.2.2: digits only", "+7", -1},
      {"9111 1.2.2: digits only", "7.0", -1},
      {"9111 1.2.2: digits only", "7.5", -1},
      {"9111 1.2.2: digits only", "7s", -1},
      {"9111 1.2.2: digits only", "0x7", -1},
      {"9111 1.2.2: digits only", "1e3", -1},
      {"9111 1.2.2: digits only", "7;foo=1", -1},
      {"9111 1.2.2: digits only", "7 9", -1},
      {"9111 1.2.2: digits only", "\"7\"", -1},
      {"9111 1.2.2: digits only", "\"7, 9", -1},
      {"9111 1.2.2: digits only", "7\n", -1},
      {"9111 1.2.2: digits only", "Sun, 06 Nov 1994 08:49:37 GMT", -1},
      {"9111 1.2.2: ASCII digits only", "\xd9\xa7", -1},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    int64_t seconds = -1;
    bool is_age = parse(cases[i].text, &seconds);
    if (is_age != (cases[i].seconds >= 0) || seconds != cases[i].seconds)
      fail_msg("RFC %s: \"%s\" is %lld", cases[i].section, cases[i].text, (long long)seconds);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_value_counts_and_must_be_a_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
