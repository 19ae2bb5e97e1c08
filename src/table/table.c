/* SPDX-License-Identifier: MIT */
/*
 * A table: shards over one arena. The hash of a key selects its shard.
 *
 * A put that needs a segment when the arena has none left reclaims one from its own shard, or from
 * the largest shard if its own has less than its share. So a value of up to a quarter of the limit
 * fits, and shards grow and shrink with their load. No two locks are held at once.
 */
#include "table.h"

#include <string.h>

#include "../base/alloc.h"
#include "../base/counter.h"
#include "../base/error.h"
#include "../base/slice.h"
#include "internal.h"
#include "reclaim.h"
#include "siphash.h"

enum {
  MIN_SHARD = 4 << 20, /* bytes of a shard while there are few */
  TYPICAL_SHARD = 16 << 20,
  FEW_SHARDS = 16,
  MAX_SHARDS = 256,
  GROUP = 16,        /* keys that are looked up together */
  SLICE = 32,        /* buckets visited under one lock */
  MAX_EFFORT = 3000, /* for a free segment, before entries are evicted without the policy */
  SPARE_SEGMENTS = 2 /* that a shard retains for its next puts */
};

/* Times in the table are relative to its first call, to fit the 48 bits in an entry. */
static int64_t to_table_time(cachette__table *table, int64_t now_ms) {
  _Atomic int64_t *epoch = &table->arena.header->epoch_ms;
  int64_t begin = atomic_load_explicit(epoch, memory_order_relaxed);
  if (begin == CACHETTE__NO_EPOCH && atomic_compare_exchange_strong(epoch, &begin, now_ms))
    begin = now_ms;
  return now_ms > begin ? now_ms - begin : 0;
}

static cachette__shard_ref shard_of(cachette__table *table, uint64_t hash, int64_t now_ms) {
  return cachette__table_shard(table, (uint32_t)(hash >> 32) & (table->shard_count - 1), now_ms);
}

static uint64_t hash_key(const cachette__table *table, cachette_slice key) {
  return cachette__siphash13(table->arena.header->hash_key, key.data, key.size);
}

/* ---- Life cycle ---- */

/* A power of two. Shards keep writers apart, but each has two segments that are partly empty. */
static uint32_t choose_shard_count(size_t limit) {
  uint32_t count = 1;
  while (count < MAX_SHARDS) {
    size_t size = count < FEW_SHARDS ? MIN_SHARD : TYPICAL_SHARD;
    if (limit / (2 * count) < size) break;
    count *= 2;
  }
  return count;
}

cachette__table *cachette__table_new(size_t limit) {
  cachette__table *table = cachette__calloc(1, sizeof *table);
  if (table == NULL) return NULL;
  table->limit = limit;
  table->shard_count = choose_shard_count(limit);
  if (cachette__arena_init(&table->arena, limit, table->shard_count, sizeof(cachette__shard)) < 0) {
    cachette__free(table);
    return NULL;
  }
  uint64_t *key = table->arena.header->hash_key;
  uint32_t created = 0;
  if (uv_random(NULL, NULL, key, sizeof table->arena.header->hash_key, 0, NULL) < 0) goto fail;
  for (; created < table->shard_count; created++)
    if (cachette__shard_init(&table->arena, created) < 0) goto fail;
  return table;

fail:
  while (created-- > 0) cachette__shard_deinit(cachette__table_shard(table, created, 0).shard);
  cachette__arena_deinit(&table->arena);
  cachette__free(table);
  return NULL;
}

void cachette__table_free(cachette__table *table) {
  for (uint32_t i = 0; i < table->shard_count; i++)
    cachette__shard_deinit(cachette__table_shard(table, i, 0).shard);
  cachette__arena_deinit(&table->arena);
  cachette__free(table);
}

void cachette__table_lock(cachette__table *table) {
  for (uint32_t i = 0; i < table->shard_count; i++)
    uv_mutex_lock(&cachette__table_shard(table, i, 0).shard->lock);
  uv_mutex_lock(&table->arena.header->lock);
}

void cachette__table_unlock(cachette__table *table) {
  uv_mutex_unlock(&table->arena.header->lock);
  for (uint32_t i = table->shard_count; i-- > 0;)
    uv_mutex_unlock(&cachette__table_shard(table, i, 0).shard->lock);
}

/* ---- Fetch ---- */

static inline bool fetch(cachette__table *table, cachette_item *item, uint64_t hash, int64_t now_ms,
                         const cachette__table_allocator *allocator, void *owner) {
  cachette__fetch fetch = {
      .arena = &table->arena,
      .shard = shard_of(table, hash, 0).shard,
      .item = item,
      .hash = hash,
      .now_ms = to_table_time(table, now_ms),
      .buffer = item->buffer,
      .buffer_size = item->buffer != NULL ? item->buffer_size : 0,
  };
  /* Repeats if the value has grown while a buffer was allocated. */
  for (;;) {
    enum cachette__found found = cachette__shard_fetch(&fetch);
    if (found == CACHETTE__ABSENT) {
      allocator->release(owner, item);
      return false;
    }
    if (found == CACHETTE__FOUND && fetch.buffer != NULL) break;
    fetch.buffer = allocator->allocate(owner, item, (size_t)fetch.value_size);
    fetch.buffer_size = (size_t)fetch.value_size;
    if (fetch.buffer == NULL) return false;
  }
  item->value = (cachette_slice){fetch.buffer, (size_t)fetch.value_size};
  item->status = CACHETTE_HIT;
  return true;
}

bool cachette__table_fetch(cachette__table *table, cachette_item *item, int64_t now_ms,
                           const cachette__table_allocator *allocator, void *owner) {
  return fetch(table, item, hash_key(table, item->key), now_ms, allocator, owner);
}

int64_t cachette__table_fetch_many(cachette__table *table, cachette_item *items, size_t count,
                                   int64_t now_ms, const cachette__table_allocator *allocator,
                                   void *owner) {
  uint64_t hashes[GROUP];
  int64_t hits = 0;
  for (; count > 0;) {
    size_t group = count < GROUP ? count : GROUP;
    for (size_t i = 0; i < group; i++) {
      hashes[i] = hash_key(table, items[i].key);
      cachette__shard_prefetch(shard_of(table, hashes[i], 0), hashes[i]);
    }
    for (size_t i = 0; i < group; i++)
      cachette__shard_prefetch_entry(shard_of(table, hashes[i], 0), hashes[i]);
    for (size_t i = 0; i < group; i++)
      hits += fetch(table, &items[i], hashes[i], now_ms, allocator, owner);
    items += group;
    count -= group;
  }
  return hits;
}

/* ---- Put ---- */

/* The shard to reclaim from: this one if it has its share and entries, else the largest. */
static cachette__shard_ref choose_victim(cachette__table *table, cachette__shard_ref own) {
  uint32_t share = cachette__arena_max_segments(&table->arena) / table->shard_count;
  uint32_t max = atomic_load_explicit(&own.shard->segments, memory_order_relaxed);
  if (max == own.shard->spares.count) max = 0;
  cachette__shard_ref victim = own;
  for (uint32_t i = 0; i < table->shard_count && max < share; i++) {
    cachette__shard_ref other = cachette__table_shard(table, i, own.now_ms);
    uint32_t count = atomic_load_explicit(&other.shard->segments, memory_order_relaxed);
    if (count <= max || other.shard == own.shard) continue;
    max = count;
    victim = other;
  }
  return victim;
}

/*
 * Takes one step towards a free segment. Releases the lock of `own` meanwhile, if it reclaims from
 * another shard. Returns the effort, at least 1.
 *
 * Puts of large values may take all segments as spares while none of them has enough; then no shard
 * has entries left to evict. So the shards after `own` return their spares one by one. The first
 * shard completes its put, whose entry can be evicted for the next.
 */
static uint64_t reclaim(cachette__table *table, cachette__shard_ref own, bool force) {
  cachette__shard_ref victim = choose_victim(table, own);
  bool is_other = victim.shard != own.shard;
  if (is_other) {
    uv_mutex_unlock(&own.shard->lock);
    uv_mutex_lock(&victim.shard->lock);
  }
  uint64_t effort = victim.shard->effort;
  if (!cachette__shard_reclaim_locked(victim, force) && victim.shard > own.shard)
    cachette__shard_free_spares(victim, 0, 1);
  effort = victim.shard->effort - effort;
  if (is_other) {
    uv_mutex_unlock(&victim.shard->lock);
    uv_mutex_lock(&own.shard->lock);
  }
  return effort + 1;
}

/* Allocates the segments for an entry as spares. The lock is held on entry and return, but not
 * throughout. */
static void reserve(cachette__table *table, cachette__shard_ref ref, uint64_t words) {
  /* a reserve for moving entries */
  uint32_t reserved = table->shard_count + 1, min_need = UINT32_MAX, need;
  uint64_t effort = 0;
  while ((need = cachette__shard_segments_needed(ref, words)) > 0) {
    if (need < min_need) effort = 0; /* moves have used spares: no progress */
    if (need < min_need) min_need = need;
    uint32_t segment = cachette__arena_alloc_segment(&table->arena, reserved);
    if (segment != CACHETTE__NO_SEGMENT)
      cachette__shard_add_spare(ref, segment);
    else
      effort += reclaim(table, ref, effort > MAX_EFFORT);
  }
}

/* Reclaims segments until the table is within its limit again: its index may have grown. */
static void shrink_to_limit(cachette__table *table, cachette__shard_ref ref) {
  uint64_t effort = 0;
  while (cachette__arena_is_over_limit(&table->arena) && effort < 2 * MAX_EFFORT)
    effort += reclaim(table, ref, effort > MAX_EFFORT);
}

static int fail_size(const cachette__table *table, const cachette_item *item,
                     cachette_error *error) {
  char key[32];
  cachette__key_text(item->key, key, sizeof key);
  return cachette__fail(error, CACHETTE_ETOOBIG, key,
                        "The value of \"%s\" has %zu bytes; the in-memory backend takes up to a "
                        "quarter of \"memory_limit\", here %zu.",
                        key, item->value.size, table->limit / 4);
}

/* Locks the shard of a key, and removes due entries. */
static cachette__shard_ref lock_shard(cachette__table *table, uint64_t hash, int64_t now_ms) {
  cachette__shard_ref ref = shard_of(table, hash, to_table_time(table, now_ms));
  uv_mutex_lock(&ref.shard->lock);
  cachette__shard_expire_locked(ref);
  return ref;
}

static void unlock_shard(cachette__table *table, cachette__shard_ref ref) {
  cachette__shard_free_spares(ref, SPARE_SEGMENTS, UINT32_MAX);
  shrink_to_limit(table, ref);
  uv_mutex_unlock(&ref.shard->lock);
}

int cachette__table_put(cachette__table *table, const cachette_item *item, int64_t now_ms,
                        cachette_error *error) {
  if (item->value.size > table->limit / 4) {
    cachette__table_clear(table, item->key, now_ms);
    return fail_size(table, item, error);
  }
  uint64_t hash = hash_key(table, item->key);
  uint64_t words = cachette__entry_words(item->key.size, item->value.size);
  cachette__shard_ref ref = lock_shard(table, hash, now_ms);
  if (cachette__shard_segments_needed(ref, words) > 0 &&
      !cachette__shard_overwrites_locked(ref, hash, item->key, words))
    reserve(table, ref, words);
  bool existed = cachette__shard_put_locked(ref, hash, item);
  unlock_shard(table, ref);
  return existed ? CACHETTE_HIT : CACHETTE_MISS;
}

int cachette__table_add(cachette__table *table, const cachette_item *item, int64_t now_ms,
                        cachette_error *error) {
  uint64_t hash = hash_key(table, item->key);
  bool fits = item->value.size <= table->limit / 4;
  uint64_t words = fits ? cachette__entry_words(item->key.size, item->value.size) : 1;
  cachette__shard_ref ref = lock_shard(table, hash, now_ms);
  reserve(table, ref, words);
  size_t size = 0;
  int64_t left_ms;
  bool exists =
      cachette__shard_read_locked(ref, hash, item->key, NULL, &size, &left_ms) != CACHETTE__ABSENT;
  if (!exists && fits) cachette__shard_put_locked(ref, hash, item);
  unlock_shard(table, ref);
  if (exists) return CACHETTE_HIT;
  return fits ? CACHETTE_MISS : fail_size(table, item, error);
}

int cachette__table_increment(cachette__table *table, cachette_item *item, int64_t now_ms,
                              cachette_error *error) {
  uint64_t hash = hash_key(table, item->key);
  uint64_t words = cachette__entry_words(item->key.size, CACHETTE__COUNTER_DIGITS);
  cachette__shard_ref ref = lock_shard(table, hash, now_ms);
  reserve(table, ref, words);
  char digits[CACHETTE__COUNTER_DIGITS] = "0";
  cachette_item counter = {.key = item->key, .ttl_ms = item->ttl_ms};
  size_t size = sizeof digits;
  enum cachette__found found =
      cachette__shard_read_locked(ref, hash, item->key, digits, &size, &counter.ttl_ms);
  if (found == CACHETTE__ABSENT) size = 1;
  int code =
      found == CACHETTE__BUFFER_TOO_SMALL
          ? cachette__counter_fail_value(item->key, error)
          : cachette__counter_add(item, (cachette_slice){digits, size}, digits, &size, error);
  if (code == CACHETTE_OK) {
    counter.value = (cachette_slice){digits, size};
    cachette__shard_put_locked(ref, hash, &counter);
    code = found == CACHETTE__FOUND ? CACHETTE_HIT : CACHETTE_MISS;
  }
  unlock_shard(table, ref);
  return code;
}

int cachette__table_exists(cachette__table *table, cachette_item *item, int64_t now_ms) {
  uint64_t hash = hash_key(table, item->key);
  cachette__fetch fetch = {
      .arena = &table->arena,
      .shard = shard_of(table, hash, 0).shard,
      .item = item,
      .hash = hash,
      .now_ms = to_table_time(table, now_ms),
  };
  return cachette__shard_fetch(&fetch) != CACHETTE__ABSENT;
}

int cachette__table_touch(cachette__table *table, const cachette_item *item, int64_t now_ms) {
  uint64_t hash = hash_key(table, item->key);
  cachette__shard_ref ref = shard_of(table, hash, to_table_time(table, now_ms));
  uv_mutex_lock(&ref.shard->lock);
  bool touched = cachette__shard_touch_locked(ref, hash, item);
  uv_mutex_unlock(&ref.shard->lock);
  return touched;
}

int cachette__table_clear(cachette__table *table, cachette_slice key, int64_t now_ms) {
  uint64_t hash = hash_key(table, key);
  cachette__shard_ref ref = shard_of(table, hash, to_table_time(table, now_ms));
  uv_mutex_lock(&ref.shard->lock);
  bool removed = cachette__shard_remove_locked(ref, hash, key);
  uv_mutex_unlock(&ref.shard->lock);
  return removed;
}

/* ---- Walks ---- */

/* Visits all entries, a few buckets at a time, so that others get the lock in between. */
static void scan_all(cachette__table *table, int64_t now_ms, cachette__visitor *visitor) {
  now_ms = to_table_time(table, now_ms);
  for (uint32_t i = 0; i < table->shard_count; i++) {
    cachette__shard_ref ref = cachette__table_shard(table, i, now_ms);
    uv_mutex_lock(&ref.shard->lock);
    ref.shard->scans++;
    for (uint32_t bucket = 0; cachette__shard_scan_locked(ref, bucket, SLICE, visitor);
         bucket += SLICE) {
      uv_mutex_unlock(&ref.shard->lock);
      uv_mutex_lock(&ref.shard->lock);
    }
    ref.shard->scans--;
    uv_mutex_unlock(&ref.shard->lock);
  }
}

/* Removes the entries of a namespace, or all. */
typedef struct remover {
  cachette__visitor visitor;
  const cachette_slice *name; /* or NULL: all */
  int64_t removed;
} remover;

static bool in_namespace(cachette__shard_ref ref, const cachette__entry *entry,
                         cachette_slice name) {
  unsigned char chunk[256];
  const unsigned char *bytes = name.data;
  if (entry->key_size <= name.size) return false;
  for (size_t done = 0; done < name.size;) {
    size_t size = name.size - done < sizeof chunk ? name.size - done : sizeof chunk;
    cachette__entry_copy(ref.arena, entry, done, size, chunk);
    if (memcmp(chunk, bytes + done, size) != 0) return false;
    done += size;
  }
  cachette__entry_copy(ref.arena, entry, name.size, 1, chunk);
  return chunk[0] == ':';
}

static bool remove_matching(cachette__visitor *visitor, cachette__shard_ref ref,
                            const cachette__entry *entry) {
  remover *self = (remover *)visitor;
  if (self->name != NULL && !in_namespace(ref, entry, *self->name)) return false;
  self->removed++;
  return true;
}

int64_t cachette__table_clear_namespace(cachette__table *table, cachette_slice name,
                                        int64_t now_ms) {
  remover self = {.visitor.visit = remove_matching, .name = &name};
  scan_all(table, now_ms, &self.visitor);
  return self.removed;
}

int64_t cachette__table_flush(cachette__table *table, int64_t now_ms) {
  remover self = {.visitor.visit = remove_matching};
  scan_all(table, now_ms, &self.visitor);
  return self.removed;
}

int64_t cachette__table_flush_expired(cachette__table *table, int64_t now_ms) {
  cachette__visitor visitor = {.visit = NULL};
  scan_all(table, now_ms, &visitor);
  return visitor.expired;
}

/* ---- Figures ---- */

void cachette__table_stats(cachette__table *table, cachette_stats *stats) {
  cachette__arena_header *header = table->arena.header;
  uint64_t evictions[CACHETTE__EVICTION_REASONS] = {0};
  stats->entries = stats->expirations = 0;
  for (uint32_t i = 0; i < table->shard_count; i++) {
    cachette__shard *shard = cachette__table_shard(table, i, 0).shard;
    uv_mutex_lock(&shard->lock);
    stats->entries += (int64_t)shard->index.entries;
    for (int j = 0; j < CACHETTE__EVICTION_REASONS; j++) evictions[j] += shard->evictions[j];
    stats->expirations += (int64_t)shard->expirations;
    uv_mutex_unlock(&shard->lock);
  }
  stats->evictions_new = (int64_t)evictions[CACHETTE__EVICTED_NEW];
  stats->evictions_old = (int64_t)evictions[CACHETTE__EVICTED_OLD];
  stats->evictions_forced = (int64_t)evictions[CACHETTE__EVICTED_FORCED];
  stats->evictions = stats->evictions_new + stats->evictions_old + stats->evictions_forced;
  uv_mutex_lock(&header->lock);
  uint64_t segments = atomic_load_explicit(&header->in_use, memory_order_relaxed);
  stats->bytes = (int64_t)((segments + header->warm_count) * table->arena.segment_words * 8 +
                           atomic_load_explicit(&header->overhead, memory_order_relaxed));
  stats->limit = (int64_t)table->limit;
  uv_mutex_unlock(&header->lock);
}
