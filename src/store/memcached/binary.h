/* SPDX-License-Identifier: MIT */
/*
 * memcached's binary protocol, which is all that a server with SASL (`-S`) speaks.
 * https://github.com/memcached/memcached/wiki/BinaryProtocolRevamped
 *
 * Its answers come as the same tokens as those of meta commands, so that what is made of them is
 * the same: a parser that does no I/O, and a writer. A value comes in parts; any other answer is
 * one token, whose `line` says in words what meta commands would have said.
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
  CACHETTE__BINARY_TOUCH_GET = 0x1d, /* sets the time, and answers as GET does */
  CACHETTE__BINARY_AUTH = 0x21
};

enum {
  CACHETTE__BINARY_HEAD = 24,
  CACHETTE__BINARY_EXTRAS = 20,     /* at most */
  CACHETTE__BINARY_BODY_MOST = 8192 /* of an answer that is not a value */
};

/* A command. The extras are the numbers that stand before the key. */
typedef struct cachette__binary_command {
  enum cachette__binary_verb verb;
  uint32_t opaque;
  uint64_t cas; /* 0: whatever stands there */
  char extras[CACHETTE__BINARY_EXTRAS];
  size_t extras_size;
  cachette_slice key, value;
} cachette__binary_command;

/* Appends to the extras a number of 4 or 8 bytes. */
void cachette__binary_extra(cachette__binary_command *command, uint64_t number, size_t size);

/* What a command has bytes, and the command itself; returns its end. */
size_t cachette__binary_size(const cachette__binary_command *command);
char *cachette__binary_write(const cachette__binary_command *command, char *at);

typedef struct cachette__binary {
  size_t size, offset; /* of the value that is under way */
  bool value;          /* one is under way */
  char text[96];       /* of the last token, if its words are not the server's */
} cachette__binary;

void cachette__binary_init(cachette__binary *parser);

/* As cachette__meta_read(). Tokens may be views into the parser, until the next. */
int cachette__binary_read(cachette__binary *parser, cachette_slice bytes, size_t *used,
                          cachette__meta_token *token, const char **reason);

#endif
