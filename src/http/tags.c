/* SPDX-License-Identifier: MIT */
/*
 * The first call of a walk finds all tags, so that the others need not compare them again. What it
 * finds are views. Only the tags of groups and of the URI must be composed, when it is their turn.
 */
#include "tags.h"

#include <string.h>

#include "key.h"
#include "structured.h"
#include "text.h"

enum {
  OTHERS_MAX = CACHETTE__HTTP_TAGS_MAX - 64 - 1, /* tags that are neither groups nor the URI */
  LINES_MAX = 64, /* of Cache-Groups; with more the field is ignored */
};

static bool equals(cachette_slice left, cachette_slice right) {
  return left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
}

/* Returns whether a tag, or a group, is among those found from an index on. */
static bool is_known(const cachette__http_tag_space *space, size_t from, size_t end,
                     cachette_slice tag) {
  for (size_t i = from; i < end; i++) {
    if (equals(space->found[i], tag)) return true;
  }
  return false;
}

/* ---- Tags that are views ---- */

/* Adds a tag, unless there are `most` already. */
static void add_tag(cachette__http_tag_space *space, cachette_slice tag, size_t most) {
  if (tag.size == 0 || tag.size > CACHETTE__HTTP_TAG_MAX || space->count >= most) return;
  if (cachette__http_is_dangerous(tag) || is_known(space, 0, space->count, tag)) return;
  space->found[space->count++] = tag;
}

/* Adds the tags of a line. Cache-Tag has no quoted strings, so a quote is a character like others.
 */
static void add_line(cachette__http_tag_space *space, cachette_slice line, char separator) {
  while (line.size > 0) {
    const char *end = memchr(line.data, separator, line.size);
    size_t size = end != NULL ? (size_t)(end - (const char *)line.data) : line.size;
    add_tag(space, cachette__http_trim(cachette__http_first(line, size)), OTHERS_MAX);
    line = cachette__http_from(line, end != NULL ? size + 1 : size);
  }
}

static void add_lines(cachette__http_tag_space *space, const cachette__http_message *response,
                      enum cachette__http_name name, char separator) {
  cachette_slice line;
  for (size_t at = 0; cachette__http_line(response, name, &at, &line);)
    add_line(space, line, separator);
}

/* The stored tags come first, so that none is lost: groups and the URI are among them. */
static void find_tags(const cachette__http_tags *tags, cachette__http_tag_space *space) {
  for (size_t i = 0; tags->stored != NULL && i < tags->stored->tag_count; i++)
    add_tag(space, cachette__http_record_tag_at(tags->stored, i), CACHETTE__HTTP_TAGS_MAX);
  for (size_t i = 0; tags->extra != NULL && i < tags->extra->tag_count; i++)
    add_tag(space, tags->extra->tags[i], OTHERS_MAX);
  if (tags->response == NULL) return;
  add_lines(space, tags->response, CACHETTE__HTTP_SURROGATE_KEY, ' ');
  add_lines(space, tags->response, CACHETTE__HTTP_CACHE_TAG, ',');
}

/* ---- Groups ---- */

size_t cachette__http_group_tag(cachette_slice canonical, cachette_slice group, char *text,
                                size_t capacity) {
  cachette__sf_item item = {.type = CACHETTE__SF_STRING, .text = group, .encoded = true};
  size_t size = cachette__http_key_origin(canonical, text, capacity);
  if (size >= capacity) return 0;
  text[size++] = ' ';
  size_t group_size = cachette__sf_decode(&item, text + size, capacity - size);
  return group_size <= capacity - size ? size + group_size : 0;
}

/* The groups of a response that was freshened are among the tags that it had. */
static void add_group(const cachette__http_tags *tags, cachette__http_tag_space *space,
                      cachette_slice group) {
  if (space->count >= CACHETTE__HTTP_TAGS_MAX - 1) return;
  if (is_known(space, space->tag_count, space->count, group)) return;
  cachette_slice tag = {space->text, cachette__http_group_tag(tags->canonical, group, space->text,
                                                              sizeof space->text)};
  if (tag.size == 0 || is_known(space, 0, space->tag_count, tag)) return;
  space->found[space->count++] = group;
}

/* Members that are not strings, and parameters, are ignored (RFC 9875, 2). Two strings are equal
 * exactly if their texts are; see structured.h. */
static void find_groups(const cachette__http_tags *tags, cachette__http_tag_space *space) {
  cachette_slice lines[LINES_MAX];
  size_t count = 0, at = 0;
  cachette_slice line;
  while (cachette__http_line(tags->response, CACHETTE__HTTP_CACHE_GROUPS, &at, &line)) {
    if (count == LINES_MAX) return;
    lines[count++] = line;
  }
  cachette__sf field;
  cachette__sf_item member;
  if (!cachette__sf_begin(&field, CACHETTE__SF_LIST, lines, count)) return;
  while (cachette__sf_next(&field, &member)) {
    if (member.type == CACHETTE__SF_STRING) add_group(tags, space, member.text);
  }
}

/* ---- The URI ---- */

void cachette__http_uri_tag(const unsigned char key[CACHETTE_HTTP_KEY_SIZE],
                            char text[CACHETTE__HTTP_URI_TAG_SIZE]) {
  static const char digits[] = "0123456789abcdef", prefix[] = "uri ";
  char *at = text + sizeof prefix - 1;
  memcpy(text, prefix, sizeof prefix - 1);
  for (size_t i = 0; i < CACHETTE_HTTP_KEY_SIZE; i++) {
    *at++ = digits[key[i] >> 4];
    *at++ = digits[key[i] & 0xf];
  }
}

/* Writes the tag of the URI. False: the key has nothing else, so the URI is purged by its key. */
static bool uri_tag(const cachette__http_tags *tags, char *text, cachette_slice *tag) {
  if (!cachette__http_key_is_special(tags->canonical)) return false;
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  cachette__http_digest(cachette__http_key_uri(tags->canonical), key);
  cachette__http_uri_tag(key, text);
  *tag = (cachette_slice){text, CACHETTE__HTTP_URI_TAG_SIZE};
  return true;
}

/* ---- The walk ---- */

static void find_all(const cachette__http_tags *tags) {
  cachette__http_tag_space *space = tags->space;
  space->count = 0;
  find_tags(tags, space);
  space->tag_count = space->count;
  if (tags->response != NULL) find_groups(tags, space);
}

bool cachette__http_next_tag(const void *data, size_t *at, cachette_http_field *field) {
  const cachette__http_tags *tags = data;
  cachette__http_tag_space *space = tags->space;
  if (*at == 0) find_all(tags);
  size_t index = (*at)++;
  cachette_slice tag;
  if (index < space->tag_count) {
    tag = space->found[index];
  } else if (index < space->count) {
    tag =
        (cachette_slice){space->text, cachette__http_group_tag(tags->canonical, space->found[index],
                                                               space->text, sizeof space->text)};
  } else if (index > space->count || !uri_tag(tags, space->text, &tag) ||
             is_known(space, 0, space->tag_count, tag)) {
    return false;
  }
  *field = (cachette_http_field){.value = tag};
  return true;
}
