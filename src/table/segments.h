/* SPDX-License-Identifier: MIT */
/*
 * The segments of a shard's logs, for shard.c and reclaim.c. All functions require the shard's
 * lock. They are inline because each put and each evicted entry calls several of them.
 */
#ifndef CACHETTE_TABLE_SEGMENTS_H
#define CACHETTE_TABLE_SEGMENTS_H

#include "shard.h"
#include "siphash.h"

static inline cachette__segment *segment_at(cachette__shard_ref ref, uint32_t segment) {
  return &ref.arena->segments[segment];
}

static inline uint32_t next_segment(cachette__shard_ref ref, uint32_t segment) {
  return atomic_load_explicit(&segment_at(ref, segment)->next, memory_order_relaxed);
}

static inline cachette__log *log_of(cachette__shard_ref ref, uint64_t position) {
  uint32_t segment = cachette__segment_of(ref.arena, position);
  return &ref.shard->logs[segment_at(ref, segment)->queue];
}

static inline void count_segments(cachette__shard *shard, int change) {
  uint32_t count = atomic_load_explicit(&shard->segments, memory_order_relaxed);
  atomic_store_explicit(&shard->segments, count + (uint32_t)change, memory_order_relaxed);
}

static inline void lower_due(cachette__shard *shard, int64_t due_ms) {
  if (due_ms < shard->due_ms) shard->due_ms = due_ms;
}

/* The hash of an entry's key, which may span segments. */
static inline uint64_t hash_of(cachette__shard_ref ref, const cachette__entry *entry) {
  const cachette__arena *arena = ref.arena;
  size_t begin = (size_t)(entry->position & (arena->segment_words - 1)) * 8 + entry->header_size;
  const uint64_t *key = arena->header->hash_key;
  if (begin + entry->key_size <= (size_t)arena->segment_words * 8)
    return cachette__siphash13(
        key, (const unsigned char *)(arena->words + entry->position) + entry->header_size,
        entry->key_size);
  unsigned char copy[CACHETTE_KEY_MAX];
  cachette__entry_copy(arena, entry, 0, entry->key_size, copy);
  return cachette__siphash13(key, copy, entry->key_size);
}

/* ---- Freeing ---- */

/* Readers that have started already must not trust what they read. */
static inline void invalidate_readers(cachette__shard *shard) {
  atomic_fetch_add_explicit(&shard->version, 2, memory_order_release);
}

/* Whether a segment has no live entry and is neither pinned nor the head of its log. */
static inline bool can_free(cachette__shard_ref ref, uint32_t segment) {
  const cachette__segment *each = segment_at(ref, segment);
  return each->live == 0 && segment != ref.shard->logs[each->queue].head &&
         segment != ref.shard->pinned;
}

/* Removes a segment without live entries from its log, and frees it. */
static inline void free_segment(cachette__shard_ref ref, uint32_t segment) {
  invalidate_readers(ref.shard);
  cachette__log_unlink(ref.arena, &ref.shard->logs[segment_at(ref, segment)->queue], segment);
  cachette__arena_free_segment(ref.arena, segment);
  count_segments(ref.shard, -1);
}

/* ---- Entries ---- */

/* Subtracts an entry from the live words, and frees segments that become empty. */
static inline void mark_dead(cachette__shard_ref ref, uint64_t position, uint64_t words) {
  cachette__log_account(ref.arena, log_of(ref, position), position, words, false);
  uint32_t segment = cachette__segment_of(ref.arena, position);
  uint32_t last = ref.arena->segment_words;
  uint64_t left = words + (position & (last - 1));
  for (;;) {
    uint32_t next = next_segment(ref, segment);
    if (can_free(ref, segment)) free_segment(ref, segment);
    if (left <= last) break;
    left -= last;
    segment = next;
  }
}

/* Appends words for an entry to a queue; there must be enough spares. Returns their position. Frees
 * the former head if nothing in it is live. */
static inline uint64_t append_words(cachette__shard_ref ref, uint32_t queue, uint64_t words,
                                    int64_t expires_ms) {
  cachette__log *log = &ref.shard->logs[queue];
  uint32_t head = log->head;
  uint64_t position =
      cachette__log_append(ref.arena, log, queue, &ref.shard->spares, words, expires_ms);
  if (head != CACHETTE__NO_SEGMENT && can_free(ref, head)) free_segment(ref, head);
  return position;
}

#endif
