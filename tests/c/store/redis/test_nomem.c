/* SPDX-License-Identifier: MIT */
/*
 * The Redis store with its first allocation failing, then its second, and so on: each op fails
 * plainly or succeeds, what comes back is right, no block and no descriptor stays behind.
 */
#include <stdio.h>
#include <string.h>

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

static int expected = CACHETTE_ENOMEM; /* with which ops may fail, too */

/* Counts what failed; it has to say why. */
static int note(int code, const cachette_error *error) {
  if (code >= 0) return 0;
  assert_true(code == CACHETTE_ENOMEM || code == CACHETTE_EUNAVAILABLE || code == expected);
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
static int do_all(cachette *handle) {
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
  failed += run(handle, CACHETTE_PING, NULL, 0);
  failed += run(handle, CACHETTE_CLEAR, &items[2], 1);
  cachette_item name = {.key = cachette_str("ns")};
  failed += run(handle, CACHETTE_CLEAR_NAMESPACE, &name, 1);
  failed += run(handle, CACHETTE_FLUSH, NULL, 0);
  return failed;
}

/* Opens, does all, and closes; how many calls failed. */
static int open_and_do_all(const cachette_options *options) {
  cachette *handle;
  cachette_error error;
  int code = cachette_open(options, &handle, &error);
  if (code < 0) return note(code, &error);
  int failed = do_all(handle);
  cachette_close(handle);
  return failed;
}

static void fail_each_at(const char *url, const char *prefix) {
  cachette_options *options =
      options_with("backend", "redis", "redis_url", url, "key_prefix", prefix, NULL);
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

static void fail_each(const char *prefix) { fail_each_at(server.url, prefix); }

static void every_allocation_fails_in_turn(void **state) {
  (void)state;
  fail_each(NULL);
}

/* What a server refuses waits, and is asked again over another connection. */
static void every_allocation_fails_in_turn_on_a_replica(void **state) {
  (void)state;
  char reply[64];
  cachette_options *options =
      options_with("backend", "redis", "redis_url", server.url, "timeout", "0.05", NULL);
  cachette_item item = {.key = cachette_str("ns:1"), .value = cachette_str("value")};
  cachette_item name = {.key = cachette_str("ns")};
  redis_server_say(&server, "SET ns:1 value", reply, sizeof reply);
  redis_server_say(&server, "REPLICAOF 127.0.0.1 1", reply, sizeof reply);
  expected = CACHETTE_EBACKEND;
  bool fired = true;
  for (long countdown = 0; fired; countdown++) {
    long before = failing_allocator_live();
    failing_allocator_arm(countdown);
    cachette *handle;
    if (cachette_open(options, &handle, NULL) == CACHETTE_OK) {
      assert_int_equal(run(handle, CACHETTE_PUT, &item, 1), 1);
      assert_int_equal(run(handle, CACHETTE_CLEAR_NAMESPACE, &name, 1), 1);
      cachette_close(handle);
    }
    fired = failing_allocator_fired();
    failing_allocator_arm(-1);
    assert_int_equal(failing_allocator_live(), before);
  }
  redis_server_say(&server, "REPLICAOF NO ONE", reply, sizeof reply);
  cachette_options_free(options);
}

static void every_allocation_fails_in_turn_without_transactions(void **state) {
  (void)state;
  char reply[64], url[64];
  redis_server_say(&server, "ACL SETUSER ann on >secret ~* +@all -multi", reply, sizeof reply);
  snprintf(url, sizeof url, "redis://ann:secret@127.0.0.1:%d", server.port);
  fail_each_at(url, NULL);
}

static void every_allocation_fails_in_turn_with_a_prefix(void **state) {
  (void)state;
  fail_each("app:");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_allocation_fails_in_turn),
      cmocka_unit_test(every_allocation_fails_in_turn_with_a_prefix),
      cmocka_unit_test(every_allocation_fails_in_turn_without_transactions),
      cmocka_unit_test(every_allocation_fails_in_turn_on_a_replica),
  };
  failing_allocator_install();
  return cmocka_run_group_tests(tests, start_server, remove_server);
}
