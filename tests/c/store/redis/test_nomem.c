/* SPDX-License-Identifier: MIT */
/* Each allocation of the Redis store fails in turn. */
#include <stdio.h>

#include "nomem.h"
#include "redis_server.h"
#include "support.h"

static struct redis_server server;

static int start_server(void **state) {
  (void)state;
  redis_server_start(&server, NULL);
  return 0;
}

static int remove_server(void **state) {
  (void)state;
  redis_server_remove(&server);
  return 0;
}

static const struct nomem_call calls[] = {
    {CACHETTE_PUT, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_FETCH, CACHETTE_WITH_TTL, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_EXISTS, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_TOUCH, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_INCREMENT, .keys = {"counter"}, .amount = 1},
    {.verb = CACHETTE_PING},
    {CACHETTE_CLEAR, .keys = {"key"}},
    {CACHETTE_CLEAR_NAMESPACE, .keys = {"ns"}},
    {.verb = CACHETTE_FLUSH},
};

static void fail_each(const char *url, const char *prefix) {
  cachette_options *options =
      options_with("backend", "redis", "redis_url", url, "key_prefix", prefix, NULL);
  struct nomem_store store = {options, calls, LENGTH(calls), {CACHETTE_EUNAVAILABLE}};
  assert_int_equal(nomem_use_store(&store), 0);
  assert_true(nomem_each(nomem_use_store, &store) > 20);
  cachette_options_free(options);
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  fail_each(server.url, NULL);
}

/* When a replica refuses an op, the store resends it over a new connection. */
static void each_failing_allocation_is_handled_on_a_replica(void **state) {
  (void)state;
  static const struct nomem_call refused[] = {
      {CACHETTE_PUT, .keys = {"ns:1"}, .refused = 1},
      {CACHETTE_CLEAR_NAMESPACE, .keys = {"ns"}, .refused = 1},
  };
  char reply[64];
  cachette_options *options =
      options_with("backend", "redis", "redis_url", server.url, "timeout", "0.05", NULL);
  struct nomem_store store = {/* on a busy machine an op may time out before it is refused */
                              options,
                              refused,
                              LENGTH(refused),
                              {CACHETTE_EUNAVAILABLE, CACHETTE_EBACKEND, CACHETTE_ETIMEDOUT}};
  redis_server_command(&server, "SET ns:1 value", reply, sizeof reply);
  redis_server_command(&server, "REPLICAOF 127.0.0.1 1", reply, sizeof reply);
  nomem_each(nomem_use_store, &store);
  redis_server_command(&server, "REPLICAOF NO ONE", reply, sizeof reply);
  cachette_options_free(options);
}

static void each_failing_allocation_is_handled_without_transactions(void **state) {
  (void)state;
  char reply[64], url[64];
  redis_server_command(&server, "ACL SETUSER ann on >secret ~* +@all -multi", reply, sizeof reply);
  snprintf(url, sizeof url, "redis://ann:secret@127.0.0.1:%d", server.port);
  fail_each(url, NULL);
}

static void each_failing_allocation_is_handled_with_a_prefix(void **state) {
  (void)state;
  fail_each(server.url, "app:");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_failing_allocation_is_handled),
      cmocka_unit_test(each_failing_allocation_is_handled_with_a_prefix),
      cmocka_unit_test(each_failing_allocation_is_handled_without_transactions),
      cmocka_unit_test(each_failing_allocation_is_handled_on_a_replica),
  };
  failing_allocator_install();
  return cmocka_run_group_tests(tests, start_server, remove_server);
}
