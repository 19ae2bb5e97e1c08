/* SPDX-License-Identifier: MIT */
#include "table_probe.h"

#include "base/alloc.h"
#include "table/internal.h"
#include "table/siphash.h"

/* The results of a walk over the index, one element per segment. */
typedef struct tally {
  uint32_t *live; /* words of entries */
  bool *seen;     /* it is in a list */
} tally;

static const char *check_entry(cachette__shard_ref ref, uint32_t bucket, uint64_t position,
                               tally *sums) {
  cachette__entry entry;
  unsigned char *key = cachette__malloc(CACHETTE_KEY_MAX);
  if (key == NULL) return "out of memory";
  bool read = cachette__entry_read(ref.arena, position, &entry) &&
              cachette__entry_copy(ref.arena, &entry, 0, entry.key_size, key);
  uint64_t hash = read ? cachette__siphash13(ref.arena->header->hash_key, key, entry.key_size) : 0;
  cachette__free(key);
  if (!read) return "an entry's chain is broken";
  cachette__bucket *pair[2], *own = &cachette__index_buckets(&ref.shard->index)[bucket];
  cachette__index_pair(&ref.shard->index, hash, atomic_load(&ref.shard->index.count), &pair[0],
                       &pair[1]);
  if (pair[0] != own && pair[1] != own) return "an entry is in the wrong bucket";
  uint64_t words = cachette__entry_size(&entry);
  uint32_t segment = cachette__segment_of(ref.arena, position);
  uint32_t word = (uint32_t)position & (ref.arena->segment_words - 1);
  while (words > 0) {
    uint32_t rest = ref.arena->segment_words - word;
    uint32_t piece = words < rest ? (uint32_t)words : rest;
    if (segment >= ref.arena->segment_count) return "an entry ends outside of the arena";
    sums->live[segment] += piece;
    words -= piece;
    word = 0;
    segment = atomic_load(&ref.arena->segments[segment].next);
  }
  return NULL;
}

static const char *check_index(cachette__shard_ref ref, tally *sums) {
  size_t entries = 0;
  const char *error = NULL;
  for (uint32_t i = 0; i < atomic_load(&ref.shard->index.count) && error == NULL; i++) {
    cachette__bucket *bucket = &cachette__index_buckets(&ref.shard->index)[i];
    for (int j = 0; j < CACHETTE__SLOTS && error == NULL; j++) {
      uint64_t position = cachette__slot_position(cachette__load_word(&bucket->slots[j]));
      if (position == 0) continue;
      entries++;
      error = check_entry(ref, i, position, sums);
    }
  }
  if (error == NULL && entries != ref.shard->index.entries)
    error = "the index miscounts its entries";
  return error;
}

/* Returns the word at which the last entry of a segment begins. */
static uint32_t find_last(cachette__shard_ref ref, uint32_t segment) {
  const cachette__segment *each = &ref.arena->segments[segment];
  uint64_t word = each->first, last = word;
  cachette__entry entry;
  while (word < each->used) {
    last = word;
    cachette__entry_read(ref.arena, ((uint64_t)segment << ref.arena->segment_shift) + word, &entry);
    word += cachette__entry_size(&entry);
  }
  return (uint32_t)last;
}

static const char *check_log(cachette__shard_ref ref, uint32_t queue, tally *sums,
                             uint32_t *segments) {
  const cachette__log *log = &ref.shard->logs[queue];
  uint32_t previous = CACHETTE__NO_SEGMENT, count = 0;
  uint64_t live = 0;
  for (uint32_t each = log->tail; each != CACHETTE__NO_SEGMENT;) {
    const cachette__segment *segment = &ref.arena->segments[each];
    if (sums->seen[each]) return "a segment is in two lists";
    sums->seen[each] = true;
    if (segment->previous != previous || segment->queue != queue) return "a log's links are broken";
    if (segment->live != sums->live[each]) return "a segment miscounts its live words";
    if (each != log->head && segment->used != ref.arena->segment_words)
      return "a segment other than the head is not full";
    if (each != log->head && segment->live == 0) return "an empty segment was not freed";
    if (segment->first < segment->used && segment->last != find_last(ref, each))
      return "a segment has the wrong last entry";
    live += segment->live;
    count++;
    previous = each;
    each = atomic_load(&segment->next);
  }
  if (previous != log->head || count != log->count) return "a log miscounts its segments";
  if (live != log->live) return "a log miscounts its live words";
  *segments += count;
  return NULL;
}

static const char *check_shard(cachette__shard_ref ref, tally *sums, uint32_t *segments) {
  const char *error = check_index(ref, sums);
  uint32_t own = 0, spares = 0;
  for (uint32_t i = 0; i < CACHETTE__QUEUES && error == NULL; i++)
    error = check_log(ref, i, sums, &own);
  for (uint32_t each = ref.shard->spares.first; each != CACHETTE__NO_SEGMENT && error == NULL;
       each = atomic_load(&ref.arena->segments[each].next)) {
    if (sums->seen[each]) error = "a spare segment is in two lists";
    sums->seen[each] = true;
    spares++;
  }
  if (error == NULL && spares != ref.shard->spares.count) error = "a shard miscounts its spares";
  if (error == NULL && own + spares != atomic_load(&ref.shard->segments))
    error = "a shard miscounts its segments";
  if (error == NULL && (atomic_load(&ref.shard->version) & 1)) error = "a change was not completed";
  *segments += own + spares;
  return error;
}

const char *table_check(cachette__table *table) {
  cachette__arena_header *header = table->arena.header;
  tally sums = {cachette__calloc(table->arena.segment_count, sizeof(uint32_t)),
                cachette__calloc(table->arena.segment_count, sizeof(bool))};
  const char *error = sums.live == NULL || sums.seen == NULL ? "out of memory" : NULL;
  uint32_t segments = 0;
  for (uint32_t i = 0; i < table->shard_count && error == NULL; i++)
    error = check_shard(cachette__table_shard(table, i, 0), &sums, &segments);
  if (error == NULL && segments != atomic_load(&header->in_use))
    error = "the arena miscounts its segments";
  if (error == NULL && segments + header->warm_count + header->cold_count + 1 != header->untouched)
    error = "the arena has lost a segment";
  cachette_stats stats;
  cachette__table_stats(table, &stats);
  if (error == NULL && stats.bytes > stats.limit) error = "the table exceeds its limit";
  cachette__free(sums.live);
  cachette__free(sums.seen);
  return error;
}

uint64_t table_effort(cachette__table *table) {
  uint64_t spent = 0;
  for (uint32_t i = 0; i < table->shard_count; i++)
    spent += cachette__table_shard(table, i, 0).shard->effort;
  return spent;
}

static void *take_none(void *owner, cachette_item *item, size_t size) {
  (void)owner;
  (void)size;
  item->status = CACHETTE_ENOMEM;
  return NULL;
}

static void drop_none(void *owner, cachette_item *item) {
  (void)owner;
  item->value = (cachette_slice){NULL, 0};
}

void table_fetch_one(cachette__table *table, cachette_item *item, int64_t now_ms) {
  static const cachette__table_allocator none = {take_none, drop_none};
  cachette__table_fetch(table, item, now_ms, &none, NULL);
}
