/* SPDX-License-Identifier: MIT */
/*
 * The DynamoDB store with its first allocation failing, then its second, and so on: each op fails
 * plainly or succeeds, what comes back is right, and no block stays behind. Jansson's allocations
 * are among them; libcurl's are not, for it has connections and threads of its own to keep.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "dynamodb_server.h"
#include "store/common/module.h"
#include "support.h"

static struct dynamodb_server server;

#define VALUE "value of some length, which needs a place"

/* Counts what failed; it has to say why. */
static int note(int code, const cachette_error *error) {
  if (code >= 0) return 0;
  if (code != CACHETTE_ENOMEM && code != CACHETTE_EBACKEND && code != CACHETTE_EUNAVAILABLE)
    fail_msg("%d: %s", code, error->message);
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
    if (verb == CACHETTE_FETCH && op.status == CACHETTE_OK && items[i].status == CACHETTE_HIT)
      assert_slice(items[i].value, VALUE);
  }
  cachette_op_deinit(&op);
  return failed;
}

static void set_values(cachette_item items[4]) {
  for (int i = 0; i < 4; i++) {
    items[i].value = cachette_str(VALUE);
    items[i].ttl_ms = 0;
    items[i].status = 0;
  }
}

/* Everything that a caller can do. Returns how many calls failed. */
static int do_all(cachette *handle) {
  static char longest[3000];
  memset(longest, 'l', sizeof longest);
  cachette_item items[4] = {{.key = cachette_str("ns:1")},
                            {.key = cachette_str("ns:2")},
                            {.key = cachette_str("ns:1")},
                            {.key = {longest, sizeof longest}}};
  cachette_item counter = {.key = cachette_str("counter"), .amount = 1};
  cachette_item digits = {.key = cachette_str("digits"), .value = cachette_str("41")};
  cachette_item name = {.key = cachette_str("ns")};
  set_values(items);
  int failed = run(handle, CACHETTE_PUT, 0, items, 4);
  set_values(items);
  failed += run(handle, CACHETTE_PUT, 0, &items[3], 1);
  failed += run(handle, CACHETTE_PUT, CACHETTE_IF_ABSENT, items, 4);
  failed += run(handle, CACHETTE_FETCH, CACHETTE_WITH_TTL, items, 4);
  failed += run(handle, CACHETTE_FETCH, 0, items, 1);
  failed += run(handle, CACHETTE_EXISTS, 0, items, 4);
  failed += run(handle, CACHETTE_TOUCH, 0, items, 4);
  failed += run(handle, CACHETTE_INCREMENT, 0, &counter, 1);
  counter.amount = 1;
  failed += run(handle, CACHETTE_INCREMENT, 0, &counter, 1);
  failed += run(handle, CACHETTE_PUT, 0, &digits, 1);
  digits.amount = 1;
  failed += run(handle, CACHETTE_INCREMENT, 0, &digits, 1);
  failed += run(handle, CACHETTE_CLEAR, 0, &items[1], 1);
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

static cachette_options *read_options(const char *prefix) {
  return options_with("backend", "dynamodb", "dynamodb_url", server.url, "aws_access_key_id", "id",
                      "aws_secret_access_key", "secret", "consistent_read", "true", "timeout", "10",
                      "key_prefix", prefix, NULL);
}

static void every_allocation_fails_in_turn(void **state) {
  (void)state;
  cachette_options *options = read_options("nomem:"), *others = read_options("other:");
  assert_int_equal(open_and_do_all(options), 0);
  cachette *other;
  assert_int_equal(cachette_open(others, &other, NULL), CACHETTE_OK);
  put_text(other, "key", "value", 3600000);
  int descriptors = count_descriptors();
  for (long countdown = 0;; countdown += countdown < 300 ? 1 : 7) {
    long before = failing_allocator_live();
    failing_allocator_arm(countdown);
    int failed = open_and_do_all(options);
    bool fired = failing_allocator_fired();
    failing_allocator_arm(-1);
    assert_int_equal(failing_allocator_live(), before);
    assert_int_equal(count_descriptors(), descriptors);
    if (fired) continue;
    assert_int_equal(failed, 0);
    assert_true(countdown > 300);
    break;
  }
  assert_true(holds_text(other, "key", "value"));
  cachette_close(other);
  cachette_options_free(others);
  cachette_options_free(options);
}

static int start(void **state) {
  (void)state;
  dynamodb_server_share(&server);
  cachette_close(dynamodb_open(&server, NULL)); /* so that what is kept for good is there */
  return 0;
}

static int stop(void **state) {
  (void)state;
  dynamodb_server_kill(&server);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_fails_in_turn)};
  failing_allocator_install();
  json_set_alloc_funcs(cachette__malloc, cachette__free);
  return cmocka_run_group_tests_name("dynamodb_nomem", tests, start, stop);
}
