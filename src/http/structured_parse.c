/* SPDX-License-Identifier: MIT */
/*
 * The parser follows the algorithms of RFC 9651, 4.2. Each function takes what it reads off the
 * front of `rest`, and returns false if it is not there. What is inside a member is read twice:
 * first with its member, to check it and to find its end, and then when the caller asks for it.
 */
#include <string.h>

#include "http/text.h"
#include "structured_text.h"

/* ---- Characters ---- */

static bool is_next(cachette_slice rest, char character) {
  return rest.size > 0 && cachette__http_at(rest, 0) == character;
}

static bool take(cachette_slice *rest, char character) {
  if (!is_next(*rest, character)) return false;
  *rest = cachette__http_from(*rest, 1);
  return true;
}

/* Takes `size` bytes, and returns them. */
static cachette_slice take_first(cachette_slice *rest, size_t size) {
  cachette_slice first = cachette__http_first(*rest, size);
  *rest = cachette__http_from(*rest, size);
  return first;
}

static void skip_spaces(cachette_slice *rest) {
  while (take(rest, ' ')) continue;
}

static void skip_blanks(cachette_slice *rest) {
  while (take(rest, ' ') || take(rest, '\t')) continue;
}

/* Returns what was taken since `begin`. */
static cachette_slice taken(cachette_slice begin, cachette_slice rest) {
  return cachette__http_first(begin, begin.size - rest.size);
}

static bool read_key(cachette_slice *rest, cachette_slice *key) {
  size_t size = cachette__sf_key_size(*rest);
  if (size == 0) return false;
  *key = take_first(rest, size);
  return true;
}

/* ---- Values ---- */

/* Appends at most `most` digits to a number. Returns how many. */
static size_t read_digits(cachette_slice *rest, size_t most, int64_t *number) {
  size_t count = 0;
  for (; count < most && rest->size > 0; count++) {
    char digit = cachette__http_at(*rest, 0);
    if (digit < '0' || digit > '9') break;
    *number = *number * 10 + (digit - '0');
    *rest = cachette__http_from(*rest, 1);
  }
  return count;
}

/* Reads an integer or a decimal (4.2.4). */
static bool read_number(cachette_slice *rest, cachette__sf_item *item) {
  enum { INTEGER = 15, WHOLE = 12, FRACTION = 3 }; /* max digits */
  int64_t number = 0, sign = take(rest, '-') ? -1 : 1;
  size_t whole = read_digits(rest, INTEGER + 1, &number);
  if (whole == 0 || whole > INTEGER) return false;
  item->type = CACHETTE__SF_INTEGER;
  if (take(rest, '.')) {
    if (whole > WHOLE) return false;
    size_t fraction = read_digits(rest, FRACTION + 1, &number);
    if (fraction == 0 || fraction > FRACTION) return false;
    for (; fraction < FRACTION; fraction++) number *= 10;
    item->type = CACHETTE__SF_DECIMAL;
  }
  item->number = sign * number;
  return true;
}

/* 4.2.9 */
static bool read_date(cachette_slice *rest, cachette__sf_item *item) {
  if (!take(rest, '@') || !read_number(rest, item) || item->type != CACHETTE__SF_INTEGER)
    return false;
  item->type = CACHETTE__SF_DATE;
  return true;
}

/* 4.2.8 */
static bool read_boolean(cachette_slice *rest, cachette__sf_item *item) {
  if (!take(rest, '?') || rest->size == 0) return false;
  item->type = CACHETTE__SF_BOOLEAN;
  item->number = is_next(*rest, '1');
  return take(rest, '1') || take(rest, '0');
}

/* 4.2.6 */
static bool read_token(cachette_slice *rest, cachette__sf_item *item) {
  size_t size = cachette__sf_token_size(*rest);
  if (size == 0) return false;
  item->type = CACHETTE__SF_TOKEN;
  item->text = take_first(rest, size);
  return true;
}

static bool is_printable(char character) { return character >= 0x20 && character < 0x7f; }

/* 4.2.5 */
static bool read_string(cachette_slice *rest, cachette__sf_item *item) {
  if (!take(rest, '"')) return false;
  cachette_slice begin = *rest;
  item->type = CACHETTE__SF_STRING;
  item->encoded = true;
  while (rest->size > 0) {
    item->text = taken(begin, *rest);
    if (take(rest, '"')) return true;
    if (take(rest, '\\')) {
      if (!take(rest, '"') && !take(rest, '\\')) return false;
    } else if (!is_printable(cachette__http_at(take_first(rest, 1), 0))) {
      return false;
    }
  }
  return false;
}

/*
 * 4.2.7. The padding may be missing, and bits that do not fill a byte may be other than 0: a parser
 * should accept both. But it must not be a part of the padding, nor a single character too many.
 */
static bool read_bytes(cachette_slice *rest, cachette__sf_item *item) {
  size_t digits = 0, padding = 0;
  if (!take(rest, ':')) return false;
  cachette_slice begin = *rest;
  while (rest->size > 0 && cachette__sf_base64(cachette__http_at(*rest, 0)) >= 0) {
    *rest = cachette__http_from(*rest, 1);
    digits++;
  }
  while (padding < 2 && take(rest, '=')) padding++;
  if (digits % 4 == 1 || (padding > 0 && (digits + padding) % 4 != 0)) return false;
  item->type = CACHETTE__SF_BYTES;
  item->encoded = true;
  item->text = taken(begin, *rest);
  return take(rest, ':');
}

static bool take_hex(cachette_slice *rest) {
  if (rest->size == 0 || cachette__sf_hex(cachette__http_at(*rest, 0)) < 0) return false;
  *rest = cachette__http_from(*rest, 1);
  return true;
}

/* 4.2.10 */
static bool read_display(cachette_slice *rest, cachette__sf_item *item) {
  if (!take(rest, '%') || !take(rest, '"')) return false;
  cachette_slice begin = *rest;
  item->type = CACHETTE__SF_DISPLAY;
  item->encoded = true;
  while (rest->size > 0) {
    item->text = taken(begin, *rest);
    if (take(rest, '"')) return cachette__sf_is_utf8(item);
    if (take(rest, '%')) {
      if (!take_hex(rest) || !take_hex(rest)) return false;
    } else if (!is_printable(cachette__http_at(take_first(rest, 1), 0))) {
      return false;
    }
  }
  return false;
}

/* Reads a value without parameters (4.2.3.1). Keeps the key of the item. */
static bool read_value(cachette_slice *rest, cachette__sf_item *item) {
  *item = (cachette__sf_item){.key = item->key};
  if (rest->size == 0) return false;
  switch (cachette__http_at(*rest, 0)) {
    case '"':
      return read_string(rest, item);
    case ':':
      return read_bytes(rest, item);
    case '?':
      return read_boolean(rest, item);
    case '@':
      return read_date(rest, item);
    case '%':
      return read_display(rest, item);
    default:
      return read_token(rest, item) || read_number(rest, item);
  }
}

static void set_true(cachette__sf_item *item) {
  *item = (cachette__sf_item){.key = item->key, .type = CACHETTE__SF_BOOLEAN, .number = 1};
}

/* ---- Parameters, items and inner lists ---- */

bool cachette__sf_next_parameter(cachette_slice *parameters, cachette__sf_item *parameter) {
  cachette__sf_item read = {0};
  if (!take(parameters, ';')) return false;
  skip_spaces(parameters);
  if (!read_key(parameters, &read.key)) return false;
  set_true(&read);
  if (take(parameters, '=') && !read_value(parameters, &read)) return false;
  *parameter = read;
  return true;
}

/* 4.2.3.2 */
static bool read_parameters(cachette_slice *rest, cachette__sf_item *item) {
  cachette__sf_item parameter;
  cachette_slice begin = *rest;
  while (is_next(*rest, ';')) {
    if (!cachette__sf_next_parameter(rest, &parameter)) return false;
  }
  item->parameters = taken(begin, *rest);
  return true;
}

/* 4.2.3 */
static bool read_item(cachette_slice *rest, cachette__sf_item *item) {
  return read_value(rest, item) && read_parameters(rest, item);
}

/* 4.2.1.2 */
static bool read_inner(cachette_slice *rest, cachette__sf_item *list) {
  if (!take(rest, '(')) return false;
  cachette__sf_item item = {0};
  cachette_slice begin = *rest, text;
  for (;;) {
    skip_spaces(rest);
    text = taken(begin, *rest);
    if (take(rest, ')')) break;
    if (!read_item(rest, &item)) return false;
    if (!is_next(*rest, ' ') && !is_next(*rest, ')')) return false;
  }
  *list = (cachette__sf_item){.key = list->key, .type = CACHETTE__SF_INNER, .text = text};
  return read_parameters(rest, list);
}

bool cachette__sf_next_item(cachette_slice *items, cachette__sf_item *item) {
  cachette__sf_item read = {0};
  skip_spaces(items);
  if (!read_item(items, &read)) return false;
  *item = read;
  return true;
}

/* ---- Members ---- */

static bool read_member(enum cachette__sf_kind kind, cachette_slice *rest,
                        cachette__sf_item *member) {
  if (kind == CACHETTE__SF_DICTIONARY) {
    if (!read_key(rest, &member->key)) return false;
    if (!take(rest, '=')) { /* 4.2.2: true is not written */
      set_true(member);
      return read_parameters(rest, member);
    }
  }
  if (kind != CACHETTE__SF_ITEM && is_next(*rest, '(')) return read_inner(rest, member);
  return read_item(rest, member);
}

/*
 * Goes from the end of a member to the beginning of the next one. At the end of the field, and only
 * there, `rest` becomes empty. False: neither is there.
 */
static bool go_on(cachette__sf *field) {
  if (field->kind == CACHETTE__SF_ITEM) {
    skip_spaces(&field->rest);
    return field->rest.size == 0 && field->count == 0;
  }
  skip_blanks(&field->rest);
  if (field->rest.size > 0) {
    if (!take(&field->rest, ',')) return false;
  } else if (field->count > 0) { /* 4.2: lines are joined with a comma */
    field->rest = *field->lines++;
    field->count--;
  } else {
    return true;
  }
  skip_blanks(&field->rest);
  return field->rest.size > 0; /* 4.2.1: a trailing comma is an error */
}

enum { INVALID = -1, END, MEMBER };

static int read_next(cachette__sf *field, cachette__sf_item *member) {
  cachette__sf_item read = {0};
  if (field->rest.size == 0) return END;
  if (!read_member(field->kind, &field->rest, &read) || !go_on(field)) return INVALID;
  *member = read;
  return MEMBER;
}

static bool is_valid(cachette__sf field) {
  int status;
  cachette__sf_item member;
  if (field.rest.size == 0) return field.kind != CACHETTE__SF_ITEM && field.count == 0;
  do status = read_next(&field, &member);
  while (status == MEMBER);
  return status == END;
}

bool cachette__sf_begin(cachette__sf *field, enum cachette__sf_kind kind,
                        const cachette_slice *lines, size_t count) {
  *field = (cachette__sf){.kind = kind};
  cachette__sf whole = {.kind = kind};
  if (count > 0) {
    whole.lines = lines + 1;
    whole.count = count - 1;
    whole.rest = *lines;
  }
  skip_spaces(&whole.rest);
  if (!is_valid(whole)) return false;
  *field = whole;
  return true;
}

bool cachette__sf_next(cachette__sf *field, cachette__sf_item *member) {
  return read_next(field, member) == MEMBER;
}

/* ---- Keys ---- */

static bool is_same(cachette_slice left, cachette_slice right) {
  return left.size == right.size &&
         (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

bool cachette__sf_find(const cachette__sf *field, cachette_slice key, cachette__sf_item *member) {
  bool found = false;
  cachette__sf walk = *field;
  cachette__sf_item each;
  while (cachette__sf_next(&walk, &each)) {
    if (!is_same(each.key, key)) continue;
    *member = each;
    found = true;
  }
  return found;
}

bool cachette__sf_find_parameter(cachette_slice parameters, cachette_slice key,
                                 cachette__sf_item *parameter) {
  bool found = false;
  cachette__sf_item each;
  while (cachette__sf_next_parameter(&parameters, &each)) {
    if (!is_same(each.key, key)) continue;
    *parameter = each;
    found = true;
  }
  return found;
}
