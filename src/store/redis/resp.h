/* SPDX-License-Identifier: MIT */
/*
 * The Redis serialization protocol, versions 2 and 3, as a parser that does no I/O.
 *
 * https://redis.io/docs/latest/develop/reference/protocol-spec/
 *
 * The input is bytes as they arrive, in pieces of any size; the output is tokens, which are views
 * into those bytes. A large value is returned as several tokens, so the parser has no buffer. It
 * never allocates.
 *
 *     reply of GET            BULK
 *     reply of SCAN           ARRAY(2)  BULK  ARRAY(n)  BULK ... BULK
 */
#ifndef CACHETTE_REDIS_RESP_H
#define CACHETTE_REDIS_RESP_H

#include "cachette.h"

enum cachette__resp_type {
  CACHETTE__RESP_SIMPLE,   /* + */
  CACHETTE__RESP_ERROR,    /* - and ! (the latter in parts, as BULK) */
  CACHETTE__RESP_INTEGER,  /* : */
  CACHETTE__RESP_BULK,     /* $ */
  CACHETTE__RESP_NULL,     /* _ and, in version 2, $-1 and *-1 */
  CACHETTE__RESP_DOUBLE,   /* , as text: a decimal, inf, -inf, nan or -nan */
  CACHETTE__RESP_BOOLEAN,  /* # */
  CACHETTE__RESP_BIG,      /* ( as text */
  CACHETTE__RESP_VERBATIM, /* = including the three letters and the colon */
  CACHETTE__RESP_ARRAY,    /* * */
  CACHETTE__RESP_MAP,      /* % ; `number` counts pairs, so twice as many values follow */
  CACHETTE__RESP_SET,      /* ~ */
  CACHETTE__RESP_PUSH,     /* > ; comes between replies, and is not a reply */
  CACHETTE__RESP_ATTRIBUTE /* | ; precedes the value that it describes, and is not counted */
};

enum {
  CACHETTE__RESP_DEPTH = 16,        /* max nesting of aggregates */
  CACHETTE__RESP_LINE = 8192,       /* max bytes of a line, without CR LF */
  CACHETTE__RESP_COUNT = 1 << 24,   /* max values of an aggregate (a pair of a map counts as two) */
  CACHETTE__RESP_BULK_MAX = 1 << 29 /* max bytes of a bulk string: 512 MiB, as in Redis */
};

typedef struct cachette__resp_token {
  enum cachette__resp_type type;
  int64_t number; /* INTEGER, BOOLEAN: the value. Aggregates: the number of values, or pairs */
  cachette_slice bytes; /* texts and bulks: the part that has arrived */
  size_t size, offset;  /* texts and bulks: the total size, and the offset of this part */
  bool end;             /* texts and bulks: this is the last part (it may be empty) */
  unsigned depth;       /* nesting; 0: the reply itself */
  bool last;            /* this token ends the reply, or the push if `push` is true */
  bool push;            /* it is part of a push, or its head */
  bool attribute;       /* it is part of an attribute, or its head */
} cachette__resp_token;

/* Private, except `bulk_offset`: the offset in the current bulk of the next byte. */
typedef struct cachette__resp {
  struct {
    uint32_t left;        /* values still to come, at least 1 */
    bool is_attribute;    /* an attribute: the value that it describes follows its end */
    bool push, attribute; /* its values are part of one, maybe of an outer level */
  } levels[CACHETTE__RESP_DEPTH];
  unsigned depth;
  enum cachette__resp_type bulk_type;
  size_t bulk_size, bulk_offset; /* of the current bulk; both 0 if there is none */
  unsigned tail; /* missing bytes of the CR LF after the bulk; 0: no bulk is being read */
} cachette__resp;

/* Initializes the parser, for a new connection. */
void cachette__resp_init(cachette__resp *parser);

enum { CACHETTE__RESP_MORE = 0, CACHETTE__RESP_TOKEN = 1 };

/*
 * Reads one token from `bytes`.
 *
 *   used    the number of bytes consumed, also with MORE. Pass the other bytes again in the next
 *           call, followed by new ones.
 *   token   filled with TOKEN. It points into `bytes`.
 *   reason  set with EBACKEND, to a static phrase.
 *
 * Returns
 *   TOKEN     The remaining bytes may contain another token.
 *   MORE      Call again with at least one more byte.
 *   EBACKEND  The input is not this protocol. Call cachette__resp_init() before the next use.
 *
 * With MORE, the bytes not consumed are an incomplete line, at most CACHETTE__RESP_LINE + 2. A line
 * becomes a token when it is complete. A bulk is one token if it is complete with its CR LF. Else
 * its first token (`offset` 0) is returned when its size is known, with the bytes that have
 * arrived, maybe none; the token with `end` is returned when the CR LF has arrived.
 *
 * Attributes and pushes come at depth 0 between replies; an attribute may also precede a value at
 * any depth. Several may follow each other, and an attribute may describe a push.
 */
int cachette__resp_read(cachette__resp *parser, cachette_slice bytes, size_t *used,
                        cachette__resp_token *token, const char **reason);

/* Returns the missing bytes of the current bulk, without CR LF; 0 if there is no bulk. The caller
 * may read them directly into its own buffer, and must then call cachette__resp_bulk_skip(). */
static inline size_t cachette__resp_bulk_left(const cachette__resp *parser) {
  return parser->bulk_size - parser->bulk_offset;
}

/*
 * Skips bytes of the current bulk that the caller has read itself: `size` is at most
 * cachette__resp_bulk_left(). Returns true if the bulk is complete; cachette__resp_read() returns a
 * token with `end` and no bytes when the CR LF has arrived. The colon of a VERBATIM is not checked
 * in skipped bytes.
 */
bool cachette__resp_bulk_skip(cachette__resp *parser, size_t size);

#endif
