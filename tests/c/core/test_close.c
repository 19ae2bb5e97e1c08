/* SPDX-License-Identifier: MIT */
/* Closing a handle from outside and inside its callbacks, and that it leaks nothing. */

#include "slow_store.h"
#include "support.h"

static cachette *the_handle;

static void closing_null_is_allowed(void **state) {
  (void)state;
  cachette_close(NULL);
}

static void pending_ops_complete_with_eclosed(void **state) {
  (void)state;
  static const enum slow_mode modes[] = {SLOW_BY_TIMER, SLOW_BY_WIRE};
  for (size_t i = 0; i < LENGTH(modes); i++) {
    cachette *handle = slow_open(NULL);
    slow_settings.mode = modes[i];
    struct probe probes[10];
    for (size_t j = 0; j < LENGTH(probes); j++) {
      probe_init(&probes[j], CACHETTE_FETCH, "hit");
      probe_submit(handle, &probes[j]);
    }
    cachette_close(handle);
    for (size_t j = 0; j < LENGTH(probes); j++) probe_expect(&probes[j], CACHETTE_ECLOSED);
  }
  assert_int_equal(slow_seen.answered, 0);
  assert_int_equal(slow_seen.closed, LENGTH(modes));
}

static struct probe late, others[10];

static void submit_late(struct probe *probe) {
  (void)probe;
  if (late.done > 0 || cachette_op_pending(&late.op)) return;
  probe_submit(the_handle, &late);
}

static void ops_submitted_while_closing_complete_with_eclosed(void **state) {
  (void)state;
  the_handle = slow_open(NULL);
  struct probe probe;
  probe_init(&late, CACHETTE_FETCH, "late");
  probe_init(&probe, CACHETTE_FETCH, "hit");
  probe.then = submit_late;
  probe_submit(the_handle, &probe);
  cachette_close(the_handle);
  probe_expect(&probe, CACHETTE_ECLOSED);
  probe_expect(&late, CACHETTE_ECLOSED);
  assert_int_equal(slow_seen.submitted, 1);
}

/* Closes the handle, which stays valid until the outer call has returned. */
static void close_inside(struct probe *probe) {
  (void)probe;
  cachette_close(the_handle);
  cachette_close(the_handle);
  for (size_t i = 0; i < LENGTH(others); i++)
    assert_int_equal(cachette_cancel(the_handle, &others[i].op), CACHETTE_EINVAL);
  submit_late(NULL);
  assert_int_equal(slow_seen.closed, 0);
}

static void open_with_others(void) {
  the_handle = slow_open(NULL);
  slow_settings.delay_ms = SLOW_NEVER;
  for (size_t i = 0; i < LENGTH(others); i++) {
    probe_init(&others[i], CACHETTE_FETCH, "other");
    probe_submit(the_handle, &others[i]);
  }
  probe_init(&late, CACHETTE_FETCH, "late");
  slow_settings.delay_ms = 0;
}

static void expect_all_closed(void) {
  for (size_t i = 0; i < LENGTH(others); i++) probe_expect(&others[i], CACHETTE_ECLOSED);
  probe_expect(&late, CACHETTE_ECLOSED);
  assert_int_equal(slow_seen.closed, 1);
}

static void done_may_close_the_handle_inside_submit(void **state) {
  (void)state;
  open_with_others();
  slow_settings.mode = SLOW_IN_SUBMIT;
  struct probe probe;
  probe_init(&probe, CACHETTE_CLEAR, "key");
  probe.then = close_inside;
  probe_submit(the_handle, &probe);
  probe_expect(&probe, CACHETTE_OK);
  expect_all_closed();
}

static void done_may_close_the_handle_inside_cancel(void **state) {
  (void)state;
  open_with_others();
  others[5].then = close_inside;
  assert_int_equal(cachette_cancel(the_handle, &others[5].op), CACHETTE_OK);
  for (size_t i = 0; i < LENGTH(others); i++)
    probe_expect(&others[i], i == 5 ? CACHETTE_ECANCELED : CACHETTE_ECLOSED);
  probe_expect(&late, CACHETTE_ECLOSED);
  assert_int_equal(slow_seen.closed, 1);
}

/* Closes the handle in a `done` that the loop calls for an answer or a time-out. */
static void close_in_loop(bool by_timeout, bool by_run) {
  the_handle = slow_open(NULL);
  slow_settings.delay_ms = by_timeout ? SLOW_NEVER : 0;
  struct probe probe;
  probe_init(&probe, CACHETTE_CLEAR, "key");
  probe.op.timeout_ms = by_timeout ? 10 : 0;
  probe.then = close_inside;
  probe_submit(the_handle, &probe);
  slow_settings.delay_ms = SLOW_NEVER;
  for (size_t i = 0; i < LENGTH(others); i++) {
    probe_init(&others[i], CACHETTE_FETCH, "other");
    probe_submit(the_handle, &others[i]);
  }
  probe_init(&late, CACHETTE_FETCH, "late");
  if (by_run) {
    /* cachette_run() waits for a different op than the one that closes the handle. */
    assert_int_equal(probe_wait(the_handle, &others[3]), CACHETTE_ECLOSED);
  } else {
    while (slow_seen.closed == 0) cachette_process(the_handle);
  }
  probe_expect(&probe, by_timeout ? CACHETTE_ETIMEDOUT : CACHETTE_OK);
  expect_all_closed();
}

static void done_may_close_the_handle_inside_run(void **state) {
  (void)state;
  close_in_loop(false, true);
}

static void done_may_close_the_handle_inside_process(void **state) {
  (void)state;
  close_in_loop(false, false);
}

static void done_may_close_the_handle_on_a_time_out_inside_run(void **state) {
  (void)state;
  close_in_loop(true, true);
}

static void done_may_close_the_handle_on_a_time_out_inside_process(void **state) {
  (void)state;
  close_in_loop(true, false);
}

static void close_handle(struct probe *probe) { cachette_close(probe->data); }

static void done_may_close_an_immediate_handle(void **state) {
  (void)state;
  struct probe probe;
  probe_init(&probe, CACHETTE_CLEAR, "key");
  probe.then = close_handle;
  probe.data = open_memory(NULL);
  probe_submit(probe.data, &probe);
  probe_expect(&probe, CACHETTE_OK);

  probe.done = 0;
  probe.data = open_memory(NULL);
  assert_int_equal(cachette_run(probe.data, &probe.op), CACHETTE_OK);
  probe_expect(&probe, CACHETTE_OK);
}

static void a_store_that_cannot_open_leaks_nothing(void **state) {
  (void)state;
  int before = count_descriptors();
  slow_settings.open_fails = CACHETTE_EBACKEND;
  cachette *handle = NULL;
  cachette_error error;
  int code = cachette__open_with(NULL, slow_store.open, &handle, &error);
  assert_int_equal(code, CACHETTE_EBACKEND);
  assert_int_equal(error.code, CACHETTE_EBACKEND);
  assert_null(handle);
  assert_int_equal(count_descriptors(), before);
}

/* The first handle of a process opens descriptors that libuv keeps. */
static void closing_frees_all_descriptors(void **state) {
  (void)state;
  enum { HANDLES = 10000 };
  cachette_close(open_memory(NULL));
  int before = count_descriptors();
  for (int i = 0; i < HANDLES; i++) {
    cachette *handle = i % 2 == 0 ? open_memory(NULL) : slow_open(NULL);
    struct probe probe;
    probe_init(&probe, CACHETTE_CLEAR, "key");
    probe_submit(handle, &probe);
    cachette_close(handle);
    probe_expect(&probe, i % 2 == 0 ? CACHETTE_OK : CACHETTE_ECLOSED);
  }
  assert_int_equal(count_descriptors(), before);
}

#define test(name) cmocka_unit_test_setup(name, slow_reset)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(closing_null_is_allowed),
      test(pending_ops_complete_with_eclosed),
      test(ops_submitted_while_closing_complete_with_eclosed),
      test(done_may_close_the_handle_inside_submit),
      test(done_may_close_the_handle_inside_cancel),
      test(done_may_close_the_handle_inside_run),
      test(done_may_close_the_handle_inside_process),
      test(done_may_close_the_handle_on_a_time_out_inside_run),
      test(done_may_close_the_handle_on_a_time_out_inside_process),
      test(done_may_close_an_immediate_handle),
      test(a_store_that_cannot_open_leaks_nothing),
      test(closing_frees_all_descriptors),
  };
  return cmocka_run_group_tests_name("close", tests, NULL, NULL);
}
