/* SPDX-License-Identifier: MIT */
/*
 * A parser of memcached's replies to meta commands, and to the few others that this store sends. It
 * does no I/O. https://docs.memcached.org/protocols/meta/
 *
 * Bytes go in as they arrive; tokens, which are views into those bytes, come out. A line is one
 * token. The value after a `VA` comes in parts, so the parser buffers none of it.
 */
#ifndef CACHETTE_MEMCACHED_META_H
#define CACHETTE_MEMCACHED_META_H

#include "cachette.h"

enum cachette__meta_type {
  CACHETTE__META_VALUE,      /* VA: a value, in parts */
  CACHETTE__META_HEADER,     /* HD: done, or found */
  CACHETTE__META_MISS,       /* EN, NF: no such entry */
  CACHETTE__META_NOT_STORED, /* NS, EX */
  CACHETTE__META_NOOP,       /* MN */
  CACHETTE__META_ERROR,      /* ERROR, CLIENT_ERROR, SERVER_ERROR; `line` is the whole line */
  CACHETTE__META_LINE        /* any other line */
};

enum {
  CACHETTE__META_LINE_MAX = 8192,     /* bytes of a line, at most */
  CACHETTE__META_VALUE_MAX = 1 << 30, /* of a value; memcached's own limit */
  CACHETTE__META_MORE = 0,
  CACHETTE__META_TOKEN = 1
};

typedef struct cachette__meta_token {
  enum cachette__meta_type type;
  cachette_slice line;  /* without its line end; for VALUE only with the first part */
  cachette_slice bytes; /* VALUE: the part that has arrived */
  size_t size, offset;  /* VALUE: the size of all of it, and where this part begins */
  bool end;             /* VALUE: this is the last part; true for all other types */
  bool has_opaque, has_ttl, has_flags;
  uint32_t opaque;
  int64_t ttl;    /* seconds left; -1: it does not expire */
  uint32_t flags; /* of the item; only the binary protocol sends them */
  uint64_t cas;   /* the item's version, if the command asked for it */
} cachette__meta_token;

typedef struct cachette__meta {
  size_t size, offset; /* of the value that is being read */
  unsigned tail;       /* bytes of its line end still to come; 0: no value is being read */
} cachette__meta;

void cachette__meta_init(cachette__meta *parser);

/*
 * Reads one token. `used`: how many bytes it consumed; the caller passes the others again, with
 * what arrives after them. Returns TOKEN, MORE, or EBACKEND with `reason` set: this is not the
 * protocol.
 */
int cachette__meta_read(cachette__meta *parser, cachette_slice bytes, size_t *used,
                        cachette__meta_token *token, const char **reason);

#endif
