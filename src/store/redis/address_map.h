/* SPDX-License-Identifier: MIT */
/*
 * The option `address_map`: which address to connect to instead of one that a server announces.
 * Servers behind NAT, in containers or behind a tunnel announce addresses that only they can reach.
 */
#ifndef CACHETTE_REDIS_ADDRESS_MAP_H
#define CACHETTE_REDIS_ADDRESS_MAP_H

#include "cachette.h"

typedef struct cachette__redis_address {
  char *host; /* a name, or a numeric address without brackets */
  uint16_t port;
} cachette__redis_address;

typedef struct cachette__redis_address_pair {
  cachette__redis_address announced, used;
} cachette__redis_address_pair;

/* Zeroed: empty. */
typedef struct cachette__redis_address_map {
  cachette__redis_address_pair *pairs;
  size_t count;
} cachette__redis_address_map;

/*
 * Parses the option: pairs of host:port=host:port, separated by commas, with IPv6 addresses in
 * brackets. Empty text is an empty map. Free the map with cachette__redis_address_map_deinit().
 * Errors, after which there is nothing to free: ECONFIG, ENOMEM.
 */
int cachette__redis_address_map_parse(const char *text, cachette__redis_address_map *map,
                                      cachette_error *error);

/* Returns the address to use instead of this one; NULL: it is not in the map, use it as it is. The
 * map owns the result. `host` has no brackets; letters match in either case. */
const cachette__redis_address *cachette__redis_address_map_find(
    const cachette__redis_address_map *map, cachette_slice host, uint16_t port);

void cachette__redis_address_map_deinit(cachette__redis_address_map *map);

#endif
