/* SPDX-License-Identifier: MIT */
/* What a sentinel tells becomes a map with one shard, which owns all slots. */
#ifndef CACHETTE_REDIS_SENTINEL_SHARD_H
#define CACHETTE_REDIS_SENTINEL_SHARD_H

#include "sentinel.h"

/* Returns the node of the map for an address that the sentinel announces. Errors: as
 * cachette__redis_map_locate(). */
int cachette__redis_shard_locate(cachette__redis_map *map, const cachette__redis_sentinel *sentinel,
                                 const cachette__redis_announced *announced);

/* Returns the map with the primary and the replicas in the sentinel's report. NULL: out of memory.
 */
cachette__redis_map *cachette__redis_shard_map(const cachette__redis_sentinel *sentinel);

#endif
