/* SPDX-License-Identifier: MIT */
/* Each allocation of the Redis store fails in turn, on a cluster. */
#include <stdio.h>

#include "nomem.h"
#include "redis_cluster.h"
#include "support.h"

static struct redis_cluster cluster;

static int start_cluster(void **state) {
  (void)state;
  redis_cluster_start(&cluster, 3, 0);
  return 0;
}

static int remove_cluster(void **state) {
  (void)state;
  redis_cluster_remove(&cluster);
  return 0;
}

/* The keys belong to different nodes. */
static const struct nomem_call calls[] = {
    {CACHETTE_PUT, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_FETCH, CACHETTE_WITH_TTL, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_EXISTS, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_INCREMENT, .keys = {"counter", "other"}, .amount = 1},
    {.verb = CACHETTE_PING},
    {CACHETTE_CLEAR, .keys = {"key", "other"}},
    {CACHETTE_CLEAR_NAMESPACE, .keys = {"ns"}},
    {.verb = CACHETTE_FLUSH},
};

static void fail_each(const char *prefix) {
  cachette_options *options = options_with("backend", "redis", "redis_url", cluster.nodes[0].url,
                                           "key_prefix", prefix, "timeout", "5", NULL);
  struct nomem_store store = {
      options, calls, LENGTH(calls), {CACHETTE_EUNAVAILABLE, CACHETTE_EBACKEND}};
  assert_int_equal(nomem_use_store(&store), 0);
  assert_true(nomem_each(nomem_use_store, &store) > 40);
  cachette_options_free(options);
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  fail_each(NULL);
}

static void each_failing_allocation_is_handled_with_a_prefix(void **state) {
  (void)state;
  fail_each("app:");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_failing_allocation_is_handled),
      cmocka_unit_test(each_failing_allocation_is_handled_with_a_prefix),
  };
  failing_allocator_install();
  return cmocka_run_group_tests(tests, start_cluster, remove_cluster);
}
