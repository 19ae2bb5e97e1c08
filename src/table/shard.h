/* SPDX-License-Identifier: MIT */
/*
 * A shard of a table: an index, two queues (logs) of entries, and a lock.
 *
 * Writers hold the lock. Readers do not: they look an entry up, copy it, and trust the copy if the
 * shard's version is even and unchanged since they started (a seqlock). The version changes when
 * memory that a reader may be reading gets another meaning: a segment is freed, a slot moves
 * between buckets, or an entry is overwritten in place (odd meanwhile). New, removed and moved
 * entries are single stores to a slot, and need no new version.
 */
#ifndef CACHETTE_TABLE_SHARD_H
#define CACHETTE_TABLE_SHARD_H

#include "index.h"
#include "log.h"
#include "policy.h"

/* The reasons of an eviction. */
enum {
  CACHETTE__EVICTED_NEW,
  CACHETTE__EVICTED_OLD,
  CACHETTE__EVICTED_FORCED,
  CACHETTE__EVICTION_REASONS
};

typedef struct cachette__shard {
  /* Read by all threads, rarely written. */
  _Atomic uint32_t version;
  cachette__index index;

  /* Guarded by the lock. */
  _Alignas(64) uv_mutex_t lock;
  cachette__log logs[CACHETTE__QUEUES];
  cachette__spares spares;
  _Atomic uint32_t segments; /* in the logs and spare; other shards read it */
  uint32_t pinned;           /* a segment that must not be freed now, or CACHETTE__NO_SEGMENT */
  uint32_t scans;            /* scans of all buckets in progress */
  int64_t due_ms;            /* the earliest of its segments */
  size_t index_bytes;        /* charged to the arena */
  uint64_t evictions[CACHETTE__EVICTION_REASONS], expirations;
  uint64_t effort; /* of reclaiming so far: entries read plus KiB moved */
  cachette__policy policy;
  bool is_full; /* memory had to be reclaimed */
} cachette__shard;

/* A shard, its arena, and the current time: the arguments of every call. */
typedef struct cachette__shard_ref {
  cachette__arena *arena;
  cachette__shard *shard;
  int64_t now_ms;
} cachette__shard_ref;

int cachette__shard_init(cachette__arena *arena, uint32_t number);
void cachette__shard_deinit(cachette__shard *shard);

enum cachette__found { CACHETTE__ABSENT, CACHETTE__FOUND, CACHETTE__BUFFER_TOO_SMALL };

/* A look-up of one key. */
typedef struct cachette__fetch {
  const cachette__arena *arena;
  cachette__shard *shard;
  cachette_item *item;
  uint64_t hash;
  int64_t now_ms;
  void *buffer;        /* for the value */
  size_t buffer_size;  /* in bytes */
  uint64_t value_size; /* result: bytes of the value */
} cachette__fetch;

/* Looks up a key and copies its value. Takes the lock only if writers keep interfering. */
enum cachette__found cachette__shard_fetch(cachette__fetch *fetch);

/* Prefetch what a fetch of this hash will read: its buckets, and then its entry. */
void cachette__shard_prefetch(cachette__shard_ref ref, uint64_t hash);
void cachette__shard_prefetch_entry(cachette__shard_ref ref, uint64_t hash);

/* ---- With the lock held ---- */

/* How many more spares a put of `words` words may need. */
uint32_t cachette__shard_segments_needed(cachette__shard_ref ref, uint64_t words);

/* Gives the shard an allocated segment as a spare. */
void cachette__shard_add_spare(cachette__shard_ref ref, uint32_t segment);

/* Frees up to `max` spares, but keeps `keep` of them. Returns how many it freed. */
uint32_t cachette__shard_free_spares(cachette__shard_ref ref, uint32_t keep, uint32_t max);

/* Whether a put of `words` words overwrites the key's entry in place, and so needs no segment. */
bool cachette__shard_overwrites_locked(cachette__shard_ref ref, uint64_t hash, cachette_slice key,
                                       uint64_t words);

/* Puts an entry; there must be enough spares. Returns whether a live entry was replaced. */
bool cachette__shard_put_locked(cachette__shard_ref ref, uint64_t hash, const cachette_item *item);

/* Sets the expiry of the key's live entry. Returns whether there is one. */
bool cachette__shard_touch_locked(cachette__shard_ref ref, uint64_t hash,
                                  const cachette_item *item);

/* Copies the value of a live entry and its time left. `*size` is the size of the buffer, and
 * becomes that of the value. */
enum cachette__found cachette__shard_read_locked(cachette__shard_ref ref, uint64_t hash,
                                                 cachette_slice key, void *buffer, size_t *size,
                                                 int64_t *ttl_ms);

/* Removes the key's entry. Returns whether it was live. */
bool cachette__shard_remove_locked(cachette__shard_ref ref, uint64_t hash, cachette_slice key);

/* Visits live entries; `visit` returns true to remove the entry. Expired entries are removed and
 * counted instead. */
typedef struct cachette__visitor cachette__visitor;
struct cachette__visitor {
  bool (*visit)(cachette__visitor *visitor, cachette__shard_ref ref, const cachette__entry *entry);
  int64_t expired;
};

/*
 * Visits `count` buckets, starting with bucket `begin`. Returns false if there are no more. While
 * `scans` is above 0, an entry that stays in the shard from the first bucket to the last is
 * visited, whatever others write in between.
 */
bool cachette__shard_scan_locked(cachette__shard_ref ref, uint32_t begin, uint32_t count,
                                 cachette__visitor *visitor);

/* ---- For reclaim.c, with the lock held ---- */

/* Removes an entry from the index and its log. */
void cachette__shard_remove_entry(cachette__shard_ref ref, uint64_t *slot,
                                  const cachette__entry *entry);

/* What the policy needs to know of the shard. */
cachette__policy_state cachette__shard_policy_state(cachette__shard_ref ref);

#endif
