/* SPDX-License-Identifier: MIT */
/*
 * The servers that `memcached_host` names, and which of them has a key.
 *
 *     host  host:port  host:port:weight  [v6]:port  /path/of/a/socket     joined by commas
 *
 * A key is where its score is highest (rendezvous hashing), so that a server that is added takes
 * its share of keys from all others, and none moves between those. The score of a server for a key
 * is weight / -ln(u), with u = (h + 0.5) / 2^64, h = mix(fnv1a(name) ^ mix(fnv1a(key))): FNV-1a of
 * 64 bits, and `mix` the finalizer of SplitMix64. The name is as in the option, without the weight,
 * with its port; the key is as the server knows it.
 */
#ifndef CACHETTE_MEMCACHED_HOSTS_H
#define CACHETTE_MEMCACHED_HOSTS_H

#include "cachette.h"

typedef struct cachette__memcached_host {
  char *host; /* NULL: `path`; without brackets */
  char *path;
  uint16_t port;
  unsigned weight;
  uint64_t hash; /* of the name */
} cachette__memcached_host;

typedef struct cachette__memcached_hosts {
  cachette__memcached_host *list;
  size_t count;
} cachette__memcached_hosts;

/* Errors: ECONFIG (the message shows how a server is named), ENOMEM. */
int cachette__memcached_hosts_parse(const char *text, cachette__memcached_hosts *hosts,
                                    cachette_error *error);

void cachette__memcached_hosts_deinit(cachette__memcached_hosts *hosts);

/* The place of the server that has the key. */
size_t cachette__memcached_choose(const cachette__memcached_hosts *hosts, cachette_slice key);

#endif
