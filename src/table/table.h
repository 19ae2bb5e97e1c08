/* SPDX-License-Identifier: MIT */
/*
 * A table of entries, bounded in bytes: what the in-memory store keeps its entries in. It knows
 * nothing of ops, so others may have one, too.
 *
 * Every call may come from any thread. `now_ms` is the caller's clock; an entry whose time is over
 * at `now_ms` is never returned and never counted as there.
 */
#ifndef CACHETTE_TABLE_TABLE_H
#define CACHETTE_TABLE_TABLE_H

#include "cachette.h"

typedef struct cachette__table cachette__table;

/* A table of at most `limit` bytes, all that it needs included; NULL when out of memory. */
cachette__table *cachette__table_new(size_t limit);
void cachette__table_free(cachette__table *table);

/* Where fetched values go that do not fit their item's buffer. No lock is held meanwhile. */
typedef struct cachette__table_allocator {
  /* A place for so many bytes. NULL: there is none, and the item says why. */
  void *(*allocate)(void *owner, cachette_item *item, size_t size);

  /* Takes it back, if one was given: the value went while its place was sought. */
  void (*release)(void *owner, cachette_item *item);
} cachette__table_allocator;

/* Fills an item: value and time left on a hit, and the status. Whether it was one. */
bool cachette__table_fetch(cachette__table *table, cachette_item *item, int64_t now_ms,
                           const cachette__table_allocator *allocator, void *owner);

/* The same for many, whose memory accesses overlap. Returns how many were hits. */
int64_t cachette__table_fetch_many(cachette__table *table, cachette_item *items, size_t count,
                                   int64_t now_ms, const cachette__table_allocator *allocator,
                                   void *owner);

/*
 * Puts the item's value, replacing what stood under the key. Returns CACHETTE_MISS or
 * CACHETTE_HIT (something stood there); errors: ETOOBIG (more than a quarter of the limit; what
 * stood there is gone) and ENOMEM (what stood there stands).
 */
int cachette__table_put(cachette__table *table, const cachette_item *item, int64_t now_ms,
                        cachette_error *error);

/* The same, unless something stands there already (CACHETTE_HIT), which then stays. */
int cachette__table_add(cachette__table *table, const cachette_item *item, int64_t now_ms,
                        cachette_error *error);

/* Adds the item's amount to a counter; see `CACHETTE_INCREMENT`. Returns as cachette__table_put().
 */
int cachette__table_increment(cachette__table *table, cachette_item *item, int64_t now_ms,
                              cachette_error *error);

/* Whether there is an entry: 1 or 0. */
int cachette__table_exists(cachette__table *table, cachette_item *item, int64_t now_ms);

/* Gives an entry the item's time to live: 1, or 0 if there is none. */
int cachette__table_touch(cachette__table *table, const cachette_item *item, int64_t now_ms);

/* Removes an entry: 1, or 0 if there was none. */
int cachette__table_clear(cachette__table *table, cachette_slice key, int64_t now_ms);

/* Removes all entries whose keys begin with the name and a colon; all; those whose time is over. */
int64_t cachette__table_clear_namespace(cachette__table *table, cachette_slice name,
                                        int64_t now_ms);
int64_t cachette__table_flush(cachette__table *table, int64_t now_ms);
int64_t cachette__table_flush_expired(cachette__table *table, int64_t now_ms);

/*
 * A copy of all entries, some at a time, while others go on writing. Zero it; then call
 * ..._snapshot() until it answers 0, or give it up with ..._end(). An entry that stays as it is
 * from the first call to the last is visited, some perhaps twice; one that is put or removed
 * meanwhile may be or not.
 */
typedef struct cachette__snapshot {
  uint32_t shard, bucket; /* that come next */
  bool walking;           /* in that shard */
  bool failed;            /* out of memory */
  unsigned char *data;    /* entries of this slice: sizes, time left, key and value of each */
  size_t size, capacity;
} cachette__snapshot;

/* An entry: views into the snapshot, until it returns. No lock is held. */
typedef void cachette__snapshot_visit(void *data, cachette_slice key, cachette_slice value,
                                      int64_t left_ms);

/* Visits a slice of the entries. Returns 1 if there are more, 0 at the end, or CACHETTE_ENOMEM. */
int cachette__table_snapshot(cachette__table *table, cachette__snapshot *snapshot, int64_t now_ms,
                             cachette__snapshot_visit *visit, void *data);
void cachette__table_snapshot_end(cachette__table *table, cachette__snapshot *snapshot);

/* Fills the store's half of the figures. */
void cachette__table_stats(cachette__table *table, cachette_stats *stats);

/* Holds all other threads off, around a fork. */
void cachette__table_lock(cachette__table *table);
void cachette__table_unlock(cachette__table *table);

#endif
