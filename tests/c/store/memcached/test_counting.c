/* SPDX-License-Identifier: MIT */
/*
 * Counters on memcached. The server counts in unsigned 64 bits and stops at 0. The store reverts an
 * increment that leaves the range of a counter.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memcached_cluster.h"

static void counters_count_and_stop_at_zero(void **state) {
  (void)state;
  cachette *handle = open_one();
  cachette_error error;
  int64_t sum;
  assert_int_equal(increment(handle, "n", 5, &sum, NULL), CACHETTE_MISS);
  assert_int_equal(sum, 5);
  assert_int_equal(increment(handle, "n", 37, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, 42);
  assert_true(has_text(handle, "n", "42"));
  assert_int_equal(increment(handle, "n", 0, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, 42);
  assert_int_equal(increment(handle, "n", -2, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, 40);
  assert_int_equal(increment(handle, "n", -100, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, 0);
  put_text(handle, "text", "abc", 0);
  assert_int_equal(increment(handle, "text", 1, &sum, &error), CACHETTE_ECODEC);
  assert_non_null(strstr(error.message, "\"text\" is not a counter"));
  assert_true(has_text(handle, "text", "abc"));
  assert_int_equal(increment(handle, "big", INT64_MAX, &sum, NULL), CACHETTE_MISS);
  assert_int_equal(increment(handle, "big", 1, &sum, &error), CACHETTE_EINVAL);
  cachette_item item = {.key = cachette_str("timed"), .amount = 1, .ttl_ms = 900000};
  assert_int_equal(run_items(handle, CACHETTE_INCREMENT, 0, &item, 1), 1);
  increment(handle, "timed", 1, &sum, NULL);
  assert_in_range(time_left(handle, "timed"), 890000, 900000);
  cachette_close(handle);
}

static void increments_out_of_range_are_reverted(void **state) {
  (void)state;
  static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
  cachette *handle = open_all();
  cachette_item items[LENGTH(keys)];
  for (size_t i = 0; i < LENGTH(keys); i++) {
    put_text(handle, keys[i], i % 2 == 0 ? "9223372036854775000" : "5000", 0);
    items[i] = (cachette_item){.key = cachette_str(keys[i]), .amount = 900};
  }
  cachette_error error = {.message = ""};
  cachette_op op = {
      .verb = CACHETTE_INCREMENT, .items = items, .count = LENGTH(keys), .error = &error};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, LENGTH(keys) / 2);
  assert_non_null(strstr(error.message, "would exceed the range"));
  for (size_t i = 0; i < LENGTH(keys); i++) {
    assert_int_equal(items[i].status, i % 2 == 0 ? CACHETTE_EINVAL : CACHETTE_HIT);
    assert_true(has_text(handle, keys[i], i % 2 == 0 ? "9223372036854775000" : "5900"));
    if (i % 2 == 1) assert_int_equal(items[i].amount, 5900);
  }
  cachette_close(handle);
}

enum { CROWD = 7 };

/* Sets a counter to `begin` and sends all increments before it waits for an answer. */
static void increment_concurrently(cachette *handle, const char *begin, const int64_t *amounts,
                                   struct probe crowd[CROWD]) {
  put_text(handle, "n", begin, 0);
  for (int i = 0; i < CROWD; i++) {
    probe_init(&crowd[i], CACHETTE_INCREMENT, "n");
    crowd[i].item.amount = amounts[i];
    probe_submit(handle, &crowd[i]);
  }
  for (int i = 0; i < CROWD; i++) assert_int_equal(probe_wait(handle, &crowd[i]), CACHETTE_OK);
}

/*
 * Concurrent increments succeed or fail, in any order. The counter is the sum of those that
 * succeed.
 */
static void counters_of_large_amounts_are_exact(void **state) {
  (void)state;
  static const struct {
    const char *begin;
    int64_t amounts[CROWD];
  } cases[] = {
      {"9223372036854775807",
       {INT64_MAX, INT64_MAX - 1, INT64_MAX - 2, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}},
      {"0",
       {INT64_C(1) << 62, INT64_C(1) << 62, INT64_C(1) << 62, INT64_C(1) << 62, INT64_C(1) << 62,
        INT64_C(1) << 62, INT64_C(1) << 62}},
      {"100", {INT64_MAX, INT64_MAX, 1, INT64_MAX, 1, INT64_MAX, 1}},
      {"9223372036854775807",
       {-(INT64_C(1) << 40), 1 << 20, INT64_C(1) << 33, -(INT64_C(1) << 33), INT64_C(1) << 39,
        INT64_C(1) << 40, INT64_MAX}},
  };
  cachette *handle = open_one();
  struct probe crowd[CROWD];
  for (size_t i = 0; i < LENGTH(cases); i++) {
    increment_concurrently(handle, cases[i].begin, cases[i].amounts, crowd);
    int64_t sum = strtoll(cases[i].begin, NULL, 10), last;
    for (int j = 0; j < CROWD; j++) {
      if (crowd[j].item.status < 0)
        assert_int_equal(crowd[j].error.code, CACHETTE_EINVAL);
      else
        sum += cases[i].amounts[j];
    }
    assert_int_equal(increment(handle, "n", 0, &last, NULL), CACHETTE_HIT);
    assert_int_equal(last, sum);
  }
  cachette_close(handle);
}

/* A counter stays usable after a cancelled increment that left the range. */
static void a_counter_beyond_the_limit_is_corrected(void **state) {
  (void)state;
  static const int64_t amounts[] = {0, -1, -7, 1, INT64_C(1) << 40, -(INT64_C(1) << 40), INT64_MIN};
  cachette *handle = open_one();
  int64_t sum;
  for (size_t i = 0; i < LENGTH(amounts); i++) {
    struct probe overflowing;
    put_text(handle, "n", "9223372036854775806", 0);
    probe_init(&overflowing, CACHETTE_INCREMENT, "n");
    overflowing.item.amount = 5;
    probe_submit(handle, &overflowing);
    assert_int_equal(cachette_cancel(handle, &overflowing.op), CACHETTE_OK);
    int status = increment(handle, "n", amounts[i], &sum, NULL);
    if (amounts[i] > 0) {
      assert_int_equal(status, CACHETTE_EINVAL);
      sum = INT64_MAX;
    } else if (amounts[i] == INT64_MIN) {
      assert_int_equal(sum, 0);
    } else { /* how far it was out of range is unknown if this increment returns it */
      int64_t min = INT64_MAX + amounts[i];
      assert_in_range(sum, min, amounts[i] < -4 ? min + 4 : min);
    }
    int64_t again;
    assert_int_equal(increment(handle, "n", 0, &again, NULL), CACHETTE_HIT);
    assert_int_equal(again, sum);
  }
  cachette_close(handle);
}

/*
 * memcached searches its memory after a number of more than 63 bits for a '-', up to the next NUL.
 */
static void a_counter_beyond_the_limit_is_corrected_whatever_follows_it(void **state) {
  (void)state;
  enum { KEYS = 50 };
  static const char dashes[] = "--------------------------------------------";
  char key[16];
  cachette *handle = open_one();
  for (int i = 0; i < KEYS; i++) {
    snprintf(key, sizeof key, "n%02d", i);
    put_text(handle, key, dashes, 0); /* the counter reuses this chunk of memory */
  }
  for (int i = 0; i < KEYS; i++) {
    snprintf(key, sizeof key, "n%02d", i);
    assert_int_equal(cachette_clear(handle, cachette_str(key), NULL), 1);
  }
  for (int i = 0; i < KEYS; i++) {
    int64_t sum;
    struct probe overflowing;
    snprintf(key, sizeof key, "n%02d", i);
    put_text(handle, key, "9223372036854775806", 30000);
    probe_init(&overflowing, CACHETTE_INCREMENT, key);
    overflowing.item.amount = 5;
    probe_submit(handle, &overflowing);
    if (i % 2 == 0) assert_int_equal(cachette_cancel(handle, &overflowing.op), CACHETTE_OK);
    if (i % 2 == 1) assert_int_equal(probe_wait(handle, &overflowing), CACHETTE_OK);
    if (i % 2 == 1) assert_int_equal(overflowing.item.status, CACHETTE_EINVAL);
    assert_int_equal(increment(handle, key, 0, &sum, NULL), CACHETTE_HIT);
    assert_int_equal(sum, i % 2 == 0 ? INT64_MAX : INT64_MAX - 1);
    assert_in_range(time_left(handle, key), 20000, 30000);
  }
  cachette_close(handle);
}

static void a_large_amount_is_not_added_to_other_values(void **state) {
  (void)state;
  static const char *const values[] = {"", "abc", "-5", "12a", "99999999999999999999999", "1.5"};
  cachette *handle = open_one();
  cachette_error error;
  int64_t sum;
  for (size_t i = 0; i < LENGTH(values); i++) {
    put_text(handle, "text", values[i], 0);
    assert_int_equal(increment(handle, "text", INT64_C(1) << 40, &sum, &error), CACHETTE_ECODEC);
    assert_true(has_text(handle, "text", values[i]));
  }
  cachette_item item = {.key = cachette_str("made"), .amount = INT64_C(1) << 40, .ttl_ms = 900000};
  assert_int_equal(run_items(handle, CACHETTE_INCREMENT, 0, &item, 1), 1);
  assert_int_equal(item.status, CACHETTE_MISS);
  increment(handle, "made", INT64_C(1) << 40, &sum, NULL);
  assert_int_equal(sum, INT64_C(1) << 41);
  assert_in_range(time_left(handle, "made"), 890000, 900000);
  cachette_close(handle);
}

#define TEST(name) cmocka_unit_test_setup(name, cluster_empty)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(counters_count_and_stop_at_zero),
      TEST(increments_out_of_range_are_reverted),
      TEST(counters_of_large_amounts_are_exact),
      TEST(a_counter_beyond_the_limit_is_corrected),
      TEST(a_counter_beyond_the_limit_is_corrected_whatever_follows_it),
      TEST(a_large_amount_is_not_added_to_other_values),
  };
  return cmocka_run_group_tests(tests, cluster_start, cluster_kill);
}
