/* SPDX-License-Identifier: MIT */
#include "entry.h"

#include <string.h>

enum { HEADER = 12, LONG_HEADER = 16 };

#define LONG_VALUE (UINT32_C(1) << 31)

/* ---- Bytes that others may be writing ---- */

/*
 * Readers hold no lock, so bytes may be written while they are copied; the copy is then discarded.
 * C has no byte-wise atomic memcpy() yet (for C++ see P1478). Under the thread sanitizer these
 * functions use relaxed atomic bytes, which is what is meant. Elsewhere they use memcpy(), between
 * the acquire and the fence of the shard's version.
 */
#if defined(__SANITIZE_THREAD__)
#define ATOMIC_BYTES 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ATOMIC_BYTES 1
#endif
#endif

#ifdef ATOMIC_BYTES

static void read_bytes(const void *from, void *to, size_t size) {
  for (size_t i = 0; i < size; i++)
    ((unsigned char *)to)[i] = __atomic_load_n((const unsigned char *)from + i, __ATOMIC_RELAXED);
}

static void write_bytes(void *to, const void *from, size_t size) {
  for (size_t i = 0; i < size; i++)
    __atomic_store_n((unsigned char *)to + i, ((const unsigned char *)from)[i], __ATOMIC_RELAXED);
}

static bool equal_bytes(const void *racing, const void *own, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (__atomic_load_n((const unsigned char *)racing + i, __ATOMIC_RELAXED) !=
        ((const unsigned char *)own)[i])
      return false;
  return true;
}

#else

static inline void read_bytes(const void *from, void *to, size_t size) { memcpy(to, from, size); }

static inline void write_bytes(void *to, const void *from, size_t size) { memcpy(to, from, size); }

static inline bool equal_bytes(const void *racing, const void *own, size_t size) {
  return memcmp(racing, own, size) == 0;
}

#endif

/* ---- Places ---- */

/* The address of a byte, and the bytes left in its segment from there. */
typedef struct cursor {
  unsigned char *byte;
  uint64_t left;
  uint32_t segment;
} cursor;

static inline bool enter_segment(const cachette__arena *arena, uint32_t segment, uint64_t byte,
                                 cursor *at) {
  if (segment >= arena->segment_count) return false;
  at->segment = segment;
  at->byte = (unsigned char *)(arena->words + ((uint64_t)segment << arena->segment_shift)) + byte;
  at->left = (uint64_t)arena->segment_words * 8 - byte;
  return true;
}

static bool next_segment(const cachette__arena *arena, cursor *at) {
  uint32_t next = atomic_load_explicit(&arena->segments[at->segment].next, memory_order_relaxed);
  return enter_segment(arena, next, 0, at);
}

/* Moves a cursor to `skip` bytes after a position. Returns false if the chain is broken. */
static inline bool seek(const cachette__arena *arena, uint64_t position, uint64_t skip,
                        cursor *at) {
  uint64_t byte = (position & (arena->segment_words - 1)) * 8;
  if (!enter_segment(arena, cachette__segment_of(arena, position), byte, at)) return false;
  while (skip >= at->left) {
    skip -= at->left;
    if (!next_segment(arena, at)) return false;
  }
  at->byte += skip;
  at->left -= skip;
  return true;
}

/* Advances a cursor by at most `size` bytes, up to the end of its segment, after entering the next
 * one if necessary. Returns by how many: the bytes before the cursor. 0: the chain is broken. */
static size_t next_chunk(const cachette__arena *arena, cursor *at, size_t size) {
  if (at->left == 0 && !next_segment(arena, at)) return 0;
  size_t chunk = size < at->left ? size : (size_t)at->left;
  at->byte += chunk;
  at->left -= chunk;
  return chunk;
}

/* ---- Reading ---- */

bool cachette__entry_read(const cachette__arena *arena, uint64_t position, cachette__entry *entry) {
  cursor at;
  if (!seek(arena, position, 0, &at)) return false;
  entry->position = position;
  entry->bytes = at.byte;
  entry->left = at.left;
  uint64_t first = cachette__load_word((const uint64_t *)at.byte);
  if (at.left > 8)
    at.byte += 8;
  else if (!next_segment(arena, &at))
    return false;
  const uint32_t *size = (const uint32_t *)at.byte;
  entry->expires_ms = (int64_t)(first & CACHETTE__EXPIRES_MAX);
  entry->key_size = (uint32_t)(first >> 48) + 1;
  entry->header_size = HEADER;
  entry->value_size = __atomic_load_n(size, __ATOMIC_RELAXED);
  if (entry->value_size & LONG_VALUE) {
    uint64_t high = __atomic_load_n(size + 1, __ATOMIC_RELAXED);
    entry->header_size = LONG_HEADER;
    entry->value_size = (entry->value_size & ~(uint64_t)LONG_VALUE) | high << 31;
  }
  return true;
}

static bool has_key_in_chunks(const cachette__arena *arena, const cachette__entry *entry,
                              const unsigned char *key) {
  cursor at;
  if (!seek(arena, entry->position, entry->header_size, &at)) return false;
  for (size_t left = entry->key_size, chunk; left > 0; left -= chunk, key += chunk) {
    chunk = next_chunk(arena, &at, left);
    if (chunk == 0 || !equal_bytes(at.byte - chunk, key, chunk)) return false;
  }
  return true;
}

bool cachette__entry_has_key(const cachette__arena *arena, const cachette__entry *entry,
                             const void *key) {
  if (entry->header_size + entry->key_size > entry->left)
    return has_key_in_chunks(arena, entry, key);
  return equal_bytes(entry->bytes + entry->header_size, key, entry->key_size);
}

static bool copy_in_chunks(const cachette__arena *arena, const cachette__entry *entry,
                           uint64_t skip, size_t size, unsigned char *data) {
  cursor at;
  if (!seek(arena, entry->position, skip, &at)) return size == 0;
  for (size_t chunk; size > 0; size -= chunk, data += chunk) {
    chunk = next_chunk(arena, &at, size);
    if (chunk == 0) return false;
    read_bytes(at.byte - chunk, data, chunk);
  }
  return true;
}

bool cachette__entry_copy(const cachette__arena *arena, const cachette__entry *entry, uint64_t skip,
                          size_t size, void *data) {
  skip += entry->header_size;
  if (skip + size > entry->left) return copy_in_chunks(arena, entry, skip, size, data);
  if (size > 0) read_bytes(entry->bytes + skip, data, size);
  return true;
}

/* ---- Writing ---- */

uint64_t cachette__entry_words(size_t key_size, uint64_t value_size) {
  uint64_t header = value_size < LONG_VALUE ? HEADER : LONG_HEADER;
  return (header + key_size + value_size + 7) / 8;
}

static void write_chunks(const cachette__arena *arena, cursor *at, const void *data, size_t size) {
  const unsigned char *bytes = data;
  for (size_t chunk; size > 0; size -= chunk, bytes += chunk) {
    chunk = next_chunk(arena, at, size);
    write_bytes(at->byte - chunk, bytes, chunk);
  }
}

void cachette__entry_write(const cachette__arena *arena, uint64_t position, int64_t expires_ms,
                           cachette_slice key, cachette_slice value) {
  cursor at;
  if (!seek(arena, position, 0, &at)) return;
  uint64_t first = (uint64_t)expires_ms | (uint64_t)(key.size - 1) << 48;
  __atomic_store_n((uint64_t *)at.byte, first, __ATOMIC_RELAXED);
  next_chunk(arena, &at, 8);
  uint32_t sizes[2] = {(uint32_t)value.size, 0};
  size_t count = 1;
  if (value.size >= LONG_VALUE) {
    sizes[0] = (uint32_t)(value.size & (LONG_VALUE - 1)) | LONG_VALUE;
    sizes[1] = (uint32_t)((uint64_t)value.size >> 31);
    count = 2;
  }
  for (size_t i = 0; i < count; i++) {
    size_t chunk = next_chunk(arena, &at, 4);
    __atomic_store_n((uint32_t *)(at.byte - chunk), sizes[i], __ATOMIC_RELAXED);
  }
  write_chunks(arena, &at, key.data, key.size);
  write_chunks(arena, &at, value.data, value.size);
}

void cachette__entry_move(const cachette__arena *arena, uint64_t from, uint64_t to,
                          uint64_t words) {
  cursor source, target;
  uint64_t size = words * 8;
  if (!seek(arena, from, 0, &source) || !seek(arena, to, 0, &target)) return;
  while (size > 0) {
    if (source.left == 0) next_segment(arena, &source);
    uint64_t chunk = source.left < size ? source.left : size;
    write_chunks(arena, &target, source.byte, (size_t)chunk);
    source.byte += chunk;
    source.left -= chunk;
    size -= chunk;
  }
}

void cachette__entry_set_expiry(const cachette__arena *arena, uint64_t position,
                                int64_t expires_ms) {
  cursor at;
  if (!seek(arena, position, 0, &at)) return;
  uint64_t *first = (uint64_t *)at.byte;
  uint64_t key = cachette__load_word(first) & ~(uint64_t)CACHETTE__EXPIRES_MAX;
  __atomic_store_n(first, key | (uint64_t)expires_ms, __ATOMIC_RELAXED);
}
