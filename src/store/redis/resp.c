/* SPDX-License-Identifier: MIT */
/*
 * The parser of the Redis protocol. Each call reads one token: a line, or a part of a bulk.
 *
 *     $ 1 0 0 CR LF  payload ...  CR LF     Between two calls, the next byte is either a type byte
 *     ^              ^            ^         (tail == 0) or in a bulk (tail > 0): in its payload, or
 *     tail 0         tail 2       tail 2    in the CR LF after it.
 *
 * An incomplete line is not consumed but read again from its first byte. So the parser saves no
 * part of a line, and the result does not depend on how the input is split. Numbers are as strict
 * as in hiredis: no plus, no leading zero, no minus before zero. Redis never sends these, so a peer
 * that does is probably not Redis.
 */
#include "resp.h"

#include <assert.h>
#include <string.h>

enum { MORE = CACHETTE__RESP_MORE, TOKEN = CACHETTE__RESP_TOKEN };

/* The input and the results of one call. */
typedef struct input {
  const char *begin, *end;
  size_t *used;
  cachette__resp_token *token;
  const char **reason;
} input;

void cachette__resp_init(cachette__resp *parser) { memset(parser, 0, sizeof *parser); }

static int fail(const input *in, const char *reason) {
  *in->reason = reason;
  return CACHETTE_EBACKEND;
}

/* Initializes a token with its type and its position in the reply. */
static inline void begin_token(const cachette__resp *parser, enum cachette__resp_type type,
                               cachette__resp_token *token) {
  unsigned depth = parser->depth;
  *token = (cachette__resp_token){.type = type, .depth = depth};
  if (depth > 0) {
    token->push = parser->levels[depth - 1].push;
    token->attribute = parser->levels[depth - 1].attribute;
  }
}

/* Consumes the bytes before `after` for a token. */
static cachette__resp_token *take_token(const cachette__resp *parser, const input *in,
                                        const char *after, enum cachette__resp_type type) {
  *in->used = (size_t)(after - in->begin);
  begin_token(parser, type, in->token);
  return in->token;
}

/* Ends a value, and each aggregate whose last value it is. Returns whether this ends the reply. */
static bool end_value(cachette__resp *parser) {
  while (parser->depth > 0) {
    if (--parser->levels[parser->depth - 1].left > 0) return false;
    parser->depth--;
    if (parser->levels[parser->depth].is_attribute) return false; /* its value follows */
  }
  return true;
}

/* ---- Lines ---- */

/* Finds the end of the line that starts at the type byte. */
static int find_line(const input *in, const char **line_end) {
  size_t size = (size_t)(in->end - in->begin);
  const char *limit = size > CACHETTE__RESP_LINE ? in->begin + CACHETTE__RESP_LINE + 1 : in->end;
  const char *at = in->begin + 1;
  while (at < limit && *at != '\r' && *at != '\n') at++;
  if (at == limit) return size > CACHETTE__RESP_LINE ? fail(in, "a line without an end") : MORE;
  if (*at == '\n') return fail(in, "a line feed without a carriage return");
  if (at + 1 == in->end) return MORE;
  if (at[1] != '\n') return fail(in, "a carriage return without a line feed");
  *line_end = at;
  return TOKEN;
}

/* Reads the number after the type byte, and the CR LF, in one pass. `*after`: the next byte. */
static int read_number(const input *in, int64_t *number, const char **after) {
  const char *at = in->begin + 1;
  bool negative = at < in->end && *at == '-';
  if (negative) at++;
  const char *first = at;
  uint64_t sum = 0;
  for (; at < in->end; at++) {
    unsigned digit = (unsigned)(unsigned char)*at - '0';
    if (digit > 9) break;
    if (sum > INT64_MAX / 10) return fail(in, "a number too large");
    if (sum == 0 && at > first) return fail(in, "a number with leading zeros");
    sum = sum * 10 + digit; /* at most INT64_MAX + 2 */
  }
  if (at == in->end) return MORE;
  if (at == first && *at == '?') return fail(in, "an unexpected streamed type");
  if (at == first || *at != '\r') return fail(in, "an invalid number");
  if (sum > (uint64_t)INT64_MAX + negative) return fail(in, "a number too large");
  if (sum == 0 && negative) return fail(in, "an invalid number");
  if (at + 1 == in->end) return MORE;
  if (at[1] != '\n') return fail(in, "a carriage return without a line feed");
  *number = negative ? (int64_t)(0 - sum) : (int64_t)sum;
  *after = at + 2;
  return TOKEN;
}

static int read_integer(cachette__resp *parser, const input *in) {
  int64_t number;
  const char *after;
  int status = read_number(in, &number, &after);
  if (status != TOKEN) return status;
  take_token(parser, in, after, CACHETTE__RESP_INTEGER)->number = number;
  in->token->last = end_value(parser);
  return TOKEN;
}

static const char *skip_sign(const char *at, const char *end) {
  return at < end && (*at == '-' || *at == '+') ? at + 1 : at;
}

/* Returns the end of the digits at `at`, or NULL if there are none. */
static const char *skip_digits(const char *at, const char *end) {
  const char *begin = at;
  while (at < end && *at >= '0' && *at <= '9') at++;
  return at > begin ? at : NULL;
}

static bool is_big(const char *at, const char *end) {
  return skip_digits(skip_sign(at, end), end) == end;
}

static bool is_text(const char *at, const char *end, const char *text) {
  return (size_t)(end - at) == strlen(text) && memcmp(at, text, strlen(text)) == 0;
}

/* Redis before 7.2 formats a NaN as the C library does, maybe with a sign. */
static bool is_double(const char *at, const char *end) {
  if (is_text(at, end, "inf") || is_text(at, end, "-inf")) return true;
  if (is_text(at, end, "nan") || is_text(at, end, "-nan")) return true;
  at = skip_digits(skip_sign(at, end), end);
  if (at != NULL && at < end && *at == '.') at = skip_digits(at + 1, end);
  if (at != NULL && at < end && (*at == 'e' || *at == 'E'))
    at = skip_digits(skip_sign(at + 1, end), end);
  return at == end;
}

/* Returns what is wrong with the text of a line, or NULL. */
static const char *find_error(enum cachette__resp_type type, const char *at, const char *end) {
  switch (type) {
    case CACHETTE__RESP_NULL:
      return at == end ? NULL : "a null with a value";
    case CACHETTE__RESP_BOOLEAN:
      return is_text(at, end, "t") || is_text(at, end, "f") ? NULL : "an invalid boolean";
    case CACHETTE__RESP_DOUBLE:
      return is_double(at, end) ? NULL : "an invalid double";
    case CACHETTE__RESP_BIG:
      return is_big(at, end) ? NULL : "an invalid big number";
    default:
      return NULL;
  }
}

static int read_line(cachette__resp *parser, const input *in, enum cachette__resp_type type) {
  const char *text = in->begin + 1, *line_end;
  int status = find_line(in, &line_end);
  if (status != TOKEN) return status;
  const char *problem = find_error(type, text, line_end);
  if (problem != NULL) return fail(in, problem);
  cachette__resp_token *token = take_token(parser, in, line_end + 2, type);
  if (type == CACHETTE__RESP_BOOLEAN) {
    token->number = *text == 't';
  } else if (type != CACHETTE__RESP_NULL) {
    token->size = (size_t)(line_end - text);
    token->bytes = (cachette_slice){text, token->size};
    token->end = true;
  }
  token->last = end_value(parser);
  return TOKEN;
}

/* Reads a null of version 2. */
static int read_null(cachette__resp *parser, const input *in, const char *after) {
  take_token(parser, in, after, CACHETTE__RESP_NULL)->last = end_value(parser);
  return TOKEN;
}

/* ---- Bulks ---- */

/* The fourth byte of a verbatim string must be a colon. Checks it if it is in this part. */
static bool lacks_format(const cachette__resp *parser, const char *at, size_t size) {
  return parser->bulk_type == CACHETTE__RESP_VERBATIM && parser->bulk_offset <= 3 &&
         size > 3 - parser->bulk_offset && at[3 - parser->bulk_offset] != ':';
}

/* Reads the next part of the current bulk, at `at`. The first part may be an empty token. */
static int read_part(cachette__resp *parser, const input *in, const char *at, bool first) {
  size_t here = (size_t)(in->end - at), left = cachette__resp_bulk_left(parser);
  size_t size = here < left ? here : left;
  if (lacks_format(parser, at, size)) return fail(in, "a verbatim string without a format");
  const char *after = at + size;
  if (size == left) {
    for (; parser->tail > 0 && after < in->end; after++, parser->tail--)
      if (*after != (parser->tail == 2 ? '\r' : '\n')) return fail(in, "a bulk without an end");
  }
  *in->used = (size_t)(after - in->begin);
  if (size == 0 && parser->tail > 0 && !first) return MORE;
  cachette__resp_token *token = take_token(parser, in, after, parser->bulk_type);
  token->bytes = (cachette_slice){at, size};
  token->size = parser->bulk_size;
  token->offset = parser->bulk_offset;
  parser->bulk_offset += size;
  if (parser->tail > 0) return TOKEN;
  parser->bulk_size = parser->bulk_offset = 0;
  token->end = true;
  token->last = end_value(parser);
  return TOKEN;
}

static int start_bulk(cachette__resp *parser, const input *in, const char *at, size_t size,
                      enum cachette__resp_type type) {
  parser->bulk_type = type;
  parser->bulk_size = size;
  parser->bulk_offset = 0;
  parser->tail = 2;
  return read_part(parser, in, at, true);
}

static int read_bulk(cachette__resp *parser, const input *in, enum cachette__resp_type type) {
  int64_t number;
  const char *at;
  int status = read_number(in, &number, &at);
  if (status != TOKEN) return status;
  if (number == -1 && type == CACHETTE__RESP_BULK) return read_null(parser, in, at);
  if (number < 0 || number > CACHETTE__RESP_BULK_MAX) return fail(in, "a length out of range");
  if (number < 4 && type == CACHETTE__RESP_VERBATIM)
    return fail(in, "a verbatim string without a format");
  return start_bulk(parser, in, at, (size_t)number, type);
}

/*
 * The fast path for a bulk that has arrived completely, as nearly all have: reads it in one pass,
 * without using the parser's state. Returns false, without side effects, if this is not one.
 */
static inline bool read_whole_bulk(cachette__resp *parser, cachette_slice bytes, size_t *used,
                                   cachette__resp_token *token) {
  enum { HEAD = 12 }; /* max bytes of the head: the type, nine digits, CR LF */
  const char *begin = bytes.data, *at = begin + 1;
  if (bytes.size < HEAD || *begin != '$' || *at == '0') return false;
  size_t size = 0;
  for (unsigned digit; (digit = (unsigned char)*at - (unsigned)'0') <= 9; at++) {
    if (at == begin + HEAD - 2) return false;
    size = size * 10 + digit;
  }
  if (size == 0 || size > CACHETTE__RESP_BULK_MAX || memcmp(at, "\r\n", 2) != 0) return false;
  at += 2;
  size_t head = (size_t)(at - begin);
  if (bytes.size - head < size + 2 || memcmp(at + size, "\r\n", 2) != 0) return false;
  *used = head + size + 2;
  begin_token(parser, CACHETTE__RESP_BULK, token);
  token->bytes = (cachette_slice){at, size};
  token->size = size;
  token->end = true;
  token->last = end_value(parser);
  return true;
}

bool cachette__resp_bulk_skip(cachette__resp *parser, size_t size) {
  assert(size <= cachette__resp_bulk_left(parser));
  parser->bulk_offset += size;
  return cachette__resp_bulk_left(parser) == 0;
}

/* ---- Aggregates ---- */

static int read_aggregate(cachette__resp *parser, const input *in, enum cachette__resp_type type) {
  int64_t number;
  const char *after;
  int status = read_number(in, &number, &after);
  if (status != TOKEN) return status;
  if (number == -1 && type == CACHETTE__RESP_ARRAY) return read_null(parser, in, after);
  bool is_attribute = type == CACHETTE__RESP_ATTRIBUTE;
  int64_t each = is_attribute || type == CACHETTE__RESP_MAP ? 2 : 1;
  if (number < 0 || number > CACHETTE__RESP_COUNT / each) return fail(in, "a count out of range");
  if (type == CACHETTE__RESP_PUSH && parser->depth > 0) return fail(in, "a push inside a reply");
  if (parser->depth == CACHETTE__RESP_DEPTH) return fail(in, "aggregates nested too deeply");

  cachette__resp_token *token = take_token(parser, in, after, type);
  token->number = number;
  token->push |= type == CACHETTE__RESP_PUSH;
  token->attribute |= is_attribute;
  if (number == 0) {
    token->last = !is_attribute && end_value(parser);
    return TOKEN;
  }
  parser->levels[parser->depth].left = (uint32_t)(number * each);
  parser->levels[parser->depth].is_attribute = is_attribute;
  parser->levels[parser->depth].push = token->push;
  parser->levels[parser->depth].attribute = token->attribute;
  parser->depth++;
  return TOKEN;
}

/* ---- One token ---- */

static int read_typed(cachette__resp *parser, const input *in) {
  switch (*in->begin) {
    case '$':
      return read_bulk(parser, in, CACHETTE__RESP_BULK);
    case '!':
      return read_bulk(parser, in, CACHETTE__RESP_ERROR);
    case '=':
      return read_bulk(parser, in, CACHETTE__RESP_VERBATIM);
    case ':':
      return read_integer(parser, in);
    case '+':
      return read_line(parser, in, CACHETTE__RESP_SIMPLE);
    case '-':
      return read_line(parser, in, CACHETTE__RESP_ERROR);
    case '_':
      return read_line(parser, in, CACHETTE__RESP_NULL);
    case '#':
      return read_line(parser, in, CACHETTE__RESP_BOOLEAN);
    case ',':
      return read_line(parser, in, CACHETTE__RESP_DOUBLE);
    case '(':
      return read_line(parser, in, CACHETTE__RESP_BIG);
    case '*':
      return read_aggregate(parser, in, CACHETTE__RESP_ARRAY);
    case '%':
      return read_aggregate(parser, in, CACHETTE__RESP_MAP);
    case '~':
      return read_aggregate(parser, in, CACHETTE__RESP_SET);
    case '>':
      return read_aggregate(parser, in, CACHETTE__RESP_PUSH);
    case '|':
      return read_aggregate(parser, in, CACHETTE__RESP_ATTRIBUTE);
    case ';':
    case '.':
      return fail(in, "an unexpected streamed type");
    default:
      return fail(in, "an unknown type");
  }
}

int cachette__resp_read(cachette__resp *parser, cachette_slice bytes, size_t *used,
                        cachette__resp_token *token, const char **reason) {
  if (parser->tail == 0 && read_whole_bulk(parser, bytes, used, token)) return TOKEN;
  *used = 0;
  if (bytes.size == 0) return MORE;
  const char *begin = bytes.data;
  const input in = {begin, begin + bytes.size, used, token, reason};
  if (parser->tail > 0) return read_part(parser, &in, begin, false);
  return read_typed(parser, &in);
}
