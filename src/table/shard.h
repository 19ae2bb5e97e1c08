/* SPDX-License-Identifier: MIT */
/*
 * A shard of a table: an index, two queues in which entries wait to be evicted, and a lock.
 *
 * Writers hold the lock. Readers do not: they look an entry up, copy it out, and believe it if
 * the shard's version is even and has not changed since they began. The version goes up when
 * memory that a reader may be looking at gets another meaning: when a segment is given back, a slot
 * moves between buckets, or an entry is overwritten in its place (odd while it is under way). New
 * entries, removals and moves of entries are single stores to a slot, and need no new version.
 */
#ifndef CACHETTE_TABLE_SHARD_H
#define CACHETTE_TABLE_SHARD_H

#include "index.h"
#include "log.h"
#include "policy.h"

/* Why an entry was evicted. */
enum { CACHETTE__EVICTED_NEW, CACHETTE__EVICTED_OLD, CACHETTE__EVICTED_FORCED, CACHETTE__REASONS };

typedef struct cachette__shard {
  /* Read by everyone, written seldom. */
  _Atomic uint32_t version;
  cachette__index index;

  /* Under the lock. */
  _Alignas(64) uv_mutex_t lock;
  cachette__log logs[CACHETTE__QUEUES];
  cachette__spares spares;
  _Atomic uint32_t segments; /* in the logs and spare; read by other shards to find the largest */
  uint32_t pinned;           /* a segment that must not go now, or CACHETTE__NO_SEGMENT */
  uint32_t walkers;          /* walks under way that visit bucket after bucket */
  int64_t due_ms;            /* the earliest of its segments */
  size_t index_bytes;        /* charged to the arena */
  uint64_t evictions[CACHETTE__REASONS], expirations;
  uint64_t effort; /* so far: entries looked at, KiB moved */
  cachette__policy policy;
  bool full; /* something had to make room */
} cachette__shard;

/* A shard, the arena it lies in, and the caller's clock: what every call needs. */
typedef struct cachette__shard_ref {
  cachette__arena *arena;
  cachette__shard *shard;
  int64_t now_ms;
} cachette__shard_ref;

int cachette__shard_init(cachette__arena *arena, uint32_t number);
void cachette__shard_deinit(cachette__shard *shard);

enum cachette__found { CACHETTE__ABSENT, CACHETTE__FOUND, CACHETTE__NO_ROOM };

/* A look-up of one key. */
typedef struct cachette__fetch {
  const cachette__arena *arena;
  cachette__shard *shard;
  cachette_item *item;
  uint64_t hash;
  int64_t now_ms;
  void *place;     /* for the value */
  size_t size;     /* of it */
  uint64_t wanted; /* out: bytes of the value */
} cachette__fetch;

/* Looks a key up and copies its value out, without the lock if that can be had. */
enum cachette__found cachette__shard_fetch(cachette__fetch *fetch);

/* Brings what a fetch of this hash will read first into the processor's cache. */
void cachette__shard_prefetch(cachette__shard_ref ref, uint64_t hash);
void cachette__shard_prefetch_entry(cachette__shard_ref ref, uint64_t hash);

/* With the lock held from here on. */

/* Segments that a put of so many words may need beyond the spares; the caller sees to them first.
 */
uint32_t cachette__shard_need(cachette__shard_ref ref, uint64_t words);
void cachette__shard_add_spare(cachette__shard_ref ref, uint32_t segment);

/* Gives up to `most` spares back to the arena, but for `kept` of them. Returns how many. */
uint32_t cachette__shard_give_spares(cachette__shard_ref ref, uint32_t kept, uint32_t most);

/* Whether a put of so many words is written over the key's entry, so that it needs no segment. */
bool cachette__shard_overwrites_locked(cachette__shard_ref ref, uint64_t hash, cachette_slice key,
                                       uint64_t words);

/* Puts an entry for which there are segments. Returns whether a live one stood there. */
bool cachette__shard_put_locked(cachette__shard_ref ref, uint64_t hash, const cachette_item *item);

/* Gives the key's live entry another end. Returns whether there is one. */
bool cachette__shard_touch_locked(cachette__shard_ref ref, uint64_t hash,
                                  const cachette_item *item);

/* Copies what a live entry has as its value, if that is at most `size` bytes, and its time left. */
enum cachette__found cachette__shard_read_locked(cachette__shard_ref ref, uint64_t hash,
                                                 cachette_slice key, void *place, size_t *size,
                                                 int64_t *ttl_ms);

/* Removes the key's entry. Returns whether it was there, and live. */
bool cachette__shard_remove_locked(cachette__shard_ref ref, uint64_t hash, cachette_slice key);

/* Removes expired entries of one segment whose time has come. False: there is none. */
bool cachette__shard_sweep_locked(cachette__shard_ref ref);

/* One step towards a free segment: expired entries first, then dead room, then eviction; `force`
 * evicts all that it meets. False: the shard has nothing left. */
bool cachette__shard_reclaim_locked(cachette__shard_ref ref, bool force);

/* A visit of each live entry; true removes it. Expired ones are removed and counted, not visited.
 */
typedef struct cachette__visitor cachette__visitor;
struct cachette__visitor {
  bool (*visit)(cachette__visitor *visitor, cachette__shard_ref ref, const cachette__entry *entry);
  int64_t expired;
};

/*
 * Visits `count` buckets from `begin` on. False: there are no more. While `walkers` is above 0,
 * an entry that stays in the shard from the first bucket to the last is visited, whatever others
 * write in between.
 */
bool cachette__shard_walk_locked(cachette__shard_ref ref, uint32_t begin, uint32_t count,
                                 cachette__visitor *visitor);

#endif
