/* SPDX-License-Identifier: MIT */
/*
 * Keys as the server accepts them.
 *
 * A key of at most 250 bytes without control characters and spaces is sent as it is. A key with
 * such bytes is sent in base64, which names the same item. A longer key is cut: as many of its
 * first bytes as fit, then `~` and the SHA-256 of the whole key in hex, so that its namespace stays
 * readable.
 */
#ifndef CACHETTE_MEMCACHED_KEY_H
#define CACHETTE_MEMCACHED_KEY_H

#include "cachette.h"

enum {
  CACHETTE__MEMCACHED_KEY_MAX = 250, /* most bytes on the wire */
  CACHETTE__MEMCACHED_KEY_HEAD =
      121 /* first bytes of a key that its name has, however long the key is */
};

typedef struct cachette__memcached_key {
  char raw[CACHETTE__MEMCACHED_KEY_MAX]; /* the item's name */
  size_t size;
  bool base64; /* it must be sent in base64 */
} cachette__memcached_key;

/* False: out of memory. */
bool cachette__memcached_key_make(cachette_slice prefix, cachette_slice key,
                                  cachette__memcached_key *result);

/* Writes the key as it is sent, at most CACHETTE__MEMCACHED_KEY_MAX bytes; returns its end. */
char *cachette__memcached_key_write(const cachette__memcached_key *key, char *at);

/* Decodes the name of an item as `metadump` lists it. False: it is not valid. */
bool cachette__memcached_key_decode(cachette_slice listed, cachette__memcached_key *key);

#endif
