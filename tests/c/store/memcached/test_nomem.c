/* SPDX-License-Identifier: MIT */
/* Each allocation of the memcached store fails in turn. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memcached_endpoint.h"
#include "memcached_server.h"
#include "nomem.h"
#include "store/memcached/published.h"
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

/* ---- Discovery ---- */

static struct endpoint endpoint;

static void each_failing_allocation_is_handled_with_discovery(void **state) {
  (void)state;
  endpoint_start(&endpoint);
  endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
  fail_each(options_with("backend", "memcached", "memcached_host", endpoint.host, "timeout", "5",
                         "memcached_discovery", "true", NULL),
            LENGTH(calls));
  endpoint_stop(&endpoint);
}

static int put_or_fail(cachette *handle, const char *key) {
  cachette_error error = {.message = ""};
  cachette_slice text = cachette_str(key);
  int code = cachette_put(handle, text, text, 0, &error);
  if (code == CACHETTE_ENOMEM || code == CACHETTE_EUNAVAILABLE) {
    assert_true(strlen(error.message) > 0);
  } else if (code < 0) {
    fail_msg("%d: %s", code, error.message);
  }
  return code;
}

/* The list changes while the handle is in use, until it has been asked for twice more. */
static int change_servers(void *data) {
  cachette_options *options = data;
  cachette *handle;
  endpoint_announce(&endpoint, 1, servers[0].host, NULL);
  int code = cachette_open(options, &handle, NULL);
  cachette_options_set_clock(options, NULL, NULL);
  if (code < 0) return code;
  int failed = put_or_fail(handle, "before") < 0;
  endpoint_announce(&endpoint, 2, servers[1].host, servers[0].host, NULL);
  int64_t end = monotonic_ms() + 20000;
  for (int asked = endpoint.asked; endpoint.asked < asked + 2 && monotonic_ms() < end;) {
    cachette_process(handle);
    usleep(500);
  }
  failed += put_or_fail(handle, "after") < 0;
  cachette_close(handle);
  return failed;
}

static void each_failing_allocation_is_handled_when_the_servers_change(void **state) {
  (void)state;
  cachette__mc_discovery_period_ms = 20;
  endpoint_start(&endpoint);
  cachette_options *options = options_with("backend", "memcached", "memcached_host", endpoint.host,
                                           "timeout", "5", "memcached_discovery", "true", NULL);
  assert_int_equal(change_servers(options), 0);
  assert_true(nomem_each(change_servers, options) > 40);
  cachette_options_free(options);
  endpoint_stop(&endpoint);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_failing_allocation_is_handled),
      cmocka_unit_test(each_failing_allocation_is_handled_with_a_prefix),
      cmocka_unit_test(each_failing_allocation_is_handled_with_sasl),
      cmocka_unit_test(each_failing_allocation_is_handled_with_discovery),
      cmocka_unit_test(each_failing_allocation_is_handled_when_the_servers_change),
  };
  failing_allocator_install();
  return cmocka_run_group_tests(tests, start_servers, kill_servers);
}
