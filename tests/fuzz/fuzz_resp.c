/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the parser of the Redis protocol. The same bytes must give the same tokens and the same
 * refusal: whole, byte by byte, in random pieces, and with bulks that bypass the parser. The first
 * byte of an input seeds the sizes of the pieces. The others are the reply of a server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis/resp.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

/* A summary of the tokens. Counts complete ones only, because the pieces determine the rest. */
struct result {
  uint64_t tokens;
  size_t count;
  const char *reason;
};

struct reader {
  cachette__resp parser;
  struct result result;
  uint64_t text;       /* the hash of the current token */
  size_t offset, size; /* bytes of it so far, and in total */
};

static void fold(uint64_t *sum, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < size; i++) *sum = (*sum ^ at[i]) * UINT64_C(1099511628211);
}

static bool is_text(enum cachette__resp_type type) {
  return type == CACHETTE__RESP_SIMPLE || type == CACHETTE__RESP_ERROR ||
         type == CACHETTE__RESP_BULK || type == CACHETTE__RESP_DOUBLE ||
         type == CACHETTE__RESP_BIG || type == CACHETTE__RESP_VERBATIM;
}

static void add_text(struct reader *reader, const cachette__resp_token *token) {
  CHECK(token->offset == reader->offset);
  CHECK(token->offset == 0 || token->size == reader->size);
  CHECK(token->bytes.size <= token->size - token->offset);
  CHECK(token->size <= CACHETTE__RESP_BULK_MAX);
  fold(&reader->text, token->bytes.data, token->bytes.size);
  reader->size = token->size;
  reader->offset += token->bytes.size;
  CHECK(!token->end || reader->offset == reader->size);
}

static void add_token(struct reader *reader, const cachette__resp_token *token) {
  CHECK(token->depth <= CACHETTE__RESP_DEPTH);
  if (is_text(token->type)) add_text(reader, token);
  CHECK(token->end || !token->last || !is_text(token->type));
  if (is_text(token->type) && !token->end) return;
  const int64_t head[] = {token->type,          token->number,        token->depth,
                          token->last,          token->push,          token->attribute,
                          (int64_t)token->size, (int64_t)reader->text};
  fold(&reader->result.tokens, head, sizeof head);
  reader->result.count++;
  reader->text = reader->offset = reader->size = 0;
}

static void check_token(const cachette__resp_token *token, const char *bytes, size_t used) {
  const char *begin = token->bytes.data;
  CHECK(used > 0);
  CHECK(begin == NULL ? token->bytes.size == 0
                      : begin >= bytes && begin + token->bytes.size <= bytes + used);
}

/* Parses bytes until the parser needs more. Returns how many it consumed. */
static size_t read_tokens(struct reader *reader, const char *bytes, size_t size) {
  for (size_t at = 0;;) {
    cachette__resp_token token;
    const char *reason = NULL;
    size_t used = SIZE_MAX;
    int status = cachette__resp_read(&reader->parser, (cachette_slice){bytes + at, size - at},
                                     &used, &token, &reason);
    CHECK(used <= size - at);
    CHECK(reader->parser.depth <= CACHETTE__RESP_DEPTH);
    CHECK((reason != NULL) == (status == CACHETTE_EBACKEND));
    if (status == CACHETTE__RESP_TOKEN) {
      check_token(&token, bytes + at, used);
      add_token(reader, &token);
      at += used;
      continue;
    }
    at += used;
    reader->result.reason = reason;
    if (status == CACHETTE_EBACKEND) return size;
    CHECK(status == CACHETTE__RESP_MORE);
    CHECK(size - at <= CACHETTE__RESP_LINE + 2);
    CHECK(at == size || reader->parser.tail == 0);
    return at;
  }
}

/* Lets bytes of the current bulk bypass the parser. Returns how many. */
static size_t bypass(struct reader *reader, const char *bytes, size_t size) {
  size_t left = cachette__resp_bulk_left(&reader->parser);
  if (size > left) size = left;
  CHECK(reader->parser.bulk_offset == reader->offset);
  fold(&reader->text, bytes, size);
  reader->offset += size;
  CHECK(cachette__resp_bulk_skip(&reader->parser, size) == (size == left));
  return size;
}

/* Parses the bytes [begin, end) in a buffer of exactly that size, which detects reads beyond it. */
static size_t parse(struct reader *reader, const char *bytes, size_t begin, size_t end) {
  char *copy = malloc(end - begin);
  CHECK(copy != NULL);
  memcpy(copy, bytes + begin, end - begin);
  size_t used = read_tokens(reader, copy, end - begin);
  free(copy);
  return begin + used;
}

static unsigned next_random(unsigned *seed) {
  *seed = *seed * 1103515245U + 12345U;
  return *seed >> 16;
}

/*
 * Parses pieces of 1 to `max` bytes; 0: all bytes in one piece. Verbatim strings never bypass the
 * parser, because it must check the colon after their format.
 */
static struct result read_in_pieces(const char *bytes, size_t size, size_t max, bool may_bypass,
                                    unsigned seed) {
  struct reader reader = {.result.tokens = UINT64_C(14695981039346656037)};
  cachette__resp_init(&reader.parser);
  size_t begin = 0; /* [begin, end) are the bytes that the parser has not consumed */
  for (size_t end = 0; end < size && reader.result.reason == NULL;) {
    size_t piece = max == 0 ? size : 1 + next_random(&seed) % max;
    if (piece > size - end) piece = size - end;
    if (may_bypass && begin == end && cachette__resp_bulk_left(&reader.parser) > 0 &&
        reader.parser.bulk_type != CACHETTE__RESP_VERBATIM && next_random(&seed) % 4 > 0) {
      end = begin += bypass(&reader, bytes + begin, piece);
      continue;
    }
    end += piece;
    begin = parse(&reader, bytes, begin, end);
  }
  return reader.result;
}

static void check_same(struct result one, struct result other) {
  CHECK(one.count == other.count);
  CHECK(one.tokens == other.tokens);
  CHECK(one.reason == other.reason ||
        (one.reason != NULL && other.reason != NULL && strcmp(one.reason, other.reason) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  unsigned seed = data[0];
  const char *bytes = (const char *)data + 1;
  size--;
  struct result whole = read_in_pieces(bytes, size, 0, false, 0);
  check_same(whole, read_in_pieces(bytes, size, 1 + seed % 16, false, seed));
  check_same(whole, read_in_pieces(bytes, size, 1 + seed % 64, true, ~seed));
  if (size <= 512) check_same(whole, read_in_pieces(bytes, size, 1, false, 0));
  return 0;
}
