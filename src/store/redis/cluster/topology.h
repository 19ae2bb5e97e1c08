/* SPDX-License-Identifier: MIT */
/*
 * What all handles of one settings object know about their cluster: the latest map, and when it may
 * be asked for again. So a thousand handles ask no more often than one.
 *
 * A handle that needs a newer map takes the lease, asks a server, and offers the map that it got.
 * The others take the map when its version has changed. A lease expires, as the loop of its handle
 * may not run any more.
 *
 * The first request may start at once, the next one a second later; then the pause doubles up to 30
 * seconds, until there was none for twice as long.
 *
 * Threads may share a topology.
 */
#ifndef CACHETTE_REDIS_CLUSTER_TOPOLOGY_H
#define CACHETTE_REDIS_CLUSTER_TOPOLOGY_H

#include <stdatomic.h>

#include "map.h"

typedef struct cachette__redis_topology cachette__redis_topology;

/* Returns a topology without a map, or NULL if out of memory. */
cachette__redis_topology *cachette__redis_topology_new(void);

/* No handle may use it any more. NULL is allowed. */
void cachette__redis_topology_free(cachette__redis_topology *topology);

/* Returns the version of the map: 0 if there is none. It is cheap. */
unsigned cachette__redis_topology_version(const cachette__redis_topology *topology);

/* Returns a reference to the map, and its version. NULL: there is none. */
cachette__redis_map *cachette__redis_topology_map(cachette__redis_topology *topology,
                                                  unsigned *version);

/*
 * Asks for the lease. `owner` identifies the handle. `wanted`: something shows that the map is old;
 * else the map is only due for its periodic request. Returns 0 if the caller has the lease, until
 * it calls end(), or for CACHETTE__REDIS_LEASE_MS. Else returns after how many milliseconds to try
 * again.
 */
int64_t cachette__redis_topology_begin(cachette__redis_topology *topology, const void *owner,
                                       int64_t now_ms, bool wanted);

/* Gives up the lease, if the caller still has it. */
void cachette__redis_topology_end(cachette__redis_topology *topology, const void *owner);

enum { CACHETTE__REDIS_LEASE_MS = 5000, CACHETTE__REDIS_MAP_AGE_MS = 48 * 1000 };

enum cachette__redis_offer {
  CACHETTE__REDIS_ACCEPTED,
  CACHETTE__REDIS_REFUSED, /* it is empty */
  CACHETTE__REDIS_DOUBTED  /* it covers less than the one before: ask another server */
};

/* Offers a map, whose reference is taken over. `server`: the number of the server that sent it,
 * from 0, in this round of requests. */
enum cachette__redis_offer cachette__redis_topology_offer(cachette__redis_topology *topology,
                                                          cachette__redis_map *map,
                                                          unsigned server);

#endif
