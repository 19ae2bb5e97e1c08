/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes Cache-Control. The lines of an input are the lines of a message, and are also read as a
 * targeted field. More lines may restrict but never permit what others forbid.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/cache_control.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

enum { LINES = 8 };

typedef cachette__http_cache_control control;

static void check_range(int64_t number) {
  CHECK(number >= -1 && number <= CACHETTE__HTTP_SECONDS_MAX);
}

static void check_smaller(int64_t before, int64_t after) {
  check_range(after);
  CHECK(before < 0 || (after >= 0 && after <= before));
}

static void check_restricted(const control *before, const control *after) {
  unsigned kept = before->directives & CACHETTE__HTTP_RESTRICTIVE;
  CHECK((after->directives & kept) == kept);
  check_smaller(before->max_age, after->max_age);
  check_smaller(before->s_maxage, after->s_maxage);
  check_smaller(before->stale_while_revalidate, after->stale_while_revalidate);
  check_smaller(before->stale_if_error, after->stale_if_error);
  check_smaller(before->max_stale, after->max_stale);
  check_range(after->min_fresh);
  CHECK(after->min_fresh >= before->min_fresh);
}

static bool is_same(const control *one, const control *other) {
  return one->directives == other->directives && one->max_age == other->max_age &&
         one->s_maxage == other->s_maxage &&
         one->stale_while_revalidate == other->stale_while_revalidate &&
         one->stale_if_error == other->stale_if_error && one->max_stale == other->max_stale &&
         one->min_fresh == other->min_fresh;
}

/* Adds a line, whose second time must change nothing. */
static void add(control *result, cachette_slice line) {
  control before = *result;
  cachette__http_cache_control_add(result, line);
  check_restricted(&before, result);
  control once = *result;
  cachette__http_cache_control_add(result, line);
  CHECK(is_same(&once, result));
}

/* Only a line with a qualified directive, and none that is in doubt, names fields. */
static void check_names(cachette_slice line, cachette_slice field) {
  control result;
  cachette__http_cache_control_init(&result);
  cachette__http_cache_control_add(&result, line);
  if (cachette__http_names_field(line, "private", field))
    CHECK(result.directives & CACHETTE__HTTP_PRIVATE_FIELDS);
  if (cachette__http_names_field(line, "no-cache", field))
    CHECK(result.directives & CACHETTE__HTTP_NO_CACHE_FIELDS);
}

static void check_targeted(const cachette_slice *lines, size_t count) {
  control result, empty;
  cachette__http_cache_control_init(&empty);
  result = empty;
  bool names = cachette__http_targeted_names_field(lines, count, "private", cachette_str("a"));
  if (!cachette__http_cache_control_targeted(&result, lines, count)) {
    CHECK(!names && is_same(&result, &empty));
    return;
  }
  check_restricted(&empty, &result);
  CHECK(!names || (result.directives & CACHETTE__HTTP_PRIVATE_FIELDS));
}

/* Copies each line to a block of exactly its size, which detects reads beyond it. */
static size_t split(const uint8_t *data, size_t size, cachette_slice *lines) {
  size_t count = 0;
  for (const uint8_t *at = data, *end = data + size; at < end && count < LINES; count++) {
    const uint8_t *feed = count + 1 < LINES ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    size_t length = (size_t)((feed != NULL ? feed : end) - at);
    char *block = malloc(length);
    CHECK(block != NULL);
    memcpy(block, at, length);
    lines[count] = (cachette_slice){block, length};
    at += length + (feed != NULL);
  }
  return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cachette_slice lines[LINES];
  size_t count = split(data, size, lines);
  control forwards, backwards;
  cachette__http_cache_control_init(&forwards);
  cachette__http_cache_control_init(&backwards);
  for (size_t i = 0; i < count; i++) {
    add(&forwards, lines[i]);
    add(&backwards, lines[count - 1 - i]);
    check_names(lines[i], cachette_str("a"));
    check_names(lines[i], lines[count - 1]);
  }
  CHECK(is_same(&forwards, &backwards));
  check_targeted(lines, count);
  for (size_t i = 0; i < count; i++) free((void *)lines[i].data);
  return 0;
}
