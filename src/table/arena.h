/* SPDX-License-Identifier: MIT */
/*
 * The memory of a table: one mapping, cut into segments that shards take and give back.
 *
 *     base
 *     | header | shards | segment table | free list | indexes | ghosts | segment 0 | 1
 * | ... |
 *                         '-- a row a segment: its neighbours in a queue, how much of it lives
 *
 * Everything in it is addressed by offsets, never by pointers, and the header has a magic number
 * and a version, so that the same layout can later lie in a file that several processes map. Pages
 * are touched when they are first needed. What counts against the limit is all that is touched:
 * segments, indexes, tables; a free segment that the limit has no more room for is given back to
 * the system.
 *
 * An entry's position is the number of its first word (8 bytes), counted over all segments. An
 * entry longer than the rest of its segment goes on in the next one of its queue. Segment 0 is
 * never used, so that no entry has position 0.
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
  uint32_t first; /* word at which the first entry begins; the segment's size if none does */
  uint32_t last;  /* the same of the last one */
  uint32_t used;  /* words written */
  uint32_t live;  /* words of entries that the index finds */
  uint32_t queue; /* of its shard */
  int64_t due_ms; /* when to look for expired entries in it; INT64_MAX for never */
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
  _Atomic uint64_t overhead; /* bytes touched besides segments */
  _Atomic int64_t epoch_ms;  /* the caller's clock at the first call; entries count from there */

  uv_mutex_t lock;         /* guards what follows */
  _Atomic uint32_t in_use; /* segments handed out */
  uint32_t warm_count,
      cold_count;     /* free ones: resident, at the left of the free list; not, at its right */
  uint32_t untouched; /* segments from here on were never handed out */
} cachette__arena_header;

/* Where the parts lie in this process. */
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
  size_t ghost_stride; /* the same of the shards' ghosts */
  uint32_t segment_words;
  uint32_t segment_count;
  unsigned segment_shift;
} cachette__arena;

/* Maps an arena with `shards` structs of `shard_size` bytes in it. Returns 0 or CACHETTE_ENOMEM. */
int cachette__arena_init(cachette__arena *arena, size_t limit, uint32_t shards, size_t shard_size);
void cachette__arena_deinit(cachette__arena *arena);

/* How many segments may be in use at once, given what else counts against the limit. */
uint32_t cachette__arena_allowed(const cachette__arena *arena);

/* Whether more are in use than that. */
static inline bool cachette__arena_over(const cachette__arena *arena) {
  return atomic_load_explicit(&arena->header->in_use, memory_order_relaxed) >
         cachette__arena_allowed(arena);
}

/* A segment, or CACHETTE__NO_SEGMENT unless `reserve` more are left for others. */
uint32_t cachette__arena_take(cachette__arena *arena, uint32_t reserve);
void cachette__arena_give(cachette__arena *arena, uint32_t segment);

/* Counts `bytes` (negative: gives them back) of index against the limit. */
void cachette__arena_charge(cachette__arena *arena, ptrdiff_t bytes);

/* Gives the whole pages within a range back to the system; they read as zeros then. */
void cachette__arena_discard(void *data, size_t size);

static inline uint32_t cachette__segment_of(const cachette__arena *arena, uint64_t position) {
  return (uint32_t)(position >> arena->segment_shift);
}

#endif
