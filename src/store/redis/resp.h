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
  CACHETTE__RESP_ERROR,    /* - and ! (the latter comes in parts, as BULK) */
  CACHETTE__RESP_INTEGER,  /* : */
  CACHETTE__RESP_BULK,     /* $ */
  CACHETTE__RESP_NULL,     /* _ and, of version 2, $-1 and *-1 */
  CACHETTE__RESP_DOUBLE,   /* , as text: a decimal, inf, -inf, nan or -nan */
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
  CACHETTE__RESP_LINE = 8192,       /* bytes of a line, at most, without its CR LF */
  CACHETTE__RESP_COUNT = 1 << 24,   /* values of an aggregate, at most (a map's pairs count two) */
  CACHETTE__RESP_BULK_MAX = 1 << 29 /* bytes of a bulk string, at most: 512 MiB, as in Redis */
};

typedef struct cachette__resp_token {
  enum cachette__resp_type type;
  int64_t number; /* INTEGER, BOOLEAN: its value. Aggregates: their count (a map's of pairs) */
  cachette_slice bytes; /* texts and bulks: the part of them that is here */
  size_t size, offset;  /* texts and bulks: the whole size, and where in it this part begins */
  bool end;             /* texts and bulks: no more of it follows (this part may be empty) */
  unsigned depth;       /* 0: of the reply itself */
  bool last;            /* the whole reply (or push, with `push`) ends with this token */
  bool push;            /* it belongs to a push (its head included) */
  bool attribute;       /* it belongs to an attribute (its head included) */
} cachette__resp_token;

/* Private but for `bulk_offset`: where in a bulk the bytes belong that its reader places itself. */
typedef struct cachette__resp {
  struct {
    uint32_t left;        /* values to come, at least 1 */
    bool is_attribute;    /* when it ends, the value that it speaks of is still to come */
    bool push, attribute; /* what its values belong to, if only by what stands around it */
  } levels[CACHETTE__RESP_DEPTH];
  unsigned depth;
  enum cachette__resp_type bulk_type;
  size_t bulk_size, bulk_offset; /* of the bulk that is under way, else both 0 */
  unsigned tail; /* bytes of the CR LF behind that bulk that are to come; 0: none is under way */
} cachette__resp;

/* Ready for a new connection. */
void cachette__resp_init(cachette__resp *parser);

enum { CACHETTE__RESP_MORE = 0, CACHETTE__RESP_TOKEN = 1 };

/*
 * Reads one token from `bytes`.
 *
 *   used    how many of the bytes it took, with MORE too. Those that it did not take are given
 *           again by the next call, before what comes after them.
 *   token   filled if it answers TOKEN. It points into `bytes`.
 *   reason  set if it answers EBACKEND, to a few words that never go away.
 *
 * Returns TOKEN, and there may be another in the other bytes; MORE: call again with at least one
 * byte more; or EBACKEND: what came is not the protocol, and the parser is of no use until it is
 * made ready again.
 *
 * With MORE, bytes are left over only of a line whose end has not come, and so never more than
 * CACHETTE__RESP_LINE + 2. A line is a token once all of it is there. A bulk is one token if all
 * of it is there with its CR LF. Else its first token (`offset` 0) comes as soon as its size is
 * known, with the bytes that are there, be it none; and its end only with its CR LF.
 *
 * Attributes and pushes stand at depth 0 between replies, or an attribute before a value at any
 * depth. They may follow each other; an attribute may speak of a push.
 */
int cachette__resp_read(cachette__resp *parser, cachette_slice bytes, size_t *used,
                        cachette__resp_token *token, const char **reason);

/*
 * How many bytes of the bulk under way are to come, not counting its CR LF (0 also if none is),
 * for a reader that places them itself; and what tells the parser that it did. `size` is at most
 * cachette__resp_bulk_left(). True if the bulk is complete with them; a token with `end` and no
 * bytes follows from cachette__resp_read() when its CR LF has come. The parser sees none of the
 * bytes placed, and so does not miss the colon in those of a VERBATIM.
 */
static inline size_t cachette__resp_bulk_left(const cachette__resp *parser) {
  return parser->bulk_size - parser->bulk_offset;
}
bool cachette__resp_bulk_skip(cachette__resp *parser, size_t size);

#endif
