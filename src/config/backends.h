/* SPDX-License-Identifier: MIT */
/* The registry of backends: what the rest of the library knows about each of them by name. */
#ifndef CACHETTE_BACKENDS_H
#define CACHETTE_BACKENDS_H

/*
 * Each backend: name in the configuration, name in sentences, usual codec, store.
 *
 * The usual codec applies where the option `codec` is not set. Earlier releases stored pickles in
 * files, so files keep that codec. The store is one that is linked in, or a module with the library
 * that it needs and Debian's package of that; only src/store/registry.c reads that column.
 */
#define CACHETTE__BACKENDS(X)                                                                 \
  X("inmemory", "inmemory", "vanilla", LINKED(memory))                                        \
  X("dynamodb", "DynamoDB", "vanilla", MODULE("dynamodb", "libcurl", "libcurl4-openssl-dev")) \
  X("memcached", "memcached", "vanilla", LINKED(memcached))                                   \
  X("mongodb", "MongoDB", "vanilla", MODULE("mongodb", "libmongoc", "libmongoc-dev"))         \
  X("redis", "redis", "vanilla", LINKED(redis))                                               \
  X("valkey", "valkey", "vanilla", LINKED(valkey))                                            \
  X("pickle", "pickle", "pickle", MODULE("file", "SQLite", "libsqlite3-dev"))                 \
  X("file", "file", "pickle", MODULE("file", "SQLite", "libsqlite3-dev"))                     \
  X("none", "none", "vanilla", LINKED(none))

/* Their names, joined by '|'. */
#define CACHETTE__BACKEND_CHOICE(name, display, codec, store) "|" name
#define CACHETTE__BACKEND_CHOICES &(CACHETTE__BACKENDS(CACHETTE__BACKEND_CHOICE))[1]

typedef struct cachette__backend_info {
  const char *name, *display, *codec;
} cachette__backend_info;

/* The row of a backend's name; NULL if there is no such backend. */
const cachette__backend_info *cachette__backend_find(const char *name);

#endif
