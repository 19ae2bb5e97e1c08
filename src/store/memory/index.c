/* SPDX-License-Identifier: MIT */
#include "index.h"

/* In slots of a bucket: above this it grows, below that it shrinks. */
#define MOST_FILL 6.8
#define LEAST_FILL 4.0

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

bool cachette__index_make_room(cachette__index *index, uint64_t hash,
                               const cachette__hasher *hasher) {
  cachette__bucket *pair[2];
  cachette__index_pair(index, hash, count_of(index), &pair[0], &pair[1]);
  for (int i = 0; i < 2 * CACHETTE__SLOTS; i++) {
    cachette__bucket *own = pair[i / CACHETTE__SLOTS];
    uint64_t *slot = &own->slots[i % CACHETTE__SLOTS];
    uint64_t word = cachette__load_word(slot);
    cachette__bucket *choice[2];
    uint64_t of_entry = hasher->hash(hasher->owner, cachette__slot_position(word));
    cachette__index_pair(index, of_entry, count_of(index), &choice[0], &choice[1]);
    uint64_t *room;
    if (empty_slots(choice[choice[0] == own], &room) == 0) continue;
    cachette__slot_store(room, word);
    cachette__slot_store(slot, 0);
    return true;
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
