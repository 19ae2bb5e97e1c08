/* SPDX-License-Identifier: MIT */
#include "age.h"

#include "text.h"

static const int64_t age_max = INT64_C(1) << 31;

bool cachette__http_age_parse(cachette_slice text, int64_t *seconds) {
  cachette_slice first;
  return cachette__http_next(&text, &first) && cachette__http_number(first, age_max, seconds);
}
