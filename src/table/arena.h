/* SPDX-License-Identifier: MIT */
/*
 * The memory of a table: one mapping, divided into segments that shards allocate and free.
 *
 *     base
 *     | header | shards | segment table | free list | indexes | ghosts | segment 0 | 1 | ...
 *                         '-- one row per segment: its neighbours in the queue, its live words
 *
 * The mapping is addressed by offsets, never by pointers, and the header has a magic number and a
 * version. So the same layout can later be used in a file that several processes map. Pages are
 * touched when they are first needed. All touched memory counts against the limit: segments,
 * indexes, tables. A free segment that no longer fits the limit is returned to the system.
 *
 * The position of an entry is the number of its first word (8 bytes), counted over all segments. An
 * entry that does not fit the rest of its segment continues in the next segment of its queue.
 * Segment 0 is never used, so no entry has position 0.
 */
#ifndef CACHETTE_TABLE_ARENA_H
#define CACHETTE_TABLE_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define CACHETTE__NO_SEGMENT UINT32_MAX
#define CACHETTE__NO_EPOCH INT64_MIN

typedef struct cachette__segment {
  _Atomic uint32_t next; /* in its queue; readers follow it without a lock */
  uint32_t previous;
  uint32_t first; /* word at which the first entry starts; the segment's size if none does */
  uint32_t last;  /* word at which the last entry starts, if one does */
  uint32_t used;  /* words written */
  uint32_t live;  /* words of entries in the index */
  uint32_t queue; /* of its shard */
  int64_t due_ms; /* when to look for expired entries; INT64_MAX: never */
} cachette__segment;

/* At the base of the mapping. */
typedef struct cachette__arena_header {
  char magic[8];
  uint32_t version;
  uint32_t segment_words; /* a power of two */
  uint32_t segment_count;
  uint32_t shard_count;
  uint64_t limit;
  uint64_t hash_key[2];
  _Atomic uint64_t overhead; /* bytes touched outside of segments */
  _Atomic int64_t epoch_ms;  /* the clock at the first call; times in entries are relative to it */

  uv_mutex_t lock;         /* guards the members below */
  _Atomic uint32_t in_use; /* allocated segments */
  uint32_t warm_count;     /* free and resident, at the left of the free list */
  uint32_t cold_count;     /* free and returned to the system, at its right */
  uint32_t untouched;      /* segments from here on were never allocated */
} cachette__arena_header;

/* The addresses in this process. */
typedef struct cachette__arena {
  cachette__arena_header *header;
  unsigned char *shards;
  cachette__segment *segments;
  uint32_t *free_segments;
  unsigned char *indexes;
  unsigned char *ghosts;
  uint64_t *words;
  size_t size;         /* of the mapping */
  size_t index_stride; /* bytes from one shard's index to the next */
  size_t ghost_stride; /* bytes from one shard's ghosts to the next */
  uint32_t segment_words;
  uint32_t segment_count;
  unsigned segment_shift;
} cachette__arena;

/* Maps an arena of `limit` bytes with `shards` structs of `shard_size` bytes, all zero. Returns 0
 * or CACHETTE_ENOMEM. */
int cachette__arena_init(cachette__arena *arena, size_t limit, uint32_t shards, size_t shard_size);
void cachette__arena_deinit(cachette__arena *arena);

/* How many segments may be allocated, given what else counts against the limit. */
uint32_t cachette__arena_max_segments(const cachette__arena *arena);

/* Whether more segments are allocated than the limit permits. */
static inline bool cachette__arena_is_over_limit(const cachette__arena *arena) {
  return atomic_load_explicit(&arena->header->in_use, memory_order_relaxed) >
         cachette__arena_max_segments(arena);
}

/* Returns a segment; CACHETTE__NO_SEGMENT if that would leave fewer than `reserve` for others. */
uint32_t cachette__arena_alloc_segment(cachette__arena *arena, uint32_t reserve);
void cachette__arena_free_segment(cachette__arena *arena, uint32_t segment);

/* Counts `bytes` of memory outside of segments against the limit; negative: releases them. */
void cachette__arena_charge(cachette__arena *arena, ptrdiff_t bytes);

/* Returns the whole pages within a range to the system; they then read as zeros. */
void cachette__arena_discard(void *data, size_t size);

static inline uint32_t cachette__segment_of(const cachette__arena *arena, uint64_t position) {
  return (uint32_t)(position >> arena->segment_shift);
}

#endif
