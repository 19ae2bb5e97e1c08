/* SPDX-License-Identifier: MIT */
#include "resp.h"

#include <string.h>

void cachette__resp_init(cachette__resp *parser) { memset(parser, 0, sizeof *parser); }

static int fail(const char **reason, const char *text) {
  *reason = text;
  return CACHETTE_EBACKEND;
}

/* ---- Where in a reply ---------------------------------------------------------------------- */

/* Whether the next value belongs to a push, or to an attribute. */
static void place_token(const cachette__resp *parser, cachette__resp_token *token) {
  unsigned depth = parser->depth;
  token->depth = depth;
  token->push = depth > 0 && parser->levels[depth - 1].push;
  token->attribute = depth > 0 && parser->levels[depth - 1].attribute;
}

/* A value is complete, and with it perhaps what it lies in. True: the reply is. */
static bool end_value(cachette__resp *parser) {
  while (parser->depth > 0) {
    if (--parser->levels[parser->depth - 1].left > 0) return false;
    parser->depth--;
    if (parser->levels[parser->depth].apart)
      return false; /* the value that it speaks of is still to come */
  }
  return true;
}

static int begin_aggregate(cachette__resp *parser, cachette__resp_token *token, int64_t values,
                           const char **reason) {
  bool push = token->type == CACHETTE__RESP_PUSH;
  bool attribute = token->type == CACHETTE__RESP_ATTRIBUTE;
  token->push |= push;
  token->attribute |= attribute;
  if (push && parser->depth > 0) return fail(reason, "a push inside a reply");
  if (parser->depth == CACHETTE__RESP_DEPTH) return fail(reason, "a reply nested too deeply");
  if (values == 0) {
    /* An empty attribute speaks of the next value all the same. */
    token->last = !attribute && end_value(parser);
    return CACHETTE__RESP_TOKEN;
  }
  parser->levels[parser->depth].left = (uint32_t)values;
  parser->levels[parser->depth].push = token->push;
  parser->levels[parser->depth].attribute = token->attribute;
  parser->levels[parser->depth].apart = attribute;
  parser->depth++;
  return CACHETTE__RESP_TOKEN;
}

/* ---- Lines ------------------------------------------------------------------------------------
 */

/* The digits of a whole number, with a sign or none; false if there is anything else. */
static bool read_number(const char *text, size_t size, int64_t *number) {
  bool negative = size > 0 && *text == '-';
  if (size > 0 && (*text == '-' || *text == '+')) text++, size--;
  if (size == 0 || size > 19) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) {
    unsigned digit = (unsigned char)text[i] - (unsigned)'0';
    if (digit > 9) return false;
    value = value * 10 + digit; /* nineteen digits fit */
  }
  if (value > (uint64_t)INT64_MAX + negative) return false;
  *number = negative ? (int64_t)(0 - value) : (int64_t)value;
  return true;
}

static bool is_double(const char *text, size_t size) {
  if (size > 0 && (*text == '-' || *text == '+')) text++, size--;
  if (size == 3 && (memcmp(text, "inf", 3) == 0 || memcmp(text, "nan", 3) == 0)) return true;
  bool digits = false;
  for (size_t i = 0; i < size; i++) {
    if (text[i] >= '0' && text[i] <= '9')
      digits = true;
    else if (memchr(".eE+-", text[i], 5) == NULL)
      return false;
  }
  return digits;
}

static bool is_big(const char *text, size_t size) {
  if (size > 0 && (*text == '-' || *text == '+')) text++, size--;
  for (size_t i = 0; i < size; i++)
    if (text[i] < '0' || text[i] > '9') return false;
  return size > 0;
}

/*
 * The line that begins behind the mark: its size without CR LF; -1: not all of it is here; -2: it
 * is no line. Lines that begin with a number are a few bytes, so a loop is as fast as memchr().
 */
static long find_line(const char *bytes, size_t size) {
  size_t most = size < CACHETTE__RESP_LINE + 1 ? size : CACHETTE__RESP_LINE + 1;
  for (size_t i = 0; i < most; i++) {
    if (bytes[i] == '\n') return -2;
    if (bytes[i] != '\r') continue;
    if (i + 1 == size) return -1;
    return bytes[i + 1] == '\n' ? (long)i : -2;
  }
  return size > CACHETTE__RESP_LINE ? -2 : -1;
}

/* ---- Values
 * -------------------------------------------------------------------------------------- */

static int read_text(cachette__resp *parser, cachette__resp_token *token, const char *line,
                     size_t size) {
  token->bytes = (cachette_slice){line, size};
  token->size = size;
  token->end = true;
  token->last = end_value(parser);
  return CACHETTE__RESP_TOKEN;
}

static int read_null(cachette__resp *parser, cachette__resp_token *token) {
  token->type = CACHETTE__RESP_NULL;
  token->last = end_value(parser);
  return CACHETTE__RESP_TOKEN;
}

/* The bulk that is under way: what is here of it, and its end if that is here too. */
static int read_bulk(cachette__resp *parser, cachette_slice bytes, size_t *used,
                     cachette__resp_token *token, const char **reason) {
  const char *at = bytes.data;
  size_t left = cachette__resp_bulk_left(parser);
  size_t part = bytes.size < left ? bytes.size : left;
  if (left > 0 && part == 0 && !parser->fresh) return CACHETTE__RESP_MORE;
  if (left == 0 && !parser->fresh && bytes.size < 2) return CACHETTE__RESP_MORE;
  place_token(parser, token);
  token->type = parser->bulk_type;
  token->size = parser->bulk_size;
  token->offset = parser->bulk_offset;
  token->bytes = (cachette_slice){at, part};
  token->end = token->last = false;
  parser->fresh = false;
  *used += part;
  parser->bulk_offset += part;
  if (parser->bulk_offset < parser->bulk_size || bytes.size - part < 2)
    return CACHETTE__RESP_TOKEN; /* the rest follows */
  if (at[part] != '\r' || at[part + 1] != '\n')
    return fail(reason, "a string that is longer than it said");
  *used += 2;
  parser->in_bulk = false;
  parser->bulk_offset = parser->bulk_size = 0;
  token->end = true;
  token->last = end_value(parser);
  return CACHETTE__RESP_TOKEN;
}

static int begin_bulk(cachette__resp *parser, enum cachette__resp_type type, int64_t size,
                      cachette_slice rest, size_t *used, cachette__resp_token *token,
                      const char **reason) {
  if (size < 0 || size > CACHETTE__RESP_BULK_MAX) return fail(reason, "a string of no good size");
  parser->bulk_type = type;
  parser->bulk_size = (size_t)size;
  parser->bulk_offset = 0;
  parser->in_bulk = parser->fresh = true;
  return read_bulk(parser, rest, used, token, reason);
}

/* What a mark stands for, and for those with a count or a size what that must be. */
static int read_line(cachette__resp *parser, char mark, const char *line, size_t size,
                     cachette_slice rest, size_t *used, cachette__resp_token *token,
                     const char **reason) {
  int64_t number = 0;
  bool numeric = read_number(line, size, &number);
  switch (mark) {
    case '+':
      token->type = CACHETTE__RESP_SIMPLE;
      return read_text(parser, token, line, size);
    case '-':
      token->type = CACHETTE__RESP_ERROR;
      return read_text(parser, token, line, size);
    case ':':
      if (!numeric) return fail(reason, "a number that is none");
      token->type = CACHETTE__RESP_INTEGER;
      token->number = number;
      return read_text(parser, token, line, size);
    case ',':
      if (!is_double(line, size)) return fail(reason, "a number that is none");
      token->type = CACHETTE__RESP_DOUBLE;
      return read_text(parser, token, line, size);
    case '(':
      if (!is_big(line, size)) return fail(reason, "a number that is none");
      token->type = CACHETTE__RESP_BIG;
      return read_text(parser, token, line, size);
    case '#':
      if (size != 1 || (*line != 't' && *line != 'f'))
        return fail(reason, "neither true nor false");
      token->type = CACHETTE__RESP_BOOLEAN;
      token->number = *line == 't';
      return read_text(parser, token, line, size);
    case '_':
      if (size != 0) return fail(reason, "a null with something in it");
      return read_null(parser, token);
  }
  if (!numeric) return fail(reason, "a size that is no number");
  if (number == -1 && (mark == '$' || mark == '*')) return read_null(parser, token);
  switch (mark) {
    case '$':
      return begin_bulk(parser, CACHETTE__RESP_BULK, number, rest, used, token, reason);
    case '!':
      return begin_bulk(parser, CACHETTE__RESP_ERROR, number, rest, used, token, reason);
    case '=':
      if (number < 4) return fail(reason, "a string of no good size");
      return begin_bulk(parser, CACHETTE__RESP_VERBATIM, number, rest, used, token, reason);
    case '*':
      token->type = CACHETTE__RESP_ARRAY;
      break;
    case '%':
      token->type = CACHETTE__RESP_MAP;
      break;
    case '~':
      token->type = CACHETTE__RESP_SET;
      break;
    case '>':
      token->type = CACHETTE__RESP_PUSH;
      break;
    case '|':
      token->type = CACHETTE__RESP_ATTRIBUTE;
      break;
  }
  int64_t each = mark == '%' || mark == '|' ? 2 : 1;
  if (number < 0 || number > CACHETTE__RESP_COUNT / each)
    return fail(reason, "more values than can be");
  token->number = number;
  return begin_aggregate(parser, token, number * each, reason);
}

int cachette__resp_read(cachette__resp *parser, cachette_slice bytes, size_t *used,
                        cachette__resp_token *token, const char **reason) {
  const char *at = bytes.data;
  *used = 0;
  if (parser->in_bulk) return read_bulk(parser, bytes, used, token, reason);
  if (bytes.size == 0) return CACHETTE__RESP_MORE;
  if (memchr("+-:$_,#(=!*%~>|", *at, 15) == NULL) return fail(reason, "a reply of no known type");
  long line = find_line(at + 1, bytes.size - 1);
  if (line == -1) return CACHETTE__RESP_MORE;
  if (line < 0) return fail(reason, "a line without a proper end");
  size_t head = (size_t)line + 3;
  place_token(parser, token);
  token->bytes = (cachette_slice){NULL, 0};
  token->number = 0;
  token->size = token->offset = 0;
  token->end = token->last = false;
  *used = head;
  return read_line(parser, *at, at + 1, (size_t)line,
                   (cachette_slice){at + head, bytes.size - head}, used, token, reason);
}

bool cachette__resp_bulk_placed(cachette__resp *parser, size_t size) {
  parser->bulk_offset += size;
  parser->fresh = false;
  return parser->bulk_offset == parser->bulk_size;
}
