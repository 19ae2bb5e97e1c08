/* SPDX-License-Identifier: MIT */
/* Deadlines, cachette_run(), and a handle in the caller's event loop. */
#include <poll.h>
#include <string.h>

#include "slow_store.h"
#include "support.h"

/*
 * SOON_MS is much longer than any test takes, and much shorter than LONG_MS, which no test waits
 * for.
 */
enum { SOON_MS = 5000, LONG_MS = 600000 };

static cachette *the_handle;

static void probe_init_timed(struct probe *probe, const char *key, int64_t timeout_ms) {
  probe_init(probe, CACHETTE_FETCH, key);
  probe->op.timeout_ms = timeout_ms;
}

/* The event loop of a host, such as a C server. Returns how often it woke. */
static int host_loop(cachette *handle) {
  int wakes = 0;
  for (; stats_of(handle).pending > 0; wakes++) {
    struct pollfd watched = {.fd = cachette_fd(handle), .events = POLLIN};
    assert_true(poll(&watched, 1, cachette_timeout(handle)) >= 0);
    assert_true(cachette_process(handle) >= 0);
  }
  return wakes;
}

/* ---- Deadlines ---- */

static void time_outs_expire_in_order(void **state) {
  (void)state;
  static const int64_t timeouts[] = {60, 20, 100, 40, 80};
  static const int order[] = {3, 1, 5, 2, 4};
  struct probe probes[LENGTH(timeouts)];
  cachette *handle = slow_open(NULL);
  slow_settings.delay_ms = SLOW_NEVER;
  int64_t start = monotonic_ms();
  for (size_t i = 0; i < LENGTH(timeouts); i++) {
    probe_init_timed(&probes[i], "hit", timeouts[i]);
    probe_submit(handle, &probes[i]);
  }
  for (size_t i = 0; i < LENGTH(timeouts); i++) {
    assert_int_equal(probe_wait(handle, &probes[i]), CACHETTE_ETIMEDOUT);
    assert_true(monotonic_ms() - start >= timeouts[i] - 5); /* one tick of the coarse clock */
  }
  for (size_t i = 0; i < LENGTH(timeouts); i++) {
    probe_expect(&probes[i], CACHETTE_ETIMEDOUT);
    assert_int_equal(probes[i].order, order[i]);
    assert_string_equal(probes[i].error.message, cachette_strerror(CACHETTE_ETIMEDOUT));
  }
  assert_int_equal(slow_seen.detached, LENGTH(timeouts));
  assert_int_equal(stats_of(handle).errors, LENGTH(timeouts));
  cachette_close(handle);
}

static void the_option_timeout_applies_to_an_op_without_a_timeout(void **state) {
  (void)state;
  cachette_options *options = options_with("timeout", "0.03", NULL);
  cachette *handle = slow_open(options);
  cachette_options_free(options);
  slow_settings.delay_ms = SLOW_NEVER;
  struct probe probe;
  int64_t start = monotonic_ms();
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "hit"), CACHETTE_ETIMEDOUT);
  assert_true(monotonic_ms() - start >= 25);
  assert_true(monotonic_ms() - start < SOON_MS);
  cachette_close(handle);
}

static void the_longest_timeout_does_not_overflow(void **state) {
  (void)state;
  cachette *handle = slow_open(NULL);
  struct probe probe;
  probe_init_timed(&probe, "hit", INT64_MAX);
  assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
  cachette_op_deinit(&probe.op);
  cachette_close(handle);
}

static void a_change_of_the_clock_fires_no_timeout(void **state) {
  (void)state;
  int64_t now = 0;
  cachette_options *options = cachette_options_new();
  cachette_options_set_clock(options, fake_clock, &now);
  cachette *handle = slow_open(options);
  cachette_options_free(options);
  slow_settings.delay_ms = 10;
  struct probe probe;
  probe_init_timed(&probe, "hit", LONG_MS);
  probe_submit(handle, &probe);
  now += INT64_C(10) * LONG_MS;
  assert_int_equal(probe_wait(handle, &probe), CACHETTE_OK);
  cachette_op_deinit(&probe.op);
  cachette_close(handle);
}

static void the_late_answer_of_a_timed_out_op_is_dropped(void **state) {
  (void)state;
  cachette *handle = slow_open(NULL);
  slow_settings.delay_ms = 40;
  struct probe first, second;
  probe_init_timed(&first, "h1", 10);
  probe_init_timed(&second, "h2", LONG_MS);
  probe_submit(handle, &first);
  probe_submit(handle, &second);
  assert_int_equal(probe_wait(handle, &second), CACHETTE_OK);
  probe_expect(&first, CACHETTE_ETIMEDOUT);
  assert_null(first.item.value.data);
  assert_slice(second.item.value, "h2");
  assert_int_equal(slow_seen.late, 1);
  cachette_op_deinit(&second.op);
  cachette_close(handle);
}

static void submit_again(struct probe *probe) {
  if (probe->done < 3) probe_submit(the_handle, probe);
}

static void a_timed_out_op_may_be_submitted_again(void **state) {
  (void)state;
  the_handle = slow_open(NULL);
  slow_settings.delay_ms = SLOW_NEVER;
  struct probe probe;
  probe_init_timed(&probe, "hit", 10);
  probe.then = submit_again;
  assert_int_equal(cachette_run(the_handle, &probe.op), CACHETTE_ETIMEDOUT);
  assert_int_equal(probe.done, 3);
  cachette_close(the_handle);
}

static void many_ops_time_out_together(void **state) {
  (void)state;
  enum { OPS = 2000 };
  static struct probe probes[OPS];
  cachette *handle = slow_open(NULL);
  slow_settings.delay_ms = SLOW_NEVER;
  for (int i = 0; i < OPS; i++) {
    probe_init_timed(&probes[i], "hit", 10 + i % 7);
    probe_submit(handle, &probes[i]);
  }
  assert_int_equal(stats_of(handle).pending, OPS);
  host_loop(handle);
  for (int i = 0; i < OPS; i++) probe_expect(&probes[i], CACHETTE_ETIMEDOUT);
  cachette_close(handle);
}

/* ---- cachette_run() ---- */

static void run_waits_for_a_submitted_op(void **state) {
  (void)state;
  cachette *handle = slow_open(NULL);
  struct probe probe;
  probe_init(&probe, CACHETTE_FETCH, "hit");
  probe_submit(handle, &probe);
  assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
  probe_expect(&probe, CACHETTE_OK);
  assert_int_equal(slow_seen.submitted, 1);
  cachette_op_deinit(&probe.op);
  cachette_close(handle);
}

static void run_also_drives_other_ops(void **state) {
  (void)state;
  cachette *handle = slow_open(NULL);
  slow_settings.mode = SLOW_BY_WIRE;
  struct probe first, second;
  probe_init(&first, CACHETTE_FETCH, "h1");
  probe_submit(handle, &first);
  assert_int_equal(probe_run(handle, &second, CACHETTE_FETCH, "h2"), CACHETTE_OK);
  probe_expect(&first, CACHETTE_OK);
  cachette_op_deinit(&first.op);
  cachette_op_deinit(&second.op);
  cachette_close(handle);
}

/* The loop has only a distant time-out to wait for. */
static void run_returns_as_soon_as_the_op_is_done(void **state) {
  (void)state;
  static const enum slow_mode modes[] = {SLOW_BY_TIMER, SLOW_BY_WIRE, SLOW_IN_SUBMIT};
  cachette *handle = slow_open(NULL);
  int64_t start = monotonic_ms();
  for (size_t i = 0; i < LENGTH(modes); i++) {
    slow_settings.mode = modes[i];
    struct probe probe;
    probe_init_timed(&probe, "hit", LONG_MS);
    assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
    cachette_op_deinit(&probe.op);
  }
  assert_true(monotonic_ms() - start < SOON_MS);
  cachette_close(handle);
}

static void run_returns_as_soon_as_the_op_is_overdue(void **state) {
  (void)state;
  cachette *handle = slow_open(NULL);
  slow_settings.delay_ms = SLOW_NEVER;
  struct probe slow, quick;
  probe_init_timed(&slow, "h1", LONG_MS);
  probe_init_timed(&quick, "h2", 1);
  probe_submit(handle, &slow);
  probe_submit(handle, &quick);
  poll(NULL, 0, 20); /* the host is busy */
  int64_t start = monotonic_ms();
  assert_int_equal(probe_wait(handle, &quick), CACHETTE_ETIMEDOUT);
  assert_true(monotonic_ms() - start < SOON_MS);
  assert_true(cachette_op_pending(&slow.op));
  cachette_close(handle);
}

/* ---- Calls that `done` may not make ---- */

static int busy_codes[6];

static void make_forbidden_calls(struct probe *probe) {
  cachette_slice value;
  struct probe inner;
  busy_codes[0] = probe_run(the_handle, &inner, CACHETTE_FETCH, "hit");
  assert_int_equal(inner.done, 0);
  assert_int_equal(inner.error.code, CACHETTE_EBUSY);
  assert_false(cachette_op_pending(&inner.op));
  busy_codes[1] = cachette_process(the_handle);
  busy_codes[2] = cachette_fetch(the_handle, cachette_str("hit"), &value, NULL, NULL);
  busy_codes[3] = cachette_put(the_handle, cachette_str("hit"), cachette_str(""), 0, NULL);
  busy_codes[4] = cachette_clear(the_handle, cachette_str("hit"), NULL);
  busy_codes[5] = cachette_run(the_handle, &probe->op);
  /* These are allowed. */
  cachette_stats stats;
  assert_int_equal(cachette_get_stats(the_handle, &stats, sizeof stats), CACHETTE_OK);
  assert_true(cachette_fd(the_handle) >= 0);
  cachette_timeout(the_handle);
}

static void waiting_inside_done_is_refused(void **state) {
  (void)state;
  for (int turn = 0; turn < 2; turn++) {
    the_handle = turn == 0 ? open_memory(NULL) : slow_open(NULL);
    memset(busy_codes, 0, sizeof busy_codes);
    struct probe probe;
    probe_init(&probe, CACHETTE_CLEAR, "key");
    probe.then = make_forbidden_calls;
    probe_submit(the_handle, &probe);
    assert_int_equal(probe_wait(the_handle, &probe), CACHETTE_OK);
    for (size_t i = 0; i < LENGTH(busy_codes); i++) assert_int_equal(busy_codes[i], CACHETTE_EBUSY);
    cachette_close(the_handle);
  }
}

/* ---- A host's loop ---- */

static void an_idle_handle_never_wakes_the_host(void **state) {
  (void)state;
  for (int turn = 0; turn < 2; turn++) {
    cachette *handle = turn == 0 ? open_memory(NULL) : slow_open(NULL);
    struct pollfd watched = {.fd = cachette_fd(handle), .events = POLLIN};
    assert_int_equal(cachette_timeout(handle), -1);
    assert_int_equal(poll(&watched, 1, 0), 0);
    assert_int_equal(cachette_process(handle), 0);
    assert_int_equal(cachette_timeout(handle), -1);
    if (turn == 0) put_text(handle, "key", "value", 0);
    assert_int_equal(poll(&watched, 1, 0), 0);
    cachette_close(handle);
  }
}

static void answers_wake_the_host(void **state) {
  (void)state;
  static const enum slow_mode modes[] = {SLOW_BY_TIMER, SLOW_BY_WIRE};
  for (size_t i = 0; i < LENGTH(modes); i++) {
    cachette *handle = slow_open(NULL);
    slow_settings.mode = modes[i];
    slow_settings.delay_ms = 30;
    struct probe probes[3];
    int64_t start = monotonic_ms();
    for (size_t j = 0; j < LENGTH(probes); j++) {
      probe_init_timed(&probes[j], "hit", LONG_MS);
      probe_submit(handle, &probes[j]);
    }
    /* The host neither spins nor waits for the time-out. */
    assert_true(host_loop(handle) < 20);
    assert_true(monotonic_ms() - start < SOON_MS);
    for (size_t j = 0; j < LENGTH(probes); j++) {
      probe_expect(&probes[j], CACHETTE_OK);
      cachette_op_deinit(&probes[j].op);
    }
    cachette_close(handle);
  }
}

static void deadlines_wake_the_host(void **state) {
  (void)state;
  cachette *handle = slow_open(NULL);
  slow_settings.delay_ms = SLOW_NEVER;
  struct probe probes[3];
  for (size_t i = 0; i < LENGTH(probes); i++) {
    probe_init_timed(&probes[i], "hit", 40 - 10 * (int64_t)i);
    probe_submit(handle, &probes[i]);
    int timeout = cachette_timeout(handle);
    assert_true(timeout >= 0 && timeout <= 40 - 10 * (int)i);
  }
  assert_true(host_loop(handle) < 30);
  for (size_t i = 0; i < LENGTH(probes); i++) {
    probe_expect(&probes[i], CACHETTE_ETIMEDOUT);
    assert_int_equal(probes[i].order, LENGTH(probes) - i);
  }
  cachette_close(handle);
}

static void process_returns_how_many_ops_are_pending(void **state) {
  (void)state;
  cachette *handle = slow_open(NULL);
  slow_settings.delay_ms = SLOW_NEVER;
  struct probe probes[3];
  for (size_t i = 0; i < LENGTH(probes); i++) {
    probe_init_timed(&probes[i], "hit", LONG_MS);
    probe_submit(handle, &probes[i]);
    assert_int_equal(cachette_process(handle), i + 1);
  }
  cachette_cancel(handle, &probes[1].op);
  assert_int_equal(cachette_process(handle), 2);
  cachette_close(handle);
}

#define test(name) cmocka_unit_test_setup(name, slow_reset)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(time_outs_expire_in_order),
      test(the_option_timeout_applies_to_an_op_without_a_timeout),
      test(the_longest_timeout_does_not_overflow),
      test(a_change_of_the_clock_fires_no_timeout),
      test(the_late_answer_of_a_timed_out_op_is_dropped),
      test(a_timed_out_op_may_be_submitted_again),
      test(many_ops_time_out_together),
      test(run_waits_for_a_submitted_op),
      test(run_also_drives_other_ops),
      test(run_returns_as_soon_as_the_op_is_done),
      test(run_returns_as_soon_as_the_op_is_overdue),
      test(waiting_inside_done_is_refused),
      test(an_idle_handle_never_wakes_the_host),
      test(answers_wake_the_host),
      test(deadlines_wake_the_host),
      test(process_returns_how_many_ops_are_pending),
  };
  return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
