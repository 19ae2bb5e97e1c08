/* SPDX-License-Identifier: MIT */
/*
 * How an entry lies in the words of an arena.
 *
 *     word 0            word 1                                  last word
 *     | expires:48 key size - 1:16 | value size:32 | key ... value ... 0 |
 *
 * A value of 2 GiB or more has its size in two more words of 32 bits before the key, and the top
 * bit of the first one set. The bytes go on from one word to the next, and from one segment to the
 * next of its queue.
 *
 * Readers hold no lock: whoever reads checks afterwards that the shard's version has not changed.
 * What is read before that check may be nonsense, so sizes are bounded by what the caller has room
 * for, and a broken chain ends the read.
 */
#ifndef CACHETTE_TABLE_ENTRY_H
#define CACHETTE_TABLE_ENTRY_H

#include "arena.h"
#include "cachette.h"

typedef struct cachette__entry {
  uint64_t position;
  const unsigned char *bytes; /* where it begins, */
  uint64_t left;              /* and how many bytes are left in that segment */
  int64_t expires_ms;
  uint32_t key_size;
  uint32_t head; /* bytes before the key */
  uint64_t value_size;
} cachette__entry;

#define CACHETTE__EXPIRES_MAX ((INT64_C(1) << 48) - 1)

/* Words that an entry takes. */
uint64_t cachette__entry_words(size_t key_size, uint64_t value_size);

static inline uint64_t cachette__entry_size(const cachette__entry *entry) {
  return (entry->head + entry->key_size + entry->value_size + 7) / 8;
}

static inline uint64_t cachette__load_word(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Reads what stands before the key. False: there is no such chain (only without the lock). */
bool cachette__entry_read(const cachette__arena *arena, uint64_t position, cachette__entry *entry);

/* Whether the entry's key is this one; its size must be equal already. */
bool cachette__entry_has_key(const cachette__arena *arena, const cachette__entry *entry,
                             const void *key);

/* Copies `size` bytes from the entry's key on, after skipping some. False: a broken chain. */
bool cachette__entry_copy(const cachette__arena *arena, const cachette__entry *entry, uint64_t skip,
                          size_t size, void *data);

/* Writes a whole entry at a position whose chain of segments is there. */
void cachette__entry_write(const cachette__arena *arena, uint64_t position, int64_t expires_ms,
                           cachette_slice key, cachette_slice value);

/* Gives an entry another end; the position is that of one. */
void cachette__entry_set_expiry(const cachette__arena *arena, uint64_t position,
                                int64_t expires_ms);

/* Copies `words` from one place to another; both chains are there. */
void cachette__entry_move(const cachette__arena *arena, uint64_t from, uint64_t to, uint64_t words);

#endif
