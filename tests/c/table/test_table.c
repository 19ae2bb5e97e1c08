/* SPDX-License-Identifier: MIT */
/*
 * The table of the in-memory store, compared with a model. The structure is checked every thousand
 * ops. Also tests the effort of evictions, large values and snapshots.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "table/table.h"
#include "table_probe.h"
#include "table_snapshot.h"

/* ---- A model ---- */

enum { CHECK_EVERY = 1000, NAMESPACES = 3 };

/* The last put of a key. The seed determines the bytes of the value. */
typedef struct entry {
  bool present;
  uint64_t seed;
  size_t size;
  int64_t expires_ms;
} entry;

typedef struct trial_case {
  size_t limit, largest;
  int keys, steps;
  int put_percent; /* of steps; most others are fetches */
  int64_t ttl_max; /* ms */
  uint64_t seed;
} trial_case;

typedef struct model {
  const trial_case *trial;
  cachette__table *table;
  entry *entries;
  uint64_t random;
  int64_t now;
  unsigned char *bytes, *fetched;
} model;

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void fill_bytes(unsigned char *bytes, size_t size, uint64_t seed) {
  for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(seed + i * 7 + (i >> 9));
}

/* Returns a key in one of the namespaces "n0" to "n2". Some are long. */
static cachette_slice key_of(int number, char *text, size_t size) {
  int length = snprintf(text, size, "n%d:%d", number % NAMESPACES, number);
  if (number % 50 == 7)
    while (length < 700) text[length++] = (char)('a' + number % 26);
  return (cachette_slice){text, (size_t)length};
}

static void check_structure(const model *self) {
  const char *error = table_check(self->table);
  if (error != NULL) fail_msg("limit %zu: %s", self->trial->limit, error);
  cachette_stats stats;
  cachette__table_stats(self->table, &stats);
  assert_true(stats.bytes <= stats.limit);
}

static void fetch_one(model *self, int number) {
  char text[1024];
  entry *expected = &self->entries[number];
  cachette_item item = {.key = key_of(number, text, sizeof text),
                        .buffer = self->fetched,
                        .buffer_size = self->trial->largest};
  table_fetch_one(self->table, &item, self->now);
  if (item.status == CACHETTE_MISS) return; /* evicted */
  assert_int_equal(item.status, CACHETTE_HIT);
  assert_true(expected->present && expected->expires_ms > self->now);
  assert_int_equal(item.value.size, expected->size);
  assert_int_equal(item.ttl_ms, expected->expires_ms - self->now);
  fill_bytes(self->bytes, expected->size, expected->seed);
  assert_int_equal(memcmp(item.value.data, self->bytes, expected->size), 0);
}

static size_t random_size(model *self) {
  uint64_t number = next_random(&self->random);
  size_t size_max = number % 8 != 0 && self->trial->largest > 127 ? 127 : self->trial->largest;
  return (size_t)((number >> 8) % (size_max + 1));
}

static bool is_live(const model *self, const entry *each) {
  return each->present && each->expires_ms > self->now;
}

static void touch_one(model *self, int number) {
  char text[1024];
  entry *each = &self->entries[number];
  int64_t ttl_ms = 1 + (int64_t)(next_random(&self->random) % (uint64_t)self->trial->ttl_max);
  cachette_item item = {.key = key_of(number, text, sizeof text), .ttl_ms = ttl_ms};
  int touched = cachette__table_touch(self->table, &item, self->now);
  assert_int_equal(cachette__table_exists(self->table, &item, self->now), touched);
  if (touched) assert_true(is_live(self, each));
  if (touched) each->expires_ms = self->now + ttl_ms;
}

static void put_one(model *self, int number) {
  char text[1024];
  entry *each = &self->entries[number];
  bool if_absent = next_random(&self->random) % 8 == 0;
  entry added = {.present = true, .seed = next_random(&self->random), .size = random_size(self)};
  int64_t ttl_ms = 1 + (int64_t)(next_random(&self->random) % (uint64_t)self->trial->ttl_max);
  added.expires_ms = self->now + ttl_ms;
  fill_bytes(self->bytes, added.size, added.seed);
  cachette_item item = {.key = key_of(number, text, sizeof text),
                        .value = {self->bytes, added.size},
                        .ttl_ms = ttl_ms};
  int code = if_absent ? cachette__table_add(self->table, &item, self->now, NULL)
                       : cachette__table_put(self->table, &item, self->now, NULL);
  if (code == CACHETTE_HIT) assert_true(is_live(self, each));
  if (code == CACHETTE_HIT && if_absent) return;
  if (added.size > self->trial->limit / 4) {
    assert_int_equal(code, CACHETTE_ETOOBIG);
    each->present = false;
  } else {
    assert_true(code == CACHETTE_MISS || code == CACHETTE_HIT);
    *each = added;
  }
}

static void clear_one(model *self, int number) {
  char text[1024];
  entry *each = &self->entries[number];
  int was_there = cachette__table_clear(self->table, key_of(number, text, sizeof text), self->now);
  if (was_there) assert_true(each->present && each->expires_ms > self->now);
  each->present = false;
}

/* Clears a namespace or everything. Checks that no more entries are removed than the model has. */
static void clear_many(model *self, int which) {
  char name[8];
  snprintf(name, sizeof name, "n%d", which);
  int64_t known = 0, count;
  for (int i = 0; i < self->trial->keys; i++) {
    if (which < NAMESPACES && i % NAMESPACES != which) continue;
    known += self->entries[i].present && self->entries[i].expires_ms > self->now;
    self->entries[i].present = false;
  }
  count = which < NAMESPACES
              ? cachette__table_clear_namespace(self->table, cachette_str(name), self->now)
              : cachette__table_flush(self->table, self->now);
  assert_in_range(count, 0, known);
}

static void step(model *self) {
  int percent = (int)(next_random(&self->random) % 100);
  int number = (int)(next_random(&self->random) % (uint64_t)self->trial->keys);
  /* Low numbers are more frequent. */
  number = (int)((uint64_t)number * (next_random(&self->random) % 1000) / 1000);
  if (percent < self->trial->put_percent)
    put_one(self, number);
  else if (percent < 92)
    fetch_one(self, number);
  else if (percent < 94)
    touch_one(self, number);
  else if (percent < 97)
    clear_one(self, number);
  else if (next_random(&self->random) % 300 == 0)
    clear_many(self, (int)(next_random(&self->random) % (NAMESPACES + 1)));
  else if (next_random(&self->random) % 100 == 0)
    cachette__table_flush_expired(self->table, self->now);
  else
    self->now +=
        (int64_t)(next_random(&self->random) % (next_random(&self->random) % 50 == 0 ? 20000 : 30));
}

static void run_trial(const trial_case *trial) {
  model self = {.trial = trial, .random = trial->seed, .now = 1000};
  self.table = cachette__table_new(trial->limit);
  self.entries = calloc((size_t)trial->keys, sizeof *self.entries);
  self.bytes = malloc(trial->largest + 1);
  self.fetched = malloc(trial->largest + 1);
  assert_non_null(self.table);
  for (int i = 0; i < trial->steps; i++) {
    step(&self);
    if (i % CHECK_EVERY == 0) check_structure(&self);
  }
  for (int i = 0; i < trial->keys; i++) fetch_one(&self, i);
  check_structure(&self);
  clear_many(&self, NAMESPACES);
  check_structure(&self);
  cachette_stats stats;
  cachette__table_stats(self.table, &stats);
  assert_int_equal(stats.entries, 0);
  cachette__table_free(self.table);
  free(self.entries);
  free(self.bytes);
  free(self.fetched);
}

#define MIB ((size_t)1 << 20)

static void a_table_answers_like_a_model_or_misses(void **state) {
  (void)state;
  static const trial_case trials[] = {
      /* limit, largest, keys, steps, puts, ttl, seed */
      {MIB, 200, 3000, 60000, 45, 100000, 1},
      {MIB, 200, 30000, 60000, 60, 100000, 2},
      {MIB, 300000, 500, 20000, 50, 100000, 3},
      {MIB + 12345, 5000, 3000, 40000, 45, 3000, 4},
      {2 * MIB, 20000, 3000, 40000, 80, 50, 5},
      {8 * MIB, 70000, 5000, 30000, 45, 100000, 6},
      {8 * MIB, 0, 100000, 100000, 60, 10000000, 7},
      {64 * MIB, 100000, 10000, 30000, 50, 100000, 8},
      {200 * MIB, 3000, 60000, 60000, 50, 100000, 9},
      {100 * MIB, 2000000, 300, 5000, 60, 1000000, 10},
  };
  for (size_t i = 0; i < LENGTH(trials); i++) run_trial(&trials[i]);
}

/* ---- Effort ---- */

typedef struct effort_case {
  size_t limit, size_min, size_max, long_max; /* bytes; one value in 50 is long */
  uint64_t seed;
} effort_case;

/*
 * Entries of about one segment (16 KiB here) cannot share segments, so cleaning segments frees no
 * usable space for them.
 */
static uint64_t find_max_effort(const effort_case *shape) {
  enum { PUTS = 50000, KEYS = 1000 };
  uint64_t random = shape->seed, max_effort = 0, before = 0;
  cachette__table *table = cachette__table_new(shape->limit);
  char *value = calloc(1, shape->long_max);
  for (int i = 0; i < PUTS; i++) {
    uint64_t id = next_random(&random) % KEYS;
    size_t size = shape->size_min + next_random(&random) % (shape->size_max - shape->size_min);
    if (next_random(&random) % 50 == 0)
      size = shape->long_max - next_random(&random) % (shape->long_max / 2);
    cachette_item item = {
        .key = {&id, sizeof id}, .value = {value, size}, .ttl_ms = 1000000 + (int64_t)i};
    assert_true(cachette__table_put(table, &item, 1000, NULL) >= 0);
    uint64_t after = table_effort(table);
    if (after - before > max_effort) max_effort = after - before;
    before = after;
  }
  assert_null(table_check(table));
  free(value);
  cachette__table_free(table);
  return max_effort;
}

static void the_effort_of_evictions_is_bounded(void **state) {
  (void)state;
  static const effort_case shapes[] = {
      {4 * MIB, 15000, 17500, 1000000, 45}, {4 * MIB, 15000, 17500, 1000000, 44},
      {4 * MIB, 8000, 30000, 1000000, 42},  {4 * MIB, 1, 100, 1000000, 42},
      {4 * MIB, 1, 20000, 300000, 42},      {64 * MIB, 1, 50000, 5000000, 42},
  };
  for (size_t i = 0; i < LENGTH(shapes); i++) {
    uint64_t effort = find_max_effort(&shapes[i]);
    assert_true(effort < 10000);
  }
}

/* ---- Large values ---- */

static void put_bytes(cachette__table *table, uint32_t number, const char *value, size_t size) {
  cachette_item item = {.key = {&number, 4}, .value = {value, size}, .ttl_ms = 100000};
  assert_true(cachette__table_put(table, &item, 1000, NULL) >= 0);
}

/* A shard's share of 64 MiB is 4 MiB. */
static void a_value_larger_than_a_shards_share_fits(void **state) {
  (void)state;
  cachette_stats stats;
  cachette__table *table = cachette__table_new(64 * MIB);
  char *value = calloc(1, 16 * MIB);
  for (uint32_t i = 0; i < 100000; i++) put_bytes(table, i, value, 1000);
  for (uint32_t i = 0; i < 40; i++) put_bytes(table, i, value, 5 * MIB + i * MIB / 4);
  assert_null(table_check(table));
  put_bytes(table, 1, value, 16 * MIB);
  cachette__table_stats(table, &stats);
  int64_t evictions = stats.evictions;
  for (uint32_t i = 0; i < 10; i++) put_bytes(table, 1, value, 16 * MIB);
  cachette__table_stats(table, &stats);
  assert_int_equal(stats.evictions, evictions); /* a value replaces itself in place */
  for (uint32_t i = 0; i < 100000; i++) put_bytes(table, i, value, 500);
  cachette__table_stats(table, &stats);
  /* Most of the memory is in use. */
  assert_true(stats.entries * (500 + 4) > (int64_t)(64 * MIB) / 10 * 7);
  assert_null(table_check(table));
  free(value);
  cachette__table_free(table);
}

/* ---- Snapshots ---- */

enum { ENTRIES = 20000 };

typedef struct snapshot_result {
  int seen[ENTRIES];
  int others, wrong;
} snapshot_result;

static void put_number(cachette__table *table, uint32_t number, int64_t ttl_ms) {
  uint32_t value[8];
  for (int i = 0; i < 8; i++) value[i] = number * 31 + (uint32_t)i;
  cachette_item item = {
      .key = {&number, sizeof number}, .value = {value, 4 + number % 29}, .ttl_ms = ttl_ms};
  assert_true(cachette__table_put(table, &item, 1000, NULL) >= 0);
}

static void record_entry(void *data, cachette_slice key, cachette_slice value, int64_t left_ms) {
  snapshot_result *self = data;
  uint32_t number, first;
  memcpy(&number, key.data, sizeof number);
  memcpy(&first, value.data, sizeof first);
  if (number >= ENTRIES) {
    self->others++;
    return;
  }
  self->seen[number]++;
  self->wrong += key.size != 4 || value.size != 4 + number % 29 || first != number * 31 ||
                 left_ms != 4999 + number;
}

static void a_snapshot_includes_every_entry_that_is_not_removed(void **state) {
  (void)state;
  static snapshot_result result;
  memset(&result, 0, sizeof result);
  cachette__table *table = cachette__table_new(80 * MIB);
  for (uint32_t i = 0; i < ENTRIES; i++) put_number(table, i, 5000 + i);
  put_number(table, ENTRIES, 1); /* expired when the snapshot starts */
  table_snapshot snapshot = {.shard = 0};
  uint32_t more = ENTRIES + 1;
  int slices = 0;
  while (table_snapshot_next(table, &snapshot, 1001, record_entry, &result) == 1) {
    /* Puts and clears make the index grow during the snapshot. */
    for (int i = 0; i < 50; i++, more++) put_number(table, more, 50000);
    uint32_t removed = more - 20;
    cachette__table_clear(table, (cachette_slice){&removed, sizeof removed}, 1000);
    slices++;
  }
  assert_true(slices > 10);
  assert_int_equal(result.wrong, 0);
  /* A full bucket may evict an entry, because its entries must not move during a snapshot. */
  int missing = 0;
  for (int i = 0; i < ENTRIES; i++) missing += result.seen[i] == 0;
  cachette_stats stats;
  cachette__table_stats(table, &stats);
  assert_true(missing <= stats.evictions && stats.evictions < ENTRIES / 1000);
  assert_null(table_check(table));
  cachette__table_free(table);
}

static void ending_a_snapshot_early_does_not_change_the_table(void **state) {
  (void)state;
  static snapshot_result result;
  cachette__table *table = cachette__table_new(MIB);
  table_snapshot snapshot = {.shard = 0};
  for (uint32_t i = 0; i < 3000; i++) put_number(table, i, 5000 + i);
  assert_int_equal(table_snapshot_next(table, &snapshot, 1000, record_entry, &result), 1);
  table_snapshot_end(table, &snapshot);
  assert_int_equal(table_snapshot_next(table, &snapshot, 1000, record_entry, &result), 0);
  assert_int_equal(cachette__table_flush(table, 1000), 3000);
  assert_null(table_check(table));
  cachette__table_free(table);
}

static void a_snapshot_omits_expired_entries(void **state) {
  (void)state;
  static snapshot_result result;
  memset(&result, 0, sizeof result);
  cachette__table *table = cachette__table_new(MIB);
  table_snapshot snapshot = {.shard = 0};
  for (uint32_t i = 0; i < 1000; i++) put_number(table, i, i % 2 == 0 ? 10 : 5000);
  while (table_snapshot_next(table, &snapshot, 1010, record_entry, &result) == 1) continue;
  for (int i = 0; i < 1000; i++) assert_int_equal(result.seen[i], i % 2);
  cachette__table_free(table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_effort_of_evictions_is_bounded),
      cmocka_unit_test(a_value_larger_than_a_shards_share_fits),
      cmocka_unit_test(a_snapshot_includes_every_entry_that_is_not_removed),
      cmocka_unit_test(ending_a_snapshot_early_does_not_change_the_table),
      cmocka_unit_test(a_snapshot_omits_expired_entries),
      cmocka_unit_test(a_table_answers_like_a_model_or_misses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
