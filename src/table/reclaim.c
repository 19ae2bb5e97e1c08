/* SPDX-License-Identifier: MIT */
#include "reclaim.h"

#include "segments.h"

enum {
  COMPACTION_TRIES = 16, /* segments to try, in search of one that can be compacted */
  MIN_GAIN = 8,          /* min gain of compaction: this part of a segment */
  MAX_MOVE = 16,         /* max segments that a moved entry spans */
  SCANS_PER_TTL = 32     /* a segment is scanned again after this part of its longest TTL */
};

/* ---- Entries of a segment ---- */

/* Iterates over the entries that start in a segment. */
typedef struct cursor {
  uint32_t segment;
  uint64_t word; /* of the next entry, within the segment */
} cursor;

static bool next_entry(cachette__shard_ref ref, cursor *at, cachette__entry *entry) {
  if (at->word >= segment_at(ref, at->segment)->used) return false;
  ref.shard->effort++;
  uint64_t position = ((uint64_t)at->segment << ref.arena->segment_shift) + at->word;
  cachette__entry_read(ref.arena, position, entry);
  at->word += cachette__entry_size(entry);
  return true;
}

static cursor first_entry(cachette__shard_ref ref, uint32_t segment) {
  return (cursor){segment, segment_at(ref, segment)->first};
}

/* Returns the slot of an entry in a segment, or NULL if it is dead. */
static uint64_t *slot_of(cachette__shard_ref ref, const cachette__entry *entry, uint64_t *hash) {
  *hash = hash_of(ref, entry);
  return cachette__index_find_slot(&ref.shard->index, *hash, entry->position);
}

/* ---- Expiry ---- */

static void find_due(cachette__shard_ref ref) {
  ref.shard->due_ms = INT64_MAX;
  for (int i = 0; i < CACHETTE__QUEUES; i++)
    for (uint32_t each = ref.shard->logs[i].tail; each != CACHETTE__NO_SEGMENT;
         each = next_segment(ref, each))
      lower_due(ref.shard, segment_at(ref, each)->due_ms);
}

/* Removes the expired entries of a segment, and sets the time of its next scan: when its next entry
 * expires, but not before a part of the longest TTL in it has passed. */
static void expire_segment(cachette__shard_ref ref, uint32_t segment) {
  int64_t earliest = INT64_MAX, latest = ref.now_ms;
  cachette__entry entry;
  cursor at = first_entry(ref, segment);
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
    cachette__shard_remove_entry(ref, slot, &entry);
  }
  ref.shard->pinned = CACHETTE__NO_SEGMENT;
  int64_t next_ms = ref.now_ms + (latest - ref.now_ms) / SCANS_PER_TTL;
  segment_at(ref, segment)->due_ms = earliest > next_ms ? earliest : next_ms;
  if (can_free(ref, segment)) free_segment(ref, segment);
}

bool cachette__shard_expire_locked(cachette__shard_ref ref) {
  if (ref.shard->due_ms > ref.now_ms) return false;
  bool expired = false;
  for (int i = 0; i < CACHETTE__QUEUES && !expired; i++) {
    uint32_t each = ref.shard->logs[i].tail;
    while (each != CACHETTE__NO_SEGMENT && segment_at(ref, each)->due_ms > ref.now_ms)
      each = next_segment(ref, each);
    expired = each != CACHETTE__NO_SEGMENT;
    if (expired) expire_segment(ref, each);
  }
  find_due(ref);
  return expired;
}

/* ---- Moving entries ---- */

/* Allocates the spares for an entry in a log, from the arena's reserve if necessary. */
static bool reserve_for_move(cachette__shard_ref ref, const cachette__log *log, uint64_t words) {
  while (cachette__log_segments_needed(ref.arena, log, words) > ref.shard->spares.count) {
    uint32_t segment = cachette__arena_alloc_segment(ref.arena, 0);
    if (segment == CACHETTE__NO_SEGMENT) return false;
    cachette__shard_add_spare(ref, segment);
  }
  return true;
}

/* Moves an entry to the head of a queue. Returns false if there is no segment for it. */
static bool move_entry(cachette__shard_ref ref, const cachette__entry *entry, uint64_t *slot,
                       uint64_t hash, uint32_t queue, unsigned use) {
  uint64_t words = cachette__entry_size(entry);
  cachette__log *log = &ref.shard->logs[queue];
  if (!reserve_for_move(ref, log, words)) return false;
  uint64_t position = append_words(ref, queue, words, entry->expires_ms);
  cachette__entry_move(ref.arena, entry->position, position, words);
  ref.shard->effort += words / 128; /* KiB */
  cachette__slot_store(slot, cachette__slot_make(position, hash, use));
  mark_dead(ref, entry->position, words);
  return true;
}

/* ---- Eviction ---- */

/* Empties the oldest segment of a queue: moves what the policy keeps, and evicts the rest. */
static void evict_segment(cachette__shard_ref ref, uint32_t queue, bool force) {
  cachette__shard *shard = ref.shard;
  uint32_t segment = shard->logs[queue].tail;
  cachette__entry entry;
  cursor at = first_entry(ref, segment);
  shard->pinned = segment;
  while (next_entry(ref, &at, &entry)) {
    uint64_t hash;
    uint64_t *slot = slot_of(ref, &entry, &hash);
    if (slot == NULL) continue;
    if (entry.expires_ms <= ref.now_ms) {
      shard->expirations++;
      cachette__shard_remove_entry(ref, slot, &entry);
      continue;
    }
    unsigned use = cachette__slot_use(cachette__load_word(slot));
    cachette__verdict verdict =
        cachette__policy_judge(&shard->policy, queue, use, hash, shard->index.entries);
    if (verdict.keep && !force && move_entry(ref, &entry, slot, hash, CACHETTE__MAIN, verdict.use))
      continue;
    int reason = queue == CACHETTE__SMALL ? CACHETTE__EVICTED_NEW : CACHETTE__EVICTED_OLD;
    shard->evictions[verdict.keep ? CACHETTE__EVICTED_FORCED : reason]++;
    cachette__shard_remove_entry(ref, slot, &entry);
  }
  shard->pinned = CACHETTE__NO_SEGMENT;
  if (segment_at(ref, segment)->live == 0) free_segment(ref, segment);
}

/* ---- Compaction ---- */

/*
 * Whether to move an entry that reaches into a segment from an earlier one, to free that segment. A
 * long entry leaves a hole in the segment where it started. The hole must be much smaller than the
 * gain, or compaction would never end.
 */
static bool is_worth_moving(cachette__shard_ref ref, const cachette__entry *entry,
                            const cachette__segment *freed) {
  uint64_t segment_words = ref.arena->segment_words;
  uint64_t size = cachette__entry_size(entry);
  if (size <= 2 * segment_words) return true;
  uint64_t hole = segment_words - (entry->position & (segment_words - 1));
  return size <= MAX_MOVE * segment_words && 2 * hole <= segment_words - freed->live;
}

/* Finds the live entry that starts before a segment and reaches into it. Returns false if there is
 * none. Sets `*movable` to false if there may be one that cannot or should not be moved. */
static bool find_straddler(cachette__shard_ref ref, uint32_t segment, cachette__entry *entry,
                           bool *movable) {
  const cachette__segment *each = segment_at(ref, segment);
  *movable = true;
  if (each->first == 0 || each->previous == CACHETTE__NO_SEGMENT) return false;
  uint32_t begin = each->previous;
  for (int i = 0; i < MAX_MOVE && segment_at(ref, begin)->first == ref.arena->segment_words &&
                  segment_at(ref, begin)->previous != CACHETTE__NO_SEGMENT;
       i++)
    begin = segment_at(ref, begin)->previous; /* no entry starts in it */
  if (segment_at(ref, begin)->first == ref.arena->segment_words) {
    *movable = false; /* its start is too far away to look for */
    return false;
  }
  ref.shard->effort++;
  uint64_t word = segment_at(ref, begin)->last, hash;
  cachette__entry_read(ref.arena, ((uint64_t)begin << ref.arena->segment_shift) + word, entry);
  bool is_live = word + cachette__entry_size(entry) > ref.arena->segment_words &&
                 slot_of(ref, entry, &hash) != NULL;
  *movable = !is_live || is_worth_moving(ref, entry, each);
  return is_live;
}

/* Moves the live entries of a segment to the head of its queue. Returns false if not all could
 * move. */
static bool compact_segment(cachette__shard_ref ref, uint32_t segment) {
  cachette__entry entry;
  bool movable;
  uint64_t hash, *slot;
  uint32_t queue = segment_at(ref, segment)->queue;
  bool straddles = find_straddler(ref, segment, &entry, &movable);
  if (!movable) return false;
  cursor at = first_entry(ref, segment);
  bool moved_all = true;
  ref.shard->pinned = segment;
  while (moved_all && (straddles || next_entry(ref, &at, &entry))) {
    straddles = false;
    slot = slot_of(ref, &entry, &hash);
    if (slot != NULL)
      moved_all =
          move_entry(ref, &entry, slot, hash, queue, cachette__slot_use(cachette__load_word(slot)));
  }
  ref.shard->pinned = CACHETTE__NO_SEGMENT;
  if (can_free(ref, segment)) free_segment(ref, segment);
  return moved_all;
}

/* Finds the segment with the fewest live words that comes after (`min_live`, `after`), in order of
 * live words and number. */
static uint32_t find_emptiest(cachette__shard_ref ref, uint32_t min_live, uint32_t after) {
  uint32_t emptiest = CACHETTE__NO_SEGMENT, lowest = ref.arena->segment_words / 8 * 7;
  for (int i = 0; i < CACHETTE__QUEUES; i++) {
    const cachette__log *log = &ref.shard->logs[i];
    for (uint32_t each = log->tail; each != log->head; each = next_segment(ref, each)) {
      uint32_t live = segment_at(ref, each)->live;
      if (live < min_live || (live == min_live && each <= after) || live > lowest) continue;
      if (live == lowest && each > emptiest) continue;
      lowest = live;
      emptiest = each;
    }
  }
  return emptiest;
}

/* Counts the dead words of a shard's logs, without the unused ends of their heads. */
static uint64_t count_dead(cachette__shard_ref ref, uint64_t *all) {
  uint64_t dead = *all = 0;
  for (int i = 0; i < CACHETTE__QUEUES; i++) {
    const cachette__log *log = &ref.shard->logs[i];
    if (log->count == 0) continue;
    uint64_t words = (uint64_t)log->count * ref.arena->segment_words;
    uint64_t space = ref.arena->segment_words - segment_at(ref, log->head)->used;
    *all += words;
    dead += words - space - log->live;
  }
  return dead;
}

/* Compacts the emptiest segment that can be compacted, if enough of the shard is dead. Returns
 * false if that gained nothing, as when entries as long as a segment merely change places. */
static bool compact(cachette__shard_ref ref) {
  uint64_t all, dead = count_dead(ref, &all);
  if (dead < 2 * (uint64_t)ref.arena->segment_words || dead < all / 20) return false;
  uint32_t min_live = 0, after = 0;
  bool compacted = false;
  for (int tries = 0; tries < COMPACTION_TRIES && !compacted; tries++) {
    uint32_t emptiest = find_emptiest(ref, min_live, after);
    if (emptiest == CACHETTE__NO_SEGMENT) return false;
    min_live = segment_at(ref, emptiest)->live;
    after = emptiest;
    compacted = compact_segment(ref, emptiest);
  }
  return count_dead(ref, &all) + ref.arena->segment_words / MIN_GAIN <= dead;
}

/* ---- Reclaim ---- */

static void resize_ghosts(cachette__shard_ref ref) {
  ptrdiff_t change = cachette__policy_resize_ghosts(&ref.shard->policy, ref.shard->index.entries);
  if (change == 0) return;
  cachette__arena_charge(ref.arena, change);
  if (change < 0)
    cachette__arena_discard(cachette__policy_ghosts_end(&ref.shard->policy), (size_t)-change);
}

bool cachette__shard_reclaim_locked(cachette__shard_ref ref, bool force) {
  cachette__shard *shard = ref.shard;
  if (cachette__shard_expire_locked(ref)) return true;
  shard->is_full = true;
  if (!force && compact(ref)) return true;
  resize_ghosts(ref);
  cachette__policy_state state = cachette__shard_policy_state(ref);
  uint32_t queue = cachette__policy_choose_queue(&shard->policy, &state);
  if (shard->logs[queue].tail == CACHETTE__NO_SEGMENT) queue = 1 - queue;
  if (shard->logs[queue].tail == CACHETTE__NO_SEGMENT) return false;
  evict_segment(ref, queue, force);
  return true;
}
