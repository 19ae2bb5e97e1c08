/* SPDX-License-Identifier: MIT */
/*
 * Keys as a server takes them.
 *
 * One that has at most 250 bytes, none of them a control character or a space, goes as it is. One
 * with such bytes goes in base64, which names the same item. A longer one is cut: the head that
 * fits, then `~` and the SHA-256 of all of it in hex, so that its namespace still shows.
 */
#ifndef CACHETTE_MEMCACHED_KEY_H
#define CACHETTE_MEMCACHED_KEY_H

#include "cachette.h"

enum {
  CACHETTE__MEMCACHED_KEY = 250,  /* bytes on the wire, at most */
  CACHETTE__MEMCACHED_SHOWN = 121 /* bytes of a key's own that its name has, however long it is */
};

typedef struct cachette__memcached_key {
  char raw[CACHETTE__MEMCACHED_KEY]; /* the item's name */
  size_t size;
  bool base64; /* whether it has to go so */
} cachette__memcached_key;

/* False: out of memory. */
bool cachette__memcached_key_make(cachette_slice prefix, cachette_slice key,
                                  cachette__memcached_key *made);

/* Writes what goes over the wire, at most CACHETTE__MEMCACHED_KEY bytes; returns its end. */
char *cachette__memcached_key_write(const cachette__memcached_key *key, char *at);

/* The name of an item as `metadump` lists it, decoded; false if it is none. */
bool cachette__memcached_key_decode(cachette_slice listed, cachette__memcached_key *key);

#endif
