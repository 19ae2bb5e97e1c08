/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cachette.h"

enum {
  LAYOUT_VERSION = 2,
  SEGMENTS_A_SHARD = 256,
  LEAST_SEGMENT = 4 << 10,
  MOST_SEGMENT = 256 << 10
};

static size_t round_up(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static size_t segment_bytes(const cachette__arena *arena) {
  return (size_t)arena->segment_words * 8;
}

/* A power of two such that a shard has some hundreds of segments. */
static size_t choose_segment_size(size_t limit, uint32_t shards) {
  size_t size = LEAST_SEGMENT;
  while (size < MOST_SEGMENT && size * SEGMENTS_A_SHARD * shards < limit) size *= 2;
  return size;
}

/* No huge pages: one takes milliseconds to be zeroed, in the middle of somebody's put. */
static unsigned char *map_zeros(size_t size) {
  unsigned char *map =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return map != MAP_FAILED ? map : NULL;
}

int cachette__arena_init(cachette__arena *arena, size_t limit, uint32_t shards, size_t shard_size) {
  memset(arena, 0, sizeof *arena);
  size_t segment_size = choose_segment_size(limit, shards);
  arena->segment_words = (uint32_t)(segment_size / 8);
  arena->segment_shift = (unsigned)__builtin_ctz(arena->segment_words);
  arena->segment_count = (uint32_t)(limit / segment_size) + 1;

  size_t at_shards = round_up(sizeof(cachette__arena_header), 64);
  size_t at_segments = at_shards + shards * shard_size;
  size_t at_free = at_segments + arena->segment_count * sizeof(cachette__segment);
  size_t at_indexes = round_up(at_free + arena->segment_count * sizeof(uint32_t), page_size());
  /* Twice a shard's share: more than its index can come to. Only what is touched of it counts. */
  arena->index_stride = round_up(limit / shards * 2, page_size());
  arena->ghost_stride = round_up(limit / shards / 4, page_size());
  size_t at_ghosts = at_indexes + shards * arena->index_stride;
  size_t at_words = at_ghosts + shards * arena->ghost_stride;
  arena->size = at_words + segment_size * arena->segment_count;

  unsigned char *base = map_zeros(arena->size);
  if (base == NULL) return CACHETTE_ENOMEM;
  arena->header = (cachette__arena_header *)base;
  arena->shards = base + at_shards;
  arena->segments = (cachette__segment *)(base + at_segments);
  arena->free_segments = (uint32_t *)(base + at_free);
  arena->indexes = base + at_indexes;
  arena->ghosts = base + at_ghosts;
  arena->words = (uint64_t *)(base + at_words);

  cachette__arena_header *header = arena->header;
  if (uv_mutex_init(&header->lock) < 0) {
    munmap(base, arena->size);
    return CACHETTE_ENOMEM;
  }
  memcpy(header->magic, "cachette", sizeof header->magic);
  header->version = LAYOUT_VERSION;
  header->segment_words = arena->segment_words;
  header->segment_count = arena->segment_count;
  header->shard_count = shards;
  header->limit = limit;
  header->untouched = 1;
  atomic_init(&header->overhead, at_indexes);
  atomic_init(&header->epoch_ms, CACHETTE__NO_EPOCH);
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

uint32_t cachette__arena_allowed(const cachette__arena *arena) {
  uint64_t overhead = atomic_load_explicit(&arena->header->overhead, memory_order_relaxed);
  uint64_t limit = arena->header->limit;
  return overhead < limit ? (uint32_t)((limit - overhead) / segment_bytes(arena)) : 0;
}

/* Gives pages of free segments back while more are resident than may be. */
static void trim_locked(cachette__arena *arena, uint32_t allowed) {
  cachette__arena_header *header = arena->header;
  uint32_t in_use = atomic_load_explicit(&header->in_use, memory_order_relaxed);
  while (header->warm_count > 0 && in_use + header->warm_count > allowed) {
    uint32_t segment = arena->free_segments[--header->warm_count];
    cachette__arena_discard(arena->words + ((uint64_t)segment << arena->segment_shift),
                            segment_bytes(arena));
    arena->free_segments[arena->segment_count - ++header->cold_count] = segment;
  }
}

void cachette__arena_charge(cachette__arena *arena, ptrdiff_t bytes) {
  atomic_fetch_add_explicit(&arena->header->overhead, (uint64_t)bytes, memory_order_relaxed);
  if (bytes < 0) return;
  uint32_t allowed = cachette__arena_allowed(arena);
  uv_mutex_lock(&arena->header->lock);
  trim_locked(arena, allowed);
  uv_mutex_unlock(&arena->header->lock);
}

uint32_t cachette__arena_take(cachette__arena *arena, uint32_t reserve) {
  cachette__arena_header *header = arena->header;
  uint32_t taken = CACHETTE__NO_SEGMENT;
  uint32_t allowed = cachette__arena_allowed(arena);
  uv_mutex_lock(&header->lock);
  uint32_t in_use = atomic_load_explicit(&header->in_use, memory_order_relaxed);
  if (in_use + reserve < allowed) {
    if (header->warm_count > 0)
      taken = arena->free_segments[--header->warm_count];
    else if (header->cold_count > 0)
      taken = arena->free_segments[arena->segment_count - header->cold_count--];
    else
      taken = header->untouched++;
    atomic_store_explicit(&header->in_use, in_use + 1, memory_order_relaxed);
  }
  trim_locked(arena, allowed);
  uv_mutex_unlock(&header->lock);
  return taken;
}

void cachette__arena_give(cachette__arena *arena, uint32_t segment) {
  cachette__arena_header *header = arena->header;
  uint32_t allowed = cachette__arena_allowed(arena);
  uv_mutex_lock(&header->lock);
  arena->free_segments[header->warm_count++] = segment;
  atomic_fetch_sub_explicit(&header->in_use, 1, memory_order_relaxed);
  trim_locked(arena, allowed);
  uv_mutex_unlock(&header->lock);
}
