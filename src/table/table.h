/* SPDX-License-Identifier: MIT */
/*
 * A table of entries, bounded in bytes: the storage of the in-memory store. It is independent of
 * ops, so others may use it, too.
 *
 * Any thread may make any call. `now_ms` is the caller's clock; an entry that has expired by then
 * is never returned or counted.
 */
#ifndef CACHETTE_TABLE_TABLE_H
#define CACHETTE_TABLE_TABLE_H

#include "cachette.h"

typedef struct cachette__table cachette__table;

/* Creates a table of at most `limit` bytes in all. Returns NULL when out of memory. */
cachette__table *cachette__table_new(size_t limit);
void cachette__table_free(cachette__table *table);

/* Allocates memory for fetched values that do not fit their item's buffer. The table holds no lock
 * during these calls. */
typedef struct cachette__table_allocator {
  /* Returns `size` bytes. NULL: none, and the item's status is the error. */
  void *(*allocate)(void *owner, cachette_item *item, size_t size);

  /* Called on a miss: frees the memory that was allocated for the item, if any. The value may
   * disappear after an allocation. */
  void (*release)(void *owner, cachette_item *item);
} cachette__table_allocator;

/* Fetches one item: on a hit sets its value, time left and status. Returns whether it was a hit. */
bool cachette__table_fetch(cachette__table *table, cachette_item *item, int64_t now_ms,
                           const cachette__table_allocator *allocator, void *owner);

/* Fetches many items, and overlaps their memory accesses. Returns the number of hits. */
int64_t cachette__table_fetch_many(cachette__table *table, cachette_item *items, size_t count,
                                   int64_t now_ms, const cachette__table_allocator *allocator,
                                   void *owner);

/*
 * Puts the item's value, and replaces any other. Returns CACHETTE_HIT if the key existed, else
 * CACHETTE_MISS. Errors: ETOOBIG (more than a quarter of the limit; the old entry is removed),
 * ENOMEM (the old entry remains).
 */
int cachette__table_put(cachette__table *table, const cachette_item *item, int64_t now_ms,
                        cachette_error *error);

/* Puts the item's value unless the key exists; then returns CACHETTE_HIT and changes nothing. */
int cachette__table_add(cachette__table *table, const cachette_item *item, int64_t now_ms,
                        cachette_error *error);

/* Adds the item's amount to a counter, see `CACHETTE_INCREMENT`. Returns like a put. */
int cachette__table_increment(cachette__table *table, cachette_item *item, int64_t now_ms,
                              cachette_error *error);

/* Returns 1 if the key exists, else 0. */
int cachette__table_exists(cachette__table *table, cachette_item *item, int64_t now_ms);

/* Sets the entry's time to live to the item's. Returns 1, or 0 if there is no entry. */
int cachette__table_touch(cachette__table *table, const cachette_item *item, int64_t now_ms);

/* Removes an entry. Returns 1, or 0 if there was none. */
int cachette__table_clear(cachette__table *table, cachette_slice key, int64_t now_ms);

/* Remove the entries whose keys start with the name and a colon; all entries; expired entries.
 * Return the number of entries removed. */
int64_t cachette__table_clear_namespace(cachette__table *table, cachette_slice name,
                                        int64_t now_ms);
int64_t cachette__table_flush(cachette__table *table, int64_t now_ms);
int64_t cachette__table_flush_expired(cachette__table *table, int64_t now_ms);

/* Sets the members of `stats` that belong to the store. */
void cachette__table_stats(cachette__table *table, cachette_stats *stats);

/* Lock and unlock the whole table, around a fork. */
void cachette__table_lock(cachette__table *table);
void cachette__table_unlock(cachette__table *table);

#endif
