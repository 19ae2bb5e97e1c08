/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of each function of the API fails in turn. The function must return ENOMEM and
 * leave its outputs untouched.
 */
#include <stdio.h>
#include <string.h>

#include "nomem.h"
#include "slow_store.h"
#include "support.h"

struct scenario {
  nomem_work *work;
  void *data;
};

static int expect_enomem(void *data) {
  struct scenario *self = data;
  int code = self->work(self->data);
  if (failing_allocator_fired()) assert_int_equal(code, CACHETTE_ENOMEM);
  return code;
}

/* Makes each allocation of the work fail in turn. Returns how many there are. */
static long fail_each(nomem_work *work, void *data) {
  return nomem_each(expect_enomem, &(struct scenario){work, data});
}

/* ---- Options ---- */

static int make_options(void *data) {
  (void)data;
  cachette_options *options = cachette_options_new();
  if (options == NULL) return CACHETTE_ENOMEM;
  cachette_options_free(options);
  return CACHETTE_OK;
}

static void creating_options_returns_enomem(void **state) {
  (void)state;
  /* The options and the path of the current folder. */
  assert_int_equal(fail_each(make_options, NULL), 2);
}

static int set_option(void *data) {
  cachette_options *options = data;
  cachette_error error = {.code = 0};
  int code = cachette_options_set(options, "redis_url", "redis://new", &error);
  assert_int_equal(error.code, code);
  const char *text = cachette_options_get(options, "redis_url");
  assert_string_equal(text, code == CACHETTE_OK ? "redis://new" : "redis://old");
  return code;
}

static void setting_an_option_returns_enomem(void **state) {
  (void)state;
  cachette_options *options = options_with("redis_url", "redis://old", NULL);
  fail_each(set_option, options);
  cachette_options_free(options);
}

static int check_options(void *data) {
  return cachette_options_check(data, NULL, 0) == 2 ? CACHETTE_OK : CACHETTE_EINVAL;
}

static void checking_options_returns_enomem(void **state) {
  (void)state;
  cachette_options *options =
      options_with("backend", "mongodb", "table_name", "", "mongodb_url", NULL, NULL);
  assert_int_equal(fail_each(check_options, options), 0);
  cachette_options_free(options);
}

/* ---- Handles ---- */

static int open_and_close(void *options) {
  static char nowhere;
  cachette *handle = (cachette *)&nowhere;
  cachette_error error = {.code = 0};
  int code = cachette_open(options, &handle, &error);
  assert_int_equal(error.code, code);
  if (code < 0)
    assert_ptr_equal(handle, &nowhere);
  else
    cachette_close(handle);
  return code;
}

static void opening_returns_enomem(void **state) {
  (void)state;
  assert_true(fail_each(open_and_close, NULL) > 4);
  cachette_options *options =
      options_with("memory_name", "name", "ttl", "5", "redis_url", "redis://host", NULL);
  assert_true(fail_each(open_and_close, options) > 8);
  /* With a second handle on the same table. */
  cachette *holder = NULL;
  assert_int_equal(cachette_open(options, &holder, NULL), CACHETTE_OK);
  put_text(holder, "key", "value", 0);
  fail_each(open_and_close, options);
  assert_true(has_text(holder, "key", "value"));
  cachette_close(holder);
  cachette_options_free(options);
}

static int open_slow_and_close(void *data) {
  (void)data;
  cachette *handle = NULL;
  int code = cachette__open_with(NULL, slow_store.open, &handle, NULL);
  cachette_close(handle);
  return code;
}

static void opening_over_a_slow_store_returns_enomem(void **state) {
  (void)state;
  fail_each(open_slow_and_close, NULL);
}

/* ---- Simple calls ---- */

static int fetch_value(void *handle) {
  cachette_slice value = {"untouched", 9};
  int64_t ttl_ms = 42;
  cachette_error error = {.code = 0};
  int status = cachette_fetch(handle, cachette_str("key"), &value, &ttl_ms, &error);
  if (status < 0) {
    assert_int_equal(error.code, status);
    assert_slice(value, "untouched");
    assert_int_equal(ttl_ms, 42);
    return status;
  }
  assert_int_equal(status, CACHETTE_HIT);
  assert_slice(value, "value");
  cachette_free(value.data);
  return CACHETTE_OK;
}

static void a_fetch_returns_enomem(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  put_text(handle, "key", "value", 0);
  assert_int_equal(fail_each(fetch_value, handle), 1);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
}

/* Checks the value of a key without an allocation. */
static void expect_text(cachette *handle, const char *key, const char *text) {
  char buffer[16];
  cachette_item item = {.key = cachette_str(key), .buffer = buffer, .buffer_size = sizeof buffer};
  cachette_op op = {.verb = CACHETTE_FETCH, .items = &item, .count = 1};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(item.status, CACHETTE_HIT);
  assert_slice(item.value, text);
}

/* A put keeps the old value or stores the new one. */
static int put_value(void *handle) {
  cachette_error error = {.code = 0};
  int code = cachette_put(handle, cachette_str("key"), cachette_str("new"), 0, &error);
  assert_int_equal(error.code, code);
  expect_text(handle, "key", code < 0 ? "old" : "new");
  return code;
}

static void a_put_returns_enomem(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  put_text(handle, "key", "old", 0);
  fail_each(put_value, handle);
  cachette_close(handle);
}

/* A put succeeds if the table cannot grow but has enough capacity left. */
static void puts_succeed_while_the_table_has_capacity(void **state) {
  (void)state;
  enum { KEYS = 600 };
  cachette *handle = open_memory(NULL);
  for (int i = 0; i < KEYS; i++) {
    char key[8];
    snprintf(key, sizeof key, "%d", i);
    int code;
    long countdown = 0;
    do {
      failing_allocator_arm(countdown++);
      code = cachette_put(handle, cachette_str(key), cachette_str(key), 0, NULL);
      assert_true(code == CACHETTE_OK || code == CACHETTE_ENOMEM);
    } while (failing_allocator_fired());
    failing_allocator_arm(-1);
    assert_int_equal(code, CACHETTE_OK);
  }
  assert_int_equal(stats_of(handle).entries, KEYS);
  for (int i = 0; i < KEYS; i++) {
    char key[8];
    snprintf(key, sizeof key, "%d", i);
    expect_text(handle, key, key);
  }
  cachette_close(handle);
}

static int clear_key(void *handle) {
  int status = cachette_clear(handle, cachette_str("none"), NULL);
  return status < 0 ? status : CACHETTE_OK;
}

/* ---- Ops ---- */

static int fetch_many(void *handle) {
  cachette_item items[] = {
      {.key = cachette_str("key")}, {.key = cachette_str("none")}, {.key = cachette_str("key")}};
  cachette_op op = {.verb = CACHETTE_FETCH, .items = items, .count = 3};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  int failed = (items[0].status < 0) + (items[2].status < 0);
  assert_int_equal(op.number, 2 - failed);
  assert_int_equal(items[1].status, CACHETTE_MISS);
  for (size_t i = 0; i < LENGTH(items); i++) {
    if (items[i].status == CACHETTE_HIT) assert_slice(items[i].value, "value");
    if (items[i].status != CACHETTE_HIT) assert_null(items[i].value.data);
    if (items[i].status < 0) assert_int_equal(items[i].status, CACHETTE_ENOMEM);
  }
  cachette_op_deinit(&op);
  return failed > 0 ? CACHETTE_ENOMEM : CACHETTE_OK;
}

static int clear_all(void *handle) {
  static const enum cachette_verb verbs[] = {CACHETTE_CLEAR_NAMESPACE, CACHETTE_FLUSH,
                                             CACHETTE_FLUSH_EXPIRED};
  for (size_t i = 0; i < LENGTH(verbs); i++) {
    struct probe probe;
    int status = probe_run(handle, &probe, verbs[i], "name");
    probe_expect(&probe, status);
    if (status < 0) return status;
  }
  return CACHETTE_OK;
}

static int inspect(void *handle) {
  cachette_stats stats;
  cachette_fd(handle);
  cachette_timeout(handle);
  int pending = cachette_process(handle);
  return pending < 0 ? pending : cachette_get_stats(handle, &stats, sizeof stats);
}

static void ops_on_a_table_return_enomem(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  put_text(handle, "key", "value", 0);
  assert_int_equal(fail_each(fetch_many, handle), 2);
  assert_int_equal(fail_each(clear_key, handle), 0);
  assert_int_equal(fail_each(inspect, handle), 0);
  cachette_clear(handle, cachette_str("key"), NULL);
  assert_int_equal(fail_each(clear_all, handle), 0);
  cachette_close(handle);
}

/* Opens a new handle each time, so that the heap of pending ops must grow. */
static int submit_and_wait(void *count) {
  enum { MAX = 40 };
  static struct probe probes[MAX];
  failing_allocator_pause(true);
  cachette *handle = slow_open(NULL);
  failing_allocator_pause(false);
  int code = CACHETTE_OK;
  for (int i = 0; i < *(int *)count; i++) {
    probe_init(&probes[i], CACHETTE_CLEAR, "key");
    probe_submit(handle, &probes[i]);
  }
  for (int i = 0; i < *(int *)count; i++) {
    int status = probe_wait(handle, &probes[i]);
    probe_expect(&probes[i], status);
    if (status < 0) code = status;
  }
  assert_int_equal(stats_of(handle).pending, 0);
  cachette_close(handle);
  return code;
}

static void submitting_returns_enomem(void **state) {
  (void)state;
  int counts[] = {1, 17, 40};
  assert_int_equal(fail_each(submit_and_wait, &counts[0]), 2);
  assert_int_equal(fail_each(submit_and_wait, &counts[1]), 17 + 2);
  assert_int_equal(fail_each(submit_and_wait, &counts[2]), 40 + 3);
}

static int cancel_and_close(void *data) {
  (void)data;
  struct probe first, second;
  cachette *handle = NULL;
  int code = cachette__open_with(NULL, slow_store.open, &handle, NULL);
  if (code < 0) return code;
  probe_init(&first, CACHETTE_CLEAR, "key");
  probe_init(&second, CACHETTE_CLEAR, "key");
  probe_submit(handle, &first);
  probe_submit(handle, &second);
  cachette_cancel(handle, &first.op);
  cachette_close(handle);
  probe_expect(&first, failing_allocator_fired() && first.op.status == CACHETTE_ENOMEM
                           ? CACHETTE_ENOMEM
                           : CACHETTE_ECANCELED);
  code = first.op.status == CACHETTE_ENOMEM ? CACHETTE_ENOMEM : second.op.status;
  return code == CACHETTE_ECLOSED ? CACHETTE_OK : code;
}

static void cancelling_and_closing_need_no_memory(void **state) {
  (void)state;
  fail_each(cancel_and_close, NULL);
}

static void an_allocator_needs_all_three_functions(void **state) {
  (void)state;
  assert_int_equal(cachette_set_allocator(NULL, NULL, NULL), CACHETTE_EINVAL);
}

/* Makes libuv allocate what it keeps for the whole process. */
static int warm_up(void **state) {
  (void)state;
  cachette_close(open_memory(NULL));
  return 0;
}

#define test(name) cmocka_unit_test_setup(name, slow_reset)

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      test(creating_options_returns_enomem),
      test(setting_an_option_returns_enomem),
      test(checking_options_returns_enomem),
      test(opening_returns_enomem),
      test(opening_over_a_slow_store_returns_enomem),
      test(a_fetch_returns_enomem),
      test(a_put_returns_enomem),
      test(puts_succeed_while_the_table_has_capacity),
      test(ops_on_a_table_return_enomem),
      test(submitting_returns_enomem),
      test(cancelling_and_closing_need_no_memory),
      test(an_allocator_needs_all_three_functions),
  };
  return cmocka_run_group_tests_name("nomem", tests, warm_up, NULL);
}
