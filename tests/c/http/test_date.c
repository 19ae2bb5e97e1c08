/* SPDX-License-Identifier: MIT */
/* HTTP dates. The C library is the oracle of the arithmetic. */
#include "http/date.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "support.h"

static const int64_t year_1 = INT64_C(-62135596800), year_9999_end = INT64_C(253402300799);

/* Now is Tue, 15 Nov 1994 08:12:31 GMT, if a case does not tell another time. */
#define NOW INT64_C(784887151)

/* A text in a block of its own size, so that ASan finds each read beyond it: cmocka's
 * test_malloc() would hide some behind its guard bytes. NULL: it is empty. */
static cachette_slice heap_slice(const char *text, size_t size) {
  char *bytes = size > 0 ? malloc(size) : NULL;
  if (size > 0) memcpy(bytes, text, size);
  return (cachette_slice){bytes, size};
}

static void free_slice(cachette_slice slice) { free((void *)slice.data); }

static bool parse(const char *text, size_t size, int64_t now_s, int64_t *seconds) {
  cachette_slice slice = heap_slice(text, size);
  bool is_date = cachette__http_date_parse(slice, now_s, seconds);
  free_slice(slice);
  return is_date;
}

static const char *format(int64_t seconds) {
  static char text[CACHETTE__HTTP_DATE_SIZE];
  memset(text, 'x', sizeof text);
  cachette__http_date_format(seconds, text);
  return text;
}

/* ---- Cases ---- */

struct date_case {
  const char *section;
  const char *text;
  const char *time; /* as an IMF-fixdate; NULL: it is not a date */
  int64_t now_s;    /* 0: NOW */
};

static void check_case(const struct date_case *row) {
  int64_t seconds = 42;
  bool is_date = parse(row->text, strlen(row->text), row->now_s != 0 ? row->now_s : NOW, &seconds);
  if (is_date != (row->time != NULL)) fail_msg("RFC %s: \"%s\"", row->section, row->text);
  if (!is_date) assert_int_equal(seconds, 42);
  if (is_date && strcmp(format(seconds), row->time) != 0)
    fail_msg("RFC %s: \"%s\" is %s", row->section, row->text, format(seconds));
}

static void the_three_forms_are_dates(void **state) {
  (void)state;
  static const struct date_case cases[] = {
      {"9110 5.6.7: IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT",
       0},
      {"9110 5.6.7: rfc850-date", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT",
       0},
      {"9110 5.6.7: asctime-date", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"9110 5.6.7: date3 of two digits", "Wed Nov 16 08:49:37 1994",
       "Wed, 16 Nov 1994 08:49:37 GMT", 0},
      {"9110 5.6.7: date3 = 2DIGIT", "Sun Nov 06 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 GMT",
       0},
      {"9110 5.6.7: the first second", "Thu, 01 Jan 1970 00:00:00 GMT",
       "Thu, 01 Jan 1970 00:00:00 GMT", 0},
      {"9110 5.6.7: before 1970", "Wed, 31 Dec 1969 23:59:59 GMT", "Wed, 31 Dec 1969 23:59:59 GMT",
       0},
      {"9110 5.6.7: beyond 32 bits", "Tue, 19 Jan 2038 03:14:08 GMT",
       "Tue, 19 Jan 2038 03:14:08 GMT", 0},
      {"9110 5.6.7: beyond 32 bits", "Sun, 07 Feb 2106 06:28:16 GMT",
       "Sun, 07 Feb 2106 06:28:16 GMT", 0},
      {"9110 5.6.7: year = 4DIGIT", "Mon, 01 Jan 0001 00:00:00 GMT",
       "Mon, 01 Jan 0001 00:00:00 GMT", 0},
      {"9110 5.6.7: year = 4DIGIT", "Fri, 31 Dec 9999 23:59:59 GMT",
       "Fri, 31 Dec 9999 23:59:59 GMT", 0},
      {"9110 5.6.7: year = 4DIGIT", "Fri Dec 31 23:59:59 9999", "Fri, 31 Dec 9999 23:59:59 GMT", 0},
      {"5322 3.3: a leap day", "Tue, 29 Feb 2000 12:00:00 GMT", "Tue, 29 Feb 2000 12:00:00 GMT", 0},
      {"5322 3.3: a leap day", "Thu, 29 Feb 2024 12:00:00 GMT", "Thu, 29 Feb 2024 12:00:00 GMT", 0},
      {"5322 3.3: a leap day", "Saturday, 29-Feb-92 12:00:00 GMT", "Sat, 29 Feb 1992 12:00:00 GMT",
       0},
      {"9110 5.6.7: a leap second", "Sat, 31 Dec 2016 23:59:60 GMT",
       "Sun, 01 Jan 2017 00:00:00 GMT", 0},
      {"9110 5.6.7: a leap second", "Saturday, 31-Dec-16 23:59:60 GMT",
       "Sun, 01 Jan 2017 00:00:00 GMT", 0},
      {"9110 5.6.7: a leap second", "Sat Dec 31 23:59:60 2016", "Sun, 01 Jan 2017 00:00:00 GMT", 0},
      {"9110 5.6.7: the last leap second", "Fri, 31 Dec 9999 23:59:60 GMT",
       "Fri, 31 Dec 9999 23:59:59 GMT", 0},
      {"9110 5.6.7: another weekday", "Mon, 06 Nov 1994 08:49:37 GMT",
       "Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"9110 5.6.7: another weekday", "Wednesday, 06-Nov-94 08:49:37 GMT",
       "Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"9110 5.6.7: another weekday", "Thu Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 GMT",
       0},
      {"9110 5.6.7: the longest text", "Wednesday, 09-Nov-94 08:49:37 GMT",
       "Wed, 09 Nov 1994 08:49:37 GMT", 0},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) check_case(&cases[i]);
}

static void case_does_not_matter(void **state) {
  (void)state;
  static const struct date_case cases[] = {
      {"9111 4.2", "sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"9111 4.2", "SUN, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"9111 4.2", "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"9111 4.2", "Sun, 06 NOV 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"9111 4.2", "Sun, 06 Nov 1994 08:49:37 gmt", "Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"9111 4.2", "sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"9111 4.2", "sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 GMT", 0},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) check_case(&cases[i]);
}

static void other_texts_are_not_dates(void **state) {
  (void)state;
  static const struct date_case cases[] = {
      {"9110 5.6.7: nothing", "", NULL, 0},
      {"9111 5.3: Expires: 0", "0", NULL, 0},
      {"9111 5.3: Expires: -1", "-1", NULL, 0},
      {"9110 5.6.7: seconds", "784111777", NULL, 0},
      {"9110 5.6.7: GMT", "Sun, 06 Nov 1994 08:49:37 UTC", NULL, 0},
      {"9110 5.6.7: GMT", "Sun, 06 Nov 1994 08:49:37 EST", NULL, 0},
      {"9110 5.6.7: GMT", "Sun, 06 Nov 1994 08:49:37 +0000", NULL, 0},
      {"9110 5.6.7: GMT", "Sun, 06 Nov 1994 08:49:37 GMT+1", NULL, 0},
      {"9110 5.6.7: GMT", "Sun, 06 Nov 1994 08:49:37", NULL, 0},
      {"9110 5.6.7: GMT", "Sunday, 06-Nov-94 08:49:37 UTC", NULL, 0},
      {"9110 5.6.7: asctime has no zone", "Sun Nov  6 08:49:37 1994 GMT", NULL, 0},
      {"9110 5.6.7: SP", " Sun, 06 Nov 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: SP", "Sun, 06 Nov 1994 08:49:37 GMT ", NULL, 0},
      {"9110 5.6.7: SP", "Sun,  06 Nov 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: SP", "Sun,06 Nov 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: SP", "Sun, 06\tNov 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: SP", "Sun, 06 Nov 1994  08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: SP", "Sun, 06 Nov 1994 08:49:37GMT", NULL, 0},
      {"9110 5.6.7: day = 2DIGIT", "Sun, 6 Nov 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: day = 2DIGIT", "Sun,  6 Nov 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: day = 2DIGIT", "Sun, 006 Nov 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: day = 2DIGIT", "Sun, +6 Nov 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: date3", "Sun Nov 6 08:49:37 1994", NULL, 0},
      {"9110 5.6.7: date3", "Sun Nov   6 08:49:37 1994", NULL, 0},
      {"9110 5.6.7: date3", "Wed Nov  16 08:49:37 1994", NULL, 0},
      {"9110 5.6.7: year = 4DIGIT", "Sun, 06 Nov 94 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: year = 4DIGIT", "Sun, 06 Nov 19940 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: year = 4DIGIT", "Sun Nov  6 08:49:37 94", NULL, 0},
      {"9110 5.6.7: no year 0", "Sun, 06 Nov 0000 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: date2", "Sunday, 06-Nov-1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: date2", "Sun, 06-Nov-1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: day-name-l", "Sun, 06-Nov-94 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: day-name-l", "Sunday, 06 Nov 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: day-name-l", "Sunday Nov  6 08:49:37 1994", NULL, 0},
      {"9110 5.6.7: day-name", "Day, 06 Nov 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: day-name", "06 Nov 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: month", "Sun, 06 Nob 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: month", "Sun, 06 anF 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: month", "Sun, 06 11 1994 08:49:37 GMT", NULL, 0},
      {"9110 5.6.7: month", "Sun, 06 November 1994 08:49:37 GMT", NULL, 0},
      {"5322 3.3: the calendar", "Sun, 00 Nov 1994 08:49:37 GMT", NULL, 0},
      {"5322 3.3: the calendar", "Sun, 31 Nov 1994 08:49:37 GMT", NULL, 0},
      {"5322 3.3: the calendar", "Sun, 32 Dec 1994 08:49:37 GMT", NULL, 0},
      {"5322 3.3: the calendar", "Tue, 29 Feb 1994 08:49:37 GMT", NULL, 0},
      {"5322 3.3: the calendar", "Thu, 29 Feb 1900 08:49:37 GMT", NULL, 0},
      {"5322 3.3: the calendar", "Mon, 29 Feb 2100 08:49:37 GMT", NULL, 0},
      {"5322 3.3: the calendar", "Wed, 30 Feb 2000 08:49:37 GMT", NULL, 0},
      {"5322 3.3: the calendar", "Monday, 29-Feb-93 12:00:00 GMT", NULL, 0},
      {"5322 3.3: the calendar", "Sun Nov  0 08:49:37 1994", NULL, 0},
      {"9110 5.6.7: hour", "Sun, 06 Nov 1994 24:00:00 GMT", NULL, 0},
      {"9110 5.6.7: hour", "Sun, 06 Nov 1994 8:49:37 GMT", NULL, 0},
      {"9110 5.6.7: hour", "Sun, 06 Nov 1994 -8:49:37 GMT", NULL, 0},
      {"9110 5.6.7: minute", "Sun, 06 Nov 1994 08:60:37 GMT", NULL, 0},
      {"9110 5.6.7: second", "Sun, 06 Nov 1994 08:49:61 GMT", NULL, 0},
      {"9110 5.6.7: second", "Sun, 06 Nov 1994 08:49 GMT", NULL, 0},
      {"9110 5.6.7: second", "Sun, 06 Nov 1994 08:49:37.5 GMT", NULL, 0},
      {"9110 5.6.7: one date", "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", NULL,
       0},
      {"9110 5.6.7: not ISO 8601", "1994-11-06T08:49:37Z", NULL, 0},
      {"9110 5.6.7: no quotes", "\"Sun, 06 Nov 1994 08:49:37 GMT\"", NULL, 0},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) check_case(&cases[i]);
}

static void a_year_of_two_digits_is_at_most_50_years_ahead(void **state) {
  (void)state;
  static const int64_t end_of_1999 = 946684799, in_2026 = 1782000000, in_2060 = 2840140800;
  const struct date_case cases[] = {
      {"9110 5.6.7: now", "Tuesday, 15-Nov-94 08:12:31 GMT", "Tue, 15 Nov 1994 08:12:31 GMT", 0},
      {"9110 5.6.7: 50 years", "Tuesday, 15-Nov-44 08:12:31 GMT", "Tue, 15 Nov 2044 08:12:31 GMT",
       0},
      {"9110 5.6.7: and a second", "Tuesday, 15-Nov-44 08:12:32 GMT",
       "Wed, 15 Nov 1944 08:12:32 GMT", 0},
      {"9110 5.6.7: and a day", "Tuesday, 16-Nov-44 08:12:31 GMT", "Thu, 16 Nov 1944 08:12:31 GMT",
       0},
      {"9110 5.6.7: 49 years", "Tuesday, 31-Dec-43 23:59:59 GMT", "Thu, 31 Dec 2043 23:59:59 GMT",
       0},
      {"9110 5.6.7: 51 years", "Tuesday, 01-Jan-45 00:00:00 GMT", "Mon, 01 Jan 1945 00:00:00 GMT",
       0},
      {"9110 5.6.7: the next century", "Saturday, 01-Jan-00 00:00:00 GMT",
       "Sat, 01 Jan 2000 00:00:00 GMT", 0},
      {"9110 5.6.7: the next second", "Saturday, 01-Jan-00 00:00:00 GMT",
       "Sat, 01 Jan 2000 00:00:00 GMT", end_of_1999},
      {"9110 5.6.7: the past", "Friday, 31-Dec-99 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT",
       in_2026},
      {"9110 5.6.7: 2075", "Tuesday, 01-Jan-75 00:00:00 GMT", "Tue, 01 Jan 2075 00:00:00 GMT",
       in_2026},
      {"9110 5.6.7: 1977", "Saturday, 01-Jan-77 00:00:00 GMT", "Sat, 01 Jan 1977 00:00:00 GMT",
       in_2026},
      {"9110 5.6.7: 2105", "Thursday, 01-Jan-05 00:00:00 GMT", "Thu, 01 Jan 2105 00:00:00 GMT",
       in_2060},
      {"5322 3.3: 1996 is a leap year", "Thursday, 29-Feb-96 00:00:00 GMT",
       "Thu, 29 Feb 1996 00:00:00 GMT", 0},
      {"5322 3.3: 2000 is a leap year", "Tuesday, 29-Feb-00 00:00:00 GMT",
       "Tue, 29 Feb 2000 00:00:00 GMT", 0},
      {"5322 3.3: 2100 is none", "Monday, 29-Feb-00 00:00:00 GMT", NULL, in_2060},
      {"9110 5.6.7: no year 0", "Monday, 01-Jan-00 00:00:00 GMT", NULL, INT64_MIN},
      {"9110 5.6.7: no year 10049", "Monday, 01-Jan-49 00:00:00 GMT", NULL, INT64_MAX},
      {"9110 5.6.7: the year 9950", "Monday, 01-Jan-50 00:00:00 GMT",
       "Sun, 01 Jan 9950 00:00:00 GMT", INT64_MAX},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) check_case(&cases[i]);
}

static const char *const forms[] = {
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Wednesday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Sun Nov 16 08:49:37 1994",
};

static void a_part_of_a_date_is_none(void **state) {
  (void)state;
  int64_t seconds;
  for (size_t i = 0; i < LENGTH(forms); i++) {
    size_t size = strlen(forms[i]);
    for (size_t cut = 0; cut < size; cut++) assert_false(parse(forms[i], cut, NOW, &seconds));
    for (size_t cut = 1; cut <= size; cut++)
      assert_false(parse(forms[i] + cut, size - cut, NOW, &seconds));
    assert_true(parse(forms[i], size, NOW, &seconds));
    assert_false(parse(forms[i], size + 1, NOW, &seconds)); /* with its NUL */
  }
}

/* A date with one other byte is none, or it is the date that it now tells. The weekday is not
 * looked at: the text without it must be written again. */
static void a_date_with_one_other_byte_is_none_or_another(void **state) {
  (void)state;
  size_t accepted = 0;
  for (size_t at = 0; at < strlen(forms[0]); at++) {
    for (int byte = 0; byte < 256; byte++) {
      int64_t seconds;
      char text[CACHETTE__HTTP_DATE_SIZE];
      memcpy(text, forms[0], sizeof text);
      text[at] = (char)byte;
      if (text[at] == forms[0][at] || !parse(text, sizeof text - 1, NOW, &seconds)) continue;
      accepted++;
      assert_int_equal(strcasecmp(text + 3, format(seconds) + 3), 0);
    }
  }
  /* Days: 16, 26, and eight with another last digit. Any year. Hours: 18, and nine. Minutes and
   * seconds: five with another first digit, and nine. Nine letters in the other case. */
  assert_int_equal(accepted, (2 + 8) + 4 * 9 + (1 + 9) + (5 + 9) + (5 + 9) + 9);
}

/* ---- The oracle ---- */

/* A pseudo-random number; the same in each run. */
static uint64_t random_number(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

/* Checks all forms of a time against the C library. */
static void check_time(int64_t seconds) {
  char text[64], clock[16], head[16], year[8];
  int64_t parsed = seconds + 1;
  time_t system_time = (time_t)seconds;
  struct tm tm;
  assert_non_null(gmtime_r(&system_time, &tm));
  assert_int_equal(timegm(&tm), seconds);
  strftime(clock, sizeof clock, "%H:%M:%S", &tm);
  snprintf(year, sizeof year, "%04u", (unsigned)(tm.tm_year + 1900) % 10000);

  strftime(head, sizeof head, "%a, %d %b", &tm);
  snprintf(text, sizeof text, "%s %s %s GMT", head, year, clock);
  assert_string_equal(format(seconds), text);
  assert_true(parse(text, strlen(text), NOW, &parsed));
  assert_int_equal(parsed, seconds);

  strftime(head, sizeof head, "%a %b %e", &tm);
  snprintf(text, sizeof text, "%s %s %s", head, clock, year);
  parsed = seconds + 1;
  assert_true(parse(text, strlen(text), NOW, &parsed));
  assert_int_equal(parsed, seconds);

  strftime(text, sizeof text, "%A, %d-%b-%y %H:%M:%S GMT", &tm);
  parsed = seconds + 1;
  assert_true(parse(text, strlen(text), seconds, &parsed));
  assert_int_equal(parsed, seconds);
}

static void random_times_are_those_of_the_c_library(void **state) {
  (void)state;
  uint64_t seed = 88172645463325252, range = (uint64_t)(year_9999_end - year_1) + 1;
  for (int i = 0; i < 100000; i++) check_time(year_1 + (int64_t)(random_number(&seed) % range));
  for (int i = 0; i < 100000; i++) check_time((int64_t)(random_number(&seed) >> 32));
}

static void days_at_the_ends_of_months_are_those_of_the_c_library(void **state) {
  (void)state;
  for (int year = 1; year <= 9999; year++) {
    for (int month = 0; month < 12; month += year % 4 == 0 ? 1 : 2) {
      struct tm tm = {.tm_year = year - 1900, .tm_mon = month, .tm_mday = 1};
      int64_t begin = timegm(&tm);
      check_time(begin);
      if (begin > year_1) check_time(begin - 1);
    }
  }
  check_time(year_9999_end);
}

/* RFC 850 against a second opinion: of all years with the two digits, the last that is not too far
 * in the future. */
static void random_years_of_two_digits_are_in_the_right_century(void **state) {
  (void)state;
  uint64_t seed = 42;
  for (int i = 0; i < 20000; i++) {
    int64_t now = (int64_t)(random_number(&seed) % 8000000000), expected = -1, seconds = 0;
    time_t system_now = (time_t)now;
    struct tm limit, tm = {0};
    char text[64];
    gmtime_r(&system_now, &limit);
    limit.tm_year += 50;
    int64_t latest = timegm(&limit);
    int digits = (int)(random_number(&seed) % 100), day = 1 + (int)(random_number(&seed) % 28);
    for (int year = digits; year < 2500; year += 100) {
      tm = (struct tm){.tm_year = year - 1900, .tm_mon = 5, .tm_mday = day};
      if (timegm(&tm) <= latest) expected = timegm(&tm);
    }
    snprintf(text, sizeof text, "Monday, %02d-Jun-%02d 00:00:00 GMT", day, digits);
    assert_true(parse(text, strlen(text), now, &seconds));
    assert_int_equal(seconds, expected);
  }
}

static void known_times_have_known_seconds(void **state) {
  (void)state;
  int64_t seconds = 0;
  for (size_t i = 0; i < 3; i++) {
    assert_true(parse(forms[i], strlen(forms[i]), NOW, &seconds));
    assert_int_equal(seconds, 784111777);
  }
  assert_true(parse("Fri, 31 Dec 9999 23:59:60 GMT", 29, NOW, &seconds));
  assert_int_equal(seconds, year_9999_end);
  assert_string_equal(format(784111777), forms[0]);
  assert_string_equal(format(NOW), "Tue, 15 Nov 1994 08:12:31 GMT");
}

static void times_outside_the_years_1_to_9999_are_written_as_the_nearest(void **state) {
  (void)state;
  assert_string_equal(format(year_1), "Mon, 01 Jan 0001 00:00:00 GMT");
  assert_string_equal(format(year_1 - 1), "Mon, 01 Jan 0001 00:00:00 GMT");
  assert_string_equal(format(INT64_MIN), "Mon, 01 Jan 0001 00:00:00 GMT");
  assert_string_equal(format(year_9999_end), "Fri, 31 Dec 9999 23:59:59 GMT");
  assert_string_equal(format(year_9999_end + 1), "Fri, 31 Dec 9999 23:59:59 GMT");
  assert_string_equal(format(INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_three_forms_are_dates),
      cmocka_unit_test(case_does_not_matter),
      cmocka_unit_test(other_texts_are_not_dates),
      cmocka_unit_test(a_year_of_two_digits_is_at_most_50_years_ahead),
      cmocka_unit_test(a_part_of_a_date_is_none),
      cmocka_unit_test(a_date_with_one_other_byte_is_none_or_another),
      cmocka_unit_test(random_times_are_those_of_the_c_library),
      cmocka_unit_test(days_at_the_ends_of_months_are_those_of_the_c_library),
      cmocka_unit_test(random_years_of_two_digits_are_in_the_right_century),
      cmocka_unit_test(known_times_have_known_seconds),
      cmocka_unit_test(times_outside_the_years_1_to_9999_are_written_as_the_nearest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
