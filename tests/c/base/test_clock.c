/* SPDX-License-Identifier: MIT */
/* The library's clocks, compared with the system's. */
#include "base/clock.h"

#include "support.h"

static void the_clock_never_goes_backwards(void **state) {
  (void)state;
  int64_t last = cachette__machine_now();
  for (int i = 0; i < 100000; i++) {
    int64_t now = cachette__machine_now();
    assert_true(now >= last);
    last = now;
  }
}

/* It may lag by one tick, which is at most 10 ms. */
static void the_clock_is_monotonic_time_in_milliseconds(void **state) {
  (void)state;
  int64_t before = monotonic_ms(), now = cachette__machine_now(), after = monotonic_ms();
  assert_true(now >= before - 10);
  assert_true(now <= after);
}

static void the_epoch_is_the_same_as_of_time(void **state) {
  (void)state;
  int64_t before = time(NULL);
  int64_t now = cachette__epoch_now();
  assert_in_range(now, (before - 1) * 1000, (time(NULL) + 2) * 1000); /* time() may lag by a tick */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_clock_never_goes_backwards),
      cmocka_unit_test(the_clock_is_monotonic_time_in_milliseconds),
      cmocka_unit_test(the_epoch_is_the_same_as_of_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
