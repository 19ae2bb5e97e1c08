/* SPDX-License-Identifier: MIT */
#include "shard.h"

#include <string.h>

#include "siphash.h"

enum {
  OPTIMISTIC_TRIES = 4,
  PAGE = 4096,
  CLEANING_TRIES = 16, /* segments that are looked at in search of one that can be cleaned */
  LEAST_GAIN = 8,      /* the part of a segment that cleaning one must gain */
  LONGEST_MOVE = 16,   /* segments that an entry spans which is moved to free one */
  SWEEPS_A_LIFE = 32,  /* a segment is swept again when this part of its longest life has passed */
  GROWTH_TRIES = 64
};

static uint32_t version_of(const cachette__shard *shard) {
  return atomic_load_explicit(&shard->version, memory_order_relaxed);
}

/* Readers that began before must not believe what they saw. */
static void disturb_readers(cachette__shard *shard) {
  atomic_fetch_add_explicit(&shard->version, 2, memory_order_release);
}

/* Between these two readers wait. */
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

/* What a look-up found: the slot, its content, and the head of its entry. */
typedef struct finding {
  uint64_t *slot; /* or NULL */
  uint64_t word;
  cachette__entry entry;
} finding;

/* Fetches the first lines of an entry at once, not one after the other as they are read. */
static inline void prefetch_entry(const cachette__arena *arena, uint64_t position) {
  const uint64_t *words = arena->words + position;
  __builtin_prefetch(words);
  __builtin_prefetch(words + 8);
  __builtin_prefetch(words + 16);
}

static inline bool look_in(const cachette__arena *arena, cachette__bucket *bucket, uint64_t hash,
                           const cachette_slice *key, finding *found) {
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
                           uint64_t hash, const cachette_slice *key, finding *found) {
  cachette__bucket *first, *second;
  uint32_t count = atomic_load_explicit(&shard->index.count, memory_order_relaxed);
  cachette__index_pair(&shard->index, hash, count, &first, &second);
  __builtin_prefetch(second);
  found->slot = NULL;
  return look_in(arena, first, hash, key, found) || look_in(arena, second, hash, key, found);
}

static inline enum cachette__found fetch_once(cachette__fetch *fetch, finding *found) {
  if (!look_up(fetch->arena, fetch->shard, fetch->hash, &fetch->item->key, found))
    return CACHETTE__ABSENT;
  const cachette__entry *entry = &found->entry;
  if (entry->expires_ms <= fetch->now_ms) return CACHETTE__ABSENT;
  if (entry->value_size > fetch->size) return CACHETTE__NO_ROOM;
  if (!cachette__entry_copy(fetch->arena, entry, entry->key_size, (size_t)entry->value_size,
                            fetch->place))
    return CACHETTE__NO_ROOM; /* only if the version has changed */
  return CACHETTE__FOUND;
}

static enum cachette__found fetch_locked(cachette__fetch *fetch, finding *found) {
  uv_mutex_lock(&fetch->shard->lock);
  enum cachette__found result = fetch_once(fetch, found);
  uv_mutex_unlock(&fetch->shard->lock);
  return result;
}

enum cachette__found cachette__shard_fetch(cachette__fetch *fetch) {
  cachette__shard *shard = fetch->shard;
  finding found;
  enum cachette__found result = CACHETTE__ABSENT;
  bool believed = false;
  for (int tries = 0; tries < OPTIMISTIC_TRIES && !believed; tries++) {
    uint32_t version = atomic_load_explicit(&shard->version, memory_order_acquire);
    if (version & 1) continue;
    result = fetch_once(fetch, &found);
    atomic_thread_fence(memory_order_acquire);
    believed = version_of(shard) == version;
  }
  if (!believed) result = fetch_locked(fetch, &found);
  if (result == CACHETTE__ABSENT) return result;
  fetch->wanted = found.entry.value_size;
  if (result == CACHETTE__NO_ROOM) return result;
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

/* ---- Entries and segments ---- */

/* The hash of an entry's key, wherever it lies. */
static uint64_t hash_of(cachette__shard_ref ref, const cachette__entry *entry) {
  const cachette__arena *arena = ref.arena;
  size_t begin = (size_t)(entry->position & (arena->segment_words - 1)) * 8 + entry->head;
  const uint64_t *key = arena->header->hash_key;
  if (begin + entry->key_size <= (size_t)arena->segment_words * 8)
    return cachette__siphash13(
        key, (const unsigned char *)(arena->words + entry->position) + entry->head,
        entry->key_size);
  unsigned char copy[CACHETTE_KEY_MAX];
  cachette__entry_copy(arena, entry, 0, entry->key_size, copy);
  return cachette__siphash13(key, copy, entry->key_size);
}

static uint64_t hash_at(const void *owner, uint64_t position) {
  const cachette__shard_ref *ref = owner;
  cachette__entry entry;
  cachette__entry_read(ref->arena, position, &entry);
  return hash_of(*ref, &entry);
}

static cachette__segment *segment_at(cachette__shard_ref ref, uint32_t segment) {
  return &ref.arena->segments[segment];
}

static uint32_t after(cachette__shard_ref ref, uint32_t segment) {
  return atomic_load_explicit(&segment_at(ref, segment)->next, memory_order_relaxed);
}

static cachette__log *log_of(cachette__shard_ref ref, uint64_t position) {
  uint32_t segment = cachette__segment_of(ref.arena, position);
  return &ref.shard->logs[segment_at(ref, segment)->queue];
}

static void count_segments(cachette__shard *shard, int change) {
  uint32_t count = atomic_load_explicit(&shard->segments, memory_order_relaxed);
  atomic_store_explicit(&shard->segments, count + (uint32_t)change, memory_order_relaxed);
}

/* Gives a segment in which nothing lives back to the arena. */
static void release(cachette__shard_ref ref, uint32_t segment) {
  disturb_readers(ref.shard);
  cachette__log_unlink(ref.arena, &ref.shard->logs[segment_at(ref, segment)->queue], segment);
  cachette__arena_give(ref.arena, segment);
  count_segments(ref.shard, -1);
}

static bool can_release(cachette__shard_ref ref, uint32_t segment) {
  const cachette__segment *each = segment_at(ref, segment);
  return each->live == 0 && segment != ref.shard->logs[each->queue].head &&
         segment != ref.shard->pinned;
}

/* Takes an entry's words off what lives, and releases segments that are empty then. */
static void bury(cachette__shard_ref ref, uint64_t position, uint64_t words) {
  cachette__log_account(ref.arena, log_of(ref, position), position, words, false);
  uint32_t segment = cachette__segment_of(ref.arena, position);
  uint32_t last = ref.arena->segment_words;
  uint64_t left = words + (position & (last - 1));
  for (;;) {
    uint32_t next = after(ref, segment);
    if (can_release(ref, segment)) release(ref, segment);
    if (left <= last) break;
    left -= last;
    segment = next;
  }
}

/* Makes room for an entry at the head of a queue; a head before it in which nothing lives goes. */
static uint64_t extend_log(cachette__shard_ref ref, uint32_t queue, uint64_t words,
                           int64_t expires_ms) {
  cachette__log *log = &ref.shard->logs[queue];
  uint32_t head = log->head;
  uint64_t position =
      cachette__log_append(ref.arena, log, queue, &ref.shard->spares, words, expires_ms);
  if (head != CACHETTE__NO_SEGMENT && can_release(ref, head)) release(ref, head);
  return position;
}

/* ---- The index and its memory ---- */

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
  if (ref.shard->walkers > 0 || !cachette__index_wants_less(&ref.shard->index)) return;
  begin_change(ref.shard);
  cachette__index_shrink(&ref.shard->index, &hasher);
  end_change(ref.shard);
  charge_index(ref);
}

/* Takes an entry out of index and log. */
static void drop(cachette__shard_ref ref, uint64_t *slot, const cachette__entry *entry) {
  cachette__slot_store(slot, 0);
  ref.shard->index.entries--;
  bury(ref, entry->position, cachette__entry_size(entry));
  shrink_index(ref);
}

static bool move_aside(cachette__shard_ref ref, uint64_t hash) {
  cachette__hasher hasher = {hash_at, &ref};
  if (ref.shard->walkers > 0) return false; /* a walk could miss what is moved */
  begin_change(ref.shard);
  bool moved = cachette__index_make_room(&ref.shard->index, hash, &hasher);
  end_change(ref.shard);
  return moved;
}

/* A slot for a new entry. Where both its buckets are full and stay so, an entry of theirs goes. */
static uint64_t *find_room(cachette__shard_ref ref, uint64_t hash) {
  uint64_t *room = cachette__index_room(&ref.shard->index, hash);
  for (int tries = 0; room == NULL && tries < GROWTH_TRIES; tries++) {
    if (!move_aside(ref, hash) && !grow_index(ref)) break;
    room = cachette__index_room(&ref.shard->index, hash);
  }
  if (room != NULL) return room;
  cachette__bucket *first, *second;
  uint32_t count = atomic_load_explicit(&ref.shard->index.count, memory_order_relaxed);
  cachette__index_pair(&ref.shard->index, hash, count, &first, &second);
  uint64_t *slot = &first->slots[hash >> 40 & (CACHETTE__SLOTS - 1)];
  cachette__entry entry;
  cachette__entry_read(ref.arena, cachette__slot_position(cachette__load_word(slot)), &entry);
  ref.shard->evictions[CACHETTE__EVICTED_FORCED]++;
  cachette__slot_store(slot, 0);
  ref.shard->index.entries--;
  bury(ref, entry.position, cachette__entry_size(&entry));
  return slot;
}

/* ---- Put and remove ---- */

uint32_t cachette__shard_need(cachette__shard_ref ref, uint64_t words) {
  uint32_t most = 0;
  for (int i = 0; i < CACHETTE__QUEUES; i++) {
    uint32_t need = cachette__log_need(ref.arena, &ref.shard->logs[i], words);
    if (need > most) most = need;
  }
  return most > ref.shard->spares.count ? most - ref.shard->spares.count : 0;
}

void cachette__shard_add_spare(cachette__shard_ref ref, uint32_t segment) {
  cachette__spares *spares = &ref.shard->spares;
  atomic_store_explicit(&segment_at(ref, segment)->next, spares->first, memory_order_relaxed);
  spares->first = segment;
  spares->count++;
  count_segments(ref.shard, 1);
}

uint32_t cachette__shard_give_spares(cachette__shard_ref ref, uint32_t kept, uint32_t most) {
  cachette__spares *spares = &ref.shard->spares;
  uint32_t given = 0;
  for (; spares->count > kept && given < most; given++) {
    uint32_t segment = spares->first;
    spares->first = after(ref, segment);
    spares->count--;
    count_segments(ref.shard, -1);
    cachette__arena_give(ref.arena, segment);
  }
  return given;
}

bool cachette__shard_overwrites_locked(cachette__shard_ref ref, uint64_t hash, cachette_slice key,
                                       uint64_t words) {
  finding old;
  return look_up(ref.arena, ref.shard, hash, &key, &old) && old.entry.expires_ms > ref.now_ms &&
         cachette__entry_size(&old.entry) == words;
}

static int64_t expiry_of(const cachette_item *item, int64_t now_ms) {
  if (now_ms > CACHETTE__EXPIRES_MAX - item->ttl_ms) return CACHETTE__EXPIRES_MAX;
  int64_t expires_ms = now_ms + item->ttl_ms;
  return expires_ms > 0 ? expires_ms : 0;
}

static void note_due(cachette__shard *shard, int64_t due_ms) {
  if (due_ms < shard->due_ms) shard->due_ms = due_ms;
}

/* Writes an entry over one of the same size and key. */
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
  uint64_t position = extend_log(ref, queue, words, expires_ms);
  cachette__entry_write(ref.arena, position, expires_ms, item->key, item->value);
  return position;
}

static void replace(cachette__shard_ref ref, const finding *old, uint64_t hash, int64_t expires_ms,
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
  bury(ref, old->entry.position, words);
}

static cachette__standing standing_of(cachette__shard_ref ref) {
  const cachette__shard *shard = ref.shard;
  return (cachette__standing){
      .entries = shard->index.entries,
      .small = shard->logs[CACHETTE__SMALL].live,
      .main = shard->logs[CACHETTE__MAIN].live,
      .slack = ref.arena->segment_words,
      .filling = !shard->full,
  };
}

bool cachette__shard_put_locked(cachette__shard_ref ref, uint64_t hash, const cachette_item *item) {
  cachette__shard *shard = ref.shard;
  finding old;
  int64_t expires_ms = expiry_of(item, ref.now_ms);
  bool stood = look_up(ref.arena, shard, hash, &item->key, &old);
  if (stood && old.entry.expires_ms <= ref.now_ms) {
    shard->expirations++;
    drop(ref, old.slot, &old.entry);
    stood = false;
  }
  if (stood) {
    replace(ref, &old, hash, expires_ms, item);
  } else {
    cachette__standing standing = standing_of(ref);
    cachette__placing placing = cachette__policy_admit(&shard->policy, hash, &standing);
    uint64_t *slot = find_room(ref, hash);
    uint64_t position = append(ref, placing.queue, expires_ms, item);
    cachette__slot_store(slot, cachette__slot_make(position, hash, placing.use));
    shard->index.entries++;
    if (cachette__index_wants_more(&shard->index)) grow_index(ref);
  }
  note_due(shard, expires_ms);
  return stood;
}

bool cachette__shard_touch_locked(cachette__shard_ref ref, uint64_t hash,
                                  const cachette_item *item) {
  finding old;
  if (!look_up(ref.arena, ref.shard, hash, &item->key, &old) || old.entry.expires_ms <= ref.now_ms)
    return false;
  int64_t expires_ms = expiry_of(item, ref.now_ms);
  cachette__segment *segment = segment_at(ref, cachette__segment_of(ref.arena, old.entry.position));
  begin_change(ref.shard);
  cachette__entry_set_expiry(ref.arena, old.entry.position, expires_ms);
  end_change(ref.shard);
  if (expires_ms < segment->due_ms) segment->due_ms = expires_ms;
  note_due(ref.shard, expires_ms);
  return true;
}

enum cachette__found cachette__shard_read_locked(cachette__shard_ref ref, uint64_t hash,
                                                 cachette_slice key, void *place, size_t *size,
                                                 int64_t *ttl_ms) {
  finding found;
  if (!look_up(ref.arena, ref.shard, hash, &key, &found) || found.entry.expires_ms <= ref.now_ms)
    return CACHETTE__ABSENT;
  *ttl_ms = found.entry.expires_ms - ref.now_ms;
  if (found.entry.value_size > *size) return CACHETTE__NO_ROOM;
  *size = (size_t)found.entry.value_size;
  cachette__entry_copy(ref.arena, &found.entry, found.entry.key_size, *size, place);
  return CACHETTE__FOUND;
}

bool cachette__shard_remove_locked(cachette__shard_ref ref, uint64_t hash, cachette_slice key) {
  finding old;
  if (!look_up(ref.arena, ref.shard, hash, &key, &old)) return false;
  bool live = old.entry.expires_ms > ref.now_ms;
  if (!live) ref.shard->expirations++;
  drop(ref, old.slot, &old.entry);
  return live;
}

/* ---- Walking a segment ---- */

/* The entries that begin in a segment, one after the other. */
typedef struct cursor {
  uint32_t segment;
  uint64_t word; /* in the segment, of the next entry */
} cursor;

static bool next_entry(cachette__shard_ref ref, cursor *at, cachette__entry *entry) {
  if (at->word >= segment_at(ref, at->segment)->used) return false;
  ref.shard->effort++;
  uint64_t position = ((uint64_t)at->segment << ref.arena->segment_shift) + at->word;
  cachette__entry_read(ref.arena, position, entry);
  at->word += cachette__entry_size(entry);
  return true;
}

static cursor begin_segment(cachette__shard_ref ref, uint32_t segment) {
  return (cursor){segment, segment_at(ref, segment)->first};
}

/* The slot of an entry found in a segment, or NULL if it is dead. */
static uint64_t *slot_of(cachette__shard_ref ref, const cachette__entry *entry, uint64_t *hash) {
  *hash = hash_of(ref, entry);
  return cachette__index_slot_of(&ref.shard->index, *hash, entry->position);
}

/* ---- Expiry ---- */

static void find_due(cachette__shard_ref ref) {
  ref.shard->due_ms = INT64_MAX;
  for (int i = 0; i < CACHETTE__QUEUES; i++)
    for (uint32_t each = ref.shard->logs[i].tail; each != CACHETTE__NO_SEGMENT;
         each = after(ref, each))
      note_due(ref.shard, segment_at(ref, each)->due_ms);
}

/* Removes what is past its time in a segment, and says when to look again: when something will be
 * past its time, but not before a fair part of the longest life in it has gone by. */
static void sweep_segment(cachette__shard_ref ref, uint32_t segment) {
  int64_t earliest = INT64_MAX, latest = ref.now_ms;
  cachette__entry entry;
  cursor at = begin_segment(ref, segment);
  ref.shard->pinned = segment;
  while (next_entry(ref, &at, &entry)) {
    uint64_t hash;
    if (entry.expires_ms > ref.now_ms) {
      if (entry.expires_ms < earliest) earliest = entry.expires_ms;
      if (entry.expires_ms > latest) latest = entry.expires_ms;
      continue;
    }
    uint64_t *slot = slot_of(ref, &entry, &hash);
    if (slot == NULL) continue;
    ref.shard->expirations++;
    drop(ref, slot, &entry);
  }
  ref.shard->pinned = CACHETTE__NO_SEGMENT;
  int64_t again = ref.now_ms + (latest - ref.now_ms) / SWEEPS_A_LIFE;
  segment_at(ref, segment)->due_ms = earliest > again ? earliest : again;
  if (can_release(ref, segment)) release(ref, segment);
}

bool cachette__shard_sweep_locked(cachette__shard_ref ref) {
  if (ref.shard->due_ms > ref.now_ms) return false;
  bool swept = false;
  for (int i = 0; i < CACHETTE__QUEUES && !swept; i++) {
    uint32_t each = ref.shard->logs[i].tail;
    while (each != CACHETTE__NO_SEGMENT && segment_at(ref, each)->due_ms > ref.now_ms)
      each = after(ref, each);
    swept = each != CACHETTE__NO_SEGMENT;
    if (swept) sweep_segment(ref, each);
  }
  find_due(ref);
  return swept;
}

/* ---- Room ---- */

/* Sees that a log has room for an entry, from the arena's last segments if need be. */
static bool reserve_for_move(cachette__shard_ref ref, const cachette__log *log, uint64_t words) {
  while (cachette__log_need(ref.arena, log, words) > ref.shard->spares.count) {
    uint32_t segment = cachette__arena_take(ref.arena, 0);
    if (segment == CACHETTE__NO_SEGMENT) return false;
    cachette__shard_add_spare(ref, segment);
  }
  return true;
}

/* Adds to what has been spent: one for each entry that is looked at, and one for each KiB moved. */
static void spend(cachette__shard_ref ref, uint64_t words) { ref.shard->effort += words / 128; }

/* Moves an entry to the head of a queue. False: there is no room. */
static bool move(cachette__shard_ref ref, const cachette__entry *entry, uint64_t *slot,
                 uint64_t hash, uint32_t queue, unsigned use) {
  uint64_t words = cachette__entry_size(entry);
  cachette__log *log = &ref.shard->logs[queue];
  if (!reserve_for_move(ref, log, words)) return false;
  uint64_t position = extend_log(ref, queue, words, entry->expires_ms);
  cachette__entry_move(ref.arena, entry->position, position, words);
  spend(ref, words);
  cachette__slot_store(slot, cachette__slot_make(position, hash, use));
  bury(ref, entry->position, words);
  return true;
}

/* Empties the oldest segment of a queue: what is worth it goes to a queue's head, the rest goes. */
static void drain(cachette__shard_ref ref, uint32_t queue, bool force) {
  cachette__shard *shard = ref.shard;
  uint32_t segment = shard->logs[queue].tail;
  cachette__entry entry;
  cursor at = begin_segment(ref, segment);
  shard->pinned = segment;
  while (next_entry(ref, &at, &entry)) {
    uint64_t hash;
    uint64_t *slot = slot_of(ref, &entry, &hash);
    if (slot == NULL) continue;
    if (entry.expires_ms <= ref.now_ms) {
      shard->expirations++;
      drop(ref, slot, &entry);
      continue;
    }
    unsigned use = cachette__slot_use(cachette__load_word(slot));
    cachette__verdict verdict =
        cachette__policy_judge(&shard->policy, queue, use, hash, shard->index.entries);
    if (verdict.keep && !force && move(ref, &entry, slot, hash, CACHETTE__MAIN, verdict.use))
      continue;
    int reason = queue == CACHETTE__SMALL ? CACHETTE__EVICTED_NEW : CACHETTE__EVICTED_OLD;
    shard->evictions[verdict.keep ? CACHETTE__EVICTED_FORCED : reason]++;
    drop(ref, slot, &entry);
  }
  shard->pinned = CACHETTE__NO_SEGMENT;
  if (segment_at(ref, segment)->live == 0) release(ref, segment);
}

/*
 * Whether it pays to move an entry that reaches into a segment from before, so that the segment can
 * be freed. Where a long one began it leaves a hole, which must be less than what is gained by far,
 * or cleaning would never end.
 */
static bool is_worth_moving(cachette__shard_ref ref, const cachette__entry *entry,
                            const cachette__segment *freed) {
  uint64_t segment_words = ref.arena->segment_words;
  uint64_t size = cachette__entry_size(entry);
  if (size <= 2 * segment_words) return true;
  uint64_t hole = segment_words - (entry->position & (segment_words - 1));
  return size <= LONGEST_MOVE * segment_words && 2 * hole <= segment_words - freed->live;
}

/* The entry that began before a segment and reaches into it. False: none that lives, or not worth
 * moving. */
static bool find_straddler(cachette__shard_ref ref, uint32_t segment, cachette__entry *entry,
                           bool *movable) {
  const cachette__segment *each = segment_at(ref, segment);
  *movable = true;
  if (each->first == 0 || each->previous == CACHETTE__NO_SEGMENT) return false;
  uint32_t begin = each->previous;
  for (int i = 0; i < LONGEST_MOVE && segment_at(ref, begin)->first == ref.arena->segment_words &&
                  segment_at(ref, begin)->previous != CACHETTE__NO_SEGMENT;
       i++)
    begin = segment_at(ref, begin)->previous; /* none begins in it */
  if (segment_at(ref, begin)->first == ref.arena->segment_words) {
    *movable = false; /* too long to look for where it begins */
    return false;
  }
  ref.shard->effort++;
  uint64_t word = segment_at(ref, begin)->last, hash;
  cachette__entry_read(ref.arena, ((uint64_t)begin << ref.arena->segment_shift) + word, entry);
  bool lives = word + cachette__entry_size(entry) > ref.arena->segment_words &&
               slot_of(ref, entry, &hash) != NULL;
  *movable = !lives || is_worth_moving(ref, entry, each);
  return lives;
}

/* Moves what lives in a segment to the head of its queue. False: it could not all be moved. */
static bool clean_segment(cachette__shard_ref ref, uint32_t segment) {
  cachette__entry entry;
  bool movable;
  uint64_t hash, *slot;
  uint32_t queue = segment_at(ref, segment)->queue;
  bool straddles = find_straddler(ref, segment, &entry, &movable);
  if (!movable) return false;
  cursor at = begin_segment(ref, segment);
  bool whole = true;
  ref.shard->pinned = segment;
  while (whole && (straddles || next_entry(ref, &at, &entry))) {
    straddles = false;
    slot = slot_of(ref, &entry, &hash);
    if (slot != NULL)
      whole = move(ref, &entry, slot, hash, queue, cachette__slot_use(cachette__load_word(slot)));
  }
  ref.shard->pinned = CACHETTE__NO_SEGMENT;
  if (can_release(ref, segment)) release(ref, segment);
  return whole;
}

/* The segment with the least that lives, but more than `above`, or as much and behind it. */
static uint32_t find_deadest(cachette__shard_ref ref, uint32_t above, uint32_t behind) {
  uint32_t deadest = CACHETTE__NO_SEGMENT, least = ref.arena->segment_words / 8 * 7;
  for (int i = 0; i < CACHETTE__QUEUES; i++) {
    const cachette__log *log = &ref.shard->logs[i];
    for (uint32_t each = log->tail; each != log->head; each = after(ref, each)) {
      uint32_t live = segment_at(ref, each)->live;
      if (live < above || (live == above && each <= behind) || live > least) continue;
      if (live == least && each > deadest) continue;
      least = live;
      deadest = each;
    }
  }
  return deadest;
}

/* Words of a shard's logs in which nothing lives, but for the room at their heads. */
static uint64_t count_dead(cachette__shard_ref ref, uint64_t *all) {
  uint64_t dead = *all = 0;
  for (int i = 0; i < CACHETTE__QUEUES; i++) {
    const cachette__log *log = &ref.shard->logs[i];
    if (log->count == 0) continue;
    uint64_t words = (uint64_t)log->count * ref.arena->segment_words;
    uint64_t room = ref.arena->segment_words - segment_at(ref, log->head)->used;
    *all += words;
    dead += words - room - log->live;
  }
  return dead;
}

/*
 * Cleans the segment with the most dead room that can be cleaned, if a fair part of the shard is
 * dead. False: nothing was gained by it, as when entries as long as a segment only change places.
 */
static bool clean(cachette__shard_ref ref) {
  uint64_t all, dead = count_dead(ref, &all);
  if (dead < 2 * (uint64_t)ref.arena->segment_words || dead < all / 20) return false;
  uint32_t above = 0, behind = 0;
  bool cleaned = false;
  for (int tries = 0; tries < CLEANING_TRIES && !cleaned; tries++) {
    uint32_t deadest = find_deadest(ref, above, behind);
    if (deadest == CACHETTE__NO_SEGMENT) return false;
    above = segment_at(ref, deadest)->live;
    behind = deadest;
    cleaned = clean_segment(ref, deadest);
  }
  return count_dead(ref, &all) + ref.arena->segment_words / LEAST_GAIN <= dead;
}

static void fit_ghosts(cachette__shard_ref ref) {
  ptrdiff_t change = cachette__policy_fit(&ref.shard->policy, ref.shard->index.entries);
  if (change == 0) return;
  cachette__arena_charge(ref.arena, change);
  if (change < 0)
    cachette__arena_discard(cachette__policy_ghosts_end(&ref.shard->policy), (size_t)-change);
}

bool cachette__shard_reclaim_locked(cachette__shard_ref ref, bool force) {
  cachette__shard *shard = ref.shard;
  if (cachette__shard_sweep_locked(ref)) return true;
  shard->full = true;
  if (!force && clean(ref)) return true;
  fit_ghosts(ref);
  cachette__standing standing = standing_of(ref);
  uint32_t queue = cachette__policy_choose(&shard->policy, &standing);
  if (shard->logs[queue].tail == CACHETTE__NO_SEGMENT) queue = 1 - queue;
  if (shard->logs[queue].tail == CACHETTE__NO_SEGMENT) return false;
  drain(ref, queue, force);
  return true;
}

/* ---- Walking all buckets ---- */

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
  drop(ref, slot, &entry);
}

bool cachette__shard_walk_locked(cachette__shard_ref ref, uint32_t begin, uint32_t count,
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
