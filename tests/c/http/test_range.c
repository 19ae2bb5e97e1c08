/* SPDX-License-Identifier: MIT */
/* The fields Range and Content-Range. */
#include "http/range.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum {
  NONE = CACHETTE__HTTP_RANGE_NONE,
  SOME = CACHETTE__HTTP_RANGE_SATISFIABLE,
  BAD = CACHETTE__HTTP_RANGE_UNSATISFIABLE
};

static const int64_t most = INT64_MAX;

/* A text in a block of its own size, so that ASan finds each read beyond it: cmocka's
 * test_malloc() would hide some behind its guard bytes. NULL: it is empty. */
static cachette_slice heap_slice(const char *text, size_t size) {
  char *bytes = size > 0 ? malloc(size) : NULL;
  if (size > 0) memcpy(bytes, text, size);
  return (cachette_slice){bytes, size};
}

static void free_slice(cachette_slice slice) { free((void *)slice.data); }

/* ---- Range ---- */

static int select_range(const char *text, int64_t size, int64_t *first, int64_t *last) {
  cachette_slice slice = heap_slice(text, strlen(text));
  int result = (int)cachette__http_range_select(slice, size, first, last);
  free_slice(slice);
  return result;
}

static void a_range_is_satisfiable_or_not_or_ignored(void **state) {
  (void)state;
  static const struct {
    const char *section;
    const char *text;
    int64_t size;
    int result;
    int64_t first, last; /* -1: there are none */
  } cases[] = {
      {"9110 14.1.2: the first 500", "bytes=0-499", 10000, SOME, 0, 499},
      {"9110 14.1.2: the second 500", "bytes=500-999", 10000, SOME, 500, 999},
      {"9110 14.1.2: the final 500", "bytes=-500", 10000, SOME, 9500, 9999},
      {"9110 14.1.2: the final 500", "bytes=9500-", 10000, SOME, 9500, 9999},
      {"9110 14.1.2: one byte", "bytes=0-0", 10, SOME, 0, 0},
      {"9110 14.1.2: the last byte", "bytes=9-9", 10, SOME, 9, 9},
      {"9110 14.1.2: the last byte", "bytes=9-", 10, SOME, 9, 9},
      {"9110 14.1.2: the last byte", "bytes=-1", 10, SOME, 9, 9},
      {"9110 14.1.2: everything", "bytes=0-", 10, SOME, 0, 9},
      {"9110 14.1.2: last beyond the size", "bytes=5-10", 10, SOME, 5, 9},
      {"9110 14.1.2: last beyond the size", "bytes=0-99999999999999999999999", 10, SOME, 0, 9},
      {"9110 14.1.2: a suffix of the size", "bytes=-10", 10, SOME, 0, 9},
      {"9110 14.1.2: a suffix beyond it", "bytes=-11", 10, SOME, 0, 9},
      {"9110 14.1.2: a suffix beyond it", "bytes=-99999999999999999999999", 10, SOME, 0, 9},
      {"9110 14.1.2: leading zeros", "bytes=000-0004", 10, SOME, 0, 4},
      {"9110 14.1.2: more than 32 bits", "bytes=4294967296-4294967297", most, SOME, 4294967296,
       4294967297},
      {"9110 14.1.2: the largest size", "bytes=-1", most, SOME, INT64_MAX - 1, INT64_MAX - 1},
      {"9110 14.1.2: first beyond the size", "bytes=10-", 10, BAD, -1, -1},
      {"9110 14.1.2: first beyond the size", "bytes=10-12", 10, BAD, -1, -1},
      {"9110 14.1.2: first beyond the size", "bytes=4294967296-", 10, BAD, -1, -1},
      {"9110 14.1.2: first above 2^64", "bytes=18446744073709551616-", 10, BAD, -1, -1},
      {"9110 14.1.2: first above 2^64", "bytes=18446744073709551617-18446744073709551618", 10, BAD,
       -1, -1},
      {"9110 14.1.2: first of any length", "bytes=99999999999999999999999-", most, BAD, -1, -1},
      {"9110 14.1.2: an empty suffix", "bytes=-0", 10, BAD, -1, -1},
      {"9110 14.1.2: an empty suffix", "bytes=-000", 10, BAD, -1, -1},
      {"9110 14.1.2: an empty suffix", "bytes=-0", 0, BAD, -1, -1},
      {"9110 14.1.2: an empty body", "bytes=0-", 0, BAD, -1, -1},
      {"9110 14.1.2: an empty body", "bytes=0-0", 0, BAD, -1, -1},
      {"9110 14.1.2: an empty body's suffix", "bytes=-1", 0, NONE, -1, -1},
      {"9110 14.1: case of the unit", "BYTES=0-4", 10, SOME, 0, 4},
      {"9110 14.1: case of the unit", "Bytes=0-4", 10, SOME, 0, 4},
      {"9110 14.1: another unit", "items=0-4", 10, NONE, -1, -1},
      {"9110 14.1: another unit", "byte=0-4", 10, NONE, -1, -1},
      {"9110 14.1: another unit", "bytess=0-4", 10, NONE, -1, -1},
      {"9110 14.1: another unit", "none", 10, NONE, -1, -1},
      {"9110 14.1: no unit", "=0-4", 10, NONE, -1, -1},
      {"9110 14.1: no unit", "0-4", 10, NONE, -1, -1},
      {"9110 14.2: several ranges", "bytes=0-0,-1", 10, NONE, -1, -1},
      {"9110 14.2: several ranges", "bytes=0-1, 3-4", 10, NONE, -1, -1},
      {"9110 14.2: several ranges", "bytes=0-1,0-1", 10, NONE, -1, -1},
      {"9110 14.2: several ranges", "bytes=20-,30-", 10, NONE, -1, -1},
      {"9110 14.2: several ranges", "bytes=0-4,x", 10, NONE, -1, -1},
      {"9110 14.2: several ranges", "bytes=0-4,\"", 10, NONE, -1, -1},
      {"9110 5.6.1.2: empty elements", "bytes=0-4,", 10, SOME, 0, 4},
      {"9110 5.6.1.2: empty elements", "bytes=,0-4", 10, SOME, 0, 4},
      {"9110 5.6.1.2: empty elements", "bytes=, ,0-4 ,", 10, SOME, 0, 4},
      {"9110 14.1.1: no range", "bytes=", 10, NONE, -1, -1},
      {"9110 14.1.1: no range", "bytes=,", 10, NONE, -1, -1},
      {"9110 14.1.1: no range", "bytes", 10, NONE, -1, -1},
      {"9110 14.1.1: no range", "", 10, NONE, -1, -1},
      {"9110 14.1.1: last before first", "bytes=4-3", 10, NONE, -1, -1},
      {"9110 14.1.1: last before first", "bytes=20-10", 10, NONE, -1, -1},
      {"9110 14.1.1: no number", "bytes=-", 10, NONE, -1, -1},
      {"9110 14.1.1: no number", "bytes=a-b", 10, NONE, -1, -1},
      {"9110 14.1.1: no number", "bytes=0-b", 10, NONE, -1, -1},
      {"9110 14.1.1: no number", "bytes=0x0-4", 10, NONE, -1, -1},
      {"9110 14.1.1: no number", "bytes=0-4.5", 10, NONE, -1, -1},
      {"9110 14.1.1: no number", "bytes=*", 10, NONE, -1, -1},
      {"9110 14.1.1: no hyphen", "bytes=4", 10, NONE, -1, -1},
      {"9110 14.1.1: two hyphens", "bytes=0--4", 10, NONE, -1, -1},
      {"9110 14.1.1: two hyphens", "bytes=--4", 10, NONE, -1, -1},
      {"9110 14.1.1: two hyphens", "bytes=0-4-", 10, NONE, -1, -1},
      {"9110 14.1.1: a sign", "bytes=+0-4", 10, NONE, -1, -1},
      {"9110 14.1.1: whitespace", "bytes =0-4", 10, NONE, -1, -1},
      {"9110 14.1.1: whitespace", "bytes= 0-4", 10, NONE, -1, -1},
      {"9110 14.1.1: whitespace", "bytes=0 -4", 10, NONE, -1, -1},
      {"9110 14.1.1: whitespace", "bytes=0- 4", 10, NONE, -1, -1},
      {"9110 14.1.1: whitespace", "bytes=0-4 ", 10, NONE, -1, -1},
      {"9110 14.1.1: whitespace", " bytes=0-4", 10, NONE, -1, -1},
      {"9110 14.1.1: another separator", "bytes:0-4", 10, NONE, -1, -1},
      {"9110 14.1.1: another separator", "bytes 0-4", 10, NONE, -1, -1},
      {"9110 14.1.1: twice =", "bytes==0-4", 10, NONE, -1, -1},
      {"9110 14.1.1: Content-Range", "bytes=0-4/10", 10, NONE, -1, -1},
      {"9110 14.1.1: quotes", "bytes=\"0-4\"", 10, NONE, -1, -1},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    int64_t first = -1, last = -1;
    int result = select_range(cases[i].text, cases[i].size, &first, &last);
    if (result != cases[i].result || first != cases[i].first || last != cases[i].last)
      fail_msg("RFC %s: \"%s\" is %d, %lld to %lld", cases[i].section, cases[i].text, result,
               (long long)first, (long long)last);
  }
}

static void a_range_is_parsed_without_a_size(void **state) {
  (void)state;
  static const struct {
    const char *section;
    const char *text;
    bool is_range;
    int64_t first, last, suffix;
  } cases[] = {
      {"9110 14.1.1: int-range", "bytes=2-5", true, 2, 5, -1},
      {"9110 14.1.1: int-range", "bytes=2-2", true, 2, 2, -1},
      {"9110 14.1.1: int-range", "bytes=2-", true, 2, -1, -1},
      {"9110 14.1.1: suffix-range", "bytes=-5", true, -1, -1, 5},
      {"9110 14.1.1: suffix-range", "bytes=-0", true, -1, -1, 0},
      {"9110 14.1.1: a large number", "bytes=9223372036854775806-9223372036854775807", true,
       INT64_MAX - 1, INT64_MAX, -1},
      {"9110 14.1.1: a larger number", "bytes=9223372036854775808-", true, INT64_MAX, -1, -1},
      {"9110 14.1.1: a larger number", "bytes=0-18446744073709551616", true, 0, INT64_MAX, -1},
      {"9110 14.1.1: a larger number", "bytes=-18446744073709551616", true, -1, -1, INT64_MAX},
      {"9110 14.1.1: last before first", "bytes=5-2", false, 0, 0, 0},
      {"9110 14.1.1: last before first", "bytes=18446744073709551616-2", false, 0, 0, 0},
      {"9110 14.1.1: no range", "bytes=-", false, 0, 0, 0},
      {"9110 14.2: several ranges", "bytes=2-5,7-", false, 0, 0, 0},
      {"9110 14.1: another unit", "lines=2-5", false, 0, 0, 0},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__http_range_spec spec = {0, 0, 0};
    cachette_slice text = heap_slice(cases[i].text, strlen(cases[i].text));
    if (cachette__http_range_parse(text, &spec) != cases[i].is_range ||
        spec.first != cases[i].first || spec.last != cases[i].last ||
        spec.suffix != cases[i].suffix)
      fail_msg("RFC %s: \"%s\"", cases[i].section, cases[i].text);
    free_slice(text);
  }
}

/* The oracle looks at each byte: is it in the range? */
static void check_bytes(const char *text, int64_t size, int64_t from, int64_t to, bool is_valid) {
  int64_t expected_first = -1, expected_last = -1, first = -1, last = -1;
  for (int64_t at = 0; is_valid && at < size; at++) {
    if (at < from || at > to) continue;
    if (expected_first < 0) expected_first = at;
    expected_last = at;
  }
  int result = select_range(text, size, &first, &last);
  assert_int_equal(first, expected_first);
  assert_int_equal(last, expected_last);
  assert_int_equal(result, !is_valid ? NONE : expected_first >= 0 ? SOME : BAD);
}

static void all_small_ranges_have_the_bytes_that_they_tell(void **state) {
  (void)state;
  for (int size = 0; size <= 12; size++) {
    for (int first = 0; first <= 14; first++) {
      char text[40];
      snprintf(text, sizeof text, "bytes=%d-", first);
      check_bytes(text, size, first, size, true);
      snprintf(text, sizeof text, "bytes=-%d", first);
      check_bytes(text, size, size - first, size - 1, size > 0 || first == 0);
      for (int last = 0; last <= 14; last++) {
        snprintf(text, sizeof text, "bytes=%d-%d", first, last);
        check_bytes(text, size, first, last, first <= last);
      }
    }
  }
}

/* What is behind a slice must not count: each part of a text is parsed in its own block, and in the
 * whole text. `12-3` is no range. */
static void each_part_of_a_range_is_parsed_by_itself(void **state) {
  (void)state;
  static const char text[] = "bytes=, 12-345 ,";
  static const char *const ranges[] = {"12-", "12-34", "12-345", "12-345 ,"};
  size_t parsed = 0;
  for (size_t size = 0; size < sizeof text; size++) {
    cachette__http_range_spec alone = {0}, inside = {0};
    cachette_slice part = heap_slice(text, size);
    bool is_range = cachette__http_range_parse(part, &alone);
    assert_int_equal(is_range, cachette__http_range_parse((cachette_slice){text, size}, &inside));
    assert_memory_equal(&alone, &inside, sizeof alone);
    if (is_range) assert_slice(((cachette_slice){text + 8, size - 8}), ranges[parsed]);
    parsed += is_range;
    free_slice(part);
  }
  assert_int_equal(parsed, LENGTH(ranges));
}

/* ---- Content-Range ---- */

static bool parse_content_range(const char *text, cachette__http_content_range *range) {
  cachette_slice slice = heap_slice(text, strlen(text));
  bool is_range = cachette__http_content_range_parse(slice, range);
  free_slice(slice);
  return is_range;
}

static void a_content_range_tells_its_place_in_the_whole(void **state) {
  (void)state;
  static const struct {
    const char *section;
    const char *text;
    int64_t first, last, total; /* 0, 0, 0: it is malformed */
  } cases[] = {
      {"9110 14.4: the example", "bytes 42-1233/1234", 42, 1233, 1234},
      {"9110 14.4: the example", "bytes 42-1233/*", 42, 1233, -1},
      {"9110 14.4: the example", "bytes */1234", -1, -1, 1234},
      {"9110 14.4: the first 500", "bytes 0-499/1234", 0, 499, 1234},
      {"9110 14.4: all but the first 500", "bytes 500-1233/1234", 500, 1233, 1234},
      {"9110 14.4: one byte", "bytes 0-0/1", 0, 0, 1},
      {"9110 14.4: one byte", "bytes 0-0/*", 0, 0, -1},
      {"9110 14.4: an empty body", "bytes */0", -1, -1, 0},
      {"9110 14.1: case of the unit", "Bytes 0-4/10", 0, 4, 10},
      {"9110 14.4: leading zeros", "bytes 00-04/010", 0, 4, 10},
      {"9110 14.4: the largest", "bytes 0-9223372036854775805/9223372036854775806", 0,
       INT64_MAX - 2, INT64_MAX - 1},
      {"9110 14.4: the largest", "bytes 9223372036854775806-9223372036854775806/*", INT64_MAX - 1,
       INT64_MAX - 1, -1},
      {"9110 14.4: too large", "bytes 9223372036854775807-9223372036854775807/*", 0, 0, 0},
      {"9110 14.4: too large", "bytes 0-9223372036854775807/*", 0, 0, 0},
      {"9110 14.4: too large", "bytes 0-9223372036854775808/*", 0, 0, 0},
      {"9110 14.4: too large", "bytes 0-4/9223372036854775807", 0, 0, 0},
      {"9110 14.4: too large", "bytes 0-4/18446744073709551626", 0, 0, 0},
      {"9110 14.4: too large", "bytes 18446744073709551616-4/10", 0, 0, 0},
      {"9110 14.4: too large", "bytes */99999999999999999999999999999", 0, 0, 0},
      {"9110 14.4: last before first", "bytes 4-3/10", 0, 0, 0},
      {"9110 14.4: last before first", "bytes 4-3/*", 0, 0, 0},
      {"9110 14.4: total not above last", "bytes 0-10/10", 0, 0, 0},
      {"9110 14.4: total not above last", "bytes 0-9/10", 0, 9, 10},
      {"9110 14.4: total not above last", "bytes 0-0/0", 0, 0, 0},
      {"9110 14.4: nothing is known", "bytes */*", 0, 0, 0},
      {"9110 14.4: half a range", "bytes -4/10", 0, 0, 0},
      {"9110 14.4: half a range", "bytes 0-/10", 0, 0, 0},
      {"9110 14.4: half a range", "bytes 0/10", 0, 0, 0},
      {"9110 14.4: half a range", "bytes *-4/10", 0, 0, 0},
      {"9110 14.4: half a range", "bytes 0-*/10", 0, 0, 0},
      {"9110 14.4: no total", "bytes 0-4", 0, 0, 0},
      {"9110 14.4: no total", "bytes 0-4/", 0, 0, 0},
      {"9110 14.4: no total", "bytes */", 0, 0, 0},
      {"9110 14.4: two totals", "bytes 0-4/10/10", 0, 0, 0},
      {"9110 14.4: two totals", "bytes 0-4/**", 0, 0, 0},
      {"9110 14.4: no range", "bytes /10", 0, 0, 0},
      {"9110 14.4: no range", "bytes", 0, 0, 0},
      {"9110 14.4: no range", "bytes ", 0, 0, 0},
      {"9110 14.4: nothing", "", 0, 0, 0},
      {"9110 14.4: another unit", "items 0-4/10", 0, 0, 0},
      {"9110 14.4: another unit", "byte 0-4/10", 0, 0, 0},
      {"9110 14.4: no unit", "0-4/10", 0, 0, 0},
      {"9110 14.4: no unit", " 0-4/10", 0, 0, 0},
      {"9110 14.4: the separator", "bytes=0-4/10", 0, 0, 0},
      {"9110 14.4: the separator", "bytes: 0-4/10", 0, 0, 0},
      {"9110 14.4: the separator", "bytes\t0-4/10", 0, 0, 0},
      {"9110 14.4: whitespace", " bytes 0-4/10", 0, 0, 0},
      {"9110 14.4: whitespace", "bytes  0-4/10", 0, 0, 0},
      {"9110 14.4: whitespace", "bytes 0 -4/10", 0, 0, 0},
      {"9110 14.4: whitespace", "bytes 0- 4/10", 0, 0, 0},
      {"9110 14.4: whitespace", "bytes 0-4 /10", 0, 0, 0},
      {"9110 14.4: whitespace", "bytes 0-4/ 10", 0, 0, 0},
      {"9110 14.4: whitespace", "bytes 0-4/10 ", 0, 0, 0},
      {"9110 14.4: digits only", "bytes +0-4/10", 0, 0, 0},
      {"9110 14.4: digits only", "bytes 0--4/10", 0, 0, 0},
      {"9110 14.4: digits only", "bytes 0-4/-10", 0, 0, 0},
      {"9110 14.4: digits only", "bytes 0-4/0xa", 0, 0, 0},
      {"9110 14.4: one range", "bytes 0-4/10, bytes 5-9/10", 0, 0, 0},
      {"9110 14.4: one range", "bytes 0-4,5-9/10", 0, 0, 0},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__http_content_range range = {0, 0, 0};
    bool is_range = parse_content_range(cases[i].text, &range);
    if (is_range != (cases[i].total != 0 || cases[i].first != cases[i].total) ||
        range.first != cases[i].first || range.last != cases[i].last ||
        range.total != cases[i].total)
      fail_msg("RFC %s: \"%s\"", cases[i].section, cases[i].text);
  }
}

static void check_written(cachette__http_content_range range, const char *text) {
  char written[CACHETTE__HTTP_CONTENT_RANGE_SIZE];
  cachette__http_content_range parsed = {0};
  memset(written, 'x', sizeof written);
  size_t size = cachette__http_content_range_format(&range, written);
  assert_int_equal(size, strlen(written));
  if (text != NULL) assert_string_equal(written, text);
  assert_true(parse_content_range(written, &parsed));
  assert_memory_equal(&parsed, &range, sizeof range);
}

static void a_written_content_range_parses_back(void **state) {
  (void)state;
  const int64_t large = INT64_MAX - 1;
  check_written((cachette__http_content_range){0, 4, 10}, "bytes 0-4/10");
  check_written((cachette__http_content_range){0, 4, -1}, "bytes 0-4/*");
  check_written((cachette__http_content_range){-1, -1, 10}, "bytes */10");
  check_written((cachette__http_content_range){-1, -1, 0}, "bytes */0");
  check_written((cachette__http_content_range){large - 1, large - 1, large},
                "bytes 9223372036854775805-9223372036854775805/9223372036854775806");
  uint64_t seed = 42;
  for (int i = 0; i < 20000; i++) {
    cachette__http_content_range range = {0};
    seed = seed * 6364136223846793005 + 1442695040888963407;
    range.total = 1 + (int64_t)(seed >> (2 + i % 60));
    range.last = (int64_t)((seed * 31) % (uint64_t)range.total);
    range.first = (int64_t)((seed * 17) % (uint64_t)(range.last + 1));
    check_written(range, NULL);
    range.total = -1;
    check_written(range, NULL);
  }
}

/* One other byte makes a field malformed, or it tells what it says now. */
static void a_content_range_with_one_other_byte_tells_what_it_says(void **state) {
  (void)state;
  static const char good[] = "bytes 20-45/70";
  size_t parsed = 0;
  for (size_t at = 6; at < sizeof good - 1; at++) {
    for (int byte = 1; byte < 256; byte++) {
      char text[sizeof good], written[CACHETTE__HTTP_CONTENT_RANGE_SIZE];
      cachette__http_content_range range;
      memcpy(text, good, sizeof good);
      text[at] = (char)byte;
      if (byte == good[at] || !parse_content_range(text, &range)) continue;
      parsed++;
      cachette__http_content_range_format(&range, written);
      if (text[at] != '0') assert_string_equal(written, text); /* a leading zero is not written */
    }
  }
  /* first: 00, 10, 30, 40, 21 to 29; last: 25, 35, 55, 65, 40 to 49; total: 50, 60, 80, 90,
   * 71 to 79. */
  assert_int_equal(parsed, (4 + 9) + (4 + 9) + (4 + 9));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_range_is_satisfiable_or_not_or_ignored),
      cmocka_unit_test(a_range_is_parsed_without_a_size),
      cmocka_unit_test(all_small_ranges_have_the_bytes_that_they_tell),
      cmocka_unit_test(each_part_of_a_range_is_parsed_by_itself),
      cmocka_unit_test(a_content_range_tells_its_place_in_the_whole),
      cmocka_unit_test(a_written_content_range_parses_back),
      cmocka_unit_test(a_content_range_with_one_other_byte_tells_what_it_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
