/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the fields Range, Content-Range and Age. A satisfiable range lies inside the
 * representation, and a Content-Range that was written parses back. The first 8 bytes of an input
 * are the size of the representation. The others are the field.
 */
#include "http/range.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/age.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

static void check_spec(const cachette__http_range_spec *spec) {
  CHECK(spec->suffix >= 0 ? spec->first == -1 && spec->last == -1
                          : spec->first >= 0 && (spec->last == -1 || spec->last >= spec->first));
}

static void check_written(const cachette__http_content_range *range) {
  char text[CACHETTE__HTTP_CONTENT_RANGE_SIZE];
  cachette__http_content_range again;
  size_t size = cachette__http_content_range_format(range, text);
  CHECK(size < sizeof text && strlen(text) == size);
  CHECK(cachette__http_content_range_parse((cachette_slice){text, size}, &again));
  CHECK(again.first == range->first && again.last == range->last && again.total == range->total);
}

static void check_range(cachette_slice text, int64_t size) {
  cachette__http_range_spec spec;
  int64_t first = -1, last = -1;
  enum cachette__http_range_result result = cachette__http_range_select(text, size, &first, &last);
  bool is_range = cachette__http_range_parse(text, &spec);
  if (is_range) check_spec(&spec);
  if (result != CACHETTE__HTTP_RANGE_SATISFIABLE) {
    CHECK(first == -1 && last == -1);
    CHECK(is_range || result == CACHETTE__HTTP_RANGE_NONE);
    CHECK(!is_range || result != CACHETTE__HTTP_RANGE_NONE || size == 0);
    return;
  }
  CHECK(is_range && 0 <= first && first <= last && last < size);
  CHECK(spec.suffix < 0 || last - first < spec.suffix);
  CHECK(spec.suffix >= 0 || (first == spec.first && (spec.last < 0 || last <= spec.last)));
  if (size < INT64_MAX) check_written(&(cachette__http_content_range){first, last, size});
}

static void check_content_range(cachette_slice text) {
  cachette__http_content_range range;
  if (!cachette__http_content_range_parse(text, &range)) return;
  if (range.first < 0) {
    CHECK(range.first == -1 && range.last == -1 && range.total >= 0);
  } else {
    CHECK(range.first <= range.last && range.last < INT64_MAX);
    CHECK(range.total == -1 || range.last < range.total);
  }
  check_written(&range);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int64_t total, age = -1;
  if (size < sizeof total) return 0;
  memcpy(&total, data, sizeof total);
  cachette_slice text = {data + sizeof total, size - sizeof total};
  check_range(text, total & INT64_MAX);
  check_content_range(text);
  if (cachette__http_age_parse(text, &age))
    CHECK(age >= 0 && age <= INT64_C(1) << 31);
  else
    CHECK(age == -1);
  return 0;
}
