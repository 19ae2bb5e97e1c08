/* SPDX-License-Identifier: MIT */
/* Each allocation of the memcached store fails in turn. */
#include <stdio.h>

#include "memcached_server.h"
#include "nomem.h"
#include "support.h"

static struct memcached_server servers[2], with_sasl;
static char sasl_directory[64];

static int start_servers(void **state) {
  (void)state;
  static const char *const sasl[] = {"-S", NULL};
  for (int i = 0; i < 2; i++) memcached_server_start(&servers[i], NULL);
  memcached_sasl_open(sasl_directory, sizeof sasl_directory);
  memcached_server_start(&with_sasl, sasl);
  return 0;
}

static int kill_servers(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) memcached_server_kill(&servers[i]);
  memcached_server_kill(&with_sasl);
  memcached_sasl_close(sasl_directory);
  return 0;
}

/*
 * A server with SASL supports all calls except the last. The second increment of "far" leaves the
 * range.
 */
static const struct nomem_call calls[] = {
    {.verb = CACHETTE_FLUSH},
    {CACHETTE_PUT, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_FETCH, CACHETTE_WITH_TTL, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_EXISTS, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_TOUCH, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_INCREMENT, .keys = {"counter"}, .amount = 1},
    {CACHETTE_CLEAR, .keys = {"far"}},
    {CACHETTE_INCREMENT, .keys = {"far"}, .amount = INT64_MAX},
    {CACHETTE_INCREMENT, .keys = {"far"}, .amount = INT64_MAX, .refused = 1},
    {.verb = CACHETTE_PING},
    {CACHETTE_CLEAR, .keys = {"key"}},
    {CACHETTE_CLEAR_NAMESPACE, .keys = {"ns"}},
};

/* Makes each allocation fail in turn and frees the options. */
static void fail_each(cachette_options *options, size_t count) {
  struct nomem_store store = {options, calls, count, {CACHETTE_EUNAVAILABLE}};
  assert_int_equal(nomem_use_store(&store), 0);
  assert_true(nomem_each(nomem_use_store, &store) > 20);
  cachette_options_free(options);
}

static cachette_options *options_on_two(const char *prefix) {
  char hosts[160];
  snprintf(hosts, sizeof hosts, "%s,%s", servers[0].host, servers[1].host);
  return options_with("backend", "memcached", "memcached_host", hosts, "key_prefix", prefix,
                      "timeout", "5", NULL);
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  fail_each(options_on_two(NULL), LENGTH(calls));
}

static void each_failing_allocation_is_handled_with_a_prefix(void **state) {
  (void)state;
  fail_each(options_on_two("app:"), LENGTH(calls));
}

static void each_failing_allocation_is_handled_with_sasl(void **state) {
  (void)state;
  fail_each(options_with("backend", "memcached", "memcached_host", with_sasl.host, "timeout", "5",
                         "memcached_auth", "sasl", "memcached_username", "user",
                         "memcached_password", "secret", NULL),
            LENGTH(calls) - 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_failing_allocation_is_handled),
      cmocka_unit_test(each_failing_allocation_is_handled_with_a_prefix),
      cmocka_unit_test(each_failing_allocation_is_handled_with_sasl),
  };
  failing_allocator_install();
  return cmocka_run_group_tests(tests, start_servers, kill_servers);
}
