/* SPDX-License-Identifier: MIT */
#include "index.h"

/* Entries per bucket: above MAX_FILL the index grows, below MIN_FILL it shrinks. */
#define MAX_FILL 6.4
#define MIN_FILL 3.6

/* How many entries one displacement moves at most, and how many paths it tries. */
enum { MAX_PATH = 5, MAX_TRIES = 32 };

void cachette__index_init(cachette__index *index, void *data, size_t size) {
  size_t capacity = size / sizeof(cachette__bucket);
  index->offset = (unsigned char *)data - (unsigned char *)index;
  index->capacity = capacity < UINT32_MAX ? (uint32_t)capacity : UINT32_MAX;
  index->entries = 0;
  atomic_init(&index->count, 1);
}

static uint32_t count_of(const cachette__index *index) {
  return atomic_load_explicit(&index->count, memory_order_relaxed);
}

uint64_t *cachette__index_find_slot(const cachette__index *index, uint64_t hash,
                                    uint64_t position) {
  cachette__bucket *pair[2];
  cachette__index_pair(index, hash, count_of(index), &pair[0], &pair[1]);
  for (int side = 0; side < 2; side++)
    for (int i = 0; i < CACHETTE__SLOTS; i++) {
      uint64_t *slot = &pair[side]->slots[i];
      if (cachette__slot_position(cachette__load_word(slot)) == position) return slot;
    }
  return NULL;
}

/* Counts the empty slots of a bucket, and sets `*empty` to the last one. */
static int count_empty(cachette__bucket *bucket, uint64_t **empty) {
  int count = 0;
  for (int i = 0; i < CACHETTE__SLOTS; i++) {
    if (cachette__slot_position(cachette__load_word(&bucket->slots[i])) != 0) continue;
    *empty = &bucket->slots[i];
    count++;
  }
  return count;
}

uint64_t *cachette__index_find_empty(cachette__index *index, uint64_t hash) {
  cachette__bucket *first, *second;
  uint64_t *in_first = NULL, *in_second = NULL;
  cachette__index_pair(index, hash, count_of(index), &first, &second);
  int first_empty = count_empty(first, &in_first);
  int second_empty = count_empty(second, &in_second);
  return first_empty >= second_empty ? in_first : in_second;
}

/* The other bucket in which the entry of a slot may be. */
static cachette__bucket *other_bucket(const cachette__index *index, const cachette__bucket *current,
                                      uint64_t word, const cachette__hasher *hasher) {
  cachette__bucket *choice[2];
  uint64_t hash = hasher->hash(hasher->owner, cachette__slot_position(word));
  cachette__index_pair(index, hash, count_of(index), &choice[0], &choice[1]);
  return choice[choice[0] == current];
}

/*
 * Follows entries from one full bucket to the next until a bucket has an empty slot. Then moves
 * each entry along that path, the last one first. `choices` selects the entry to follow in each
 * bucket.
 */
static bool displace_along_path(cachette__index *index, cachette__bucket *bucket, uint32_t choices,
                                const cachette__hasher *hasher) {
  uint64_t *path[MAX_PATH], *empty;
  for (int length = 0; length < MAX_PATH; length++, choices /= CACHETTE__SLOTS) {
    uint64_t *slot = path[length] = &bucket->slots[choices % CACHETTE__SLOTS];
    for (int i = 0; i < length; i++)
      if (path[i] == slot) return false;
    bucket = other_bucket(index, bucket, cachette__load_word(slot), hasher);
    if (count_empty(bucket, &empty) == 0) continue;
    for (int i = length; i >= 0; empty = path[i--])
      cachette__slot_store(empty, cachette__load_word(path[i]));
    cachette__slot_store(path[0], 0);
    return true;
  }
  return false;
}

bool cachette__index_displace(cachette__index *index, uint64_t hash,
                              const cachette__hasher *hasher) {
  cachette__bucket *pair[2];
  cachette__index_pair(index, hash, count_of(index), &pair[0], &pair[1]);
  for (uint32_t tries = 0; tries < MAX_TRIES; tries++) {
    uint32_t choices = (uint32_t)(hash >> 16) + tries * UINT32_C(0x9e3779b1);
    if (displace_along_path(index, pair[tries & 1], choices, hasher)) return true;
  }
  return false;
}

bool cachette__index_should_grow(const cachette__index *index) {
  return (double)index->entries > MAX_FILL * count_of(index);
}

bool cachette__index_should_shrink(const cachette__index *index) {
  return count_of(index) > 1 && (double)index->entries < MIN_FILL * (count_of(index) - 1);
}

/* The bucket from which the last of `count` buckets was split. */
static uint32_t sibling_of(uint32_t last) {
  return last - (UINT32_C(1) << (31 - __builtin_clz(last)));
}

bool cachette__index_grow(cachette__index *index, const cachette__hasher *hasher) {
  uint32_t count = count_of(index);
  if (count >= index->capacity) return false;
  cachette__bucket *buckets = cachette__index_buckets(index);
  cachette__bucket *old = &buckets[sibling_of(count)], *added = &buckets[count];
  int used = 0;
  for (int i = 0; i < CACHETTE__SLOTS; i++) cachette__slot_store(&added->slots[i], 0);
  for (int i = 0; i < CACHETTE__SLOTS; i++) {
    uint64_t slot = cachette__load_word(&old->slots[i]);
    if (cachette__slot_position(slot) == 0) continue;
    cachette__bucket *first, *second;
    uint64_t hash = hasher->hash(hasher->owner, cachette__slot_position(slot));
    cachette__index_pair(index, hash, count + 1, &first, &second);
    if (first == old || second == old) continue;
    cachette__slot_store(&added->slots[used++], slot);
    cachette__slot_store(&old->slots[i], 0);
  }
  atomic_store_explicit(&index->count, count + 1, memory_order_relaxed);
  return true;
}

bool cachette__index_shrink(cachette__index *index, const cachette__hasher *hasher) {
  uint32_t count = count_of(index);
  if (count == 1) return false;
  cachette__bucket *last = &cachette__index_buckets(index)[count - 1];
  uint64_t *targets[CACHETTE__SLOTS] = {NULL};
  bool all_fit = true;
  for (int i = 0; i < CACHETTE__SLOTS && all_fit; i++) {
    uint64_t slot = cachette__load_word(&last->slots[i]);
    if (cachette__slot_position(slot) == 0) continue;
    cachette__bucket *pair[2];
    uint64_t hash = hasher->hash(hasher->owner, cachette__slot_position(slot));
    cachette__index_pair(index, hash, count - 1, &pair[0], &pair[1]);
    for (int side = 0; side < 2 && targets[i] == NULL; side++) count_empty(pair[side], &targets[i]);
    all_fit = targets[i] != NULL;
    if (all_fit) cachette__slot_store(targets[i], slot);
  }
  /* The moved entries are in two slots now; clear one of the two. */
  for (int i = 0; i < CACHETTE__SLOTS; i++) {
    if (all_fit)
      cachette__slot_store(&last->slots[i], 0);
    else if (targets[i] != NULL)
      cachette__slot_store(targets[i], 0);
  }
  if (all_fit) atomic_store_explicit(&index->count, count - 1, memory_order_relaxed);
  return all_fit;
}
