/* SPDX-License-Identifier: MIT */
/*
 * Frees segments of a shard: expiry, compaction and eviction. All functions require the shard's
 * lock.
 */
#ifndef CACHETTE_TABLE_RECLAIM_H
#define CACHETTE_TABLE_RECLAIM_H

#include "shard.h"

/* Removes the expired entries of one segment that is due. Returns false if none is due. */
bool cachette__shard_expire_locked(cachette__shard_ref ref);

/*
 * Takes one step towards a free segment: removes expired entries, else compacts a segment, else
 * evicts entries. `force` evicts every entry of a segment. Returns false if the shard has nothing
 * left.
 */
bool cachette__shard_reclaim_locked(cachette__shard_ref ref, bool force);

#endif
