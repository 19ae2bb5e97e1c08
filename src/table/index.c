/* SPDX-License-Identifier: MIT */
#include "index.h"

/* In slots of a bucket: above this it grows, below that it shrinks. */
#define MOST_FILL 6.4
#define LEAST_FILL 3.6

/* How far entries are moved to make room for one, and how many ways are tried. */
enum { LONGEST_SHIFT = 5, SHIFT_TRIES = 32 };

void cachette__index_init(cachette__index *index, void *data, size_t size) {
  size_t most = size / sizeof(cachette__bucket);
  index->distance = (unsigned char *)data - (unsigned char *)index;
  index->most = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
  index->entries = 0;
  atomic_init(&index->count, 1);
}

static uint32_t count_of(const cachette__index *index) {
  return atomic_load_explicit(&index->count, memory_order_relaxed);
}

uint64_t *cachette__index_slot_of(const cachette__index *index, uint64_t hash, uint64_t position) {
  cachette__bucket *pair[2];
  cachette__index_pair(index, hash, count_of(index), &pair[0], &pair[1]);
  for (int side = 0; side < 2; side++)
    for (int i = 0; i < CACHETTE__SLOTS; i++) {
      uint64_t *slot = &pair[side]->slots[i];
      if (cachette__slot_position(cachette__load_word(slot)) == position) return slot;
    }
  return NULL;
}

/* How many slots of a bucket are empty, and one of them. */
static int empty_slots(cachette__bucket *bucket, uint64_t **empty) {
  int count = 0;
  for (int i = 0; i < CACHETTE__SLOTS; i++) {
    if (cachette__slot_position(cachette__load_word(&bucket->slots[i])) != 0) continue;
    *empty = &bucket->slots[i];
    count++;
  }
  return count;
}

uint64_t *cachette__index_room(cachette__index *index, uint64_t hash) {
  cachette__bucket *first, *second;
  uint64_t *in_first = NULL, *in_second = NULL;
  cachette__index_pair(index, hash, count_of(index), &first, &second);
  int first_empty = empty_slots(first, &in_first);
  int second_empty = empty_slots(second, &in_second);
  return first_empty >= second_empty ? in_first : in_second;
}

/* The other bucket in which the entry of a slot may stand. */
static cachette__bucket *other_bucket(const cachette__index *index, const cachette__bucket *own,
                                      uint64_t word, const cachette__hasher *hasher) {
  cachette__bucket *choice[2];
  uint64_t hash = hasher->hash(hasher->owner, cachette__slot_position(word));
  cachette__index_pair(index, hash, count_of(index), &choice[0], &choice[1]);
  return choice[choice[0] == own];
}

/* Follows entries from one full bucket to the next until one has room, then moves them all by one
 * place, the last first. `choices` says which entry of each bucket to follow. */
static bool shift_entries(cachette__index *index, cachette__bucket *bucket, uint32_t choices,
                          const cachette__hasher *hasher) {
  uint64_t *path[LONGEST_SHIFT], *room;
  for (int length = 0; length < LONGEST_SHIFT; length++, choices /= CACHETTE__SLOTS) {
    uint64_t *slot = path[length] = &bucket->slots[choices % CACHETTE__SLOTS];
    for (int i = 0; i < length; i++)
      if (path[i] == slot) return false;
    bucket = other_bucket(index, bucket, cachette__load_word(slot), hasher);
    if (empty_slots(bucket, &room) == 0) continue;
    for (int i = length; i >= 0; room = path[i--])
      cachette__slot_store(room, cachette__load_word(path[i]));
    cachette__slot_store(path[0], 0);
    return true;
  }
  return false;
}

bool cachette__index_make_room(cachette__index *index, uint64_t hash,
                               const cachette__hasher *hasher) {
  cachette__bucket *pair[2];
  cachette__index_pair(index, hash, count_of(index), &pair[0], &pair[1]);
  for (uint32_t tries = 0; tries < SHIFT_TRIES; tries++) {
    uint32_t choices = (uint32_t)(hash >> 16) + tries * UINT32_C(0x9e3779b1);
    if (shift_entries(index, pair[tries & 1], choices, hasher)) return true;
  }
  return false;
}

bool cachette__index_wants_more(const cachette__index *index) {
  return (double)index->entries > MOST_FILL * count_of(index);
}

bool cachette__index_wants_less(const cachette__index *index) {
  return count_of(index) > 1 && (double)index->entries < LEAST_FILL * (count_of(index) - 1);
}

/* The bucket that shares its entries with the last of `count` buckets. */
static uint32_t partner(uint32_t last) {
  return last - (UINT32_C(1) << (31 - __builtin_clz(last)));
}

bool cachette__index_grow(cachette__index *index, const cachette__hasher *hasher) {
  uint32_t count = count_of(index);
  if (count >= index->most) return false;
  cachette__bucket *buckets = cachette__index_buckets(index);
  cachette__bucket *old = &buckets[partner(count)], *fresh = &buckets[count];
  int used = 0;
  for (int i = 0; i < CACHETTE__SLOTS; i++) cachette__slot_store(&fresh->slots[i], 0);
  for (int i = 0; i < CACHETTE__SLOTS; i++) {
    uint64_t slot = cachette__load_word(&old->slots[i]);
    if (cachette__slot_position(slot) == 0) continue;
    cachette__bucket *first, *second;
    uint64_t hash = hasher->hash(hasher->owner, cachette__slot_position(slot));
    cachette__index_pair(index, hash, count + 1, &first, &second);
    if (first == old || second == old) continue;
    cachette__slot_store(&fresh->slots[used++], slot);
    cachette__slot_store(&old->slots[i], 0);
  }
  atomic_store_explicit(&index->count, count + 1, memory_order_relaxed);
  return true;
}

bool cachette__index_shrink(cachette__index *index, const cachette__hasher *hasher) {
  uint32_t count = count_of(index);
  if (count == 1) return false;
  cachette__bucket *last = &cachette__index_buckets(index)[count - 1];
  uint64_t *rooms[CACHETTE__SLOTS] = {NULL};
  bool room_for_all = true;
  for (int i = 0; i < CACHETTE__SLOTS && room_for_all; i++) {
    uint64_t slot = cachette__load_word(&last->slots[i]);
    if (cachette__slot_position(slot) == 0) continue;
    cachette__bucket *pair[2];
    uint64_t hash = hasher->hash(hasher->owner, cachette__slot_position(slot));
    cachette__index_pair(index, hash, count - 1, &pair[0], &pair[1]);
    for (int side = 0; side < 2 && rooms[i] == NULL; side++) empty_slots(pair[side], &rooms[i]);
    room_for_all = rooms[i] != NULL;
    if (room_for_all) cachette__slot_store(rooms[i], slot);
  }
  /* Now the entries stand twice; one of the two goes. */
  for (int i = 0; i < CACHETTE__SLOTS; i++) {
    if (room_for_all)
      cachette__slot_store(&last->slots[i], 0);
    else if (rooms[i] != NULL)
      cachette__slot_store(rooms[i], 0);
  }
  if (room_for_all) atomic_store_explicit(&index->count, count - 1, memory_order_relaxed);
  return room_for_all;
}
