/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cachette.h"

enum {
  LAYOUT_VERSION = 2,
  SEGMENTS_PER_SHARD = 256,
  MIN_SEGMENT = 4 << 10,
  MAX_SEGMENT = 256 << 10
};

static size_t round_up(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static size_t segment_bytes(const cachette__arena *arena) {
  return (size_t)arena->segment_words * 8;
}

/* A power of two, such that each shard has about SEGMENTS_PER_SHARD of them. */
static size_t choose_segment_size(size_t limit, uint32_t shards) {
  size_t size = MIN_SEGMENT;
  while (size < MAX_SEGMENT && size * SEGMENTS_PER_SHARD * shards < limit) size *= 2;
  return size;
}

/* Without huge pages: zeroing one takes milliseconds, and would delay a put. */
static unsigned char *map_zeros(size_t size) {
  unsigned char *mapping =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return mapping != MAP_FAILED ? mapping : NULL;
}

/* Initializes the header, whose other members are zero already. */
static int init_header(const cachette__arena *arena, size_t limit, uint32_t shards,
                       size_t overhead) {
  cachette__arena_header *header = arena->header;
  if (uv_mutex_init(&header->lock) < 0) return CACHETTE_ENOMEM;
  memcpy(header->magic, "cachette", sizeof header->magic);
  header->version = LAYOUT_VERSION;
  header->segment_words = arena->segment_words;
  header->segment_count = arena->segment_count;
  header->shard_count = shards;
  header->limit = limit;
  header->untouched = 1;
  atomic_init(&header->overhead, overhead);
  atomic_init(&header->epoch_ms, CACHETTE__NO_EPOCH);
  return CACHETTE_OK;
}

int cachette__arena_init(cachette__arena *arena, size_t limit, uint32_t shards, size_t shard_size) {
  memset(arena, 0, sizeof *arena);
  size_t segment_size = choose_segment_size(limit, shards);
  arena->segment_words = (uint32_t)(segment_size / 8);
  arena->segment_shift = (unsigned)__builtin_ctz(arena->segment_words);
  arena->segment_count = (uint32_t)(limit / segment_size) + 1;

  size_t shards_offset = round_up(sizeof(cachette__arena_header), 64);
  size_t segments_offset = shards_offset + shards * shard_size;
  size_t free_offset = segments_offset + arena->segment_count * sizeof(cachette__segment);
  size_t indexes_offset =
      round_up(free_offset + arena->segment_count * sizeof(uint32_t), page_size());
  /* Twice a shard's share is more than its index can need. Only touched pages count. */
  arena->index_stride = round_up(limit / shards * 2, page_size());
  arena->ghost_stride = round_up(limit / shards / 4, page_size());
  size_t ghosts_offset = indexes_offset + shards * arena->index_stride;
  size_t words_offset = ghosts_offset + shards * arena->ghost_stride;
  arena->size = words_offset + segment_size * arena->segment_count;

  unsigned char *base = map_zeros(arena->size);
  if (base == NULL) return CACHETTE_ENOMEM;
  arena->header = (cachette__arena_header *)base;
  arena->shards = base + shards_offset;
  arena->segments = (cachette__segment *)(base + segments_offset);
  arena->free_segments = (uint32_t *)(base + free_offset);
  arena->indexes = base + indexes_offset;
  arena->ghosts = base + ghosts_offset;
  arena->words = (uint64_t *)(base + words_offset);

  if (init_header(arena, limit, shards, indexes_offset) < 0) {
    munmap(base, arena->size);
    return CACHETTE_ENOMEM;
  }
  return CACHETTE_OK;
}

void cachette__arena_deinit(cachette__arena *arena) {
  uv_mutex_destroy(&arena->header->lock);
  munmap(arena->header, arena->size);
}

void cachette__arena_discard(void *data, size_t size) {
  uintptr_t begin = round_up((uintptr_t)data, page_size());
  uintptr_t end = ((uintptr_t)data + size) / page_size() * page_size();
  if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

uint32_t cachette__arena_max_segments(const cachette__arena *arena) {
  uint64_t overhead = atomic_load_explicit(&arena->header->overhead, memory_order_relaxed);
  uint64_t limit = arena->header->limit;
  return overhead < limit ? (uint32_t)((limit - overhead) / segment_bytes(arena)) : 0;
}

/* Returns pages of free segments to the system while more segments are resident than allowed. */
static void discard_excess_locked(cachette__arena *arena, uint32_t max_segments) {
  cachette__arena_header *header = arena->header;
  uint32_t in_use = atomic_load_explicit(&header->in_use, memory_order_relaxed);
  while (header->warm_count > 0 && in_use + header->warm_count > max_segments) {
    uint32_t segment = arena->free_segments[--header->warm_count];
    cachette__arena_discard(arena->words + ((uint64_t)segment << arena->segment_shift),
                            segment_bytes(arena));
    arena->free_segments[arena->segment_count - ++header->cold_count] = segment;
  }
}

void cachette__arena_charge(cachette__arena *arena, ptrdiff_t bytes) {
  atomic_fetch_add_explicit(&arena->header->overhead, (uint64_t)bytes, memory_order_relaxed);
  if (bytes < 0) return;
  uint32_t max_segments = cachette__arena_max_segments(arena);
  uv_mutex_lock(&arena->header->lock);
  discard_excess_locked(arena, max_segments);
  uv_mutex_unlock(&arena->header->lock);
}

uint32_t cachette__arena_alloc_segment(cachette__arena *arena, uint32_t reserve) {
  cachette__arena_header *header = arena->header;
  uint32_t segment = CACHETTE__NO_SEGMENT;
  uint32_t max_segments = cachette__arena_max_segments(arena);
  uv_mutex_lock(&header->lock);
  uint32_t in_use = atomic_load_explicit(&header->in_use, memory_order_relaxed);
  if (in_use + reserve < max_segments) {
    if (header->warm_count > 0)
      segment = arena->free_segments[--header->warm_count];
    else if (header->cold_count > 0)
      segment = arena->free_segments[arena->segment_count - header->cold_count--];
    else
      segment = header->untouched++;
    atomic_store_explicit(&header->in_use, in_use + 1, memory_order_relaxed);
  }
  discard_excess_locked(arena, max_segments);
  uv_mutex_unlock(&header->lock);
  return segment;
}

void cachette__arena_free_segment(cachette__arena *arena, uint32_t segment) {
  cachette__arena_header *header = arena->header;
  uint32_t max_segments = cachette__arena_max_segments(arena);
  uv_mutex_lock(&header->lock);
  arena->free_segments[header->warm_count++] = segment;
  atomic_fetch_sub_explicit(&header->in_use, 1, memory_order_relaxed);
  discard_excess_locked(arena, max_segments);
  uv_mutex_unlock(&header->lock);
}
