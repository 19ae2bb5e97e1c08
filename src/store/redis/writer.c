/* SPDX-License-Identifier: MIT */
#include "writer.h"

#include <string.h>

enum { HEAD_MAX = 24 }; /* bytes of "$18446744073709551615\r\n", rounded up */

#define TEXT(text) ((cachette_slice){text, sizeof text - 1})

static char *append(char *at, const void *data, size_t size) {
  if (size > 0) memcpy(at, data, size);
  return at + size;
}

/* Appends the digits of a number. */
static char *append_number(char *at, uint64_t number) {
  char digits[20];
  size_t begin = sizeof digits;
  do {
    digits[--begin] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  return append(at, digits + begin, sizeof digits - begin);
}

static char *append_head(char *at, char mark, uint64_t number) {
  *at++ = mark;
  at = append_number(at, number);
  *at++ = '\r';
  *at++ = '\n';
  return at;
}

static char *append_bulk(char *at, cachette_slice first, cachette_slice second) {
  at = append_head(at, '$', first.size + second.size);
  at = append(at, first.data, first.size);
  at = append(at, second.data, second.size);
  *at++ = '\r';
  *at++ = '\n';
  return at;
}

static size_t max_key_size(cachette__redis_key key) {
  return key.prefix.size + key.key.size + HEAD_MAX + 2;
}

/* Commits the bytes up to `end`, which were written to reserved space. */
static bool finish(cachette__buffer *output, const char *end) {
  output->end = (size_t)(end - output->data);
  return true;
}

/* Appends the literal head of a command, and a key. */
static bool append_keyed(cachette__buffer *output, cachette_slice head, cachette__redis_key key) {
  char *at = cachette__buffer_reserve(output, head.size + max_key_size(key));
  if (at == NULL) return false;
  at = append(at, head.data, head.size);
  return finish(output, append_bulk(at, key.prefix, key.key));
}

bool cachette__redis_get(cachette__buffer *output, cachette__redis_key key) {
  return append_keyed(output, TEXT("*2\r\n$3\r\nGET\r\n"), key);
}

bool cachette__redis_pttl(cachette__buffer *output, cachette__redis_key key) {
  return append_keyed(output, TEXT("*2\r\n$4\r\nPTTL\r\n"), key);
}

bool cachette__redis_exists(cachette__buffer *output, cachette__redis_key key) {
  return append_keyed(output, TEXT("*2\r\n$6\r\nEXISTS\r\n"), key);
}

/* Appends a signed number as a bulk string. */
static bool append_signed(cachette__buffer *output, int64_t number) {
  char digits[21];
  char *at = digits;
  uint64_t magnitude = (uint64_t)number;
  if (number < 0) {
    *at++ = '-';
    magnitude = 0 - magnitude;
  }
  at = append_number(at, magnitude);
  return cachette__redis_bulk(output, (cachette_slice){digits, (size_t)(at - digits)});
}

bool cachette__redis_pexpire(cachette__buffer *output, cachette__redis_key key, int64_t ttl_ms) {
  return append_keyed(output, TEXT("*3\r\n$7\r\nPEXPIRE\r\n"), key) &&
         append_signed(output, ttl_ms);
}

bool cachette__redis_incrby(cachette__buffer *output, cachette__redis_key key, int64_t amount) {
  return append_keyed(output, TEXT("*3\r\n$6\r\nINCRBY\r\n"), key) && append_signed(output, amount);
}

bool cachette__redis_increment(cachette__buffer *output, cachette__redis_key key, int64_t amount,
                               int64_t ttl_ms) {
  return cachette__redis_head(output, 1, TEXT("MULTI")) &&
         cachette__redis_set(output, key, TEXT("0"), ttl_ms, true) &&
         cachette__redis_incrby(output, key, amount) &&
         cachette__redis_head(output, 1, TEXT("EXEC"));
}

bool cachette__redis_unlink(cachette__buffer *output, cachette__redis_key key, bool legacy) {
  return append_keyed(output, legacy ? TEXT("*2\r\n$3\r\nDEL\r\n") : TEXT("*2\r\n$6\r\nUNLINK\r\n"),
                      key);
}

bool cachette__redis_set(cachette__buffer *output, cachette__redis_key key, cachette_slice value,
                         int64_t ttl_ms, bool if_absent) {
  const cachette_slice head = if_absent ? TEXT("*6\r\n$3\r\nSET\r\n") : TEXT("*5\r\n$3\r\nSET\r\n");
  const cachette_slice px = TEXT("$2\r\nPX\r\n"), nx = TEXT("$2\r\nNX\r\n");
  char digits[20];
  cachette_slice ttl = {digits, (size_t)(append_number(digits, (uint64_t)ttl_ms) - digits)};
  char *at = cachette__buffer_reserve(output, head.size + max_key_size(key) + value.size + px.size +
                                                  nx.size + sizeof digits + 2 * HEAD_MAX + 4);
  if (at == NULL) return false;
  at = append(at, head.data, head.size);
  at = append_bulk(at, key.prefix, key.key);
  at = append_bulk(at, value, TEXT(""));
  at = append(at, px.data, px.size);
  at = append_bulk(at, ttl, TEXT(""));
  if (if_absent) at = append(at, nx.data, nx.size);
  return finish(output, at);
}

char *cachette__redis_bulk_head(char *at, size_t size) { return append_head(at, '$', size); }

bool cachette__redis_bulk(cachette__buffer *output, cachette_slice word) {
  char *at = cachette__buffer_reserve(output, word.size + HEAD_MAX + 2);
  return at != NULL && finish(output, append_bulk(at, word, TEXT("")));
}

bool cachette__redis_head(cachette__buffer *output, size_t count, cachette_slice word) {
  char *at = cachette__buffer_reserve(output, word.size + 2 * HEAD_MAX + 2);
  if (at == NULL) return false;
  return finish(output, append_bulk(append_head(at, '*', count), word, TEXT("")));
}

bool cachette__redis_words(cachette__buffer *output, const cachette_slice *words, size_t count) {
  size_t before = output->end - output->begin;
  bool ok = cachette__redis_head(output, count, words[0]);
  for (size_t i = 1; i < count && ok; i++) ok = cachette__redis_bulk(output, words[i]);
  if (!ok) output->end = output->begin + before;
  return ok;
}

bool cachette__redis_scan(cachette__buffer *output, cachette_slice cursor, cachette_slice pattern) {
  const cachette_slice words[] = {TEXT("SCAN"), cursor,        TEXT("MATCH"),
                                  pattern,      TEXT("COUNT"), TEXT("1000")};
  return cachette__redis_words(output, words, sizeof words / sizeof *words);
}

static char *append_escaped(char *at, cachette_slice text) {
  const char *bytes = text.data;
  for (size_t i = 0; i < text.size; i++) {
    if (memchr("*?[]\\", bytes[i], 5) != NULL) *at++ = '\\';
    *at++ = bytes[i];
  }
  return at;
}

bool cachette__redis_pattern(cachette__buffer *output, cachette_slice first, cachette_slice second,
                             cachette_slice third) {
  char *at = cachette__buffer_reserve(output, 2 * (first.size + second.size + third.size) + 1);
  if (at == NULL) return false;
  at = append_escaped(append_escaped(append_escaped(at, first), second), third);
  *at++ = '*';
  return finish(output, at);
}
