/* SPDX-License-Identifier: MIT */
#include "meta.h"

#include <string.h>

void cachette__meta_init(cachette__meta *parser) { *parser = (cachette__meta){.size = 0}; }

/* `CONFIG cluster 0 SIZE` precedes the value of `config get cluster`, which ElastiCache adds. */
#define CONFIG "CONFIG"

static const struct {
  const char *word;
  enum cachette__meta_type type;
} words[] = {
    {"VA", CACHETTE__META_VALUE},
    {CONFIG, CACHETTE__META_VALUE},
    {"HD", CACHETTE__META_HEADER},
    {"EN", CACHETTE__META_MISS},
    {"NF", CACHETTE__META_MISS},
    {"NS", CACHETTE__META_NOT_STORED},
    {"EX", CACHETTE__META_NOT_STORED},
    {"MN", CACHETTE__META_NOOP},
    {"ERROR", CACHETTE__META_ERROR},
    {"CLIENT_ERROR", CACHETTE__META_ERROR},
    {"SERVER_ERROR", CACHETTE__META_ERROR},
};

static size_t word_size(cachette_slice line, size_t begin) {
  const char *text = line.data;
  size_t end = begin;
  while (end < line.size && text[end] != ' ') end++;
  return end - begin;
}

static enum cachette__meta_type type_of(cachette_slice line) {
  size_t size = word_size(line, 0);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strlen(words[i].word) == size && memcmp(words[i].word, line.data, size) == 0)
      return words[i].type;
  return CACHETTE__META_LINE;
}

/* Reads digits, after a minus sign if `sign` allows it. False: not a number, or above `max`. */
static bool read_number(const char *text, size_t size, bool sign, int64_t max, int64_t *number) {
  size_t at = sign && size > 0 && text[0] == '-';
  int64_t value = 0;
  if (at == size) return false;
  for (size_t i = at; i < size; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
    if (value > max) return false;
  }
  *number = at > 0 ? -value : value;
  return true;
}

/* Reads the flags that this store uses. False: one of them is not a number. */
static bool read_flags(cachette__meta_token *token, size_t begin) {
  const char *text = token->line.data;
  for (size_t size; begin < token->line.size; begin += size + 1) {
    int64_t number;
    size = word_size(token->line, begin);
    if (size == 0) continue;
    if (text[begin] == 'O') {
      if (!read_number(text + begin + 1, size - 1, false, UINT32_MAX, &number)) return false;
      token->has_opaque = true;
      token->opaque = (uint32_t)number;
    } else if (text[begin] == 't') {
      if (!read_number(text + begin + 1, size - 1, true, INT64_C(1) << 40, &number)) return false;
      token->has_ttl = true;
      token->ttl = number;
    } else if (text[begin] == 'c') {
      if (!read_number(text + begin + 1, size - 1, false, INT64_MAX / 10, &number)) return false;
      token->cas = (uint64_t)number;
    }
  }
  return true;
}

static int fail(const char **reason, const char *text) {
  *reason = text;
  return CACHETTE_EBACKEND;
}

/* Reads the next part of a value. */
static int read_value(cachette__meta *parser, cachette_slice bytes, size_t *used,
                      cachette__meta_token *token, const char **reason) {
  const char *text = bytes.data;
  size_t left = parser->size - parser->offset;
  size_t part = left < bytes.size ? left : bytes.size;
  token->type = CACHETTE__META_VALUE;
  token->size = parser->size;
  token->offset = parser->offset;
  token->bytes = (cachette_slice){text, part};
  parser->offset += part;
  *used += part;
  if (parser->offset == parser->size && bytes.size - part >= 2) {
    if (text[part] != '\r' || text[part + 1] != '\n')
      return fail(reason, "a value does not end where it should");
    *used += 2;
    token->end = true;
    cachette__meta_init(parser);
    return CACHETTE__META_TOKEN;
  }
  return part > 0 ? CACHETTE__META_TOKEN : CACHETTE__META_MORE;
}

/* Returns where the size is in the line before a value. */
static size_t size_offset(cachette_slice line) {
  size_t word = word_size(line, 0), at = word + 1;
  if (word != sizeof CONFIG - 1) return at;
  for (int i = 0; i < 2; i++) at += at < line.size ? word_size(line, at) + 1 : 0;
  return at;
}

/* Reads the line before a value, and as much of the value as has arrived. */
static int begin_value(cachette__meta *parser, cachette_slice rest, size_t *used,
                       cachette__meta_token *token, const char **reason) {
  const char *text = token->line.data;
  int64_t size;
  size_t at = size_offset(token->line);
  size_t digits = token->line.size > at ? word_size(token->line, at) : 0;
  if (digits == 0 || !read_number(text + at, digits, false, CACHETTE__META_VALUE_MAX, &size))
    return fail(reason, "the size of a value is invalid");
  if (!read_flags(token, at + digits + 1)) return fail(reason, "a flag is not a number");
  parser->size = (size_t)size;
  parser->offset = 0;
  parser->tail = 2;
  int code = read_value(parser, rest, used, token, reason);
  return code == CACHETTE__META_MORE ? CACHETTE__META_TOKEN : code;
}

int cachette__meta_read(cachette__meta *parser, cachette_slice bytes, size_t *used,
                        cachette__meta_token *token, const char **reason) {
  const char *text = bytes.data;
  *used = 0;
  *token = (cachette__meta_token){.type = CACHETTE__META_LINE};
  if (parser->tail > 0) return read_value(parser, bytes, used, token, reason);
  const char *end = bytes.size > 0 ? memchr(text, '\n', bytes.size) : NULL;
  if (end == NULL) {
    if (bytes.size > CACHETTE__META_LINE_MAX) return fail(reason, "a line has no end");
    return CACHETTE__META_MORE;
  }
  size_t size = (size_t)(end - text);
  *used = size + 1;
  if (size > CACHETTE__META_LINE_MAX) return fail(reason, "a line is too long");
  if (size > 0 && text[size - 1] == '\r') size--;
  token->line = (cachette_slice){text, size};
  token->type = type_of(token->line);
  if (token->type == CACHETTE__META_VALUE)
    return begin_value(parser, (cachette_slice){text + *used, bytes.size - *used}, used, token,
                       reason);
  token->end = true;
  if (token->type == CACHETTE__META_ERROR || token->type == CACHETTE__META_LINE)
    return CACHETTE__META_TOKEN;
  if (!read_flags(token, word_size(token->line, 0) + 1))
    return fail(reason, "a flag is not a number");
  return CACHETTE__META_TOKEN;
}
