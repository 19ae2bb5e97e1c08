/* SPDX-License-Identifier: MIT */
/*
 * The servers that `memcached_host` lists, or that were discovered, and which of them has a key.
 *
 *     host  host:port  host:port:weight  [v6]:port  /path/of/a/socket     separated by commas
 *
 * A key belongs to the server with the highest score (rendezvous hashing): a server that you add
 * takes its share of keys from all others, and no key moves between those. A server's score for a
 * key is weight / -ln(u), with u = (h + 0.5) / 2^64, h = mix(fnv1a(name) ^ mix(fnv1a(key))): FNV-1a
 * of 64 bits, and `mix` the finalizer of SplitMix64. The name is that in the option, with its port
 * and without its weight, or the announced name and port of a discovered server; the key is the one
 * that the server sees.
 */
#ifndef CACHETTE_MEMCACHED_HOSTS_H
#define CACHETTE_MEMCACHED_HOSTS_H

#include <stdatomic.h>

#include "cachette.h"

typedef struct cachette__memcached_host {
  char *host;    /* NULL: `path`; without brackets */
  char *address; /* to connect to; NULL: `host` */
  char *path;
  uint16_t port;
  unsigned weight;
  uint64_t hash; /* of the name, see above */
} cachette__memcached_host;

/* A list of servers. It is immutable once others refer to it, so handles, ops and threads may share
 * it. */
typedef struct cachette__memcached_hosts {
  _Atomic(unsigned) references;
  size_t count;
  cachette__memcached_host list[];
} cachette__memcached_hosts;

/* Parses the option into a new list. Errors: ECONFIG (the message lists the forms above), ENOMEM.
 */
int cachette__memcached_hosts_parse(const char *text, cachette__memcached_hosts **hosts,
                                    cachette_error *error);

/* Creates an empty list with space for `capacity` servers. Returns NULL if out of memory. */
cachette__memcached_hosts *cachette__memcached_hosts_new(size_t capacity);

/*
 * Adds a server to a new list, unless one of this name and port is in it. `address` is what to
 * connect to; empty: the name. Returns false if out of memory.
 */
bool cachette__memcached_hosts_add(cachette__memcached_hosts *hosts, cachette_slice name,
                                   cachette_slice address, uint16_t port);

/* Adds a reference; drops one, and frees the list with the last. NULL is allowed. */
cachette__memcached_hosts *cachette__memcached_hosts_retain(cachette__memcached_hosts *hosts);
void cachette__memcached_hosts_release(cachette__memcached_hosts *hosts);

/* Returns whether two servers have the same name and the same address. */
bool cachette__memcached_host_equals(const cachette__memcached_host *one,
                                     const cachette__memcached_host *other);

/* Returns whether bytes can be the name or the address of a server. */
bool cachette__memcached_is_name(cachette_slice name);

/* Returns the index of the server that has the key. */
size_t cachette__memcached_choose(const cachette__memcached_hosts *hosts, cachette_slice key);

#endif
