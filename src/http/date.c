/* SPDX-License-Identifier: MIT */
#include "date.h"

#include <string.h>

#include "text.h"

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR, YEAR_MAX = 9999 };

static const int64_t epoch_days = 719468; /* from 1 March of the year 0 to 1970 */
static const int64_t first_second = INT64_C(-62135596800), last_second = INT64_C(253402300799);

static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

typedef struct civil {
  int year, month, day; /* month and day begin at 1 */
  int hour, minute, second;
} civil;

/* ---- Arithmetic ---- */

/* A year begins in March here. So the leap day is the last of a year, and the lengths of the months
 * are regular: (153 * month + 2) / 5 days precede a month. */
static int64_t to_seconds(const civil *time) {
  int64_t year = time->year - (time->month <= 2);
  int64_t month = (time->month + 9) % 12;
  int64_t days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 +
                 (time->day - 1) - epoch_days;
  return days * DAY + time->hour * HOUR + time->minute * MINUTE + time->second;
}

static int64_t clip(int64_t seconds) {
  if (seconds < first_second) return first_second;
  return seconds < last_second ? seconds : last_second;
}

/* Returns the time of a second between the first and the last one, and its weekday. */
static civil to_civil(int64_t seconds, int *weekday) {
  enum { YEARS_4 = 4 * 365 + 1, YEARS_100 = 25 * YEARS_4 - 1, YEARS_400 = 4 * YEARS_100 + 1 };
  int64_t positive = seconds + epoch_days * DAY;
  int clock = (int)(positive % DAY);
  int days = (int)(positive / DAY % YEARS_400);
  int years = (days - days / (YEARS_4 - 1) + days / YEARS_100 - days / (YEARS_400 - 1)) / 365;
  int day = days - (365 * years + years / 4 - years / 100);
  int month = (5 * day + 2) / 153;
  civil time = {
      .month = month < 10 ? month + 3 : month - 9,
      .day = day - (153 * month + 2) / 5 + 1,
      .hour = clock / HOUR,
      .minute = clock % HOUR / MINUTE,
      .second = clock % MINUTE,
  };
  time.year = (int)(positive / DAY / YEARS_400) * 400 + years + (time.month <= 2);
  *weekday = (int)((positive / DAY + 3) % 7); /* 1 March of the year 0 was a Wednesday */
  return time;
}

static bool is_leap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

static bool is_valid(const civil *time) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int last = days[time->month - 1] + (time->month == 2 && is_leap(time->year));
  return time->year >= 1 && time->year <= YEAR_MAX && time->day >= 1 && time->day <= last &&
         time->hour < 24 && time->minute < 60 && time->second <= 60;
}

/* Completes a year of two digits. RFC 9110, 5.6.7: a time that would be more than 50 years in the
 * future is in the past. So the year is the last with these digits that is not. */
static void choose_century(civil *time, int64_t now_s) {
  int weekday;
  civil limit = to_civil(clip(now_s), &weekday);
  limit.year += 50;
  time->year = limit.year - (limit.year - time->year) % 100;
  if (to_seconds(time) > to_seconds(&limit)) time->year -= 100;
}

/* ---- Reading ---- */

/* Case does not matter: the grammar has it, but a cache should accept any (RFC 9111, 4.2). */
static bool take_bytes(cachette_slice *rest, const char *bytes, size_t size) {
  if (rest->size < size) return false;
  if (!cachette__http_equals(cachette__http_first(*rest, size), (cachette_slice){bytes, size}))
    return false;
  *rest = cachette__http_from(*rest, size);
  return true;
}

static bool take(cachette_slice *rest, const char *text) {
  return take_bytes(rest, text, strlen(text));
}

static bool take_digits(cachette_slice *rest, size_t count, int *number) {
  int64_t value;
  if (rest->size < count) return false;
  if (!cachette__http_number(cachette__http_first(*rest, count), YEAR_MAX, &value)) return false;
  *number = (int)value;
  *rest = cachette__http_from(*rest, count);
  return true;
}

static bool take_weekday(cachette_slice *rest, bool is_long) {
  for (size_t i = 0; i < sizeof weekdays / sizeof *weekdays; i++) {
    if (take_bytes(rest, weekdays[i], is_long ? strlen(weekdays[i]) : 3)) return true;
  }
  return false;
}

static bool take_month(cachette_slice *rest, int *month) {
  for (*month = 1; *month <= 12; ++*month) {
    if (take_bytes(rest, months + 3 * (*month - 1), 3)) return true;
  }
  return false;
}

static bool take_clock(cachette_slice *rest, civil *time) {
  return take_digits(rest, 2, &time->hour) && take(rest, ":") &&
         take_digits(rest, 2, &time->minute) && take(rest, ":") &&
         take_digits(rest, 2, &time->second);
}

static bool read_imf(cachette_slice rest, civil *time) {
  return take_weekday(&rest, false) && take(&rest, ", ") && take_digits(&rest, 2, &time->day) &&
         take(&rest, " ") && take_month(&rest, &time->month) && take(&rest, " ") &&
         take_digits(&rest, 4, &time->year) && take(&rest, " ") && take_clock(&rest, time) &&
         take(&rest, " GMT") && rest.size == 0;
}

static bool read_rfc850(cachette_slice rest, int64_t now_s, civil *time) {
  bool is_read = take_weekday(&rest, true) && take(&rest, ", ") &&
                 take_digits(&rest, 2, &time->day) && take(&rest, "-") &&
                 take_month(&rest, &time->month) && take(&rest, "-") &&
                 take_digits(&rest, 2, &time->year) && take(&rest, " ") &&
                 take_clock(&rest, time) && take(&rest, " GMT") && rest.size == 0;
  if (is_read) choose_century(time, now_s);
  return is_read;
}

/* asctime() pads the day with a space. */
static bool read_asctime(cachette_slice rest, civil *time) {
  return take_weekday(&rest, false) && take(&rest, " ") && take_month(&rest, &time->month) &&
         take(&rest, " ") && take_digits(&rest, take(&rest, " ") ? 1 : 2, &time->day) &&
         take(&rest, " ") && take_clock(&rest, time) && take(&rest, " ") &&
         take_digits(&rest, 4, &time->year) && rest.size == 0;
}

bool cachette__http_date_parse(cachette_slice text, int64_t now_s, int64_t *seconds) {
  civil time;
  if (!read_imf(text, &time) && !read_rfc850(text, now_s, &time) && !read_asctime(text, &time))
    return false;
  if (!is_valid(&time)) return false;
  *seconds = clip(to_seconds(&time)); /* the last minute has no next one for a leap second */
  return true;
}

/* ---- Writing ---- */

static void put_digits(char *text, int count, int number) {
  while (count-- > 0) {
    text[count] = (char)('0' + number % 10);
    number /= 10;
  }
}

void cachette__http_date_format(int64_t seconds, char text[CACHETTE__HTTP_DATE_SIZE]) {
  int weekday;
  civil time = to_civil(clip(seconds), &weekday);
  memcpy(text, "day, 00 mon 0000 00:00:00 GMT", CACHETTE__HTTP_DATE_SIZE);
  memcpy(text, weekdays[weekday], 3);
  put_digits(text + 5, 2, time.day);
  memcpy(text + 8, months + 3 * (time.month - 1), 3);
  put_digits(text + 12, 4, time.year);
  put_digits(text + 17, 2, time.hour);
  put_digits(text + 20, 2, time.minute);
  put_digits(text + 23, 2, time.second);
}
