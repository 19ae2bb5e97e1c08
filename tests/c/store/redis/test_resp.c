/* SPDX-License-Identifier: MIT */
/*
 * The parser of the Redis protocol: it returns the same tokens however the bytes are split, and it
 * refuses invalid sizes, counts and depths. The tests write a reply as its tokens:
 *
 *     *2 CRLF $1 CRLF k CRLF :5 CRLF      0*2 1$k 1:5;
 *
 * A token is its depth, its type byte and its value. `p` or `a` precedes it if it belongs to a push
 * or to an attribute, and `;` follows the last one of a reply. Nulls are `_` in both versions.
 */
#include "store/redis/resp.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "redis_server.h"
#include "support.h"

enum { LONG = 64 }; /* longer texts are written as their size and a checksum */

/* ---- A reader that records tokens ---- */

struct reader {
  cachette__resp parser;
  char left[CACHETTE__RESP_LINE + 2]; /* the bytes that the parser has not consumed */
  size_t left_size;
  const char *reason;
  size_t part_offset; /* of the current text */
  uint32_t checksum;
  int replies;
  char text[16384];
  size_t text_size;
};

static void reader_init(struct reader *reader) {
  memset(reader, 0, sizeof *reader);
  cachette__resp_init(&reader->parser);
}

static void record(struct reader *reader, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t rest = sizeof reader->text - reader->text_size;
  int size = vsnprintf(reader->text + reader->text_size, rest, format, arguments);
  va_end(arguments);
  assert_true(size >= 0 && (size_t)size < rest);
  reader->text_size += (size_t)size;
}

static uint32_t add_checksum(uint32_t sum, const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) sum = (sum ^ (unsigned char)bytes[i]) * 16777619U;
  return sum;
}

static void record_bytes(struct reader *reader, size_t whole, const char *bytes, size_t size) {
  reader->part_offset += size;
  reader->checksum = add_checksum(reader->checksum, bytes, size);
  if (whole > LONG) return;
  for (size_t i = 0; i < size; i++)
    record(reader, bytes[i] >= ' ' && bytes[i] <= '~' ? "%c" : "\\x%02x", (unsigned char)bytes[i]);
}

static void record_text(struct reader *reader, const cachette__resp_token *token) {
  assert_int_equal(token->offset, reader->part_offset);
  record_bytes(reader, token->size, token->bytes.data, token->bytes.size);
  assert_true(reader->part_offset <= token->size);
  if (!token->end) return;
  assert_int_equal(reader->part_offset, token->size);
  if (token->size > LONG) record(reader, "<%zu %08x>", token->size, (unsigned)reader->checksum);
  reader->part_offset = 0;
}

static bool is_text(enum cachette__resp_type type) {
  return type == CACHETTE__RESP_SIMPLE || type == CACHETTE__RESP_ERROR ||
         type == CACHETTE__RESP_BULK || type == CACHETTE__RESP_DOUBLE ||
         type == CACHETTE__RESP_BIG || type == CACHETTE__RESP_VERBATIM;
}

static void record_token(struct reader *reader, const cachette__resp_token *token, bool is_new) {
  if (is_new) {
    record(reader, "%s%s%u%c", token->push ? "p" : "", token->attribute ? "a" : "", token->depth,
           "+-:$_,#(=*%~>|"[token->type]);
    reader->checksum = 2166136261U;
  }
  if (is_text(token->type))
    record_text(reader, token);
  else if (token->type != CACHETTE__RESP_NULL)
    record(reader, "%" PRId64, token->number);
  bool whole = !is_text(token->type) || token->end;
  if (whole) record(reader, token->last ? ";" : " ");
  assert_true(whole || !token->last);
  if (token->last && !token->push) reader->replies++;
}

/*
 * Parses the bytes until the parser needs more. Returns how many the parser consumed, or `size` if
 * it refused them.
 */
static size_t read_tokens(struct reader *reader, const char *bytes, size_t size) {
  for (size_t at = 0;;) {
    cachette__resp_token token;
    const char *reason = NULL;
    size_t used;
    bool in_bulk = reader->parser.tail > 0;
    int status = cachette__resp_read(&reader->parser, (cachette_slice){bytes + at, size - at},
                                     &used, &token, &reason);
    assert_true(used <= size - at && reader->parser.depth <= CACHETTE__RESP_DEPTH);
    if (status != CACHETTE_EBACKEND) assert_null(reason);
    at += used;
    if (status == CACHETTE__RESP_TOKEN) {
      assert_true(used > 0);
      record_token(reader, &token, !in_bulk);
      continue;
    }
    if (status == CACHETTE__RESP_MORE) {
      assert_true(size - at <= CACHETTE__RESP_LINE + 2);
      assert_true(at == size || reader->parser.tail == 0);
      return at;
    }
    assert_int_equal(status, CACHETTE_EBACKEND);
    assert_non_null(reason);
    reader->reason = reason;
    return size;
  }
}

/* Parses bytes after those that are left. Their buffer has exactly their size. */
static void parse(struct reader *reader, const char *bytes, size_t size) {
  if (reader->reason != NULL) return;
  size_t whole = reader->left_size + size;
  char *copy = malloc(whole > 0 ? whole : 1);
  assert_non_null(copy);
  memcpy(copy, reader->left, reader->left_size);
  if (size > 0) memcpy(copy + reader->left_size, bytes, size);
  size_t used = read_tokens(reader, copy, whole);
  reader->left_size = whole - used;
  memcpy(reader->left, copy + used, reader->left_size);
  free(copy);
}

/* ---- Splitting ---- */

struct reply {
  const char *bytes;
  size_t size;
  const char *tokens; /* before the refused bytes */
  const char *reason; /* of the refusal; NULL: nothing is refused */
};

static void expect(const struct reader *reader, const struct reply *reply) {
  assert_string_equal(reader->text, reply->tokens);
  assert_string_equal(reader->reason != NULL ? reader->reason : "",
                      reply->reason != NULL ? reply->reason : "");
  if (reply->reason == NULL) {
    assert_int_equal(reader->left_size, 0);
    assert_int_equal(reader->parser.depth, 0);
    assert_int_equal(reader->parser.tail, 0);
  }
}

static void expect_in_pieces(const struct reply *reply, size_t piece) {
  struct reader reader;
  reader_init(&reader);
  for (size_t at = 0; at < reply->size; at += piece)
    parse(&reader, reply->bytes + at, at + piece < reply->size ? piece : reply->size - at);
  expect(&reader, reply);
}

static void expect_however_split(const struct reply *reply) {
  expect_in_pieces(reply, reply->size);
  expect_in_pieces(reply, 1);
  for (size_t cut = 0; cut <= reply->size; cut++) {
    struct reader reader;
    reader_init(&reader);
    parse(&reader, reply->bytes, cut);
    parse(&reader, reply->bytes + cut, reply->size - cut);
    expect(&reader, reply);
  }
}

#define ROW(bytes, tokens) \
  { bytes, sizeof bytes - 1, tokens, NULL }
#define BAD(bytes, tokens, reason) \
  { bytes, sizeof bytes - 1, tokens, reason }

/* ---- The tokens of replies ---- */

static const struct reply replies[] = {
    ROW("+OK\r\n", "0+OK;"),
    ROW("+\r\n", "0+;"),
    ROW("+a b\0c\r\n", "0+a b\\x00c;"),
    ROW("-ERR no such thing\r\n", "0-ERR no such thing;"),
    ROW("!5\r\nERR\r\n\r\n", "0-ERR\\x0d\\x0a;"),
    ROW("!0\r\n\r\n", "0-;"),
    ROW(":0\r\n", "0:0;"),
    ROW(":-1\r\n", "0:-1;"),
    ROW(":9223372036854775807\r\n", "0:9223372036854775807;"),
    ROW(":-9223372036854775808\r\n", "0:-9223372036854775808;"),
    ROW("$3\r\nfoo\r\n", "0$foo;"),
    ROW("$0\r\n\r\n", "0$;"),
    ROW("$6\r\n\r\n$1\r\n\r\n", "0$\\x0d\\x0a$1\\x0d\\x0a;"),
    ROW("$3\r\n\r\n\r\r\n", "0$\\x0d\\x0a\\x0d;"),
    ROW("$66\r\n000000000000000000000000000000000000000000000000000000000000000000\r\n",
        "0$<66 b90f874d>;"),
    ROW("$-1\r\n", "0_;"),
    ROW("*-1\r\n", "0_;"),
    ROW("_\r\n", "0_;"),
    ROW("#t\r\n", "0#1;"),
    ROW("#f\r\n", "0#0;"),
    ROW(",3.141\r\n", "0,3.141;"),
    ROW(",10\r\n", "0,10;"),
    ROW(",-0.5\r\n", "0,-0.5;"),
    ROW(",1e-9\r\n", "0,1e-9;"),
    ROW(",1.0000000000000001e+300\r\n", "0,1.0000000000000001e+300;"),
    ROW(",+1.5E6\r\n", "0,+1.5E6;"),
    ROW(",inf\r\n", "0,inf;"),
    ROW(",-inf\r\n", "0,-inf;"),
    ROW(",nan\r\n", "0,nan;"),
    ROW(",-nan\r\n", "0,-nan;"),
    ROW("(1234567999999999999999999999999999999\r\n", "0(1234567999999999999999999999999999999;"),
    ROW("(-12\r\n", "0(-12;"),
    ROW("=8\r\ntxt:a\r\nb\r\n", "0=txt:a\\x0d\\x0ab;"),
    ROW("=4\r\nmkd:\r\n", "0=mkd:;"),
    ROW("*0\r\n", "0*0;"),
    ROW("%0\r\n", "0%0;"),
    ROW("~0\r\n", "0~0;"),
    ROW("*2\r\n$3\r\nfoo\r\n:5\r\n", "0*2 1$foo 1:5;"),
    ROW("*3\r\n$-1\r\n*-1\r\n_\r\n", "0*3 1_ 1_ 1_;"),
    ROW("%2\r\n+a\r\n:1\r\n+b\r\n#t\r\n", "0%2 1+a 1:1 1+b 1#1;"),
    ROW("~2\r\n:1\r\n:2\r\n", "0~2 1:1 1:2;"),
    ROW("*3\r\n*0\r\n*1\r\n*0\r\n*2\r\n:1\r\n%1\r\n:2\r\n~0\r\n",
        "0*3 1*0 1*1 2*0 1*2 2:1 2%1 3:2 3~0;"),
    ROW("*1\r\n!3\r\nERR\r\n", "0*1 1-ERR;"),
    ROW("*2\r\n$1\r\n0\r\n*2\r\n$2\r\nk1\r\n$2\r\nk2\r\n", "0*2 1$0 1*2 2$k1 2$k2;"),
    /* Sixteen levels are allowed. */
    ROW("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"
        "*2\r\n*-1\r\n$1\r\nx\r\n",
        "0*1 1*1 2*1 3*1 4*1 5*1 6*1 7*1 8*1 9*1 10*1 11*1 12*1 13*1 14*1 15*2 16_ 16$x;"),
    /* Attributes precede a value and do not count as one. */
    ROW("|1\r\n+k\r\n:9\r\n$1\r\nv\r\n", "a0|1 a1+k a1:9 0$v;"),
    ROW("|0\r\n:1\r\n", "a0|0 0:1;"),
    ROW("*2\r\n:1\r\n|1\r\n+k\r\n*1\r\n:9\r\n:2\r\n", "0*2 1:1 a1|1 a2+k a2*1 a3:9 1:2;"),
    ROW("*1\r\n|0\r\n:2\r\n", "0*1 a1|0 1:2;"),
    ROW("|1\r\n|1\r\n+a\r\n+b\r\n+k\r\n+v\r\n|1\r\n+c\r\n+d\r\n:1\r\n",
        "a0|1 a1|1 a2+a a2+b a1+k a1+v a0|1 a1+c a1+d 0:1;"),
    /* Pushes come between replies. */
    ROW(">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n:1\r\n", "p0>2 p1+invalidate p1*1 p2$k;0:1;"),
    ROW(":1\r\n>0\r\n:2\r\n", "0:1;p0>0;0:2;"),
    ROW(">1\r\n|1\r\n+k\r\n+v\r\n:7\r\n", "p0>1 pa1|1 pa2+k pa2+v p1:7;"),
    ROW("|1\r\n+k\r\n+v\r\n>1\r\n:7\r\n:8\r\n", "a0|1 a1+k a1+v p0>1 p1:7;0:8;"),
};

static void a_reply_gives_the_same_tokens_however_it_is_split(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(replies); i++) expect_however_split(&replies[i]);
}

static void replies_in_one_buffer_are_read_one_by_one(void **state) {
  (void)state;
  static char bytes[4096], tokens[4096];
  size_t size = 0;
  for (size_t i = 0; i < LENGTH(replies); i++) {
    assert_true(size + replies[i].size <= sizeof bytes);
    memcpy(bytes + size, replies[i].bytes, replies[i].size);
    size += replies[i].size;
    assert_true(strlen(tokens) + strlen(replies[i].tokens) < sizeof tokens);
    strcat(tokens, replies[i].tokens);
  }
  const struct reply all = {bytes, size, tokens, NULL};
  expect_however_split(&all);
  for (size_t piece = 2; piece < 40; piece++) expect_in_pieces(&all, piece);
}

/* ---- Refused replies ---- */

#define NONE "an invalid number"
#define TOO_LARGE "a number too large"
#define ZEROS "a number with leading zeros"
#define LENGTH_RANGE "a length out of range"
#define COUNT_RANGE "a count out of range"
#define STREAMED "an unexpected streamed type"
#define NO_CR "a line feed without a carriage return"
#define NO_LF "a carriage return without a line feed"
#define NO_END "a bulk without an end"
#define NO_TYPE "an unknown type"
#define NO_DOUBLE "an invalid double"
#define NO_BIG "an invalid big number"
#define NO_BOOLEAN "an invalid boolean"
#define NO_FORMAT "a verbatim string without a format"
#define TOO_DEEP "aggregates nested too deeply"

static const struct reply refused[] = {
    /* Types. */
    BAD("HTTP/1.1 400 Bad Request\r\n", "", NO_TYPE),
    BAD("\r\n", "", NO_TYPE),
    BAD("+OK\r\n\0", "0+OK;", NO_TYPE),
    BAD("\xff", "", NO_TYPE),
    BAD("*1\r\n\r\n", "0*1 ", NO_TYPE),
    BAD("$?\r\n;1\r\na\r\n;0\r\n", "", STREAMED),
    BAD("*?\r\n:1\r\n.\r\n", "", STREAMED),
    BAD("%?\r\n", "", STREAMED),
    BAD("~?\r\n", "", STREAMED),
    BAD(";1\r\n", "", STREAMED),
    BAD(".\r\n", "", STREAMED),
    /* Lengths. */
    BAD("$536870913\r\n", "", LENGTH_RANGE),
    BAD("$2147483648\r\n", "", LENGTH_RANGE),
    BAD("$9223372036854775807\r\n", "", LENGTH_RANGE),
    BAD("$9223372036854775808\r\n", "", TOO_LARGE),
    BAD("$18446744073709551616\r\n", "", TOO_LARGE),
    BAD("$18446744073709551617\r\n", "", TOO_LARGE),
    BAD("$99999999999999999999999999\r\n", "", TOO_LARGE),
    BAD("$-2\r\n", "", LENGTH_RANGE),
    BAD("$-9223372036854775808\r\n", "", LENGTH_RANGE),
    BAD("$+5\r\nhello\r\n", "", NONE),
    BAD("$00005\r\nhello\r\n", "", ZEROS),
    BAD("$00\r\n\r\n", "", ZEROS),
    BAD("$-0\r\n", "", NONE),
    BAD("$-01\r\n", "", ZEROS),
    BAD("$-\r\n", "", NONE),
    BAD("$--1\r\n", "", NONE),
    BAD("$\r\n", "", NONE),
    BAD("$ 5\r\n", "", NONE),
    BAD("$5 \r\n", "", NONE),
    BAD("$0x5\r\n", "", NONE),
    BAD("$1.0\r\n", "", NONE),
    BAD("!-1\r\n", "", LENGTH_RANGE),
    BAD("!536870913\r\n", "", LENGTH_RANGE),
    BAD("=-1\r\n", "", LENGTH_RANGE),
    BAD("=536870913\r\n", "", LENGTH_RANGE),
    BAD("=3\r\ntxt\r\n", "", NO_FORMAT),
    /* Counts. */
    BAD("*16777217\r\n", "", COUNT_RANGE),
    BAD("*2147483648\r\n", "", COUNT_RANGE),
    BAD("*4294967297\r\n", "", COUNT_RANGE),
    BAD("*9223372036854775807\r\n", "", COUNT_RANGE),
    BAD("*9223372036854775808\r\n", "", TOO_LARGE),
    BAD("*18446744073709551617\r\n", "", TOO_LARGE),
    BAD("*-2\r\n", "", COUNT_RANGE),
    BAD("*+5\r\n", "", NONE),
    BAD("*00005\r\n", "", ZEROS),
    BAD("~16777217\r\n", "", COUNT_RANGE),
    BAD("~-1\r\n", "", COUNT_RANGE),
    BAD("%8388609\r\n", "", COUNT_RANGE),
    BAD("%4611686018427387905\r\n", "", COUNT_RANGE),
    BAD("%9223372036854775807\r\n", "", COUNT_RANGE),
    BAD("%-1\r\n", "", COUNT_RANGE),
    BAD(">16777217\r\n", "", COUNT_RANGE),
    BAD(">-1\r\n", "", COUNT_RANGE),
    BAD("|8388609\r\n", "", COUNT_RANGE),
    BAD("|-1\r\n", "", COUNT_RANGE),
    /* Values. */
    BAD(":9223372036854775808\r\n", "", TOO_LARGE),
    BAD(":-9223372036854775809\r\n", "", TOO_LARGE),
    BAD(":18446744073709551615\r\n", "", TOO_LARGE),
    BAD(":+5\r\n", "", NONE),
    BAD(":007\r\n", "", ZEROS),
    BAD(":-0\r\n", "", NONE),
    BAD(":\r\n", "", NONE),
    BAD("_x\r\n", "", "a null with a value"),
    BAD("#1\r\n", "", NO_BOOLEAN),
    BAD("#T\r\n", "", NO_BOOLEAN),
    BAD("#tt\r\n", "", NO_BOOLEAN),
    BAD("#\r\n", "", NO_BOOLEAN),
    BAD(",\r\n", "", NO_DOUBLE),
    BAD(",-\r\n", "", NO_DOUBLE),
    BAD(",.5\r\n", "", NO_DOUBLE),
    BAD(",5.\r\n", "", NO_DOUBLE),
    BAD(",1e\r\n", "", NO_DOUBLE),
    BAD(",1e+\r\n", "", NO_DOUBLE),
    BAD(",1e1.5\r\n", "", NO_DOUBLE),
    BAD(",1,5\r\n", "", NO_DOUBLE),
    BAD(",0x1p3\r\n", "", NO_DOUBLE),
    BAD(",infinity\r\n", "", NO_DOUBLE),
    BAD(",+inf\r\n", "", NO_DOUBLE),
    BAD(",Inf\r\n", "", NO_DOUBLE),
    BAD(",nan(1)\r\n", "", NO_DOUBLE),
    BAD("(\r\n", "", NO_BIG),
    BAD("(-\r\n", "", NO_BIG),
    BAD("(12a\r\n", "", NO_BIG),
    BAD("(1.5\r\n", "", NO_BIG),
    /* Ends. */
    BAD("+OK\n", "", NO_CR),
    BAD("+O\nK\r\n", "", NO_CR),
    BAD("+OK\rX\r\n", "", NO_LF),
    BAD("+OK\r\r\n", "", NO_LF),
    BAD("_\n", "", NO_CR),
    BAD(":5\n", "", NONE),
    BAD(":5\r\r\n", "", NO_LF),
    BAD("$5\nhello\r\n", "", NONE),
    BAD("$5\rhello\r\n", "", NO_LF),
    /* Nesting. */
    BAD("*1\r\n>1\r\n:1\r\n", "0*1 ", "a push inside a reply"),
    BAD(">1\r\n>1\r\n:1\r\n", "p0>1 ", "a push inside a reply"),
    BAD("|1\r\n>0\r\n", "a0|1 ", "a push inside a reply"),
    BAD("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"
        "*1\r\n*0\r\n",
        "0*1 1*1 2*1 3*1 4*1 5*1 6*1 7*1 8*1 9*1 10*1 11*1 12*1 13*1 14*1 15*1 ", TOO_DEEP),
    BAD("|1\r\n|1\r\n|1\r\n|1\r\n|1\r\n|1\r\n|1\r\n|1\r\n|1\r\n|1\r\n|1\r\n|1\r\n|1\r\n|1\r\n|1\r\n"
        "|1\r\n|1\r\n",
        "a0|1 a1|1 a2|1 a3|1 a4|1 a5|1 a6|1 a7|1 a8|1 a9|1 a10|1 a11|1 a12|1 a13|1 a14|1 a15|1 ",
        TOO_DEEP),
};

static void malformed_replies_are_refused_with_a_reason(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(refused); i++) expect_however_split(&refused[i]);
}

/* How much of such a bulk the parser consumes before it refuses it depends on the pieces. */
static void a_bulk_with_a_wrong_length_is_refused(void **state) {
  (void)state;
  static const struct reply bulks[] = {
      BAD("$5\r\nhello!\r\n", "", NO_END),   BAD("$5\r\nhello\n", "", NO_END),
      BAD("$5\r\nhello\r\r\n", "", NO_END),  BAD("$0\r\n$1\r\n", "", NO_END),
      BAD("!3\r\nERR!\r\n", "", NO_END),     BAD("=8\r\ntxtx:abc\r\n", "", NO_FORMAT),
      BAD("=4\r\nplain\r\n", "", NO_FORMAT),
  };
  for (size_t i = 0; i < LENGTH(bulks); i++) {
    for (size_t cut = 0; cut <= bulks[i].size; cut++) {
      struct reader reader;
      reader_init(&reader);
      parse(&reader, bulks[i].bytes, cut);
      for (size_t at = cut; at < bulks[i].size; at++) parse(&reader, bulks[i].bytes + at, 1);
      assert_non_null(reader.reason);
      assert_string_equal(reader.reason, bulks[i].reason);
      assert_int_equal(reader.replies, 0);
    }
  }
}

/* ---- Limits ---- */

static void a_line_may_not_exceed_the_limit(void **state) {
  (void)state;
  static char line[CACHETTE__RESP_LINE + 3], tokens[64];
  const char types[] = "+-(,";
  for (size_t i = 0; i < sizeof types - 1; i++) {
    memset(line, '1', sizeof line);
    line[0] = types[i];
    memcpy(line + CACHETTE__RESP_LINE, "\r\n", 2);
    snprintf(tokens, sizeof tokens, "0%c<%d %08x>;", types[i], CACHETTE__RESP_LINE - 1,
             (unsigned)add_checksum(2166136261U, line + 1, CACHETTE__RESP_LINE - 1));
    const struct reply longest = {line, CACHETTE__RESP_LINE + 2, tokens, NULL};
    for (size_t piece = 1; piece < 5000; piece = piece * 7 + 3) expect_in_pieces(&longest, piece);
    expect_in_pieces(&longest, CACHETTE__RESP_LINE + 1);
    expect_in_pieces(&longest, CACHETTE__RESP_LINE + 2);
    memcpy(line + CACHETTE__RESP_LINE, "1\r\n", 3);
    const struct reply longer = {line, sizeof line, "", "a line without an end"};
    for (size_t piece = 1; piece < 5000; piece = piece * 7 + 3) expect_in_pieces(&longer, piece);
    expect_in_pieces(&longer, sizeof line);
  }
}

/* Returns the first token of these bytes. Checks that the parser consumes all of them. */
static cachette__resp_token first_token(cachette__resp *parser, const char *bytes) {
  cachette__resp_token token;
  const char *reason;
  size_t used;
  cachette__resp_init(parser);
  assert_int_equal(cachette__resp_read(parser, cachette_str(bytes), &used, &token, &reason),
                   CACHETTE__RESP_TOKEN);
  assert_int_equal(used, strlen(bytes));
  return token;
}

static void a_bulk_may_be_as_large_as_the_limit(void **state) {
  (void)state;
  static char part[1 << 16];
  cachette__resp parser;
  cachette__resp_token token = first_token(&parser, "$536870912\r\n");
  assert_int_equal(token.size, 512 << 20);
  assert_int_equal(token.bytes.size, 0);
  assert_false(token.end || token.last);
  const char *reason;
  size_t used;
  while (cachette__resp_bulk_left(&parser) > 0) {
    cachette_slice bytes = {part, sizeof part};
    size_t offset = token.offset + token.bytes.size;
    assert_int_equal(cachette__resp_read(&parser, bytes, &used, &token, &reason),
                     CACHETTE__RESP_TOKEN);
    assert_int_equal(used, sizeof part);
    assert_int_equal(token.offset, offset);
    assert_false(token.end);
  }
  assert_int_equal(cachette__resp_read(&parser, cachette_str("\r\n"), &used, &token, &reason),
                   CACHETTE__RESP_TOKEN);
  assert_true(token.end && token.last);
  assert_int_equal(token.offset, 512 << 20);
}

/* An anonymous mapping, which uses little memory because most of it is never written. */
static void a_larger_bulk_is_refused_even_if_it_is_complete(void **state) {
  (void)state;
  enum { HEAD = 12, LARGEST = 512 << 20, SIZE = HEAD + LARGEST + 1 + 2 };
  char *bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(bytes != MAP_FAILED);
  for (int over = 0; over <= 1; over++) {
    memcpy(bytes, over ? "$536870913\r\n" : "$536870912\r\n", HEAD);
    memcpy(bytes + HEAD + LARGEST + over, "\r\n", 2);
    cachette__resp parser;
    cachette__resp_token token;
    const char *reason = "";
    size_t used;
    cachette__resp_init(&parser);
    int status =
        cachette__resp_read(&parser, (cachette_slice){bytes, SIZE}, &used, &token, &reason);
    assert_int_equal(status, over ? CACHETTE_EBACKEND : CACHETTE__RESP_TOKEN);
    assert_string_equal(reason, over ? LENGTH_RANGE : "");
    if (!over) assert_true(token.end && token.last && token.size == LARGEST && used == SIZE - 1);
  }
  munmap(bytes, SIZE);
}

/* Reads nulls until the reply ends, and returns how many. */
static size_t count_nulls(cachette__resp *parser) {
  for (size_t count = 1;; count++) {
    cachette__resp_token token;
    const char *reason;
    size_t used;
    int status = cachette__resp_read(parser, (cachette_slice){"_\r\n", 3}, &used, &token, &reason);
    if (status != CACHETTE__RESP_TOKEN || token.depth != 1) fail_msg("null %zu", count);
    if (token.last) return count;
  }
}

static void an_aggregate_may_have_values_up_to_the_limit(void **state) {
  (void)state;
  cachette__resp parser;
  assert_int_equal(first_token(&parser, "*16777216\r\n").number, CACHETTE__RESP_COUNT);
  assert_int_equal(count_nulls(&parser), CACHETTE__RESP_COUNT);
  assert_int_equal(first_token(&parser, "%8388608\r\n").number, CACHETTE__RESP_COUNT / 2);
  assert_int_equal(count_nulls(&parser), CACHETTE__RESP_COUNT);
}

/* ---- Bytes that bypass the parser ---- */

/* Parses `begin` bytes. After that the bytes of bulks bypass the parser, `max` at a time. */
static void expect_bypassed(const struct reply *reply, size_t begin, size_t max) {
  struct reader reader;
  reader_init(&reader);
  parse(&reader, reply->bytes, begin);
  for (size_t at = begin; at < reply->size;) {
    size_t left = cachette__resp_bulk_left(&reader.parser);
    if (left == 0) {
      parse(&reader, reply->bytes + at++, 1);
      continue;
    }
    assert_int_equal(reader.left_size, 0);
    size_t size = left < max ? left : max;
    assert_int_equal(reader.parser.bulk_offset, reader.part_offset);
    record_bytes(&reader, reader.parser.bulk_size, reply->bytes + at, size);
    assert_true(cachette__resp_bulk_skip(&reader.parser, size) == (size == left));
    assert_int_equal(cachette__resp_bulk_left(&reader.parser), left - size);
    at += size;
  }
  expect(&reader, reply);
}

static void bytes_of_a_bulk_may_bypass_the_parser(void **state) {
  (void)state;
  static const struct reply bypassed[] = {
      ROW("$12\r\nhello\r\n$1\r\nx\r\n:1\r\n", "0$hello\\x0d\\x0a$1\\x0d\\x0ax;0:1;"),
      ROW("*3\r\n$5\r\nhello\r\n$0\r\n\r\n!3\r\nERR\r\n+OK\r\n", "0*3 1$hello 1$ 1-ERR;0+OK;"),
      ROW("|1\r\n$1\r\nk\r\n=7\r\ntxt:abc\r\n>1\r\n$4\r\npush\r\n$2\r\nab\r\n",
          "a0|1 a1$k a1=txt:abc p0>1 p1$push;0$ab;"),
  };
  for (size_t i = 0; i < LENGTH(bypassed); i++)
    for (size_t begin = 0; begin <= bypassed[i].size; begin++)
      for (size_t max = 1; max <= 13; max++) expect_bypassed(&bypassed[i], begin, max);
}

static void bulk_left_is_the_rest_of_the_current_bulk(void **state) {
  (void)state;
  cachette__resp parser;
  first_token(&parser, "$5\r\nhello\r\n");
  assert_int_equal(cachette__resp_bulk_left(&parser), 0);
  first_token(&parser, "$5\r\nhel");
  assert_int_equal(cachette__resp_bulk_left(&parser), 2);
  first_token(&parser, "$5\r\n");
  assert_int_equal(cachette__resp_bulk_left(&parser), 5);
}

/* ---- Replies of a real server ---- */

static struct redis_server server;

static int start_server(void **state) {
  (void)state;
  const char *const settings[] = {"--enable-debug-command", "yes", NULL};
  redis_server_start(&server, settings);
  return 0;
}

static int remove_server(void **state) {
  (void)state;
  redis_server_remove(&server);
  return 0;
}

/* A connection that reads up to `piece` bytes at a time. */
struct connection {
  int peer;
  size_t piece;
  struct reader reader;
};

static void open_connection(struct connection *self, size_t piece) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  self->peer = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(self->peer, (struct sockaddr *)&address, sizeof address), 0);
  self->piece = piece;
  reader_init(&self->reader);
}

/* Sends one command, reads until its reply is complete, and returns the tokens. */
static const char *run_command(struct connection *self, const char *command) {
  static char bytes[1 << 16];
  struct reader *reader = &self->reader;
  reader->text_size = 0;
  reader->replies = 0;
  char line[256];
  int size = snprintf(line, sizeof line, "%s\r\n", command);
  assert_int_equal(write(self->peer, line, (size_t)size), size);
  while (reader->replies == 0) {
    ssize_t got = read(self->peer, bytes, self->piece);
    assert_true(got > 0);
    parse(reader, bytes, (size_t)got);
    assert_null(reader->reason);
  }
  return reader->text;
}

static const size_t pieces[] = {1, 2, 7, 1 << 16};

#define SOME_REPLY "Some real reply following the "
#define BIG "1234567999999999999999999999999999999"

/* The argument of DEBUG PROTOCOL and the tokens of its reply, in versions 2 and 3. */
static const struct {
  const char *type, *version_2, *version_3;
} protocol[] = {
    {"string", "0$Hello World;", "0$Hello World;"},
    {"integer", "0:12345;", "0:12345;"},
    {"double", "0$3.141;", "0,3.141;"},
    {"null", "0_;", "0_;"},
    {"array", "0*3 1:0 1:1 1:2;", "0*3 1:0 1:1 1:2;"},
    {"set", "0*3 1:0 1:1 1:2;", "0~3 1:0 1:1 1:2;"},
    {"map", "0*6 1:0 1:0 1:1 1:1 1:2 1:0;", "0%3 1:0 1#0 1:1 1#1 1:2 1#0;"},
    {"attrib", "0$" SOME_REPLY "attribute;",
     "a0|1 a1$key-popularity a1*2 a2$key:123 a2:90 0$" SOME_REPLY "attribute;"},
    {"push", "0-ERR RESP2 is not supported by this command;",
     "p0>2 p1$server-cpu-usage p1:42;0$" SOME_REPLY "push reply;"},
    {"verbatim", "0$This is a verbatim\\x0astring;", "0=txt:This is a verbatim\\x0astring;"},
    {"true", "0:1;", "0#1;"},
    {"false", "0:0;", "0#0;"},
    {"bignum", "0$" BIG ";", "0(" BIG ";"},
};

static void every_type_is_read_from_a_real_server(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(pieces); i++) {
    struct connection peer;
    open_connection(&peer, pieces[i]);
    for (int version = 2; version <= 3; version++) {
      char command[64];
      snprintf(command, sizeof command, "HELLO %d", version);
      const char *head = version == 2 ? "0*" : "0%";
      assert_memory_equal(run_command(&peer, command), head, 2);
      for (size_t j = 0; j < LENGTH(protocol); j++) {
        snprintf(command, sizeof command, "DEBUG PROTOCOL %s", protocol[j].type);
        const char *tokens = version == 2 ? protocol[j].version_2 : protocol[j].version_3;
        assert_string_equal(run_command(&peer, command), tokens);
      }
    }
    close(peer.peer);
  }
}

static void doubles_are_read_from_a_real_server(void **state) {
  (void)state;
  struct connection peer;
  open_connection(&peer, 3);
  run_command(&peer, "HELLO 3");
#define RETURN(number) "EVAL 'redis.setresp(3); return {double=" number "}' 0"
  assert_string_equal(run_command(&peer, RETURN("1/0")), "0,inf;");
  assert_string_equal(run_command(&peer, RETURN("-1/0")), "0,-inf;");
  assert_string_equal(run_command(&peer, RETURN("-0.5")), "0,-0.5;");
  /* Versions of Redis format these differently. */
  assert_memory_equal(run_command(&peer, RETURN("0/0")), "0,", 2);
  assert_non_null(strstr(peer.reader.text, "nan;"));
  assert_memory_equal(run_command(&peer, RETURN("1e300")), "0,1", 3);
  assert_memory_equal(run_command(&peer, RETURN("1e-300")), "0,", 2);
#undef RETURN
  close(peer.peer);
}

static void a_push_is_read_between_replies(void **state) {
  (void)state;
  struct connection peer;
  open_connection(&peer, 1);
  run_command(&peer, "HELLO 3");
  assert_string_equal(run_command(&peer, "CLIENT TRACKING ON"), "0+OK;");
  assert_string_equal(run_command(&peer, "SET k v"), "0+OK;");
  assert_string_equal(run_command(&peer, "GET k"), "0$v;");
  assert_string_equal(run_command(&peer, "SET k w"), "0+OK;");
  assert_string_equal(run_command(&peer, "GET k"), "p0>2 p1$invalidate p1*1 p2$k;0$w;");
  assert_memory_equal(run_command(&peer, "NOSUCH"), "0-ERR unknown command", 21);
  close(peer.peer);
}

static void a_large_value_is_read_in_parts(void **state) {
  (void)state;
  enum { SIZE = 1 << 20 };
  static char value[SIZE];
  value[SIZE - 1] = 'x';
  char expected[64];
  snprintf(expected, sizeof expected, "0$<%d %08x>;", SIZE,
           (unsigned)add_checksum(2166136261U, value, SIZE));
  struct connection peer;
  open_connection(&peer, 4099);
  assert_string_equal(run_command(&peer, "SETRANGE large 1048575 x"), "0:1048576;");
  assert_string_equal(run_command(&peer, "GET large"), expected);
  close(peer.peer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_reply_gives_the_same_tokens_however_it_is_split),
      cmocka_unit_test(replies_in_one_buffer_are_read_one_by_one),
      cmocka_unit_test(malformed_replies_are_refused_with_a_reason),
      cmocka_unit_test(a_bulk_with_a_wrong_length_is_refused),
      cmocka_unit_test(a_line_may_not_exceed_the_limit),
      cmocka_unit_test(a_bulk_may_be_as_large_as_the_limit),
      cmocka_unit_test(a_larger_bulk_is_refused_even_if_it_is_complete),
      cmocka_unit_test(an_aggregate_may_have_values_up_to_the_limit),
      cmocka_unit_test(bytes_of_a_bulk_may_bypass_the_parser),
      cmocka_unit_test(bulk_left_is_the_rest_of_the_current_bulk),
      cmocka_unit_test(every_type_is_read_from_a_real_server),
      cmocka_unit_test(doubles_are_read_from_a_real_server),
      cmocka_unit_test(a_push_is_read_between_replies),
      cmocka_unit_test(a_large_value_is_read_in_parts),
  };
  return cmocka_run_group_tests_name("resp", tests, start_server, remove_server);
}
