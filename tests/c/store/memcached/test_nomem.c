/* SPDX-License-Identifier: MIT */
/*
 * The memcached store with its first allocation failing, then its second, and so on: each op fails
 * plainly or succeeds, what comes back is right, no block and no descriptor stays behind.
 */
#include <stdio.h>
#include <string.h>

#include "memcached_server.h"
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

/* Counts what failed; it has to say why. */
static int note(int code, const cachette_error *error) {
  if (code >= 0) return 0;
  assert_true(code == CACHETTE_ENOMEM || code == CACHETTE_EUNAVAILABLE);
  assert_true(strlen(error->message) > 0);
  return 1;
}

static int run(cachette *handle, enum cachette_verb verb, cachette_item *items, size_t count) {
  cachette_error error = {.code = 0};
  cachette_op op = {.verb = verb, .items = items, .count = count, .error = &error};
  op.flags = verb == CACHETTE_FETCH ? CACHETTE_WITH_TTL : 0;
  int failed = note(cachette_run(handle, &op), &error);
  for (size_t i = 0; i < count; i++) {
    failed += items[i].status < 0;
    if (verb == CACHETTE_FETCH && items[i].status == CACHETTE_HIT)
      assert_slice(items[i].value, "value of some length, which needs a place");
  }
  cachette_op_deinit(&op);
  return failed;
}

/* Everything that a caller can do. Returns how many calls failed. */
static int do_all(cachette *handle, bool is_sasl) {
  cachette_item items[3] = {
      {.key = cachette_str("ns:1")}, {.key = cachette_str("ns:2")}, {.key = cachette_str("key")}};
  int failed = 0;
  for (int i = 0; i < 3; i++)
    items[i].value = cachette_str("value of some length, which needs a place");
  failed += run(handle, CACHETTE_PUT, items, 3);
  failed += run(handle, CACHETTE_FETCH, items, 3);
  failed += run(handle, CACHETTE_EXISTS, items, 3);
  failed += run(handle, CACHETTE_TOUCH, items, 3);
  cachette_item counter = {.key = cachette_str("counter"), .amount = 1};
  failed += run(handle, CACHETTE_INCREMENT, &counter, 1);
  cachette_item far = {.key = cachette_str("far"), .amount = INT64_MAX};
  failed += run(handle, CACHETTE_CLEAR, &far, 1);
  failed += run(handle, CACHETTE_INCREMENT, &far, 1);
  far.amount = INT64_MAX; /* too far: it fails, and is counted back */
  failed += run(handle, CACHETTE_INCREMENT, &far, 1) - 1;
  failed += run(handle, CACHETTE_PING, NULL, 0);
  failed += run(handle, CACHETTE_CLEAR, &items[2], 1);
  cachette_item name = {.key = cachette_str("ns")};
  if (!is_sasl) failed += run(handle, CACHETTE_CLEAR_NAMESPACE, &name, 1);
  failed += run(handle, CACHETTE_FLUSH, NULL, 0);
  return failed;
}

/* Opens, does all, and closes; how many calls failed. */
static int open_and_do_all(const cachette_options *options) {
  cachette *handle;
  cachette_error error;
  int code = cachette_open(options, &handle, &error);
  if (code < 0) return note(code, &error);
  const char *auth = cachette_options_get(options, "memcached_auth");
  int failed = do_all(handle, strcmp(auth, "sasl") == 0);
  cachette_close(handle);
  return failed;
}

/* Fails each allocation; frees the options. */
static void fail_each(cachette_options *options) {
  assert_int_equal(open_and_do_all(options), 0);
  int descriptors = count_descriptors();
  for (long countdown = 0;; countdown++) {
    long before = failing_allocator_live();
    failing_allocator_arm(countdown);
    int failed = open_and_do_all(options);
    bool fired = failing_allocator_fired();
    failing_allocator_arm(-1);
    assert_int_equal(failing_allocator_live(), before);
    assert_int_equal(count_descriptors(), descriptors);
    if (fired) continue;
    assert_int_equal(failed, 0);
    assert_true(countdown > 20);
    break;
  }
  cachette_options_free(options);
}

static cachette_options *options_on_two(const char *prefix) {
  char hosts[160];
  snprintf(hosts, sizeof hosts, "%s,%s", servers[0].host, servers[1].host);
  return options_with("backend", "memcached", "memcached_host", hosts, "key_prefix", prefix,
                      "timeout", "5", NULL);
}

static void every_allocation_fails_in_turn(void **state) {
  (void)state;
  fail_each(options_on_two(NULL));
}

static void every_allocation_fails_in_turn_with_a_prefix(void **state) {
  (void)state;
  fail_each(options_on_two("app:"));
}

static void every_allocation_fails_in_turn_with_sasl(void **state) {
  (void)state;
  fail_each(options_with("backend", "memcached", "memcached_host", with_sasl.host, "timeout", "5",
                         "memcached_auth", "sasl", "memcached_username", "user",
                         "memcached_password", "secret", NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_allocation_fails_in_turn),
      cmocka_unit_test(every_allocation_fails_in_turn_with_a_prefix),
      cmocka_unit_test(every_allocation_fails_in_turn_with_sasl),
  };
  failing_allocator_install();
  return cmocka_run_group_tests(tests, start_servers, kill_servers);
}
