/* SPDX-License-Identifier: MIT */
#include "shard.h"

#include "segments.h"

enum { OPTIMISTIC_TRIES = 4, PAGE = 4096, GROWTH_TRIES = 64 };

static uint32_t version_of(const cachette__shard *shard) {
  return atomic_load_explicit(&shard->version, memory_order_relaxed);
}

/* Readers wait from begin_change() to end_change(). */
static void begin_change(cachette__shard *shard) {
  atomic_store_explicit(&shard->version, version_of(shard) + 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_release);
}

static void end_change(cachette__shard *shard) {
  atomic_store_explicit(&shard->version, version_of(shard) + 1, memory_order_release);
}

/* ---- Life cycle ---- */

static cachette__shard *shard_at(const cachette__arena *arena, uint32_t number) {
  return (cachette__shard *)(arena->shards + number * sizeof(cachette__shard));
}

int cachette__shard_init(cachette__arena *arena, uint32_t number) {
  cachette__shard *shard = shard_at(arena, number);
  if (uv_mutex_init(&shard->lock) < 0) return CACHETTE_ENOMEM;
  cachette__index_init(&shard->index, arena->indexes + number * arena->index_stride,
                       arena->index_stride);
  cachette__policy_init(&shard->policy, arena->ghosts + number * arena->ghost_stride,
                        arena->ghost_stride);
  for (int i = 0; i < CACHETTE__QUEUES; i++) cachette__log_init(&shard->logs[i]);
  shard->spares.first = CACHETTE__NO_SEGMENT;
  shard->pinned = CACHETTE__NO_SEGMENT;
  shard->due_ms = INT64_MAX;
  shard->index_bytes = PAGE;
  cachette__arena_charge(arena, PAGE);
  return CACHETTE_OK;
}

void cachette__shard_deinit(cachette__shard *shard) { uv_mutex_destroy(&shard->lock); }

/* ---- Looking up ---- */

/* The result of a look-up: the slot, its word, and the header of its entry. */
typedef struct lookup {
  uint64_t *slot; /* or NULL */
  uint64_t word;
  cachette__entry entry;
} lookup;

/* Loads the first cache lines of an entry in parallel, not one after another as they are read. */
static inline void prefetch_entry(const cachette__arena *arena, uint64_t position) {
  const uint64_t *words = arena->words + position;
  __builtin_prefetch(words);
  __builtin_prefetch(words + 8);
  __builtin_prefetch(words + 16);
}

static inline bool search_bucket(const cachette__arena *arena, cachette__bucket *bucket,
                                 uint64_t hash, const cachette_slice *key, lookup *found) {
  for (int i = 0; i < CACHETTE__SLOTS; i++) {
    uint64_t word = __atomic_load_n(&bucket->slots[i], __ATOMIC_ACQUIRE);
    if (!cachette__slot_matches(word, hash)) continue;
    prefetch_entry(arena, cachette__slot_position(word));
    if (!cachette__entry_read(arena, cachette__slot_position(word), &found->entry)) continue;
    if (found->entry.key_size != key->size ||
        !cachette__entry_has_key(arena, &found->entry, key->data))
      continue;
    found->slot = &bucket->slots[i];
    found->word = word;
    return true;
  }
  return false;
}

static inline bool look_up(const cachette__arena *arena, const cachette__shard *shard,
                           uint64_t hash, const cachette_slice *key, lookup *found) {
  cachette__bucket *first, *second;
  uint32_t count = atomic_load_explicit(&shard->index.count, memory_order_relaxed);
  cachette__index_pair(&shard->index, hash, count, &first, &second);
  __builtin_prefetch(second);
  found->slot = NULL;
  return search_bucket(arena, first, hash, key, found) ||
         search_bucket(arena, second, hash, key, found);
}

static inline enum cachette__found fetch_once(cachette__fetch *fetch, lookup *found) {
  if (!look_up(fetch->arena, fetch->shard, fetch->hash, &fetch->item->key, found))
    return CACHETTE__ABSENT;
  const cachette__entry *entry = &found->entry;
  if (entry->expires_ms <= fetch->now_ms) return CACHETTE__ABSENT;
  if (entry->value_size > fetch->buffer_size) return CACHETTE__BUFFER_TOO_SMALL;
  if (!cachette__entry_copy(fetch->arena, entry, entry->key_size, (size_t)entry->value_size,
                            fetch->buffer))
    return CACHETTE__BUFFER_TOO_SMALL; /* happens only if the version has changed */
  return CACHETTE__FOUND;
}

static enum cachette__found fetch_locked(cachette__fetch *fetch, lookup *found) {
  uv_mutex_lock(&fetch->shard->lock);
  enum cachette__found result = fetch_once(fetch, found);
  uv_mutex_unlock(&fetch->shard->lock);
  return result;
}

enum cachette__found cachette__shard_fetch(cachette__fetch *fetch) {
  cachette__shard *shard = fetch->shard;
  lookup found;
  enum cachette__found result = CACHETTE__ABSENT;
  bool is_consistent = false;
  for (int tries = 0; tries < OPTIMISTIC_TRIES && !is_consistent; tries++) {
    uint32_t version = atomic_load_explicit(&shard->version, memory_order_acquire);
    if (version & 1) continue;
    result = fetch_once(fetch, &found);
    atomic_thread_fence(memory_order_acquire);
    is_consistent = version_of(shard) == version;
  }
  if (!is_consistent) result = fetch_locked(fetch, &found);
  if (result == CACHETTE__ABSENT) return result;
  fetch->value_size = found.entry.value_size;
  if (result == CACHETTE__BUFFER_TOO_SMALL) return result;
  fetch->item->ttl_ms = found.entry.expires_ms - fetch->now_ms;
  unsigned use = cachette__slot_use(found.word), used = cachette__policy_used(use);
  if (used != use) cachette__slot_set_use(found.slot, used);
  return result;
}

void cachette__shard_prefetch(cachette__shard_ref ref, uint64_t hash) {
  cachette__bucket *first, *second;
  uint32_t count = atomic_load_explicit(&ref.shard->index.count, memory_order_relaxed);
  cachette__index_pair(&ref.shard->index, hash, count, &first, &second);
  __builtin_prefetch(first);
  __builtin_prefetch(second);
}

void cachette__shard_prefetch_entry(cachette__shard_ref ref, uint64_t hash) {
  cachette__bucket *pair[2];
  uint32_t count = atomic_load_explicit(&ref.shard->index.count, memory_order_relaxed);
  cachette__index_pair(&ref.shard->index, hash, count, &pair[0], &pair[1]);
  for (int side = 0; side < 2; side++)
    for (int i = 0; i < CACHETTE__SLOTS; i++) {
      uint64_t word = cachette__load_word(&pair[side]->slots[i]);
      if (!cachette__slot_matches(word, hash)) continue;
      prefetch_entry(ref.arena, cachette__slot_position(word));
    }
}

/* ---- The index and its memory ---- */

static uint64_t hash_at(const void *owner, uint64_t position) {
  const cachette__shard_ref *ref = owner;
  cachette__entry entry;
  cachette__entry_read(ref->arena, position, &entry);
  return hash_of(*ref, &entry);
}

static void charge_index(cachette__shard_ref ref) {
  cachette__shard *shard = ref.shard;
  size_t used =
      atomic_load_explicit(&shard->index.count, memory_order_relaxed) * sizeof(cachette__bucket);
  size_t bytes = (used + PAGE - 1) / PAGE * PAGE;
  if (bytes == shard->index_bytes) return;
  unsigned char *buckets = (unsigned char *)cachette__index_buckets(&shard->index);
  if (bytes < shard->index_bytes)
    cachette__arena_discard(buckets + bytes, shard->index_bytes - bytes);
  cachette__arena_charge(ref.arena, (ptrdiff_t)bytes - (ptrdiff_t)shard->index_bytes);
  shard->index_bytes = bytes;
}

static bool grow_index(cachette__shard_ref ref) {
  cachette__hasher hasher = {hash_at, &ref};
  begin_change(ref.shard);
  bool grown = cachette__index_grow(&ref.shard->index, &hasher);
  end_change(ref.shard);
  charge_index(ref);
  return grown;
}

static void shrink_index(cachette__shard_ref ref) {
  cachette__hasher hasher = {hash_at, &ref};
  if (ref.shard->scans > 0 || !cachette__index_should_shrink(&ref.shard->index)) return;
  begin_change(ref.shard);
  cachette__index_shrink(&ref.shard->index, &hasher);
  end_change(ref.shard);
  charge_index(ref);
}

void cachette__shard_remove_entry(cachette__shard_ref ref, uint64_t *slot,
                                  const cachette__entry *entry) {
  cachette__slot_store(slot, 0);
  ref.shard->index.entries--;
  mark_dead(ref, entry->position, cachette__entry_size(entry));
  shrink_index(ref);
}

static bool displace(cachette__shard_ref ref, uint64_t hash) {
  cachette__hasher hasher = {hash_at, &ref};
  if (ref.shard->scans > 0) return false; /* a scan could miss an entry that moves */
  begin_change(ref.shard);
  bool moved = cachette__index_displace(&ref.shard->index, hash, &hasher);
  end_change(ref.shard);
  return moved;
}

/* Returns an empty slot for a new entry. If its buckets stay full, evicts an entry from one. */
static uint64_t *find_slot(cachette__shard_ref ref, uint64_t hash) {
  uint64_t *empty = cachette__index_find_empty(&ref.shard->index, hash);
  for (int tries = 0; empty == NULL && tries < GROWTH_TRIES; tries++) {
    if (!displace(ref, hash) && !grow_index(ref)) break;
    empty = cachette__index_find_empty(&ref.shard->index, hash);
  }
  if (empty != NULL) return empty;
  cachette__bucket *first, *second;
  uint32_t count = atomic_load_explicit(&ref.shard->index.count, memory_order_relaxed);
  cachette__index_pair(&ref.shard->index, hash, count, &first, &second);
  uint64_t *slot = &first->slots[hash >> 40 & (CACHETTE__SLOTS - 1)];
  cachette__entry entry;
  cachette__entry_read(ref.arena, cachette__slot_position(cachette__load_word(slot)), &entry);
  ref.shard->evictions[CACHETTE__EVICTED_FORCED]++;
  cachette__slot_store(slot, 0);
  ref.shard->index.entries--;
  mark_dead(ref, entry.position, cachette__entry_size(&entry));
  return slot;
}

/* ---- Put and remove ---- */

uint32_t cachette__shard_segments_needed(cachette__shard_ref ref, uint64_t words) {
  uint32_t max = 0;
  for (int i = 0; i < CACHETTE__QUEUES; i++) {
    uint32_t need = cachette__log_segments_needed(ref.arena, &ref.shard->logs[i], words);
    if (need > max) max = need;
  }
  return max > ref.shard->spares.count ? max - ref.shard->spares.count : 0;
}

void cachette__shard_add_spare(cachette__shard_ref ref, uint32_t segment) {
  cachette__spares *spares = &ref.shard->spares;
  atomic_store_explicit(&segment_at(ref, segment)->next, spares->first, memory_order_relaxed);
  spares->first = segment;
  spares->count++;
  count_segments(ref.shard, 1);
}

uint32_t cachette__shard_free_spares(cachette__shard_ref ref, uint32_t keep, uint32_t max) {
  cachette__spares *spares = &ref.shard->spares;
  uint32_t freed = 0;
  for (; spares->count > keep && freed < max; freed++) {
    uint32_t segment = spares->first;
    spares->first = next_segment(ref, segment);
    spares->count--;
    count_segments(ref.shard, -1);
    cachette__arena_free_segment(ref.arena, segment);
  }
  return freed;
}

bool cachette__shard_overwrites_locked(cachette__shard_ref ref, uint64_t hash, cachette_slice key,
                                       uint64_t words) {
  lookup old;
  return look_up(ref.arena, ref.shard, hash, &key, &old) && old.entry.expires_ms > ref.now_ms &&
         cachette__entry_size(&old.entry) == words;
}

static int64_t expiry_of(const cachette_item *item, int64_t now_ms) {
  if (now_ms > CACHETTE__EXPIRES_MAX - item->ttl_ms) return CACHETTE__EXPIRES_MAX;
  int64_t expires_ms = now_ms + item->ttl_ms;
  return expires_ms > 0 ? expires_ms : 0;
}

/* Writes an entry over one with the same key and size. */
static void overwrite(cachette__shard_ref ref, uint64_t position, int64_t expires_ms,
                      const cachette_item *item) {
  cachette__segment *segment = segment_at(ref, cachette__segment_of(ref.arena, position));
  begin_change(ref.shard);
  cachette__entry_write(ref.arena, position, expires_ms, item->key, item->value);
  end_change(ref.shard);
  if (expires_ms < segment->due_ms) segment->due_ms = expires_ms;
}

/* Appends an entry to a queue. */
static uint64_t append(cachette__shard_ref ref, uint32_t queue, int64_t expires_ms,
                       const cachette_item *item) {
  uint64_t words = cachette__entry_words(item->key.size, item->value.size);
  uint64_t position = append_words(ref, queue, words, expires_ms);
  cachette__entry_write(ref.arena, position, expires_ms, item->key, item->value);
  return position;
}

static void replace(cachette__shard_ref ref, const lookup *old, uint64_t hash, int64_t expires_ms,
                    const cachette_item *item) {
  uint64_t words = cachette__entry_size(&old->entry);
  if (words == cachette__entry_words(item->key.size, item->value.size)) {
    overwrite(ref, old->entry.position, expires_ms, item);
    return;
  }
  uint32_t segment = cachette__segment_of(ref.arena, old->entry.position);
  uint64_t position = append(ref, segment_at(ref, segment)->queue, expires_ms, item);
  unsigned use = cachette__slot_use(old->word);
  cachette__slot_store(old->slot, cachette__slot_make(position, hash, use));
  mark_dead(ref, old->entry.position, words);
}

cachette__policy_state cachette__shard_policy_state(cachette__shard_ref ref) {
  const cachette__shard *shard = ref.shard;
  return (cachette__policy_state){
      .entries = shard->index.entries,
      .small = shard->logs[CACHETTE__SMALL].live,
      .main = shard->logs[CACHETTE__MAIN].live,
      .slack = ref.arena->segment_words,
      .filling = !shard->is_full,
  };
}

bool cachette__shard_put_locked(cachette__shard_ref ref, uint64_t hash, const cachette_item *item) {
  cachette__shard *shard = ref.shard;
  lookup old;
  int64_t expires_ms = expiry_of(item, ref.now_ms);
  bool existed = look_up(ref.arena, shard, hash, &item->key, &old);
  if (existed && old.entry.expires_ms <= ref.now_ms) {
    shard->expirations++;
    cachette__shard_remove_entry(ref, old.slot, &old.entry);
    existed = false;
  }
  if (existed) {
    replace(ref, &old, hash, expires_ms, item);
  } else {
    cachette__policy_state state = cachette__shard_policy_state(ref);
    cachette__placement placement = cachette__policy_admit(&shard->policy, hash, &state);
    uint64_t *slot = find_slot(ref, hash);
    uint64_t position = append(ref, placement.queue, expires_ms, item);
    cachette__slot_store(slot, cachette__slot_make(position, hash, placement.use));
    shard->index.entries++;
    if (cachette__index_should_grow(&shard->index)) grow_index(ref);
  }
  lower_due(shard, expires_ms);
  return existed;
}

bool cachette__shard_touch_locked(cachette__shard_ref ref, uint64_t hash,
                                  const cachette_item *item) {
  lookup old;
  if (!look_up(ref.arena, ref.shard, hash, &item->key, &old) || old.entry.expires_ms <= ref.now_ms)
    return false;
  int64_t expires_ms = expiry_of(item, ref.now_ms);
  cachette__segment *segment = segment_at(ref, cachette__segment_of(ref.arena, old.entry.position));
  begin_change(ref.shard);
  cachette__entry_set_expiry(ref.arena, old.entry.position, expires_ms);
  end_change(ref.shard);
  if (expires_ms < segment->due_ms) segment->due_ms = expires_ms;
  lower_due(ref.shard, expires_ms);
  return true;
}

enum cachette__found cachette__shard_read_locked(cachette__shard_ref ref, uint64_t hash,
                                                 cachette_slice key, void *buffer, size_t *size,
                                                 int64_t *ttl_ms) {
  lookup found;
  if (!look_up(ref.arena, ref.shard, hash, &key, &found) || found.entry.expires_ms <= ref.now_ms)
    return CACHETTE__ABSENT;
  *ttl_ms = found.entry.expires_ms - ref.now_ms;
  if (found.entry.value_size > *size) return CACHETTE__BUFFER_TOO_SMALL;
  *size = (size_t)found.entry.value_size;
  cachette__entry_copy(ref.arena, &found.entry, found.entry.key_size, *size, buffer);
  return CACHETTE__FOUND;
}

bool cachette__shard_remove_locked(cachette__shard_ref ref, uint64_t hash, cachette_slice key) {
  lookup old;
  if (!look_up(ref.arena, ref.shard, hash, &key, &old)) return false;
  bool live = old.entry.expires_ms > ref.now_ms;
  if (!live) ref.shard->expirations++;
  cachette__shard_remove_entry(ref, old.slot, &old.entry);
  return live;
}

/* ---- Scans ---- */

static void visit_slot(cachette__shard_ref ref, uint64_t *slot, cachette__visitor *visitor) {
  uint64_t position = cachette__slot_position(cachette__load_word(slot));
  if (position == 0) return;
  cachette__entry entry;
  cachette__entry_read(ref.arena, position, &entry);
  if (entry.expires_ms <= ref.now_ms) {
    ref.shard->expirations++;
    visitor->expired++;
  } else if (visitor->visit == NULL || !visitor->visit(visitor, ref, &entry)) {
    return;
  }
  cachette__shard_remove_entry(ref, slot, &entry);
}

bool cachette__shard_scan_locked(cachette__shard_ref ref, uint32_t begin, uint32_t count,
                                 cachette__visitor *visitor) {
  for (uint32_t each = begin; each < begin + count; each++) {
    if (each >= atomic_load_explicit(&ref.shard->index.count, memory_order_relaxed)) return false;
    cachette__bucket *bucket = &cachette__index_buckets(&ref.shard->index)[each];
    for (int i = 0; i < CACHETTE__SLOTS; i++)
      __builtin_prefetch(ref.arena->words +
                         cachette__slot_position(cachette__load_word(&bucket->slots[i])));
    for (int i = 0; i < CACHETTE__SLOTS; i++) visit_slot(ref, &bucket->slots[i], visitor);
  }
  return true;
}
