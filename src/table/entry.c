/* SPDX-License-Identifier: MIT */
#include "entry.h"

#include <string.h>

enum { HEAD = 12, LONG_HEAD = 16 };

#define LONG_VALUE (UINT32_C(1) << 31)

/* ---- Bytes that others may be writing ---- */

/*
 * Readers hold no lock, so what they copy may be written meanwhile; they throw it away then. C has
 * no name for such a copy yet (C++ is to get one: P1478, byte-wise atomic memcpy). Relaxed atomic
 * bytes are what it means, and what the thread sanitizer is shown; memcpy() between the version's
 * acquire and fence is what compilers make of it everywhere else.
 */
#if defined(__SANITIZE_THREAD__)
#define SHOW_RACES 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHOW_RACES 1
#endif
#endif

#ifdef SHOW_RACES

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

/* Where a byte lies, and how many are left in its segment from there. */
typedef struct place {
  unsigned char *byte;
  uint64_t left;
  uint32_t segment;
} place;

static inline bool enter_segment(const cachette__arena *arena, uint32_t segment, uint64_t byte,
                                 place *at) {
  if (segment >= arena->segment_count) return false;
  at->segment = segment;
  at->byte = (unsigned char *)(arena->words + ((uint64_t)segment << arena->segment_shift)) + byte;
  at->left = (uint64_t)arena->segment_words * 8 - byte;
  return true;
}

static bool next_segment(const cachette__arena *arena, place *at) {
  uint32_t next = atomic_load_explicit(&arena->segments[at->segment].next, memory_order_relaxed);
  return enter_segment(arena, next, 0, at);
}

/* The place so many bytes behind a position. */
static inline bool find_place(const cachette__arena *arena, uint64_t position, uint64_t skip,
                              place *at) {
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

/* How much of `size` bytes lies in the segment of a place, which moves behind it; the next segment
 * is entered when more is to come. 0: the chain is broken. */
static size_t take_piece(const cachette__arena *arena, place *at, size_t size) {
  if (at->left == 0 && !next_segment(arena, at)) return 0;
  size_t piece = size < at->left ? size : (size_t)at->left;
  at->byte += piece;
  at->left -= piece;
  return piece;
}

/* ---- Reading ---- */

bool cachette__entry_read(const cachette__arena *arena, uint64_t position, cachette__entry *entry) {
  place at;
  if (!find_place(arena, position, 0, &at)) return false;
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
  entry->head = HEAD;
  entry->value_size = __atomic_load_n(size, __ATOMIC_RELAXED);
  if (entry->value_size & LONG_VALUE) {
    uint64_t high = __atomic_load_n(size + 1, __ATOMIC_RELAXED);
    entry->head = LONG_HEAD;
    entry->value_size = (entry->value_size & ~(uint64_t)LONG_VALUE) | high << 31;
  }
  return true;
}

static bool has_key_in_pieces(const cachette__arena *arena, const cachette__entry *entry,
                              const unsigned char *key) {
  place at;
  if (!find_place(arena, entry->position, entry->head, &at)) return false;
  for (size_t left = entry->key_size, piece; left > 0; left -= piece, key += piece) {
    piece = take_piece(arena, &at, left);
    if (piece == 0 || !equal_bytes(at.byte - piece, key, piece)) return false;
  }
  return true;
}

bool cachette__entry_has_key(const cachette__arena *arena, const cachette__entry *entry,
                             const void *key) {
  if (entry->head + entry->key_size > entry->left) return has_key_in_pieces(arena, entry, key);
  return equal_bytes(entry->bytes + entry->head, key, entry->key_size);
}

static bool copy_in_pieces(const cachette__arena *arena, const cachette__entry *entry,
                           uint64_t skip, size_t size, unsigned char *data) {
  place at;
  if (!find_place(arena, entry->position, skip, &at)) return size == 0;
  for (size_t piece; size > 0; size -= piece, data += piece) {
    piece = take_piece(arena, &at, size);
    if (piece == 0) return false;
    read_bytes(at.byte - piece, data, piece);
  }
  return true;
}

bool cachette__entry_copy(const cachette__arena *arena, const cachette__entry *entry, uint64_t skip,
                          size_t size, void *data) {
  skip += entry->head;
  if (skip + size > entry->left) return copy_in_pieces(arena, entry, skip, size, data);
  if (size > 0) read_bytes(entry->bytes + skip, data, size);
  return true;
}

/* ---- Writing ---- */

uint64_t cachette__entry_words(size_t key_size, uint64_t value_size) {
  uint64_t head = value_size < LONG_VALUE ? HEAD : LONG_HEAD;
  return (head + key_size + value_size + 7) / 8;
}

static void put_bytes(const cachette__arena *arena, place *at, const void *data, size_t size) {
  const unsigned char *bytes = data;
  for (size_t piece; size > 0; size -= piece, bytes += piece) {
    piece = take_piece(arena, at, size);
    write_bytes(at->byte - piece, bytes, piece);
  }
}

void cachette__entry_write(const cachette__arena *arena, uint64_t position, int64_t expires_ms,
                           cachette_slice key, cachette_slice value) {
  place at;
  if (!find_place(arena, position, 0, &at)) return;
  uint64_t first = (uint64_t)expires_ms | (uint64_t)(key.size - 1) << 48;
  __atomic_store_n((uint64_t *)at.byte, first, __ATOMIC_RELAXED);
  take_piece(arena, &at, 8);
  uint32_t sizes[2] = {(uint32_t)value.size, 0};
  size_t count = 1;
  if (value.size >= LONG_VALUE) {
    sizes[0] = (uint32_t)(value.size & (LONG_VALUE - 1)) | LONG_VALUE;
    sizes[1] = (uint32_t)((uint64_t)value.size >> 31);
    count = 2;
  }
  for (size_t i = 0; i < count; i++) {
    size_t piece = take_piece(arena, &at, 4);
    __atomic_store_n((uint32_t *)(at.byte - piece), sizes[i], __ATOMIC_RELAXED);
  }
  put_bytes(arena, &at, key.data, key.size);
  put_bytes(arena, &at, value.data, value.size);
}

void cachette__entry_move(const cachette__arena *arena, uint64_t from, uint64_t to,
                          uint64_t words) {
  place source, target;
  uint64_t size = words * 8;
  if (!find_place(arena, from, 0, &source) || !find_place(arena, to, 0, &target)) return;
  while (size > 0) {
    if (source.left == 0) next_segment(arena, &source);
    uint64_t run = source.left < size ? source.left : size;
    put_bytes(arena, &target, source.byte, (size_t)run);
    source.byte += run;
    source.left -= run;
    size -= run;
  }
}

void cachette__entry_set_expiry(const cachette__arena *arena, uint64_t position,
                                int64_t expires_ms) {
  place at;
  if (!find_place(arena, position, 0, &at)) return;
  uint64_t *first = (uint64_t *)at.byte;
  uint64_t key = cachette__load_word(first) & ~(uint64_t)CACHETTE__EXPIRES_MAX;
  __atomic_store_n(first, key | (uint64_t)expires_ms, __ATOMIC_RELAXED);
}
