/* SPDX-License-Identifier: MIT */
/*
 * Many threads use one table, each through its own handle. No test forks, so that ThreadSanitizer
 * can run them. Only the main thread asserts; the others record their first failure.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

enum { THREADS = 6, ROUNDS = 8000, KEYS = 64, LARGEST = 3000 };

/*
 * libuv closes descriptors with a system call that ThreadSanitizer does not see. When another
 * thread gets the same descriptor, it reports a race.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
  return "race_top:epoll_create1\nrace_top:eventfd\nrace_top:pipe2\n";
}

static const cachette_options *shared_options; /* read by all threads, written by none */
static atomic_int ready;

typedef struct worker {
  pthread_t thread, submitter;
  unsigned number;
  const char *failure; /* the first failure, or NULL */
  int64_t hits;
  int done;
} worker;

#define expect(self, condition)                                                \
  do {                                                                         \
    if (!(condition) && (self)->failure == NULL) (self)->failure = #condition; \
  } while (0)

/* All threads start together, so that they also open handles concurrently. */
static void wait_for_all(void) {
  atomic_fetch_add(&ready, 1);
  while (atomic_load(&ready) < THREADS) continue;
}

static void run_workers(void *(*body)(void *worker)) {
  static worker workers[THREADS];
  memset(workers, 0, sizeof workers);
  atomic_store(&ready, 0);
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i].number = i;
    assert_int_equal(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
  }
  int64_t hits = 0;
  for (unsigned i = 0; i < THREADS; i++) pthread_join(workers[i].thread, NULL);
  for (unsigned i = 0; i < THREADS; i++) {
    if (workers[i].failure != NULL) fail_msg("thread %u: %s", i, workers[i].failure);
    hits += workers[i].hits;
  }
  assert_true(hits > 0);
}

/* ---- All verbs at once ---- */

/* A value has its key, its length, and then one letter repeated. */
static size_t make_value(char *value, unsigned key, unsigned chance) {
  size_t size = sizeof key + sizeof size + chance % LARGEST;
  memset(value, 'a' + (int)(chance % 26), size);
  memcpy(value, &key, sizeof key);
  memcpy(value + sizeof key, &size, sizeof size);
  return size;
}

static bool is_whole(const cachette_item *item, unsigned key) {
  const char *bytes = item->value.data;
  unsigned its_key;
  size_t its_size, head = sizeof its_key + sizeof its_size;
  if (item->value.size < head) return false;
  memcpy(&its_key, bytes, sizeof its_key);
  memcpy(&its_size, bytes + sizeof its_key, sizeof its_size);
  if (its_key != key || its_size != item->value.size) return false;
  for (size_t i = head + 1; i < its_size; i++)
    if (bytes[i] != bytes[head]) return false;
  return true;
}

static void take_turn(worker *self, cachette *handle, unsigned chance) {
  char key[16], value[LARGEST + 64], buffer[100];
  unsigned number = chance % KEYS;
  snprintf(key, sizeof key, "ns%u:%u", number % 4, number);
  cachette_item item = {.key = cachette_str(key), .buffer = buffer, .buffer_size = sizeof buffer};
  cachette_op op = {.verb = CACHETTE_FETCH, .items = &item, .count = 1};
  unsigned verb = (chance >> 8) % 1000;
  if (verb < 500) {
    op.flags = CACHETTE_WITH_TTL;
  } else if (verb < 900) {
    op.verb = CACHETTE_PUT;
    item.value = (cachette_slice){value, make_value(value, number, chance >> 4)};
    item.ttl_ms = verb < 600 ? 1 : 0;
  } else if (verb < 980) {
    op.verb = CACHETTE_CLEAR;
  } else if (verb < 990) {
    op.verb = CACHETTE_CLEAR_NAMESPACE;
    item.key.size = strcspn(key, ":");
  } else {
    op.verb = verb < 997 ? CACHETTE_FLUSH_EXPIRED : CACHETTE_FLUSH;
  }
  expect(self, cachette_run(handle, &op) == CACHETTE_OK);
  expect(self, item.status >= 0);
  if (op.verb == CACHETTE_FETCH && item.status == CACHETTE_HIT) {
    self->hits++;
    expect(self, is_whole(&item, number));
    /* A fetch may have read the clock before the put whose value it returns. */
    expect(self, item.ttl_ms > 0 && item.ttl_ms <= 2 * 60000);
  }
  cachette_op_deinit(&op);
}

static void *all_verbs(void *data) {
  worker *self = data;
  cachette *handle;
  wait_for_all();
  if (cachette_open(shared_options, &handle, NULL) < 0) {
    self->failure = "a handle could be opened";
    return NULL;
  }
  unsigned random = self->number + 1;
  for (int i = 0; i < ROUNDS; i++) {
    random = random * 1664525 + 1013904223;
    take_turn(self, handle, random >> 4);
    if (i % 100 != 0) continue;
    cachette_stats stats;
    expect(self, cachette_get_stats(handle, &stats, sizeof stats) == CACHETTE_OK);
    expect(self, stats.bytes <= stats.limit && stats.hits == self->hits);
  }
  cachette_close(handle);
  return NULL;
}

static void threads_share_a_table(void **state) {
  (void)state;
  cachette_options *options = options_with("memory_name", "threads", "memory_limit", "1M", NULL);
  shared_options = options;
  cachette *holder = NULL;
  assert_int_equal(cachette_open(options, &holder, NULL), CACHETTE_OK);
  run_workers(all_verbs);
  cachette_stats stats = stats_of(holder);
  assert_true(stats.entries <= KEYS && stats.bytes <= stats.limit);
  cachette_close(holder);
  cachette_options_free(options);
}

/* ---- Opening and closing ---- */

static void *open_and_close(void *data) {
  worker *self = data;
  wait_for_all();
  for (int i = 0; i < 200; i++) {
    cachette *handle;
    if (cachette_open(shared_options, &handle, NULL) < 0) {
      self->failure = "a handle could be opened";
      break;
    }
    char key[16];
    snprintf(key, sizeof key, "%u", self->number);
    cachette_slice value;
    expect(self, cachette_put(handle, cachette_str(key), cachette_str(key), 0, NULL) == 0);
    int status = cachette_fetch(handle, cachette_str(key), &value, NULL, NULL);
    expect(self, status == CACHETTE_HIT);
    if (status == CACHETTE_HIT) {
      self->hits++;
      cachette_free(value.data);
    }
    cachette_close(handle);
  }
  return NULL;
}

static void threads_open_and_close_tables(void **state) {
  (void)state;
  cachette_options *options = options_with("memory_name", "come and go", NULL);
  shared_options = options;
  run_workers(open_and_close);
  cachette_options_free(options);
}

/* ---- Each thread drives its own loop ---- */

static void count_done(cachette_op *op) {
  worker *self = op->data;
  self->done++;
  expect(self, pthread_equal(self->submitter, pthread_self()));
  if (op->status == CACHETTE_OK) self->hits++;
}

static void *drive(void *data) {
  enum { OPS = 200 };
  worker *self = data;
  self->submitter = pthread_self();
  cachette *handle;
  wait_for_all();
  if (cachette_open(shared_options, &handle, NULL) < 0) {
    self->failure = "a handle could be opened";
    return NULL;
  }
  cachette_item item = {.key = cachette_str("key"), .value = cachette_str("value")};
  for (int i = 0; i < OPS; i++) {
    cachette_op op = {
        .verb = CACHETTE_PUT, .items = &item, .count = 1, .done = count_done, .data = self};
    cachette_submit(handle, &op);
    expect(self, cachette_process(handle) == 0);
    expect(self, cachette_timeout(handle) == -1);
  }
  expect(self, self->done == OPS);
  cachette_close(handle);
  return NULL;
}

static void done_is_called_on_the_thread_that_submits(void **state) {
  (void)state;
  cachette_options *options = cachette_options_new();
  shared_options = options;
  run_workers(drive);
  cachette_options_free(options);
}

#define test(name) cmocka_unit_test(name)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(threads_share_a_table),
      test(threads_open_and_close_tables),
      test(done_is_called_on_the_thread_that_submits),
  };
  return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
