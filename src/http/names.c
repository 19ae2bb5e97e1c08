/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <string.h>

#include "text.h"

_Static_assert(CACHETTE__HTTP_OTHER <= 64, "one bit for each known name");

static const cachette_slice texts[] = {
#define TEXT(name, text) {text, sizeof text - 1},
    CACHETTE__HTTP_NAMES(TEXT)
#undef TEXT
};

/* Finds a name among known ones of the same length. */
static enum cachette__http_name find(cachette_slice name, enum cachette__http_name first,
                                     enum cachette__http_name last) {
  char initial = (char)(cachette__http_at(name, 0) | 0x20);
  for (int known = (int)first; known <= (int)last; known++) {
    if (cachette__http_at(texts[known], 0) == initial && cachette__http_equals(name, texts[known]))
      return (enum cachette__http_name)known;
  }
  return CACHETTE__HTTP_OTHER;
}

enum cachette__http_name cachette__http_name_of(cachette_slice name) {
  switch (name.size) {
    case 2:
      return find(name, CACHETTE__HTTP_TE, CACHETTE__HTTP_TE);
    case 3:
      return find(name, CACHETTE__HTTP_AGE, CACHETTE__HTTP_AGE);
    case 4:
      return find(name, CACHETTE__HTTP_DATE, CACHETTE__HTTP_VARY);
    case 5:
      return find(name, CACHETTE__HTTP_RANGE, CACHETTE__HTTP_RANGE);
    case 6:
      return find(name, CACHETTE__HTTP_COOKIE, CACHETTE__HTTP_PRAGMA);
    case 7:
      return find(name, CACHETTE__HTTP_EXPIRES, CACHETTE__HTTP_WARNING);
    case 8:
      return find(name, CACHETTE__HTTP_IF_MATCH, CACHETTE__HTTP_LOCATION);
    case 9:
      return find(name, CACHETTE__HTTP_CACHE_TAG, CACHETTE__HTTP_CACHE_TAG);
    case 10:
      return find(name, CACHETTE__HTTP_CONNECTION, CACHETTE__HTTP_SET_COOKIE);
    case 12:
      return find(name, CACHETTE__HTTP_CACHE_GROUPS, CACHETTE__HTTP_CONTENT_TYPE);
    case 13:
      return find(name, CACHETTE__HTTP_AUTHORIZATION, CACHETTE__HTTP_X_REWRITE_URL);
    case 14:
      return find(name, CACHETTE__HTTP_CONTENT_LENGTH, CACHETTE__HTTP_X_ORIGINAL_URL);
    case 15:
      return find(name, CACHETTE__HTTP_ACCEPT_ENCODING, CACHETTE__HTTP_ACCEPT_LANGUAGE);
    case 16:
      return find(name, CACHETTE__HTTP_CONTENT_ENCODING, CACHETTE__HTTP_PROXY_CONNECTION);
    case 17:
      return find(name, CACHETTE__HTTP_IF_MODIFIED_SINCE, CACHETTE__HTTP_X_METHOD_OVERRIDE);
    case 18:
      return find(name, CACHETTE__HTTP_PROXY_AUTHENTICATE, CACHETTE__HTTP_PROXY_AUTHENTICATE);
    case 19:
      return find(name, CACHETTE__HTTP_IF_UNMODIFIED_SINCE, CACHETTE__HTTP_PROXY_AUTHORIZATION);
    case 20:
      return find(name, CACHETTE__HTTP_AVAILABLE_DICTIONARY, CACHETTE__HTTP_AVAILABLE_DICTIONARY);
    case 22:
      return find(name, CACHETTE__HTTP_X_HTTP_METHOD_OVERRIDE,
                  CACHETTE__HTTP_X_HTTP_METHOD_OVERRIDE);
    case 24:
      return find(name, CACHETTE__HTTP_CACHE_GROUP_INVALIDATION,
                  CACHETTE__HTTP_CACHE_GROUP_INVALIDATION);
    case 25:
      return find(name, CACHETTE__HTTP_PROXY_AUTHENTICATION_INFO,
                  CACHETTE__HTTP_PROXY_AUTHENTICATION_INFO);
    default:
      return CACHETTE__HTTP_OTHER;
  }
}

cachette_slice cachette__http_name_text(enum cachette__http_name name) { return texts[name]; }

static void remember(cachette__http_message *message, enum cachette__http_name name, size_t line) {
  uint64_t bit = UINT64_C(1) << name;
  if ((message->present & bit) == 0) message->first[name] = (uint16_t)line;
  message->repeated |= message->present & bit;
  message->present |= bit;
}

bool cachette__http_look_through(cachette__http_message *message, cachette_http_fields fields) {
  enum { SIZE_LIMIT = 1 << 30 }; /* so that sizes of 4 bytes are enough for any part of it */
  bool is_clean = fields.count <= UINT16_MAX;
  size_t count = is_clean ? fields.count : UINT16_MAX, size = 0;
  message->fields = fields;
  message->present = message->repeated = 0;
  for (size_t i = 0; i < count; i++) {
    const cachette_http_field *field = &fields.list[i];
    enum cachette__http_name name = cachette__http_name_of(field->name);
    if (name != CACHETTE__HTTP_OTHER) remember(message, name, i);
    if (name == CACHETTE__HTTP_OTHER && !cachette__http_is_token(field->name)) is_clean = false;
    if (cachette__http_is_dangerous(field->value)) is_clean = false;
    if (field->name.size > UINT16_MAX || field->value.size > SIZE_LIMIT) is_clean = false;
    if (is_clean) size += field->name.size + field->value.size;
    if (size > SIZE_LIMIT) is_clean = false;
  }
  return is_clean;
}

bool cachette__http_line(const cachette__http_message *message, enum cachette__http_name name,
                         size_t *at, cachette_slice *value) {
  if (!cachette__http_has(message, name)) return false;
  size_t index = *at > message->first[name] ? *at : message->first[name];
  size_t end = (message->repeated >> name & 1) != 0 ? message->fields.count
                                                    : (size_t)message->first[name] + 1;
  for (; index < end; index++) {
    const cachette_http_field *field = &message->fields.list[index];
    bool is_first = index == message->first[name]; /* its name is known */
    if (!is_first && !cachette__http_equals(field->name, texts[name])) continue;
    *at = index + 1;
    *value = cachette__http_trim(field->value);
    return true;
  }
  return false;
}

bool cachette__http_single(const cachette__http_message *message, enum cachette__http_name name,
                           cachette_slice *value) {
  size_t at = 0;
  return (message->repeated >> name & 1) == 0 && cachette__http_line(message, name, &at, value);
}

/* Returns whether a line of Connection lists a field. */
static bool is_listed(const cachette__http_message *message, cachette_slice name) {
  cachette_slice line, option;
  for (size_t at = 0; cachette__http_line(message, CACHETTE__HTTP_CONNECTION, &at, &line);) {
    while (cachette__http_next(&line, &option)) {
      if (cachette__http_equals(option, name)) return true;
    }
  }
  return false;
}

bool cachette__http_is_hop_by_hop(const cachette__http_message *message,
                                  const cachette_http_field *field) {
  switch (cachette__http_name_of(field->name)) {
    case CACHETTE__HTTP_CONNECTION:
    case CACHETTE__HTTP_KEEP_ALIVE:
    case CACHETTE__HTTP_TE:
    case CACHETTE__HTTP_TRAILER:
    case CACHETTE__HTTP_TRANSFER_ENCODING:
    case CACHETTE__HTTP_UPGRADE:
    case CACHETTE__HTTP_PROXY_CONNECTION:
    case CACHETTE__HTTP_PROXY_AUTHENTICATE:
    case CACHETTE__HTTP_PROXY_AUTHENTICATION_INFO:
    case CACHETTE__HTTP_PROXY_AUTHORIZATION:
      return true;
    default:
      return is_listed(message, field->name);
  }
}

bool cachette__http_lists_end_to_end(const cachette__http_message *message) {
  cachette_slice line, option;
  for (size_t at = 0; cachette__http_line(message, CACHETTE__HTTP_CONNECTION, &at, &line);) {
    while (cachette__http_next(&line, &option)) {
      /* Without the message, only the name decides. */
      cachette__http_message none = {.present = 0};
      cachette_http_field field = {option, {NULL, 0}};
      if (cachette__http_name_of(option) != CACHETTE__HTTP_OTHER &&
          !cachette__http_is_hop_by_hop(&none, &field))
        return true;
    }
  }
  return false;
}
