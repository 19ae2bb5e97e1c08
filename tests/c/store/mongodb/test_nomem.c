/* SPDX-License-Identifier: MIT */
/*
 * The MongoDB store with its first allocation failing, then its second, and so on: each op fails
 * plainly or succeeds, what comes back is right, and no block stays behind. libmongoc's own
 * allocations are not among them: it ends the process when it finds no memory.
 */
#include <stdio.h>
#include <string.h>

#include "mongod_server.h"
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

/* Counts what failed; it has to say why. */
static int note(int code, const cachette_error *error) {
  if (code >= 0) return 0;
  assert_true(code == CACHETTE_ENOMEM || code == CACHETTE_EBACKEND);
  assert_true(strlen(error->message) > 0);
  return 1;
}

static int run(cachette *handle, enum cachette_verb verb, unsigned flags, cachette_item *items,
               size_t count) {
  cachette_error error = {.code = 0};
  cachette_op op = {.verb = verb, .flags = flags, .items = items, .count = count, .error = &error};
  int failed = note(cachette_run(handle, &op), &error);
  for (size_t i = 0; i < count; i++) {
    failed += items[i].status < 0;
    if (verb == CACHETTE_FETCH && items[i].status == CACHETTE_HIT)
      assert_slice(items[i].value, "value of some length, which needs a place");
  }
  cachette_op_deinit(&op);
  return failed;
}

static void set_values(cachette_item items[3]) {
  for (int i = 0; i < 3; i++) {
    items[i].value = cachette_str("value of some length, which needs a place");
    items[i].ttl_ms = 0;
  }
}

/* Everything that a caller can do. Returns how many calls failed. */
static int do_all(cachette *handle) {
  cachette_item items[3] = {
      {.key = cachette_str("ns:1")}, {.key = cachette_str("ns:2")}, {.key = cachette_str("key")}};
  cachette_item counter = {.key = cachette_str("counter"), .amount = 1};
  cachette_item name = {.key = cachette_str("ns")};
  set_values(items);
  int failed = run(handle, CACHETTE_PUT, 0, items, 3);
  set_values(items);
  failed += run(handle, CACHETTE_PUT, CACHETTE_IF_ABSENT, items, 3);
  failed += run(handle, CACHETTE_FETCH, CACHETTE_WITH_TTL, items, 3);
  failed += run(handle, CACHETTE_EXISTS, 0, items, 3);
  failed += run(handle, CACHETTE_TOUCH, 0, items, 3);
  failed += run(handle, CACHETTE_TOUCH, 0, items, 1);
  failed += run(handle, CACHETTE_INCREMENT, 0, &counter, 1);
  failed += run(handle, CACHETTE_INCREMENT, 0, &counter, 1);
  failed += run(handle, CACHETTE_CLEAR, 0, &items[2], 1);
  failed += run(handle, CACHETTE_CLEAR, 0, items, 2);
  failed += run(handle, CACHETTE_CLEAR_NAMESPACE, 0, &name, 1);
  failed += run(handle, CACHETTE_FLUSH_EXPIRED, 0, NULL, 0);
  failed += run(handle, CACHETTE_PING, 0, NULL, 0);
  failed += run(handle, CACHETTE_FLUSH, 0, NULL, 0);
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

static void every_allocation_fails_in_turn(void **state) {
  (void)state;
  cachette_options *options =
      options_with("backend", "mongodb", "mongodb_url", server.url, "key_prefix",
                   "nomem:", "timeout", "10", "mongodb_pool_size", "1", NULL);
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
    assert_true(countdown > 30);
    break;
  }
  cachette_options_free(options);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_fails_in_turn)};
  failing_allocator_install();
  mongoc_init();
  return cmocka_run_group_tests_name("mongodb_nomem", tests, start_server, remove_server);
}
