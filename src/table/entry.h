/* SPDX-License-Identifier: MIT */
/*
 * The layout of an entry in the words of an arena.
 *
 *     word 0            word 1                                  last word
 *     | expires:48 key size - 1:16 | value size:32 | key ... value ... 0 |
 *
 * For a value of 2 GiB or more, the size takes two words of 32 bits, and the first has its top bit
 * set. The bytes continue from one word to the next, and from one segment to the next of its queue.
 *
 * Readers hold no lock: a reader checks afterwards that the shard's version has not changed. Until
 * then whatever it read may be garbage. So sizes are bounded by the caller's buffer, and a broken
 * chain of segments ends the read.
 */
#ifndef CACHETTE_TABLE_ENTRY_H
#define CACHETTE_TABLE_ENTRY_H

#include "arena.h"
#include "cachette.h"

typedef struct cachette__entry {
  uint64_t position;
  const unsigned char *bytes; /* of the whole entry */
  uint64_t left;              /* bytes from there to the end of the segment */
  int64_t expires_ms;
  uint32_t key_size;
  uint32_t header_size; /* bytes before the key */
  uint64_t value_size;
} cachette__entry;

#define CACHETTE__EXPIRES_MAX ((INT64_C(1) << 48) - 1)

/* The number of words of an entry. */
uint64_t cachette__entry_words(size_t key_size, uint64_t value_size);

static inline uint64_t cachette__entry_size(const cachette__entry *entry) {
  return (entry->header_size + entry->key_size + entry->value_size + 7) / 8;
}

static inline uint64_t cachette__load_word(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Reads the header of an entry. Returns false if its chain is broken, which only happens without
 * the lock. */
bool cachette__entry_read(const cachette__arena *arena, uint64_t position, cachette__entry *entry);

/* Whether the entry has this key, whose size is known to be equal. */
bool cachette__entry_has_key(const cachette__arena *arena, const cachette__entry *entry,
                             const void *key);

/* Copies `size` bytes, starting `skip` bytes after the start of the entry's key. Returns false if
 * the chain is broken. */
bool cachette__entry_copy(const cachette__arena *arena, const cachette__entry *entry, uint64_t skip,
                          size_t size, void *data);

/* Writes a whole entry at a position whose segments are allocated and linked. */
void cachette__entry_write(const cachette__arena *arena, uint64_t position, int64_t expires_ms,
                           cachette_slice key, cachette_slice value);

/* Changes the expiry of the entry at a position. */
void cachette__entry_set_expiry(const cachette__arena *arena, uint64_t position,
                                int64_t expires_ms);

/* Copies `words` words between two positions whose segments are allocated and linked. */
void cachette__entry_move(const cachette__arena *arena, uint64_t from, uint64_t to, uint64_t words);

#endif
