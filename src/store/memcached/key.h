/* SPDX-License-Identifier: MIT */
/*
 * Keys on the wire.
 *
 * A key of at most 250 bytes without control characters and spaces is sent unchanged. A key with
 * such bytes is sent in base64, which identifies the same item. A longer key is shortened: its
 * first bytes, as many as fit, then `~` and the SHA-256 of the whole key in hex. So its namespace
 * remains readable.
 */
#ifndef CACHETTE_MEMCACHED_KEY_H
#define CACHETTE_MEMCACHED_KEY_H

#include "cachette.h"

enum {
  CACHETTE__MEMCACHED_KEY_MAX = 250, /* max bytes on the wire */
  CACHETTE__MEMCACHED_KEY_HEAD = 121 /* bytes at the start of a key that are never shortened */
};

typedef struct cachette__memcached_key {
  char raw[CACHETTE__MEMCACHED_KEY_MAX]; /* the key of the item on the server, before base64 */
  size_t size;
  bool base64; /* send it in base64 */
} cachette__memcached_key;

/* Makes the key of an item. Returns false if out of memory. */
bool cachette__memcached_key_make(cachette_slice prefix, cachette_slice key,
                                  cachette__memcached_key *result);

/* Writes the key for the wire, at most CACHETTE__MEMCACHED_KEY_MAX bytes. Returns its end. */
char *cachette__memcached_key_write(const cachette__memcached_key *key, char *at);

/* Decodes a key from the output of `metadump`. Returns false if it is not valid. */
bool cachette__memcached_key_decode(cachette_slice listed, cachette__memcached_key *key);

#endif
