/* SPDX-License-Identifier: MIT */
/* What a forked child can do with the handles of its parent. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slow_store.h"
#include "support.h"

enum { LONG_MS = 600000 };

static cachette *open_named(void) {
  return open_memory(options_with("memory_name", "forked", NULL));
}

/* Runs an op in the child, without a probe. */
static int child_run(cachette *handle, enum cachette_verb verb, cachette_error *error) {
  cachette_item item = {.key = cachette_str("key")};
  cachette_op op = {.verb = verb, .items = &item, .count = 1, .error = error};
  int status = cachette_run(handle, &op);
  child_assert(!cachette_op_pending(&op));
  return status;
}

static int child_done;

static void count_done(cachette_op *op) {
  child_done++;
  child_assert(op->status == CACHETTE_EFORK);
}

static void call_everything(void *data) {
  cachette *handle = data;
  cachette_error error;
  for (int verb = CACHETTE_FETCH; verb <= CACHETTE_PING; verb++) {
    memset(&error, 0, sizeof error);
    child_assert(child_run(handle, (enum cachette_verb)verb, &error) == CACHETTE_EFORK);
    child_assert(error.code == CACHETTE_EFORK);
    child_assert(strcmp(error.message, cachette_strerror(CACHETTE_EFORK)) == 0);
  }
  cachette_slice key = cachette_str("key"), value = {NULL, 0};
  cachette_stats stats;
  child_assert(cachette_fetch(handle, key, &value, NULL, &error) == CACHETTE_EFORK);
  child_assert(value.data == NULL);
  child_assert(cachette_put(handle, key, key, 0, NULL) == CACHETTE_EFORK);
  child_assert(cachette_clear(handle, key, NULL) == CACHETTE_EFORK);
  child_assert(cachette_fd(handle) == CACHETTE_EFORK);
  child_assert(cachette_timeout(handle) == 0); /* so that a host calls cachette_process() */
  child_assert(cachette_process(handle) == CACHETTE_EFORK);
  child_assert(cachette_get_stats(handle, &stats, sizeof stats) == CACHETTE_EFORK);

  static cachette_item item;
  static cachette_op op;
  item.key = key;
  op = (cachette_op){.verb = CACHETTE_PUT, .items = &item, .count = 1, .done = count_done};
  cachette_submit(handle, &op);
  /* Inside another `done` the op completes after that one returns. */
  child_assert(child_done == !cachette_op_pending(&op));
  child_assert(cachette_cancel(handle, &op) == CACHETTE_EFORK);
}

static void every_call_in_the_child_returns_efork(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  put_text(handle, "key", "value", 0);
  run_in_child(call_everything, handle);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
  handle = slow_open(NULL);
  run_in_child(call_everything, handle);
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "hit"), CACHETTE_OK);
  assert_int_equal(slow_seen.submitted, 1);
  cachette_op_deinit(&probe.op);
  cachette_close(handle);
}

/* ---- Closing in the child ---- */

static struct probe waiting[5];

static void close_with_pending(void *data) {
  cachette *handle = data;
  child_assert(cachette_run(handle, &waiting[0].op) == CACHETTE_EFORK);
  child_assert(cachette_cancel(handle, &waiting[0].op) == CACHETTE_EFORK);
  for (size_t i = 0; i < LENGTH(waiting); i++) child_assert(waiting[i].done == 0);
  cachette_close(handle);
  for (size_t i = 0; i < LENGTH(waiting); i++) {
    child_assert(waiting[i].done == 1);
    child_assert(waiting[i].op.status == CACHETTE_EFORK);
    child_assert(!cachette_op_pending(&waiting[i].op));
  }
  child_assert(slow_seen.closed_forked == 1 && slow_seen.closed == 0);
}

static void closing_in_a_child_does_not_affect_the_parent(void **state) {
  (void)state;
  static const enum slow_mode modes[] = {SLOW_BY_TIMER, SLOW_BY_WIRE};
  for (size_t i = 0; i < LENGTH(modes); i++) {
    slow_reset(NULL);
    cachette *handle = slow_open(NULL);
    slow_settings.mode = modes[i];
    slow_settings.delay_ms = modes[i] == SLOW_BY_WIRE ? SLOW_NEVER : 20;
    for (size_t j = 0; j < LENGTH(waiting); j++) {
      probe_init(&waiting[j], CACHETTE_FETCH, "hit");
      waiting[j].op.timeout_ms = LONG_MS;
      probe_submit(handle, &waiting[j]);
    }
    cachette_process(handle); /* registers the watchers, which parent and child then share */
    run_in_child(close_with_pending, handle);
    if (modes[i] == SLOW_BY_WIRE) slow_release(LENGTH(waiting));
    slow_settings.delay_ms = 0;
    for (size_t j = 0; j < LENGTH(waiting); j++) {
      assert_int_equal(probe_wait(handle, &waiting[j]), CACHETTE_OK);
      probe_expect(&waiting[j], CACHETTE_OK);
      assert_slice(waiting[j].item.value, "hit");
      cachette_op_deinit(&waiting[j].op);
    }
    struct probe probe;
    assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR, "key"), CACHETTE_OK);
    cachette_close(handle);
  }
}

/* ---- Entries ---- */

static void use_entries(void *data) {
  cachette *inherited = data;
  cachette *fresh = open_named();
  child_assert(has_text(fresh, "key", "value"));
  put_text(fresh, "key", "the child's", 0);
  put_text(fresh, "child", "value", 0);
  cachette_close(inherited);
  child_assert(has_text(fresh, "key", "the child's"));
  child_assert(cachette_get_stats(fresh, &(cachette_stats){0}, sizeof(cachette_stats)) ==
               CACHETTE_OK);
  cachette_close(fresh);
}

static void close_all(void *data) {
  cachette_close(data);
  cachette *fresh = open_named();
  child_assert(!has_key(fresh, "key"));
  cachette_close(fresh);
}

static void a_child_has_its_own_copy_of_the_entries(void **state) {
  (void)state;
  cachette *handle = open_named();
  put_text(handle, "key", "value", 0);
  run_in_child(use_entries, handle);
  run_in_child(close_all, handle);
  assert_true(has_text(handle, "key", "value"));
  assert_false(has_key(handle, "child"));
  cachette_close(handle);
}

static void fork_again(void *data) {
  cachette *fresh = open_named();
  run_in_child(call_everything, fresh);
  run_in_child(call_everything, data);
  run_in_child(use_entries, data);
  child_assert(has_text(fresh, "key", "value"));
  cachette_close(fresh);
  cachette_close(data);
}

static void grandchildren_cannot_use_a_handle_either(void **state) {
  (void)state;
  cachette *handle = open_named();
  put_text(handle, "key", "value", 0);
  run_in_child(fork_again, handle);
  cachette_close(handle);
}

/* ---- An allocator that works after a fork ---- */

/*
 * The malloc() of the C library is safe after a fork. AddressSanitizer's is not: the child would
 * hang.
 */
static pthread_mutex_t allocator_lock = PTHREAD_MUTEX_INITIALIZER;

static void lock_allocator(void) { pthread_mutex_lock(&allocator_lock); }

static void unlock_allocator(void) { pthread_mutex_unlock(&allocator_lock); }

static void *locked_realloc(void *data, size_t size) {
  lock_allocator();
  void *moved = realloc(data, size);
  unlock_allocator();
  return moved;
}

static void *locked_malloc(size_t size) { return locked_realloc(NULL, size); }

static void *locked_calloc(size_t count, size_t size) {
  void *data = locked_malloc(count * size);
  if (data != NULL) memset(data, 0, count * size);
  return data;
}

static void locked_free(void *data) {
  lock_allocator();
  free(data);
  unlock_allocator();
}

/* The library registers its fork handlers later, so they take their locks before this one. */
static int lock_allocator_at_forks(void **state) {
  (void)state;
  cachette_set_allocator(locked_malloc, locked_realloc, locked_free);
  uv_replace_allocator(locked_malloc, locked_realloc, locked_calloc, locked_free);
  return pthread_atfork(lock_allocator, unlock_allocator, unlock_allocator);
}

/* ---- Forks during calls ---- */

static void fork_in_done(struct probe *probe) { run_in_child(call_everything, probe->data); }

static void a_fork_inside_done_is_detected(void **state) {
  (void)state;
  for (int turn = 0; turn < 2; turn++) {
    cachette *handle = turn == 0 ? open_memory(NULL) : slow_open(NULL);
    struct probe probe;
    probe_init(&probe, CACHETTE_CLEAR, "key");
    probe.data = handle;
    probe.then = fork_in_done;
    probe_submit(handle, &probe);
    assert_int_equal(probe_wait(handle, &probe), CACHETTE_OK);
    cachette_close(handle);
  }
}

static atomic_bool stop;

static void *use_table(void *data) {
  (void)data;
  cachette *handle = open_named();
  for (unsigned i = 0; !atomic_load(&stop); i++) {
    char key[16];
    snprintf(key, sizeof key, "%u", i % 1000);
    cachette_put(handle, cachette_str(key), cachette_str(key), 0, NULL);
    has_key(handle, key);
    if (i % 100 == 0) cachette_clear(handle, cachette_str(key), NULL);
    /* Also opens and closes tables. */
    if (i % 50 == 0) cachette_close(open_memory(NULL));
  }
  cachette_close(handle);
  return NULL;
}

static void use_table_in_child(void *data) {
  (void)data;
  cachette *fresh = open_named();
  for (unsigned i = 0; i < 1000; i++) {
    char key[16];
    cachette_slice value;
    snprintf(key, sizeof key, "%u", i);
    int status = cachette_fetch(fresh, cachette_str(key), &value, NULL, NULL);
    child_assert(status >= 0);
    if (status == CACHETTE_MISS) continue;
    child_assert(value.size == strlen(key) && memcmp(value.data, key, value.size) == 0);
    cachette_free(value.data);
  }
  put_text(fresh, "child", "value", 0);
  child_assert(has_text(fresh, "child", "value"));
  cachette_close(fresh);
}

static void a_fork_while_threads_run_leaves_the_table_consistent(void **state) {
  (void)state;
  enum { THREADS = 3, FORKS = 50 };
  pthread_t threads[THREADS];
  atomic_store(&stop, false);
  cachette *handle = open_named();
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, use_table, NULL), 0);
  for (int i = 0; i < FORKS; i++) run_in_child(use_table_in_child, NULL);
  atomic_store(&stop, true);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  assert_false(has_key(handle, "child"));
  cachette_close(handle);
}

#define test(name) cmocka_unit_test_setup(name, slow_reset)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(every_call_in_the_child_returns_efork),
      test(closing_in_a_child_does_not_affect_the_parent),
      test(a_child_has_its_own_copy_of_the_entries),
      test(grandchildren_cannot_use_a_handle_either),
      test(a_fork_inside_done_is_detected),
      test(a_fork_while_threads_run_leaves_the_table_consistent),
  };
  return cmocka_run_group_tests_name("fork", tests, lock_allocator_at_forks, NULL);
}
