/* SPDX-License-Identifier: MIT */
/*
 * memcached's binary protocol, the only one that a server with SASL (`-S`) supports.
 * https://github.com/memcached/memcached/wiki/BinaryProtocolRevamped
 *
 * An encoder, and a parser that does no I/O. The parser returns the same tokens as that of the meta
 * commands, so the same code handles the replies of both. A value comes in parts; any other reply
 * is one token, whose `line` is what the text protocol would have sent.
 */
#ifndef CACHETTE_MEMCACHED_BINARY_H
#define CACHETTE_MEMCACHED_BINARY_H

#include "meta.h"

enum cachette__binary_verb {
  CACHETTE__BINARY_GET = 0x00,
  CACHETTE__BINARY_SET = 0x01,
  CACHETTE__BINARY_ADD = 0x02,
  CACHETTE__BINARY_DELETE = 0x04,
  CACHETTE__BINARY_INCREMENT = 0x05,
  CACHETTE__BINARY_DECREMENT = 0x06,
  CACHETTE__BINARY_FLUSH = 0x08,
  CACHETTE__BINARY_NOOP = 0x0a,
  CACHETTE__BINARY_STAT = 0x10,
  CACHETTE__BINARY_TOUCH_GET = 0x1d, /* sets the expiry, and replies as GET does */
  CACHETTE__BINARY_AUTH = 0x21,
  CACHETTE__BINARY_CONFIG = 0x60 /* of ElastiCache; replies as GET does */
};

enum {
  CACHETTE__BINARY_HEAD = 24,
  CACHETTE__BINARY_EXTRAS = 20,    /* max bytes */
  CACHETTE__BINARY_BODY_MAX = 8192 /* max bytes of a reply that is not a value */
};

/* A command. The extras are numbers that come before the key. */
typedef struct cachette__binary_command {
  enum cachette__binary_verb verb;
  uint32_t opaque;
  uint64_t cas; /* the version that the item must have; 0: any */
  char extras[CACHETTE__BINARY_EXTRAS];
  size_t extras_size;
  cachette_slice key, value;
} cachette__binary_command;

/* Appends a number of 4 or 8 bytes to the extras. */
void cachette__binary_extra(cachette__binary_command *command, uint64_t number, size_t size);

/* The size of a command in bytes; writes the command and returns its end. */
size_t cachette__binary_size(const cachette__binary_command *command);
char *cachette__binary_write(const cachette__binary_command *command, char *at);

typedef struct cachette__binary {
  size_t size, offset; /* of the value that is being read */
  bool value;          /* one is being read */
  char text[96];       /* the line of the last token, if it is ours */
} cachette__binary;

void cachette__binary_init(cachette__binary *parser);

/* As cachette__meta_read(). A token may be a view into the parser, valid until the next read. */
int cachette__binary_read(cachette__binary *parser, cachette_slice bytes, size_t *used,
                          cachette__meta_token *token, const char **reason);

#endif
