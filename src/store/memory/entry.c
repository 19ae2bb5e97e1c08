/* SPDX-License-Identifier: MIT */
#include "entry.h"

#include <string.h>

enum { HEAD = 12, LONG_HEAD = 16 };

#define LONG_VALUE (UINT32_C(1) << 31)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define IN_MEMORY_ORDER(word) (word)
#else
#define IN_MEMORY_ORDER(word) __builtin_bswap64(word)
#endif

static inline void store_word(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* ---- Places ------------------------------------------------------------------- */

/* Where a word lies, and how many are left in its segment from there. */
typedef struct place {
  uint64_t *word;
  uint32_t segment;
  uint32_t left;
} place;

static inline bool enter_segment(const cachette__arena *arena, uint32_t segment, uint32_t word,
                                 place *at) {
  if (segment >= arena->segment_count) return false;
  at->segment = segment;
  at->word = arena->words + ((uint64_t)segment << arena->segment_shift) + word;
  at->left = arena->segment_words - word;
  return true;
}

static bool next_segment(const cachette__arena *arena, place *at) {
  uint32_t next = atomic_load_explicit(&arena->segments[at->segment].next, memory_order_relaxed);
  return enter_segment(arena, next, 0, at);
}

/* The place `words` behind a position. */
static inline bool find_place(const cachette__arena *arena, uint64_t position, uint64_t words,
                              place *at) {
  uint32_t word = (uint32_t)position & (arena->segment_words - 1);
  if (!enter_segment(arena, cachette__segment_of(arena, position), word, at)) return false;
  while (words >= at->left) {
    words -= at->left;
    if (!next_segment(arena, at)) return false;
  }
  at->word += words;
  at->left -= (uint32_t)words;
  return true;
}

/* ---- Reading -------------------------------------------------------------------- */

/* Eight bytes from so many bytes behind a word on. */
static inline uint64_t load_bytes(const uint64_t *word, size_t bytes) {
  unsigned low = 8 * (bytes % 8);
  word += bytes / 8;
  uint64_t value = cachette__load_word(word) >> low;
  if (low > 0) value |= cachette__load_word(word + 1) << (64 - low);
  return IN_MEMORY_ORDER(value);
}

/* Up to eight bytes, of which no word beyond the last of them is read; the rest is 0. */
static inline uint64_t load_few_bytes(const uint64_t *word, unsigned offset, size_t size) {
  unsigned low = 8 * offset;
  uint64_t value = cachette__load_word(word) >> low;
  if (offset + size > 8) value |= cachette__load_word(word + 1) << (64 - low);
  return value & UINT64_MAX >> (64 - 8 * size);
}

/* Copies words that begin `low` bits into the first one; inlined with `low` known, for it is most
 * of a hit. */
static inline __attribute__((always_inline)) void copy_words(const uint64_t *word, size_t count,
                                                             unsigned low, unsigned char *data) {
  uint64_t held = cachette__load_word(word) >> low;
  for (size_t i = 0; i < count; i++) {
    uint64_t next = low > 0 || i + 1 < count ? cachette__load_word(word + i + 1) : 0;
    uint64_t bytes = IN_MEMORY_ORDER(low > 0 ? held | next << (64 - low) : held);
    memcpy(data + 8 * i, &bytes, 8);
    held = next >> low;
  }
}

/* Copies bytes that lie in one segment, from `offset` (0 to 7) bytes into the first word. */
static void copy_piece(const uint64_t *word, unsigned offset, size_t size, unsigned char *data) {
  if (size == 0) return;
  if (size < 8) {
    uint64_t bytes = IN_MEMORY_ORDER(load_few_bytes(word, offset, size));
    memcpy(data, &bytes, size);
    return;
  }
  /* Whole words, and then the last eight bytes, some of them once more. */
  uint64_t bytes = load_bytes(word, offset + size - 8);
  memcpy(data + size - 8, &bytes, 8);
  size_t count = size / 8;
  switch (offset) {
    case 0:
      copy_words(word, count, 0, data);
      break;
    case 1:
      copy_words(word, count, 8, data);
      break;
    case 2:
      copy_words(word, count, 16, data);
      break;
    case 3:
      copy_words(word, count, 24, data);
      break;
    case 4:
      copy_words(word, count, 32, data);
      break;
    case 5:
      copy_words(word, count, 40, data);
      break;
    case 6:
      copy_words(word, count, 48, data);
      break;
    default:
      copy_words(word, count, 56, data);
  }
}

/* Copies bytes that lie behind a position, wherever segments end. */
static bool copy_out(const cachette__arena *arena, uint64_t position, uint64_t skip, size_t size,
                     unsigned char *data) {
  place at;
  if (!find_place(arena, position, skip / 8, &at)) return size == 0;
  unsigned offset = skip % 8;
  while (size > 0) {
    uint64_t left = (uint64_t)at.left * 8 - offset;
    size_t piece = size < left ? size : (size_t)left;
    copy_piece(at.word, offset, piece, data);
    data += piece;
    size -= piece;
    offset = 0;
    if (size > 0 && !next_segment(arena, &at)) return false;
  }
  return true;
}

/* Compares bytes that lie in one segment. */
static inline bool equal_piece(const uint64_t *word, unsigned offset, size_t size,
                               const unsigned char *data) {
  uint64_t bytes = 0;
  if (size == 0) return true;
  if (size < 8) {
    memcpy(&bytes, data, size);
    return load_few_bytes(word, offset, size) == IN_MEMORY_ORDER(bytes);
  }
  for (size_t i = 0; i + 8 < size; i += 8) {
    memcpy(&bytes, data + i, 8);
    if (load_bytes(word, offset + i) != bytes) return false;
  }
  memcpy(&bytes, data + size - 8, 8);
  return load_bytes(word, offset + size - 8) == bytes;
}

bool cachette__entry_read(const cachette__arena *arena, uint64_t position, cachette__entry *entry) {
  place at;
  if (!find_place(arena, position, 0, &at)) return false;
  entry->position = position;
  entry->words = at.word;
  entry->left = at.left;
  uint64_t first = cachette__load_word(at.word);
  if (at.left > 1)
    at.word++;
  else if (!next_segment(arena, &at))
    return false;
  uint64_t second = cachette__load_word(at.word);
  entry->expires_ms = (int64_t)(first & CACHETTE__EXPIRES_MAX);
  entry->key_size = (uint32_t)(first >> 48) + 1;
  entry->head = HEAD;
  entry->value_size = second & UINT32_MAX;
  if (entry->value_size & LONG_VALUE) {
    entry->head = LONG_HEAD;
    entry->value_size = (entry->value_size & ~(uint64_t)LONG_VALUE) | (second >> 32) << 31;
  }
  return true;
}

/* Whether so many of the entry's bytes lie in the segment in which it begins. */
static inline bool is_flat(const cachette__entry *entry, uint64_t end) {
  return end <= (uint64_t)entry->left * 8;
}

static bool has_key_in_pieces(const cachette__arena *arena, const cachette__entry *entry,
                              const unsigned char *key) {
  size_t left = entry->key_size;
  unsigned offset = entry->head % 8;
  place at;
  if (!find_place(arena, entry->position, entry->head / 8, &at)) return false;
  for (;;) {
    uint64_t room = (uint64_t)at.left * 8 - offset;
    size_t piece = left < room ? left : (size_t)room;
    if (!equal_piece(at.word, offset, piece, key)) return false;
    key += piece;
    left -= piece;
    offset = 0;
    if (left == 0) return true;
    if (!next_segment(arena, &at)) return false;
  }
}

bool cachette__entry_has_key(const cachette__arena *arena, const cachette__entry *entry,
                             const void *key) {
  if (!is_flat(entry, entry->head + entry->key_size)) return has_key_in_pieces(arena, entry, key);
  return equal_piece(entry->words + entry->head / 8, entry->head % 8, entry->key_size, key);
}

bool cachette__entry_copy(const cachette__arena *arena, const cachette__entry *entry, uint64_t skip,
                          size_t size, void *data) {
  skip += entry->head;
  if (!is_flat(entry, skip + size)) return copy_out(arena, entry->position, skip, size, data);
  copy_piece(entry->words + skip / 8, skip % 8, size, data);
  return true;
}

/* ---- Writing ----------------------------------------------------------------------- */

/* Bytes on their way into words: up to seven wait in `held` until the word is full. */
struct writer {
  const cachette__arena *arena;
  place at;
  uint64_t held;
  unsigned fill; /* bytes in `held` */
};

static void put_word(struct writer *writer, uint64_t word) {
  if (writer->at.left == 0) next_segment(writer->arena, &writer->at);
  store_word(writer->at.word++, word);
  writer->at.left--;
}

static void put_bytes(struct writer *writer, const void *data, size_t size) {
  const unsigned char *bytes = data;
  unsigned low = 8 * writer->fill;
  for (; size >= 8; size -= 8, bytes += 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    word = IN_MEMORY_ORDER(word);
    put_word(writer, writer->held | word << low);
    writer->held = low > 0 ? word >> (64 - low) : 0;
  }
  if (size == 0) return;
  uint64_t word = 0;
  memcpy(&word, bytes, size);
  word = IN_MEMORY_ORDER(word);
  writer->held |= word << low;
  writer->fill += (unsigned)size;
  if (writer->fill < 8) return;
  put_word(writer, writer->held);
  writer->fill -= 8;
  writer->held = low > 0 ? word >> (64 - low) : 0;
}

uint64_t cachette__entry_words(size_t key_size, uint64_t value_size) {
  uint64_t head = value_size < LONG_VALUE ? HEAD : LONG_HEAD;
  return (head + key_size + value_size + 7) / 8;
}

void cachette__entry_write(const cachette__arena *arena, uint64_t position, int64_t expires_ms,
                           cachette_slice key, cachette_slice value) {
  struct writer writer = {.arena = arena};
  find_place(arena, position, 0, &writer.at);
  put_word(&writer, (uint64_t)expires_ms | (uint64_t)(key.size - 1) << 48);
  if (value.size < LONG_VALUE) {
    writer.held = value.size;
    writer.fill = 4;
  } else {
    uint64_t low = value.size & (LONG_VALUE - 1), high = (uint64_t)value.size >> 31;
    put_word(&writer, low | LONG_VALUE | high << 32);
  }
  put_bytes(&writer, key.data, key.size);
  if (value.size > 0) put_bytes(&writer, value.data, value.size);
  if (writer.fill > 0) put_word(&writer, writer.held);
}

void cachette__entry_move(const cachette__arena *arena, uint64_t from, uint64_t to,
                          uint64_t words) {
  place source = {0}, target = {0};
  find_place(arena, from, 0, &source);
  find_place(arena, to, 0, &target);
  while (words > 0) {
    if (source.left == 0) next_segment(arena, &source);
    if (target.left == 0) next_segment(arena, &target);
    uint64_t run = source.left < target.left ? source.left : target.left;
    if (run > words) run = words;
    for (uint64_t i = 0; i < run; i++)
      store_word(target.word + i, cachette__load_word(source.word + i));
    source.word += run;
    target.word += run;
    source.left -= (uint32_t)run;
    target.left -= (uint32_t)run;
    words -= run;
  }
}
