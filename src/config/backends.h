/* SPDX-License-Identifier: MIT */
/* The registry of backends: their names, codecs and stores. */
#ifndef CACHETTE_BACKENDS_H
#define CACHETTE_BACKENDS_H

/*
 * The columns: name in the configuration, name in messages, default codec, store.
 *
 * The default codec applies if the option `codec` is not set. Files default to pickle because
 * earlier releases stored pickles in them. LINKED stores are part of the library. A MODULE is
 * loaded when it is first used; its arguments are its name, the client library that it needs, and
 * the Debian package of that library. Only src/store/registry.c expands this column.
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

/* The names of all backends, separated by '|'. */
#define CACHETTE__BACKEND_CHOICE(name, display, codec, store) "|" name
#define CACHETTE__BACKEND_CHOICES &(CACHETTE__BACKENDS(CACHETTE__BACKEND_CHOICE))[1]

typedef struct cachette__backend_info {
  const char *name, *display, *codec;
} cachette__backend_info;

/* Returns the row of a backend; NULL if no backend has that name. */
const cachette__backend_info *cachette__backend_find(const char *name);

#endif
