/* SPDX-License-Identifier: MIT */
#include "log.h"

void cachette__log_init(cachette__log *log) {
  log->head = log->tail = CACHETTE__NO_SEGMENT;
  log->count = 0;
  log->live = 0;
}

static uint32_t space_at_head(const cachette__arena *arena, const cachette__log *log) {
  if (log->head == CACHETTE__NO_SEGMENT) return 0;
  return arena->segment_words - arena->segments[log->head].used;
}

uint32_t cachette__log_segments_needed(const cachette__arena *arena, const cachette__log *log,
                                       uint64_t words) {
  uint32_t space = space_at_head(arena, log);
  if (words <= space) return 0;
  return (uint32_t)((words - space + arena->segment_words - 1) >> arena->segment_shift);
}

/* Appends a spare segment. */
static void extend(cachette__arena *arena, cachette__log *log, uint32_t queue,
                   cachette__spares *spares) {
  uint32_t added = spares->first;
  cachette__segment *segment = &arena->segments[added];
  spares->first = atomic_load_explicit(&segment->next, memory_order_relaxed);
  spares->count--;
  segment->previous = log->head;
  segment->first = 0;
  segment->used = 0;
  segment->live = 0;
  segment->queue = queue;
  segment->due_ms = INT64_MAX;
  atomic_store_explicit(&segment->next, CACHETTE__NO_SEGMENT, memory_order_relaxed);
  if (log->head != CACHETTE__NO_SEGMENT)
    atomic_store_explicit(&arena->segments[log->head].next, added, memory_order_relaxed);
  else
    log->tail = added;
  log->head = added;
  log->count++;
}

uint64_t cachette__log_append(cachette__arena *arena, cachette__log *log, uint32_t queue,
                              cachette__spares *spares, uint64_t words, int64_t expires_ms) {
  if (space_at_head(arena, log) == 0) extend(arena, log, queue, spares);
  cachette__segment *segment = &arena->segments[log->head];
  uint64_t position = ((uint64_t)log->head << arena->segment_shift) + segment->used;
  segment->last = segment->used;
  if (expires_ms < segment->due_ms) segment->due_ms = expires_ms;
  uint64_t left = words;
  for (;;) {
    uint32_t space = arena->segment_words - segment->used;
    uint32_t chunk = left < space ? (uint32_t)left : space;
    segment->used += chunk;
    left -= chunk;
    if (left == 0) break;
    extend(arena, log, queue, spares);
    segment = &arena->segments[log->head];
    segment->first = left < arena->segment_words ? (uint32_t)left : arena->segment_words;
  }
  cachette__log_account(arena, log, position, words, true);
  return position;
}

void cachette__log_account(cachette__arena *arena, cachette__log *log, uint64_t position,
                           uint64_t words, bool alive) {
  uint32_t number = cachette__segment_of(arena, position);
  uint32_t word = (uint32_t)position & (arena->segment_words - 1);
  log->live += alive ? words : -words;
  while (words > 0) {
    cachette__segment *segment = &arena->segments[number];
    uint32_t space = arena->segment_words - word;
    uint32_t chunk = words < space ? (uint32_t)words : space;
    segment->live += alive ? chunk : -chunk;
    words -= chunk;
    word = 0;
    number = atomic_load_explicit(&segment->next, memory_order_relaxed);
  }
}

void cachette__log_unlink(cachette__arena *arena, cachette__log *log, uint32_t segment) {
  cachette__segment *removed = &arena->segments[segment];
  uint32_t next = atomic_load_explicit(&removed->next, memory_order_relaxed);
  if (removed->previous != CACHETTE__NO_SEGMENT)
    atomic_store_explicit(&arena->segments[removed->previous].next, next, memory_order_relaxed);
  else
    log->tail = next;
  if (next != CACHETTE__NO_SEGMENT)
    arena->segments[next].previous = removed->previous;
  else
    log->head = removed->previous;
  log->count--;
}
