/* SPDX-License-Identifier: MIT */
/*
 * The servers that `memcached_host` lists, and which of them has a key.
 *
 *     host  host:port  host:port:weight  [v6]:port  /path/of/a/socket     separated by commas
 *
 * A key belongs to the server with the highest score (rendezvous hashing): a server that you add
 * takes its share of keys from all others, and no key moves between those. A server's score for a
 * key is weight / -ln(u), with u = (h + 0.5) / 2^64, h = mix(fnv1a(name) ^ mix(fnv1a(key))): FNV-1a
 * of 64 bits, and `mix` the finalizer of SplitMix64. The name is that in the option, with its port
 * and without its weight; the key is the one that the server sees.
 */
#ifndef CACHETTE_MEMCACHED_HOSTS_H
#define CACHETTE_MEMCACHED_HOSTS_H

#include "cachette.h"

typedef struct cachette__memcached_host {
  char *host; /* NULL: `path`; without brackets */
  char *path;
  uint16_t port;
  unsigned weight;
  uint64_t hash; /* of the name, see above */
} cachette__memcached_host;

typedef struct cachette__memcached_hosts {
  cachette__memcached_host *list;
  size_t count;
} cachette__memcached_hosts;

/* Parses the option. Errors: ECONFIG (the message lists the forms above), ENOMEM. */
int cachette__memcached_hosts_parse(const char *text, cachette__memcached_hosts *hosts,
                                    cachette_error *error);

void cachette__memcached_hosts_deinit(cachette__memcached_hosts *hosts);

/* Returns the index of the server that has the key. */
size_t cachette__memcached_choose(const cachette__memcached_hosts *hosts, cachette_slice key);

#endif
