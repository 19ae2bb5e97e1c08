/* SPDX-License-Identifier: MIT */
#include "entity_tag.h"

#include <string.h>

#include "text.h"

/* Characters inside the quotes (RFC 9110, 8.8.3): visible ones and bytes from 0x80. */
static bool is_tag_char(char character) {
  unsigned char byte = (unsigned char)character;
  return byte > ' ' && byte != '"' && byte != 0x7f;
}

static bool is_at(cachette_slice text, size_t offset, char character) {
  return offset < text.size && cachette__http_at(text, offset) == character;
}

/* Returns the offset behind the tag that begins at `offset`; 0: there is no tag. */
static size_t read_tag(cachette_slice text, size_t offset, cachette__http_entity_tag *tag) {
  bool weak = is_at(text, offset, 'W') && is_at(text, offset + 1, '/'); /* `w/` is not weak */
  size_t begin = weak ? offset + 2 : offset, end = begin + 1;
  if (!is_at(text, begin, '"')) return 0;
  while (end < text.size && is_tag_char(cachette__http_at(text, end))) end++;
  if (!is_at(text, end++, '"')) return 0;
  tag->opaque = cachette__http_first(cachette__http_from(text, begin), end - begin);
  tag->weak = weak;
  return end;
}

bool cachette__http_tag_parse(cachette_slice text, cachette__http_entity_tag *tag) {
  cachette__http_entity_tag found;
  size_t end = read_tag(text, 0, &found);
  if (end == 0 || end < text.size) return false;
  *tag = found;
  return true;
}

bool cachette__http_tag_equals(const cachette__http_entity_tag *left,
                               const cachette__http_entity_tag *right, bool strong) {
  if (strong && (left->weak || right->weak)) return false;
  return left->opaque.size == right->opaque.size &&
         memcmp(left->opaque.data, right->opaque.data, left->opaque.size) == 0;
}

/* ---- Lists ---- */

static size_t skip_blanks(cachette_slice text, size_t offset) {
  while (is_at(text, offset, ' ') || is_at(text, offset, '\t')) offset++;
  return offset;
}

/* Skips whitespace, and the commas of empty members (RFC 9110, 5.6.1.2). */
static size_t skip_empty(cachette_slice text, size_t offset) {
  offset = skip_blanks(text, offset);
  while (is_at(text, offset, ',')) offset = skip_blanks(text, offset + 1);
  return offset;
}

/* Returns the offset of the next comma outside quotes, or the end. Behind a quote without its other
 * half nothing can be told apart, so that a member extends to the end. */
static size_t skip_malformed(cachette_slice text, size_t offset) {
  bool is_quoted = false;
  for (; offset < text.size && (is_quoted || !is_at(text, offset, ',')); offset++) {
    if (is_at(text, offset, '"')) is_quoted = !is_quoted;
  }
  return offset;
}

enum cachette__http_tag_item cachette__http_tag_next(cachette__http_tag_list *list,
                                                     cachette__http_entity_tag *tag) {
  cachette_slice line = list->line;
  cachette__http_entity_tag found;
  if (list->next == 0 && cachette__http_is(cachette__http_trim(line), "*")) {
    list->next = line.size;
    return CACHETTE__HTTP_TAG_ANY;
  }
  size_t begin = skip_empty(line, list->next);
  list->next = begin;
  if (begin == line.size) return CACHETTE__HTTP_TAG_END;
  size_t end = read_tag(line, begin, &found);
  if (end > 0) end = skip_blanks(line, end);
  bool is_tag = end > 0 && (end == line.size || is_at(line, end, ','));
  list->next = is_tag ? end : skip_malformed(line, begin);
  if (is_tag) *tag = found;
  return is_tag ? CACHETTE__HTTP_TAG_ONE : CACHETTE__HTTP_TAG_MALFORMED;
}

bool cachette__http_tag_list_matches(cachette_slice line, const cachette__http_entity_tag *tag,
                                     bool strong) {
  cachette__http_tag_list list = {.line = line};
  cachette__http_entity_tag member;
  enum cachette__http_tag_item item;
  bool matches = false;
  while ((item = cachette__http_tag_next(&list, &member)) != CACHETTE__HTTP_TAG_END) {
    if (item == CACHETTE__HTTP_TAG_ANY) return true;
    if (item == CACHETTE__HTTP_TAG_MALFORMED && strong) return false;
    if (item == CACHETTE__HTTP_TAG_ONE && tag != NULL)
      matches = matches || cachette__http_tag_equals(&member, tag, strong);
  }
  return matches;
}
