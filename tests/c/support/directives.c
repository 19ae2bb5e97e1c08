/* SPDX-License-Identifier: MIT */
#include "directives.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct directive_flag directive_flags[DIRECTIVE_FLAGS] = {
    {CACHETTE__HTTP_NO_STORE, "no-store", "no-store"},
    {CACHETTE__HTTP_NO_CACHE, "no-cache", "no-cache"},
    {CACHETTE__HTTP_NO_CACHE_FIELDS, "no-cache", "no-cache[]"},
    {CACHETTE__HTTP_PRIVATE, "private", "private"},
    {CACHETTE__HTTP_PRIVATE_FIELDS, "private", "private[]"},
    {CACHETTE__HTTP_MUST_REVALIDATE, "must-revalidate", "must-revalidate"},
    {CACHETTE__HTTP_PROXY_REVALIDATE, "proxy-revalidate", "proxy-revalidate"},
    {CACHETTE__HTTP_NO_TRANSFORM, "no-transform", "no-transform"},
    {CACHETTE__HTTP_ONLY_IF_CACHED, "only-if-cached", "only-if-cached"},
    {CACHETTE__HTTP_PUBLIC, "public", "public"},
    {CACHETTE__HTTP_IMMUTABLE, "immutable", "immutable"},
    {CACHETTE__HTTP_MUST_UNDERSTAND, "must-understand", "must-understand"},
};

const struct directive_number directive_numbers[DIRECTIVE_NUMBERS] = {
    {offsetof(control, max_age), "max-age"},
    {offsetof(control, s_maxage), "s-maxage"},
    {offsetof(control, stale_while_revalidate), "stale-while-revalidate"},
    {offsetof(control, stale_if_error), "stale-if-error"},
    {offsetof(control, max_stale), "max-stale"},
    {offsetof(control, min_fresh), "min-fresh"},
};

int64_t directive_number(const control *result, size_t index) {
  return *(const int64_t *)(const void *)((const char *)result + directive_numbers[index].offset);
}

bool directive_is_largest(size_t index) {
  return directive_numbers[index].offset == offsetof(control, min_fresh);
}

void directives_describe(const control *result, char *text) {
  *text = '\0';
  for (size_t i = 0; i < LENGTH(directive_flags); i++)
    if (result->directives & directive_flags[i].bit)
      strcat(strcat(text, " "), directive_flags[i].text);
  for (size_t i = 0; i < LENGTH(directive_numbers); i++) {
    size_t used = strlen(text);
    if (directive_number(result, i) >= 0)
      snprintf(text + used, DIRECTIVE_TEXT - used, " %s=%" PRId64, directive_numbers[i].name,
               directive_number(result, i));
  }
  if (*text != '\0') memmove(text, text + 1, strlen(text));
}

void directives_add(control *result, const char *line, size_t size) {
  char *block = malloc(size);
  assert_non_null(block);
  memcpy(block, line, size);
  cachette__http_cache_control_add(result, (cachette_slice){block, size});
  free(block);
}

control directives_parse(const char *line, size_t size) {
  control result;
  cachette__http_cache_control_init(&result);
  directives_add(&result, line, size);
  return result;
}

bool directives_are_same(const control *one, const control *other) {
  for (size_t i = 0; i < LENGTH(directive_numbers); i++)
    if (directive_number(one, i) != directive_number(other, i)) return false;
  return one->directives == other->directives;
}

void directives_check_restricted(const control *before, const control *after, const char *line) {
  unsigned kept = before->directives & CACHETTE__HTTP_RESTRICTIVE;
  if ((after->directives & kept) != kept) fail_msg("`%s` removed a directive", line);
  for (size_t i = 0; i < LENGTH(directive_numbers); i++) {
    int64_t old = directive_number(before, i), new = directive_number(after, i);
    if (new < -1 || new > CACHETTE__HTTP_SECONDS_MAX)
      fail_msg("`%s`: %s out of range", line, directive_numbers[i].name);
    bool raised = old >= 0 && (new < 0 || (directive_is_largest(i) ? new < old : new > old));
    if (raised) fail_msg("`%s` is less careful about %s", line, directive_numbers[i].name);
  }
}

bool directives_in_doubt(const char *line, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned char byte = (unsigned char)line[i];
    if (byte == '"' || byte == 0x7f || (byte < 0x20 && byte != '\t')) return true;
  }
  return false;
}
