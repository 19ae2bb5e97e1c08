/* SPDX-License-Identifier: MIT */
#include "counter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "slice.h"

bool cachette__counter_read(cachette_slice value, int64_t *number) {
  const char *bytes = value.data;
  size_t begin = value.size > 0 && bytes[0] == '-';
  int64_t sum = 0; /* negative, because INT64_MIN has no positive counterpart */
  if (value.size == begin || value.size > CACHETTE__COUNTER_DIGITS) return false;
  if (bytes[begin] == '0' && value.size > 1) return false;
  for (size_t i = begin; i < value.size; i++) {
    if (bytes[i] < '0' || bytes[i] > '9') return false;
    if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_sub_overflow(sum, bytes[i] - '0', &sum))
      return false;
  }
  if (begin == 0 && sum == INT64_MIN) return false;
  *number = begin == 0 ? -sum : sum;
  return true;
}

bool cachette__is_counter(cachette_slice value) {
  int64_t number;
  const char *bytes = value.data;
  if (value.size > CACHETTE__COUNTER_DIGITS) return false;
  while (value.size > 0 && bytes[value.size - 1] == ' ') value.size--;
  return cachette__counter_read(value, &number);
}

int cachette__counter_fail_value(cachette_slice key, cachette_error *error) {
  char text[32];
  cachette__key_text(key, text, sizeof text);
  return cachette__fail(error, CACHETTE_ECODEC, text,
                        "The value of \"%s\" is not a counter. Clear it, or use another key.",
                        text);
}

int cachette__counter_fail_range(cachette_slice key, cachette_error *error) {
  char text[32];
  cachette__key_text(key, text, sizeof text);
  return cachette__fail(error, CACHETTE_EINVAL, text,
                        "The counter \"%s\" would exceed the range of 64-bit integers.", text);
}

int cachette__counter_add(cachette_item *item, cachette_slice value,
                          char digits[CACHETTE__COUNTER_DIGITS], size_t *size,
                          cachette_error *error) {
  int64_t sum;
  char text[CACHETTE__COUNTER_DIGITS + 1];
  if (!cachette__counter_read(value, &sum)) return cachette__counter_fail_value(item->key, error);
  if (__builtin_add_overflow(sum, item->amount, &sum))
    return cachette__counter_fail_range(item->key, error);
  item->amount = sum;
  *size = (size_t)snprintf(text, sizeof text, "%" PRId64, sum);
  memcpy(digits, text, *size);
  return CACHETTE_OK;
}
