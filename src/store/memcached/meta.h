/* SPDX-License-Identifier: MIT */
/*
 * The parser of memcached's replies to meta commands, and to the few others that this store sends.
 * It does no I/O. https://docs.memcached.org/protocols/meta/
 *
 * The input is bytes as they arrive; the output is tokens, which are views into those bytes. A line
 * is one token. The value after a `VA` or `CONFIG` is returned in parts, so the parser has no
 * buffer.
 */
#ifndef CACHETTE_MEMCACHED_META_H
#define CACHETTE_MEMCACHED_META_H

#include "cachette.h"

enum cachette__meta_type {
  CACHETTE__META_VALUE,      /* VA, CONFIG: a value, in parts */
  CACHETTE__META_HEADER,     /* HD: done, or found */
  CACHETTE__META_MISS,       /* EN, NF: no such entry */
  CACHETTE__META_NOT_STORED, /* NS, EX */
  CACHETTE__META_NOOP,       /* MN */
  CACHETTE__META_ERROR,      /* ERROR, CLIENT_ERROR, SERVER_ERROR; `line` is the whole line */
  CACHETTE__META_LINE        /* any other line */
};

enum {
  CACHETTE__META_LINE_MAX = 8192,     /* max bytes of a line */
  CACHETTE__META_VALUE_MAX = 1 << 30, /* max bytes of a value, as in memcached */
  CACHETTE__META_MORE = 0,
  CACHETTE__META_TOKEN = 1
};

typedef struct cachette__meta_token {
  enum cachette__meta_type type;
  cachette_slice line;  /* without its line end; for VALUE only with the first part */
  cachette_slice bytes; /* VALUE: the part that has arrived */
  size_t size, offset;  /* VALUE: the total size, and the offset of this part */
  bool end;             /* VALUE: this is the last part; other types: true */
  bool has_opaque, has_ttl, has_flags;
  uint32_t opaque;
  int64_t ttl;    /* remaining seconds; -1: it does not expire */
  uint32_t flags; /* of the item; in the binary protocol only */
  uint64_t cas;   /* the item's version, if the command asked for it */
} cachette__meta_token;

typedef struct cachette__meta {
  size_t size, offset; /* of the current value */
  unsigned tail;       /* missing bytes of the CR LF after the value; 0: no value is being read */
} cachette__meta;

void cachette__meta_init(cachette__meta *parser);

/*
 * Reads one token from `bytes`. Sets `*used` to the number of bytes consumed; pass the other bytes
 * again in the next call, followed by new ones. Returns TOKEN; MORE: call again with more bytes; or
 * EBACKEND with `*reason` set to a static phrase: the input is not this protocol.
 */
int cachette__meta_read(cachette__meta *parser, cachette_slice bytes, size_t *used,
                        cachette__meta_token *token, const char **reason);

#endif
