/* SPDX-License-Identifier: MIT */
/*
 * What a memcached server answers to meta commands and to the few others that are used here, as a
 * parser that does no I/O. https://docs.memcached.org/protocols/meta/
 *
 * Bytes go in as they come; tokens come out, views into them. A line is one token. The value behind
 * a `VA` comes in parts, so the parser holds none of it.
 */
#ifndef CACHETTE_MEMCACHED_META_H
#define CACHETTE_MEMCACHED_META_H

#include "cachette.h"

enum cachette__meta_type {
  CACHETTE__META_VALUE,  /* VA: a value, in parts */
  CACHETTE__META_HEADER, /* HD: done, or there */
  CACHETTE__META_MISS,   /* EN, NF: nothing is there */
  CACHETTE__META_KEPT,   /* NS, EX: not stored */
  CACHETTE__META_NOOP,   /* MN */
  CACHETTE__META_FAULT,  /* ERROR, CLIENT_ERROR, SERVER_ERROR; `line` is all of it */
  CACHETTE__META_LINE    /* any other */
};

enum {
  CACHETTE__META_LINE_MOST = 8192,     /* bytes of a line, at most */
  CACHETTE__META_VALUE_MOST = 1 << 30, /* of a value; memcached's own limit */
  CACHETTE__META_MORE = 0,
  CACHETTE__META_TOKEN = 1
};

typedef struct cachette__meta_token {
  enum cachette__meta_type type;
  cachette_slice line;  /* without its end; of VALUE only with the first part */
  cachette_slice bytes; /* VALUE: the part that is here */
  size_t size, offset;  /* VALUE: the whole size, and where in it this part begins */
  bool end;             /* no more of this answer's value follows; true of all other types */
  bool has_opaque, has_ttl, has_flags;
  uint32_t opaque;
  int64_t ttl;    /* seconds left; -1: it does not expire */
  uint32_t flags; /* of the item; only the binary protocol tells them */
  uint64_t cas;   /* the number of the item's version, if it was asked for */
} cachette__meta_token;

typedef struct cachette__meta {
  size_t size, offset; /* of the value that is under way */
  unsigned tail;       /* bytes of the end of its line that are to come; 0: none is under way */
} cachette__meta;

void cachette__meta_init(cachette__meta *parser);

/*
 * Reads one token. `used`: how many of the bytes it took; those left are given again, before what
 * comes after them. Returns TOKEN, MORE, or EBACKEND with `reason` set: that is not the protocol.
 */
int cachette__meta_read(cachette__meta *parser, cachette_slice bytes, size_t *used,
                        cachette__meta_token *token, const char **reason);

#endif
