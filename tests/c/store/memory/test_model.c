/* SPDX-License-Identifier: MIT */
/*
 * The in-memory store compared with a model: random ops run on both, with a fake clock.
 *
 * With enough capacity every answer must equal that of the model. With little capacity a miss is
 * allowed where the model has an entry, because it may be evicted; a wrong value or TTL is not. A
 * failure prints its seed. Set CACHETTE_SEED to it to repeat the run.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { STEPS = 100000, KEYS = 600, NAMESPACES = 6, BATCH = 8, LARGEST = 400 << 10 };

/* The expected entry of a key. `seed` and `size` determine the bytes of its value. */
typedef struct entry {
  char key[24];
  bool present; /* put and not cleared; it may have expired */
  int64_t expires_ms;
  uint32_t seed;
  size_t size;
} entry;

typedef struct model {
  cachette *handle;
  bool evicts; /* entries may be evicted */
  int64_t limit;
  uint64_t seed, random;
  long step;
  int64_t now;
  entry entries[KEYS];
  int64_t hits, misses, puts, clears, errors; /* the expected statistics */
} model;

static unsigned char pattern[LARGEST + 256]; /* each value is a part of it */

#define check(self, condition)                                                          \
  do {                                                                                  \
    if (!(condition))                                                                   \
      fail_msg("%s, at step %ld with CACHETTE_SEED=%" PRIu64, #condition, (self)->step, \
               (self)->seed);                                                           \
  } while (0)

/* ---- Random numbers ---- */

static uint32_t random_below(model *self, uint32_t bound) {
  self->random ^= self->random << 13;
  self->random ^= self->random >> 7;
  self->random ^= self->random << 17;
  return (uint32_t)((self->random >> 16) % bound);
}

static size_t random_size(model *self) {
  uint32_t chance = random_below(self, 1000);
  if (chance < 50) return 0;
  if (chance < 850) return random_below(self, 200);
  if (chance < 990) return random_below(self, 5000);
  return random_below(self, LARGEST);
}

static entry *random_entry(model *self) { return &self->entries[random_below(self, KEYS)]; }

/* ---- The model ---- */

static bool is_live(const model *self, const entry *each) {
  return each->present && each->expires_ms > self->now;
}

static const unsigned char *bytes_of(uint32_t seed) { return pattern + seed % 256; }

static cachette_slice key_of(const entry *each) { return cachette_str(each->key); }

/* ---- One verb each ---- */

static void run(model *self, enum cachette_verb verb, unsigned flags, cachette_item *items,
                size_t count, cachette_op *op) {
  *op = (cachette_op){.verb = verb, .flags = flags, .items = items, .count = count};
  int status = cachette_run(self->handle, op);
  check(self, status == CACHETTE_OK);
}

static void put(model *self) {
  cachette_item items[BATCH] = {{.status = 0}};
  entry *targets[BATCH];
  size_t count = 1 + random_below(self, BATCH);
  int64_t number = 0;
  bool too_big[BATCH];
  for (size_t i = 0; i < count; i++) {
    entry *target = targets[i] = random_entry(self);
    size_t size = random_size(self);
    uint32_t seed = random_below(self, UINT32_MAX);
    items[i] = (cachette_item){.key = key_of(target), .value = {bytes_of(seed), size}};
    items[i].ttl_ms = random_below(self, 10) == 0 ? 0 : 1 + random_below(self, 60000);
    too_big[i] = size > (size_t)self->limit / 4;
    target->present = !too_big[i];
    target->expires_ms = self->now + (items[i].ttl_ms > 0 ? items[i].ttl_ms : 60000);
    target->seed = seed;
    target->size = size;
    number += !too_big[i];
  }
  cachette_op op;
  run(self, CACHETTE_PUT, 0, items, count, &op);
  check(self, op.number == number);
  for (size_t i = 0; i < count; i++)
    check(self, too_big[i] ? items[i].status == CACHETTE_ETOOBIG : items[i].status >= 0);
  self->puts += (uint64_t)number;
  self->errors += count - (uint64_t)number;
}

static void check_fetched(model *self, const cachette_item *item, entry *wanted) {
  bool live = is_live(self, wanted);
  if (item->status == CACHETTE_MISS) {
    check(self, !live || self->evicts);
    if (live) wanted->present = false; /* an expired entry may still be in memory */
    self->misses++;
    return;
  }
  check(self, item->status == CACHETTE_HIT && live);
  check(self, item->value.size == wanted->size);
  check(self, memcmp(item->value.data, bytes_of(wanted->seed), wanted->size) == 0);
  check(self, item->ttl_ms == wanted->expires_ms - self->now);
  self->hits++;
}

static void fetch(model *self) {
  char buffers[BATCH][100];
  cachette_item items[BATCH] = {{.status = 0}};
  entry *wanted[BATCH];
  size_t count = 1 + random_below(self, BATCH);
  for (size_t i = 0; i < count; i++) {
    wanted[i] = random_entry(self);
    items[i] = (cachette_item){.key = key_of(wanted[i])};
    if (i % 2 == 1) items[i].buffer = buffers[i], items[i].buffer_size = sizeof buffers[i];
  }
  cachette_op op;
  run(self, CACHETTE_FETCH, CACHETTE_WITH_TTL, items, count, &op);
  int64_t hits_before = self->hits;
  for (size_t i = 0; i < count; i++) check_fetched(self, &items[i], wanted[i]);
  check(self, op.number == (int64_t)(self->hits - hits_before));
  cachette_op_deinit(&op);
}

static void clear(model *self) {
  cachette_item items[BATCH] = {{.status = 0}};
  entry *targets[BATCH];
  bool was_live[BATCH];
  size_t count = 1 + random_below(self, BATCH);
  for (size_t i = 0; i < count; i++) {
    targets[i] = random_entry(self);
    items[i] = (cachette_item){.key = key_of(targets[i])};
    was_live[i] = is_live(self, targets[i]);
    targets[i]->present = false;
  }
  cachette_op op;
  run(self, CACHETTE_CLEAR, 0, items, count, &op);
  int64_t number = 0;
  for (size_t i = 0; i < count; i++) {
    check(self,
          items[i].status == was_live[i] || (self->evicts && items[i].status == CACHETTE_MISS));
    number += items[i].status;
  }
  check(self, op.number == number);
  self->clears += (uint64_t)number;
}

/* Clears a namespace, or everything if `name` is NULL. */
static void clear_many(model *self, const char *name) {
  int64_t expected = 0;
  size_t length = name != NULL ? strlen(name) : 0;
  for (entry *each = self->entries; each < self->entries + KEYS; each++) {
    if (name != NULL && (strncmp(each->key, name, length) != 0 || each->key[length] != ':'))
      continue;
    expected += is_live(self, each);
    each->present = false;
  }
  cachette_item item = {.key = cachette_str(name != NULL ? name : "-")};
  cachette_op op;
  run(self, name != NULL ? CACHETTE_CLEAR_NAMESPACE : CACHETTE_FLUSH, 0, &item, name != NULL, &op);
  check(self, op.number == expected || (self->evicts && op.number < expected));
  self->clears += (uint64_t)op.number;
}

/* The store may have removed expired entries earlier. */
static void flush_expired(model *self) {
  int64_t max = 0;
  for (entry *each = self->entries; each < self->entries + KEYS; each++) {
    if (!each->present || is_live(self, each)) continue;
    max++;
    each->present = false;
  }
  cachette_op op;
  run(self, CACHETTE_FLUSH_EXPIRED, 0, NULL, 0, &op);
  check(self, op.number >= 0 && op.number <= max);
  self->clears += (uint64_t)op.number;
}

static void clear_random_namespace(model *self) {
  char name[24];
  snprintf(name, sizeof name, "ns%u", random_below(self, NAMESPACES + 1));
  clear_many(self, name);
}

static void take_step(model *self) {
  uint32_t chance = random_below(self, 10000);
  if (chance < 4500)
    fetch(self);
  else if (chance < 9000)
    put(self);
  else if (chance < 9900)
    clear(self);
  else if (chance < 9950)
    clear_random_namespace(self);
  else if (chance < 9990)
    flush_expired(self);
  else
    clear_many(self, NULL);
  if (random_below(self, 4) == 0) self->now += random_below(self, 500);
}

/* ---- Runs ---- */

static void check_stats(model *self) {
  cachette_stats stats = stats_of(self->handle);
  int64_t live = 0;
  for (const entry *each = self->entries; each < self->entries + KEYS; each++)
    live += is_live(self, each);
  check(self, stats.hits == self->hits && stats.misses == self->misses);
  check(self, stats.puts == self->puts && stats.clears == self->clears);
  check(self, stats.errors == self->errors && stats.pending == 0);
  check(self, stats.limit == self->limit && stats.bytes <= stats.limit);
  check(self, stats.entries <= KEYS && (self->evicts || stats.entries >= live));
  check(self, self->evicts || stats.evictions == 0);
}

static void run_model(bool evicts, const char *limit, int64_t limit_bytes) {
  model *self = calloc(1, sizeof *self);
  const char *seed = getenv("CACHETTE_SEED");
  self->seed = seed != NULL ? strtoull(seed, NULL, 10) : 20240229;
  self->random = self->seed | 1;
  self->evicts = evicts;
  self->limit = limit_bytes;
  /* The name of the last namespace, "ns5x", begins like another. Some keys are in none. */
  for (int i = 0; i < KEYS; i++) {
    int space = i % (NAMESPACES + 2);
    snprintf(self->entries[i].key, sizeof self->entries[i].key,
             space < NAMESPACES    ? "ns%d:%d"
             : space == NAMESPACES ? "ns5x:%d%d"
                                   : "ns%d%d",
             space < NAMESPACES ? space : 1, i);
  }
  cachette_options *options = options_with("memory_limit", limit, NULL);
  cachette_options_set_clock(options, fake_clock, &self->now);
  self->handle = open_memory(options);
  for (; self->step < STEPS; self->step++) {
    take_step(self);
    if (evicts || self->step % 100 == 0) check_stats(self);
  }
  check_stats(self);
  check(self, self->hits > STEPS / 2);
  if (evicts) check(self, stats_of(self->handle).evictions > 0);
  cachette_close(self->handle);
  free(self);
}

static void with_enough_capacity_every_answer_equals_the_model(void **state) {
  (void)state;
  run_model(false, "1G", INT64_C(1) << 30);
}

static void with_little_capacity_no_answer_is_wrong(void **state) {
  (void)state;
  run_model(true, "1M", INT64_C(1) << 20);
}

int main(void) {
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (unsigned char)((i * 2654435761U) >> 13);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(with_enough_capacity_every_answer_equals_the_model),
      cmocka_unit_test(with_little_capacity_no_answer_is_wrong),
  };
  return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
