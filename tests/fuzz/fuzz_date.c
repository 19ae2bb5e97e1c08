/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes HTTP dates. A date that was parsed is written as a date that parses to the same time, and
 * an IMF-fixdate is written as it was, but for its weekday and a leap second. The first 8 bytes of
 * an input are the time of now, and also a time to write. The others are the date.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/date.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

enum { SIZE = CACHETTE__HTTP_DATE_SIZE };

static const int64_t first_second = INT64_C(-62135596800), last_second = INT64_C(253402300799);

/* Writes a time, which may be of any year, and parses it. Returns the result. */
static int64_t write_and_parse(int64_t seconds, int64_t now_s, char text[SIZE]) {
  int64_t parsed;
  cachette__http_date_format(seconds, text);
  CHECK(strlen(text) == SIZE - 1);
  CHECK(cachette__http_date_parse((cachette_slice){text, SIZE - 1}, now_s, &parsed));
  return parsed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int64_t now_s, seconds = 0, again = 0;
  char text[SIZE];
  if (size < sizeof now_s) return 0;
  memcpy(&now_s, data, sizeof now_s);
  int64_t clipped = now_s < first_second ? first_second : now_s;
  if (clipped > last_second) clipped = last_second;
  CHECK(write_and_parse(now_s, 0, text) == clipped);

  cachette_slice date = {data + sizeof now_s, size - sizeof now_s};
  bool is_date = cachette__http_date_parse(date, now_s, &seconds);
  CHECK(cachette__http_date_parse(date, now_s, &again) == is_date && again == seconds);
  if (!is_date) return 0;
  const char *bytes = date.data;
  CHECK(seconds >= first_second && seconds <= last_second);
  CHECK(write_and_parse(seconds, ~now_s, text) == seconds);
  if (bytes[3] == ',' && memcmp(bytes + 23, "60", 2) != 0)
    CHECK(date.size == SIZE - 1 && strncasecmp(text + 3, bytes + 3, SIZE - 4) == 0);
  return 0;
}
