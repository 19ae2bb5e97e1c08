/* SPDX-License-Identifier: MIT */
/*
 * The Redis serialization protocol, versions 2 and 3, as a parser that does no I/O.
 *
 * https://redis.io/docs/latest/develop/reference/protocol-spec/
 *
 * Bytes go in as they come, in pieces of any size; tokens come out, each a view into those
 * bytes. A value of many bytes comes as several tokens, so the parser holds none of it: it
 * keeps what it needs to know between two calls in its own few bytes.
 *
 *     reply of GET            BULK
 *     reply of SCAN           ARRAY(2)  BULK  ARRAY(n)  BULK ... BULK
 */
#ifndef CACHETTE_REDIS_RESP_H
#define CACHETTE_REDIS_RESP_H

#include "cachette.h"

enum cachette__resp_type {
  CACHETTE__RESP_SIMPLE,   /* + */
  CACHETTE__RESP_ERROR,    /* - and ! (the latter as BULK comes: in parts) */
  CACHETTE__RESP_INTEGER,  /* : */
  CACHETTE__RESP_BULK,     /* $ */
  CACHETTE__RESP_NULL,     /* _ and of version 2 $-1 and *-1 */
  CACHETTE__RESP_DOUBLE,   /* , as text */
  CACHETTE__RESP_BOOLEAN,  /* # */
  CACHETTE__RESP_BIG,      /* ( as text */
  CACHETTE__RESP_VERBATIM, /* = with its three letters and the colon */
  CACHETTE__RESP_ARRAY,    /* * */
  CACHETTE__RESP_MAP,      /* % ; `number` pairs, so twice as many values follow */
  CACHETTE__RESP_SET,      /* ~ */
  CACHETTE__RESP_PUSH,     /* > ; stands between replies, and is none itself */
  CACHETTE__RESP_ATTRIBUTE /* | ; stands before the value that it speaks of, and is not counted */
};

enum {
  CACHETTE__RESP_DEPTH = 16,        /* aggregates within aggregates, at most */
  CACHETTE__RESP_LINE = 8192,       /* bytes of a line, at most */
  CACHETTE__RESP_COUNT = 1 << 24,   /* values of an aggregate, at most (a map's pairs count two) */
  CACHETTE__RESP_BULK_MAX = 1 << 29 /* bytes of a bulk string, at most: 512 MiB, as in Redis */
};

typedef struct cachette__resp_token {
  enum cachette__resp_type type;
  int64_t number;       /* INTEGER, BOOLEAN: its value. Aggregates: their count */
  cachette_slice bytes; /* text and bulks: the part of them that is here */
  size_t size, offset;  /* text and bulks: the whole size, and where in it this part begins */
  bool end;             /* texts and bulks: no more of it follows (this part may be empty) */
  unsigned depth;       /* 0: of the reply itself */
  bool last;            /* the whole reply (or push, with `push`) ends with this token */
  bool push;            /* it belongs to a push (its head included) */
  bool attribute;       /* it belongs to an attribute (its head included) */
} cachette__resp_token;

typedef struct cachette__resp {
  struct {
    uint32_t left;        /* values to come */
    bool push, attribute; /* it belongs to one, or is one */
    bool apart;           /* an attribute itself, which is no value */
  } levels[CACHETTE__RESP_DEPTH];
  unsigned depth;
  enum cachette__resp_type bulk_type;
  size_t bulk_size, bulk_offset; /* of the bulk that is under way */
  bool in_bulk, fresh;           /* a bulk is under way; no token of it was given yet */
} cachette__resp;

/* Ready for a new connection. */
void cachette__resp_init(cachette__resp *parser);

enum { CACHETTE__RESP_MORE = 0, CACHETTE__RESP_TOKEN = 1 };

/*
 * Reads one token from `bytes`.
 *   used   how many of the bytes it took, also if it answers MORE; the others have to be given
 * again token  filled if it answers TOKEN Returns TOKEN; MORE: give the bytes not used again, with
 * at least one more; or EBACKEND: what came is not the protocol, and `reason` says why in a few
 * words. At most CACHETTE__RESP_LINE + 2 bytes are ever left unused with MORE.
 */
int cachette__resp_read(cachette__resp *parser, cachette_slice bytes, size_t *used,
                        cachette__resp_token *token, const char **reason);

/*
 * How many bytes of the bulk under way are to come (0: none is), for a reader that places them
 * itself; and what tells the parser that it did. `size` is at most cachette__resp_bulk_left(). True
 * if the bulk (not counting its CR LF) is complete with them; a token with `end` and no bytes
 * follows from cachette__resp_read() when its CR LF has come.
 */
static inline size_t cachette__resp_bulk_left(const cachette__resp *parser) {
  return parser->bulk_size - parser->bulk_offset;
}
bool cachette__resp_bulk_placed(cachette__resp *parser, size_t size);

#endif
