/* SPDX-License-Identifier: MIT */
/* Each allocation of the Redis store fails in turn, behind sentinels. */
#include "nomem.h"
#include "redis_sentinel.h"
#include "support.h"

static struct redis_sentinels all;

static int start_sentinels(void **state) {
  (void)state;
  redis_sentinels_start(&all);
  return 0;
}

static int remove_sentinels(void **state) {
  (void)state;
  redis_sentinels_remove(&all);
  return 0;
}

static const struct nomem_call calls[] = {
    {CACHETTE_PUT, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_FETCH, CACHETTE_WITH_TTL, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_INCREMENT, .keys = {"counter", "other"}, .amount = 1},
    {.verb = CACHETTE_PING},
    {CACHETTE_CLEAR_NAMESPACE, .keys = {"ns"}},
    {.verb = CACHETTE_FLUSH},
};

static void fail_each(const char *read_from) {
  cachette_options *options = options_with("backend", "redis", "redis_url", all.url, "read_from",
                                           read_from, "timeout", "5", NULL);
  struct nomem_store store = {
      options, calls, LENGTH(calls), {CACHETTE_EUNAVAILABLE, CACHETTE_EBACKEND}};
  assert_int_equal(nomem_use_store(&store), 0);
  assert_true(nomem_each(nomem_use_store, &store) > 40);
  cachette_options_free(options);
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  fail_each("primary");
}

static void each_failing_allocation_is_handled_with_replicas(void **state) {
  (void)state;
  fail_each("prefer_replica");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_failing_allocation_is_handled),
      cmocka_unit_test(each_failing_allocation_is_handled_with_replicas),
  };
  failing_allocator_install();
  return cmocka_run_group_tests(tests, start_sentinels, remove_sentinels);
}
