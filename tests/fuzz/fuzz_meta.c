/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the parsers of memcached's protocols. The same bytes must give the same tokens and the
 * same refusal, whole and in pieces. The first byte of an input is the size of the pieces. Both
 * parsers read the others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/memcached/binary.h"
#include "store/memcached/key.h"
#include "store/memcached/meta.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

/* A summary of the tokens. Counts complete values only, because the pieces determine the rest. */
struct result {
  uint64_t sum, pending;
  size_t values, lines;
  const char *reason;
};

static void fold(uint64_t *sum, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < size; i++) *sum = (*sum ^ at[i]) * UINT64_C(1099511628211);
}

static void add_token(struct result *result, const cachette__meta_token *token, size_t *offset) {
  if (token->type != CACHETTE__META_VALUE) {
    fold(&result->sum, token->line.data, token->line.size);
    result->lines++;
    cachette__memcached_key key;
    cachette__memcached_key_decode(token->line, &key);
    CHECK(token->end && *offset == 0);
    return;
  }
  CHECK(token->offset == *offset && token->bytes.size <= token->size - token->offset);
  if (token->line.data != NULL) {
    result->pending = result->sum;
    fold(&result->pending, &token->size, sizeof token->size);
  }
  fold(&result->pending, token->bytes.data, token->bytes.size);
  *offset += token->bytes.size;
  if (!token->end) return;
  CHECK(*offset == token->size);
  *offset = 0;
  result->sum = result->pending;
  result->values++;
}

/* Parses all bytes in pieces of `step` bytes. */
static struct result parse_in_pieces(const unsigned char *data, size_t size, size_t step,
                                     bool is_binary) {
  struct result result = {.reason = NULL};
  cachette__meta meta;
  cachette__binary binary;
  cachette__meta_init(&meta);
  cachette__binary_init(&binary);
  size_t begin = 0, end = step < size ? step : size, offset = 0;
  for (;;) {
    cachette__meta_token token;
    size_t used;
    char *piece = malloc(end - begin + 1);
    memcpy(piece, data + begin, end - begin);
    cachette_slice bytes = {piece, end - begin};
    int code = is_binary ? cachette__binary_read(&binary, bytes, &used, &token, &result.reason)
                         : cachette__meta_read(&meta, bytes, &used, &token, &result.reason);
    if (code == CACHETTE__META_TOKEN) add_token(&result, &token, &offset);
    free(piece);
    CHECK(used <= end - begin);
    begin += used;
    if (code < 0) return result;
    if (code == CACHETTE__META_TOKEN) continue;
    CHECK(end - begin <= CACHETTE__BINARY_HEAD + CACHETTE__BINARY_BODY_MAX + step);
    if (end == size) return result;
    end = end + step < size ? end + step : size;
  }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
  if (size < 1) return 0;
  for (int is_binary = 0; is_binary < 2; is_binary++) {
    struct result whole = parse_in_pieces(data + 1, size - 1, size, is_binary);
    struct result cut = parse_in_pieces(data + 1, size - 1, 1 + data[0], is_binary);
    CHECK(whole.sum == cut.sum && whole.values == cut.values && whole.lines == cut.lines);
    CHECK((whole.reason == NULL) == (cut.reason == NULL));
  }
  return 0;
}
