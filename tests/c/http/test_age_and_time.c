/* SPDX-License-Identifier: MIT */
/* The age of a stored response while time goes on, and times at the ends of their range. The
 * sections are those of RFC 9111. */
#include <stdlib.h>

#include "http/freshness.h"
#include "http_message.h"
#include "http_policy.h"
#include "support.h"

static int64_t random_number(unsigned *seed) {
  uint64_t number = 0;
  for (int i = 0; i < 5; i++) number = number << 15 ^ (uint64_t)rand_r(seed);
  /* Numbers of all sizes, and of both signs. */
  number >>= rand_r(seed) % 64;
  return (int64_t)(rand_r(seed) % 2 == 0 ? number : -number);
}

static void age_never_decreases_and_is_never_negative(void **state) {
  (void)state;
  unsigned seed = 1;
  for (int i = 0; i < 20000; i++) {
    cachette__http_stored stored = {.received_ms = random_number(&seed),
                                    .initial_age_ms = random_number(&seed)};
    int64_t now_ms = random_number(&seed), age = 0;
    for (int step = 0; step < 20; step++) {
      int64_t next = cachette__http_age(&stored, now_ms);
      assert_true(next >= age && next <= CACHETTE__HTTP_DURATION_MAX);
      age = next;
      int64_t more = random_number(&seed);
      now_ms = cachette__http_plus(now_ms, more < 0 ? 0 : more);
    }
  }
}

static void the_age_is_that_on_arrival_and_the_time_since(void **state) {
  (void)state;
  static const struct {
    const char *rule;
    int64_t received_ms, initial_ms, now_ms, age_ms;
  } rows[] = {
      {"4.2.3: just received", 1000, 5, 1000, 5},
      {"4.2.3: resident_time", 1000, 5, 1001, 6},
      {"4.2.3: the clock was set back", 1000, 5, 999, 5},
      {"4.2.3: far back", 1000, 5, INT64_MIN, 5},
      {"1.2.2: far ahead", 1000, 5, INT64_MAX, CACHETTE__HTTP_DURATION_MAX},
      {"1.2.2: from end to end", INT64_MIN, 5, INT64_MAX, CACHETTE__HTTP_DURATION_MAX},
      {"1.2.2: just 2^31 s", 0, 1, CACHETTE__HTTP_DURATION_MAX - 1, CACHETTE__HTTP_DURATION_MAX},
      {"1.2.2: just below", 0, 1, CACHETTE__HTTP_DURATION_MAX - 2, CACHETTE__HTTP_DURATION_MAX - 1},
      {"a negative age on arrival is none", 0, -7, 3, 3},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    cachette__http_stored stored = {.received_ms = rows[i].received_ms,
                                    .initial_age_ms = rows[i].initial_ms};
    if (cachette__http_age(&stored, rows[i].now_ms) != rows[i].age_ms) fail_msg("%s", rows[i].rule);
  }
}

static void assert_duration(int64_t ms) {
  assert_true(ms >= 0 && ms <= CACHETTE__HTTP_DURATION_MAX);
}

static void no_time_overflows(void **state) {
  (void)state;
  static const char *const texts[] = {
      "200\nDate: @0\nExpires: @60\nAge: 2147483648\nLast-Modified: @-9",
      "200\nExpires: Fri, 31 Dec 9999 23:59:59 GMT\nDate: Mon, 01 Jan 0001 00:00:00 GMT",
      "200\nLast-Modified: Mon, 01 Jan 2001 00:00:00 GMT\nETag: \"a\"",
      "200\nExpires: Sunday, 06-Nov-44 09:49:37 GMT",
      "200\nCache-Control: max-age=2147483648, stale-if-error=2147483648",
  };
  unsigned seed = 2;
  for (size_t i = 0; i < LENGTH(texts); i++) {
    cachette_http_response *response = http_response_new(texts[i]);
    for (int round = 0; round < 4000; round++) {
      cachette_http_policy policy = http_policy("heuristic");
      policy.default_ttl_ms = round % 2 == 0 ? 0 : random_number(&seed);
      policy.stale_while_revalidate_ms = random_number(&seed);
      response->received_ms = random_number(&seed);
      response->requested_ms = random_number(&seed);
      if (round < 4) response->received_ms = round % 2 == 0 ? INT64_MIN : INT64_MAX;
      if (round < 4) response->requested_ms = round < 2 ? INT64_MIN : INT64_MAX;
      cachette__http_answered answered;
      cachette__http_stored stored;
      cachette__http_look_at_response(&policy, response, &answered);
      cachette__http_find_freshness(&policy, &answered, &stored);
      assert_duration(stored.lifetime_ms);
      assert_duration(stored.initial_age_ms);
      assert_duration(stored.while_revalidate_ms);
      assert_duration(stored.if_error_ms);
      assert_duration(cachette__http_age(&stored, random_number(&seed)));
    }
    http_response_free(response);
  }
}

static void sums_stop_at_the_ends(void **state) {
  (void)state;
  assert_int_equal(cachette__http_plus(2, 3), 5);
  assert_int_equal(cachette__http_plus(INT64_MAX, 1), INT64_MAX);
  assert_int_equal(cachette__http_plus(INT64_MIN, -1), INT64_MIN);
  assert_int_equal(cachette__http_plus(INT64_MIN, INT64_MAX), -1);
  assert_int_equal(cachette__http_minus(2, 3), -1);
  assert_int_equal(cachette__http_minus(INT64_MIN, 1), INT64_MIN);
  assert_int_equal(cachette__http_minus(INT64_MAX, -1), INT64_MAX);
  assert_int_equal(cachette__http_minus(0, INT64_MIN), INT64_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(age_never_decreases_and_is_never_negative),
      cmocka_unit_test(the_age_is_that_on_arrival_and_the_time_since),
      cmocka_unit_test(no_time_overflows),
      cmocka_unit_test(sums_stop_at_the_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
