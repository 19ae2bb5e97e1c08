/* SPDX-License-Identifier: MIT */
/*
 * The index of a shard: maps the hash of a key to the position of its entry.
 *
 *     bucket (64 bytes): 8 slots        slot (64 bits): | position:40 | tag:16 | use:8 |
 *
 * An entry may be in either of two buckets, which allows a fill of about 85% before both are full.
 * The table grows and shrinks by one bucket at a time (linear hashing: bucket n takes its share of
 * bucket n - 2^k), so no single call pays for a rehash.
 *
 * The buckets never move in the arena, so the address of a slot always remains a slot. That is why
 * a reader without a lock may write the `use` byte: at worst it counts a use for another entry.
 *
 * A slot with position 0 is empty. Words are read and written as relaxed atomics; after a hit or a
 * miss a reader checks the shard's version before it trusts the result.
 */
#ifndef CACHETTE_TABLE_INDEX_H
#define CACHETTE_TABLE_INDEX_H

#include "entry.h"

enum { CACHETTE__SLOTS = 8 };

typedef struct cachette__bucket {
  uint64_t slots[CACHETTE__SLOTS];
} cachette__bucket;

typedef struct cachette__index {
  ptrdiff_t offset;       /* bytes from this struct to the buckets */
  _Atomic uint32_t count; /* of buckets; at least 1 */
  uint32_t capacity;      /* max buckets */
  size_t entries;
} cachette__index;

static inline cachette__bucket *cachette__index_buckets(const cachette__index *index) {
  return (cachette__bucket *)((unsigned char *)index + index->offset);
}

#define CACHETTE__USE_MASK UINT64_C(0xff)

static inline uint64_t cachette__slot_make(uint64_t position, uint64_t hash, unsigned use) {
  return position << 24 | (hash >> 48) << 8 | use;
}

static inline uint64_t cachette__slot_position(uint64_t slot) { return slot >> 24; }

/* Whether the slot may hold the entry of a hash: it is not empty and its tag matches. */
static inline bool cachette__slot_matches(uint64_t slot, uint64_t hash) {
  return ((slot ^ hash >> 40) & 0xffff00) == 0 && slot >> 24 != 0;
}

static inline unsigned cachette__slot_use(uint64_t slot) {
  return (unsigned)(slot & CACHETTE__USE_MASK);
}

/* Writes only the use byte of a slot. */
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

/* The bucket of a hash in a table of `count` buckets. */
static inline uint32_t cachette__index_address(uint32_t hash, uint32_t count) {
  uint32_t mask = count > 1 ? UINT32_MAX >> __builtin_clz(count - 1) : 0;
  uint32_t address = hash & mask;
  return address < count ? address : address & mask >> 1;
}

/* The two buckets of a hash. The tag comes from other bits of it. */
static inline void cachette__index_pair(const cachette__index *index, uint64_t hash, uint32_t count,
                                        cachette__bucket **first, cachette__bucket **second) {
  uint32_t low = (uint32_t)hash;
  uint32_t other = (uint32_t)((hash ^ hash >> 31) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
  cachette__bucket *buckets = cachette__index_buckets(index);
  *first = &buckets[cachette__index_address(low, count)];
  *second = &buckets[cachette__index_address(other, count)];
}

/* Provided by the owner of an index, which needs it to move slots: hashes the key of the entry at a
 * position. */
typedef struct cachette__hasher {
  uint64_t (*hash)(const void *owner, uint64_t position);
  const void *owner;
} cachette__hasher;

/* Initializes an index with one bucket, in `size` bytes that are all zero. */
void cachette__index_init(cachette__index *index, void *data, size_t size);

/* Returns the slot with this position, or NULL. */
uint64_t *cachette__index_find_slot(const cachette__index *index, uint64_t hash, uint64_t position);

/* Returns an empty slot for a new entry of this hash, to be filled at once. NULL: both buckets are
 * full. */
uint64_t *cachette__index_find_empty(cachette__index *index, uint64_t hash);

/*
 * Empties a slot in one of the two full buckets of this hash: moves an entry to its other bucket,
 * if necessary after moving an entry from there to its other one, and so on (cuckoo hashing).
 * Returns false if it finds no such path. The caller keeps readers out.
 */
bool cachette__index_displace(cachette__index *index, uint64_t hash,
                              const cachette__hasher *hasher);

/* Whether to add or remove a bucket. */
bool cachette__index_should_grow(const cachette__index *index);
bool cachette__index_should_shrink(const cachette__index *index);

/* Add or remove one bucket. Return false if that is not possible. The caller keeps readers out. */
bool cachette__index_grow(cachette__index *index, const cachette__hasher *hasher);
bool cachette__index_shrink(cachette__index *index, const cachette__hasher *hasher);

#endif
