/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes entity tags and lists of them. Each member of a list is a tag by itself, lies behind the
 * one before, and matches the line that it is in. The input is a line of If-None-Match.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/entity_tag.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

/* Checks a member of a line. Returns a pointer to the byte behind it. */
static const char *check_member(const cachette__http_entity_tag *tag, const char *from,
                                const char *to) {
  cachette__http_entity_tag parsed;
  const char *opaque = tag->opaque.data, *begin = tag->weak ? opaque - 2 : opaque;
  const char *end = opaque + tag->opaque.size;
  CHECK(begin >= from && end <= to && tag->opaque.size >= 2);
  CHECK(opaque[0] == '"' && end[-1] == '"');
  CHECK(memchr(opaque + 1, '"', tag->opaque.size - 2) == NULL);
  CHECK(memchr(opaque, ' ', tag->opaque.size) == NULL);
  CHECK(cachette__http_tag_parse((cachette_slice){begin, (size_t)(end - begin)}, &parsed));
  CHECK(parsed.weak == tag->weak && parsed.opaque.data == opaque);
  CHECK(parsed.opaque.size == tag->opaque.size);
  CHECK(cachette__http_tag_equals(tag, &parsed, false));
  CHECK(cachette__http_tag_equals(tag, &parsed, true) == !tag->weak);
  return end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cachette_slice line = {data, size};
  cachette__http_tag_list list = {.line = line};
  cachette__http_entity_tag tag, first = {0}, odd = {{"\"\n\"", 3}, false};
  enum cachette__http_tag_item item;
  const char *at = (const char *)data, *end = at + size;
  size_t tags = 0, others = 0, any = 0, next = 0;
  while ((item = cachette__http_tag_next(&list, &tag)) != CACHETTE__HTTP_TAG_END) {
    CHECK(list.next > next && list.next <= size);
    next = list.next;
    any += item == CACHETTE__HTTP_TAG_ANY;
    others += item == CACHETTE__HTTP_TAG_MALFORMED;
    if (item != CACHETTE__HTTP_TAG_ONE) continue;
    at = check_member(&tag, at, end);
    CHECK(cachette__http_tag_list_matches(line, &tag, false));
    if (tags++ == 0) first = tag;
  }
  CHECK(any == 0 || (any == 1 && tags + others == 0));
  CHECK(cachette__http_tag_list_matches(line, NULL, false) == (any == 1));
  CHECK(cachette__http_tag_list_matches(line, &odd, false) == (any == 1));
  if (others > 0 && tags > 0) CHECK(!cachette__http_tag_list_matches(line, &first, true));
  if (others == 0 && tags > 0 && !first.weak)
    CHECK(cachette__http_tag_list_matches(line, &first, true));
  return 0;
}
