/* SPDX-License-Identifier: MIT */
/*
 * The index of a shard: from a key's hash to the position of its entry.
 *
 *     bucket (64 bytes): 8 slots        slot (64 bits): | position:40 | tag:16 | use:8 |
 *
 * A key may stand in either of two buckets, which lets them fill to some 85% before both of a
 * pair are full. The table grows and shrinks by one bucket at a time (linear hashing: bucket n
 * takes its share of bucket n - 2^k), so no single call pays for a rehash, and stays in its place
 * in the arena: a slot's address never becomes anything else. That is why a reader without a lock
 * may write the `use` byte of a slot: at worst it counts a use for another entry.
 *
 * A slot is empty if its position is 0. Words are read and written as relaxed atomics; a
 * reader that found nothing, or something, checks the shard's version before it believes it.
 */
#ifndef CACHETTE_TABLE_INDEX_H
#define CACHETTE_TABLE_INDEX_H

#include "entry.h"

enum { CACHETTE__SLOTS = 8 };

typedef struct cachette__bucket {
  uint64_t slots[CACHETTE__SLOTS];
} cachette__bucket;

typedef struct cachette__index {
  ptrdiff_t distance;     /* from this struct to the buckets, in bytes */
  _Atomic uint32_t count; /* of buckets; not 0 */
  uint32_t most;          /* that its place in the arena has room for */
  size_t entries;
} cachette__index;

static inline cachette__bucket *cachette__index_buckets(const cachette__index *index) {
  return (cachette__bucket *)((unsigned char *)index + index->distance);
}

#define CACHETTE__USE_MASK UINT64_C(0xff)

static inline uint64_t cachette__slot_make(uint64_t position, uint64_t hash, unsigned use) {
  return position << 24 | (hash >> 48) << 8 | use;
}

static inline uint64_t cachette__slot_position(uint64_t slot) { return slot >> 24; }

/* Whether the slot may hold the entry of a hash: its tag is equal and it is not empty. */
static inline bool cachette__slot_matches(uint64_t slot, uint64_t hash) {
  return ((slot ^ hash >> 40) & 0xffff00) == 0 && slot >> 24 != 0;
}

static inline unsigned cachette__slot_use(uint64_t slot) {
  return (unsigned)(slot & CACHETTE__USE_MASK);
}

/* Writes the use of a slot and nothing else of it. */
static inline void cachette__slot_set_use(uint64_t *slot, unsigned use) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  unsigned char *byte = (unsigned char *)slot;
#else
  unsigned char *byte = (unsigned char *)slot + 7;
#endif
  __atomic_store_n(byte, (unsigned char)use, __ATOMIC_RELAXED);
}

static inline void cachette__slot_store(uint64_t *slot, uint64_t word) {
  __atomic_store_n(slot, word, __ATOMIC_RELEASE);
}

/* The address of a number in a table of `count` buckets. */
static inline uint32_t cachette__index_address(uint32_t number, uint32_t count) {
  uint32_t mask = count > 1 ? UINT32_MAX >> __builtin_clz(count - 1) : 0;
  uint32_t address = number & mask;
  return address < count ? address : address & mask >> 1;
}

/* The two numbers of a hash; the tag comes from its other bits. */
static inline void cachette__index_pair(const cachette__index *index, uint64_t hash, uint32_t count,
                                        cachette__bucket **first, cachette__bucket **second) {
  uint32_t low = (uint32_t)hash;
  uint32_t other = (uint32_t)((hash ^ hash >> 31) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
  cachette__bucket *buckets = cachette__index_buckets(index);
  *first = &buckets[cachette__index_address(low, count)];
  *second = &buckets[cachette__index_address(other, count)];
}

/* What an index asks of its owner when it moves slots: the hash of the entry at a position. */
typedef struct cachette__hasher {
  uint64_t (*hash)(const void *owner, uint64_t position);
  const void *owner;
} cachette__hasher;

/* Begins with one bucket, in `size` bytes of zeros. */
void cachette__index_init(cachette__index *index, void *data, size_t size);

/* The slot that holds this position, or NULL. */
uint64_t *cachette__index_slot_of(const cachette__index *index, uint64_t hash, uint64_t position);

/* A slot for a new entry of this hash, to be filled at once; NULL if both buckets are full. */
uint64_t *cachette__index_room(cachette__index *index, uint64_t hash);

/*
 * Makes room in one of the two full buckets of this hash, by moving entries of theirs to their
 * other bucket, and what stands in the way there to its other one, and so on (cuckoo hashing).
 * False: none was found. The caller keeps readers off.
 */
bool cachette__index_make_room(cachette__index *index, uint64_t hash,
                               const cachette__hasher *hasher);

/* Whether there should be one bucket more, or one less. */
bool cachette__index_wants_more(const cachette__index *index);
bool cachette__index_wants_less(const cachette__index *index);

/* One bucket more, or one less. False: no room for it. The caller keeps readers off. */
bool cachette__index_grow(cachette__index *index, const cachette__hasher *hasher);
bool cachette__index_shrink(cachette__index *index, const cachette__hasher *hasher);

#endif
