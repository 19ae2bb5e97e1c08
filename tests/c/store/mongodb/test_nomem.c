/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of the MongoDB store fails in turn. Those of libmongoc do not, because it aborts
 * the process when it is out of memory.
 */
#include "mongod_server.h"
#include "nomem.h"
#include "support.h"

static struct mongod_server server;

static int start_server(void **state) {
  (void)state;
  mongod_server_share(&server);
  return 0;
}

static int remove_server(void **state) {
  (void)state;
  mongod_server_remove(&server);
  return 0;
}

static const struct nomem_call calls[] = {
    {CACHETTE_PUT, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_PUT, CACHETTE_IF_ABSENT, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_FETCH, CACHETTE_WITH_TTL, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_EXISTS, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_TOUCH, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_TOUCH, .keys = {"ns:1"}},
    {CACHETTE_INCREMENT, .keys = {"counter"}, .amount = 1},
    {CACHETTE_INCREMENT, .keys = {"counter"}, .amount = 1},
    {CACHETTE_CLEAR, .keys = {"key"}},
    {CACHETTE_CLEAR, .keys = {"ns:1", "ns:2"}},
    {CACHETTE_CLEAR_NAMESPACE, .keys = {"ns"}},
    {.verb = CACHETTE_FLUSH_EXPIRED},
    {.verb = CACHETTE_PING},
    {.verb = CACHETTE_FLUSH},
};

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  cachette_options *options =
      options_with("backend", "mongodb", "mongodb_url", server.url, "key_prefix",
                   "nomem:", "timeout", "60", "mongodb_pool_size", "1", NULL);
  struct nomem_store store = {options, calls, LENGTH(calls), {CACHETTE_EBACKEND}};
  assert_int_equal(nomem_use_store(&store), 0);
  assert_true(nomem_each(nomem_use_store, &store) > 30);
  cachette_options_free(options);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_failing_allocation_is_handled)};
  failing_allocator_install();
  mongoc_init();
  return cmocka_run_group_tests_name("mongodb_nomem", tests, start_server, remove_server);
}
