/* SPDX-License-Identifier: MIT */
/* The registry of backends: what the rest of the library knows about each of them by name. */
#ifndef CACHETTE_BACKENDS_H
#define CACHETTE_BACKENDS_H

/*
 * Each backend: identifier, name in the configuration, name in sentences, usual codec.
 *
 * The usual codec applies where the option `codec` is not set. Earlier releases stored pickles in
 * files, so files keep that codec.
 */
#define CACHETTE__BACKENDS(X)                       \
  X(INMEMORY, "inmemory", "inmemory", "vanilla")    \
  X(DYNAMODB, "dynamodb", "DynamoDB", "vanilla")    \
  X(MEMCACHED, "memcached", "memcached", "vanilla") \
  X(MONGODB, "mongodb", "MongoDB", "vanilla")       \
  X(REDIS, "redis", "redis", "vanilla")             \
  X(VALKEY, "valkey", "valkey", "vanilla")          \
  X(PICKLE, "pickle", "pickle", "pickle")           \
  X(FILE, "file", "file", "pickle")                 \
  X(NONE, "none", "none", "vanilla")

/* Their names, joined by '|'. */
#define CACHETTE__BACKEND_CHOICE(identifier, name, display, codec) "|" name
#define CACHETTE__BACKEND_CHOICES &(CACHETTE__BACKENDS(CACHETTE__BACKEND_CHOICE))[1]

enum cachette__backend {
#define X(identifier, ...) CACHETTE__BACKEND_##identifier,
  CACHETTE__BACKENDS(X)
#undef X
};

typedef struct cachette__backend_info {
  const char *name, *display, *codec;
} cachette__backend_info;

/* The row of a backend's name; NULL if there is no such backend. */
const cachette__backend_info *cachette__backend_find(const char *name);

#endif
