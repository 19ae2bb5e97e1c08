/* SPDX-License-Identifier: MIT */
/* Threads fetch, put, clear, take snapshots and advance the clock on one table. */
#include <stdatomic.h>
#include <string.h>

#include "support.h"
#include "table/table.h"
#include "table_probe.h"
#include "table_snapshot.h"

#define MIB ((size_t)1 << 20)

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

enum { THREADS = 5, ROUNDS = 4000, SHARED_KEYS = 500 };

typedef struct shared_state {
  cachette__table *table;
  _Atomic int64_t now;
  _Atomic int wrong;
} shared_state;

/* Key and version determine each byte of a value, so that a torn or wrong value is detected. */
static size_t make_value(unsigned char *bytes, uint32_t number, uint32_t version) {
  size_t size = 8 + version * 37 % 3000;
  memcpy(bytes, &number, 4);
  memcpy(bytes + 4, &version, 4);
  for (size_t i = 8; i < size; i++) bytes[i] = (unsigned char)(number + version + i);
  return size;
}

static void put_and_clear(shared_state *self) {
  unsigned char bytes[4096];
  uint64_t random = (uint64_t)(uintptr_t)&bytes;
  for (int i = 0; i < ROUNDS; i++) {
    uint32_t number = (uint32_t)(next_random(&random) % SHARED_KEYS);
    cachette_item item = {.key = {&number, sizeof number},
                          .value = {bytes, make_value(bytes, number, (uint32_t)random & 0xffff)},
                          .ttl_ms = 1 + (int64_t)(random >> 40) % 100};
    int64_t now = atomic_load(&self->now);
    if (cachette__table_put(self->table, &item, now, NULL) < 0) atomic_fetch_add(&self->wrong, 1);
    if (i % 7 == 0) cachette__table_clear(self->table, item.key, now);
  }
}

static void fetch_and_compare(shared_state *self) {
  unsigned char bytes[4096], expected[4096];
  uint64_t random = (uint64_t)(uintptr_t)&bytes;
  for (int i = 0; i < 3 * ROUNDS; i++) {
    uint32_t number = (uint32_t)(next_random(&random) % SHARED_KEYS), version;
    cachette_item item = {.key = {&number, sizeof number}, .buffer = bytes};
    item.buffer_size = sizeof bytes;
    table_fetch_one(self->table, &item, atomic_load(&self->now));
    if (item.status != CACHETTE_HIT) continue;
    memcpy(&version, bytes + 4, 4);
    size_t size = make_value(expected, number, version);
    if (size != item.value.size || memcmp(expected, bytes, size) != 0)
      atomic_fetch_add(&self->wrong, 1);
  }
}

static void check_entry(void *data, cachette_slice key, cachette_slice value, int64_t left_ms) {
  shared_state *self = data;
  uint32_t number;
  memcpy(&number, value.data, 4);
  if (key.size == 4 && memcmp(&number, key.data, 4) != 0) atomic_fetch_add(&self->wrong, 1);
  if (left_ms <= 0) atomic_fetch_add(&self->wrong, 1);
}

static void clear_and_snapshot(shared_state *self) {
  for (int i = 0; i < ROUNDS / 40; i++) {
    int64_t now = atomic_fetch_add(&self->now, 3);
    cachette_stats stats;
    if (i % 4 == 0) cachette__table_clear_namespace(self->table, cachette_str("ab"), now);
    if (i % 11 == 0) cachette__table_flush(self->table, now);
    if (i % 5 == 0) cachette__table_flush_expired(self->table, now);
    cachette__table_stats(self->table, &stats);
    table_snapshot snapshot = {.shard = 0};
    while (i % 3 == 0 && table_snapshot_next(self->table, &snapshot, now, check_entry, self) == 1)
      continue;
  }
}

static void *run_fetches(void *data) {
  fetch_and_compare(data);
  return NULL;
}

static void *run_puts(void *data) {
  put_and_clear(data);
  return NULL;
}

static void *run_clears(void *data) {
  clear_and_snapshot(data);
  return NULL;
}

static void concurrent_calls_return_no_wrong_value(void **state) {
  (void)state;
  void *(*const bodies[THREADS])(void *) = {run_fetches, run_fetches, run_puts, run_puts,
                                            run_clears};
  static const size_t limits[] = {MIB, 80 * MIB};
  for (size_t i = 0; i < LENGTH(limits); i++) {
    shared_state self = {.table = cachette__table_new(limits[i]), .now = 1000};
    pthread_t threads[THREADS];
    assert_non_null(self.table);
    for (int j = 0; j < THREADS; j++)
      assert_int_equal(pthread_create(&threads[j], NULL, bodies[j], &self), 0);
    for (int j = 0; j < THREADS; j++) pthread_join(threads[j], NULL);
    assert_int_equal(self.wrong, 0);
    assert_null(table_check(self.table));
    cachette__table_free(self.table);
  }
}

enum { COUNTERS = 5, INCREMENTS = 20000 };

static void *run_increments(void *data) {
  shared_state *self = data;
  for (uint32_t i = 0; i < INCREMENTS; i++) {
    uint32_t number = i % COUNTERS;
    cachette_item item = {.key = {&number, sizeof number}, .amount = 1, .ttl_ms = 100000};
    if (cachette__table_increment(self->table, &item, 1000, NULL) < 0)
      atomic_fetch_add(&self->wrong, 1);
  }
  return NULL;
}

static void no_increment_is_lost(void **state) {
  (void)state;
  shared_state self = {.table = cachette__table_new(MIB)};
  pthread_t threads[THREADS];
  for (int j = 0; j < THREADS; j++)
    assert_int_equal(pthread_create(&threads[j], NULL, run_increments, &self), 0);
  for (int j = 0; j < THREADS; j++) pthread_join(threads[j], NULL);
  assert_int_equal(self.wrong, 0);
  for (uint32_t i = 0; i < COUNTERS; i++) {
    cachette_item item = {.key = {&i, sizeof i}, .ttl_ms = 100000};
    assert_int_equal(cachette__table_increment(self.table, &item, 1000, NULL), CACHETTE_HIT);
    assert_int_equal(item.amount, THREADS * INCREMENTS / COUNTERS);
  }
  cachette__table_free(self.table);
}

enum { LARGE_PUTTERS = 6, LARGE_PUTS = 5 };

static void *run_large_puts(void *data) {
  static const char value[16 * MIB];
  shared_state *self = data;
  for (uint32_t i = 0; i < LARGE_PUTS; i++) {
    uint64_t random = (uint64_t)(uintptr_t)&random + i;
    uint32_t number = (uint32_t)(next_random(&random) % 1000);
    cachette_item item = {.key = {&number, 4}, .value = {value, sizeof value}, .ttl_ms = 100000};
    if (cachette__table_put(self->table, &item, 1000, NULL) < 0) atomic_fetch_add(&self->wrong, 1);
  }
  return NULL;
}

/* Each value takes a quarter of the limit, so that not all fit together. */
static void concurrent_puts_of_the_largest_values_succeed(void **state) {
  (void)state;
  shared_state self = {.table = cachette__table_new(64 * MIB)};
  pthread_t threads[LARGE_PUTTERS];
  for (int j = 0; j < LARGE_PUTTERS; j++)
    assert_int_equal(pthread_create(&threads[j], NULL, run_large_puts, &self), 0);
  for (int j = 0; j < LARGE_PUTTERS; j++) pthread_join(threads[j], NULL);
  assert_int_equal(self.wrong, 0);
  assert_null(table_check(self.table));
  cachette__table_free(self.table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(concurrent_calls_return_no_wrong_value),
      cmocka_unit_test(no_increment_is_lost),
      cmocka_unit_test(concurrent_puts_of_the_largest_values_succeed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
