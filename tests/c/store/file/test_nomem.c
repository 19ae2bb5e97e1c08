/* SPDX-License-Identifier: MIT */
/*
 * The file store with its first allocation failing, then its second, and so on: each op fails
 * plainly or succeeds, what comes back is right, and no block stays behind. SQLite's own
 * allocations are among them.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "file_folder.h"
#include "support.h"

static struct file_folder folder;

static int make_folder(void **state) {
  (void)state;
  file_folder_make(&folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  file_folder_remove(&folder);
  return 0;
}

/* ---- SQLite's allocator: ours, with the size before each block ---- */

enum { HEAD = 16 };

static void *allocate(int size) {
  char *block = cachette__malloc((size_t)size + HEAD);
  if (block == NULL) return NULL;
  memcpy(block, &size, sizeof size);
  return block + HEAD;
}

static int size_of(void *data) {
  int size;
  if (data == NULL) return 0;
  memcpy(&size, (char *)data - HEAD, sizeof size);
  return size;
}

static void release(void *data) { cachette__free((char *)data - HEAD); }

static void *reallocate(void *data, int size) {
  char *block = cachette__realloc((char *)data - HEAD, (size_t)size + HEAD);
  if (block == NULL) return NULL;
  memcpy(block, &size, sizeof size);
  return block + HEAD;
}

static int round_up(int size) { return (size + 7) / 8 * 8; }

static int begin(void *data) {
  (void)data;
  return SQLITE_OK;
}

static void end(void *data) { (void)data; }

static const sqlite3_mem_methods methods = {allocate, release, reallocate, size_of,
                                            round_up, begin,   end,        NULL};

/* ---- The ops ---- */

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
      assert_slice(items[i].value, "value of some length, which needs a place");
  }
  cachette_op_deinit(&op);
  return failed;
}

static void set_values(cachette_item items[3]) {
  for (int i = 0; i < 3; i++) {
    items[i].value = cachette_str("value of some length, which needs a place");
    items[i].ttl_ms = 0;
    items[i].status = 0;
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
  failed += run(handle, CACHETTE_INCREMENT, 0, &counter, 1);
  failed += run(handle, CACHETTE_INCREMENT, 0, &counter, 1);
  failed += run(handle, CACHETTE_CLEAR, 0, &items[2], 1);
  failed += run(handle, CACHETTE_CLEAR_NAMESPACE, 0, &name, 1);
  failed += run(handle, CACHETTE_FLUSH_EXPIRED, 0, NULL, 0);
  failed += run(handle, CACHETTE_PING, 0, NULL, 0);
  failed += run(handle, CACHETTE_FLUSH, 0, NULL, 0);
  return failed;
}

static cachette_options *read_options(const char *prefix) {
  return options_with("backend", "file", "pickle_path", folder.path, "key_prefix", prefix,
                      "timeout", "10", NULL);
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
  cachette_options *options = read_options("nomem:"), *others = read_options("other:");
  assert_int_equal(open_and_do_all(options), 0);
  cachette *other;
  assert_int_equal(cachette_open(others, &other, NULL), CACHETTE_OK);
  put_text(other, "key", "value", 3600000);
  cachette_close(other);
  int descriptors = count_descriptors();
  for (long countdown = 0;; countdown += countdown < 200 ? 1 : 7) {
    long before = failing_allocator_live();
    failing_allocator_arm(countdown);
    int failed = open_and_do_all(options);
    bool fired = failing_allocator_fired();
    failing_allocator_arm(-1);
    assert_int_equal(failing_allocator_live(), before);
    assert_int_equal(count_descriptors(), descriptors);
    if (fired) continue;
    assert_int_equal(failed, 0);
    assert_true(countdown > 100);
    break;
  }
  assert_int_equal(cachette_open(others, &other, NULL), CACHETTE_OK);
  assert_true(holds_text(other, "key", "value"));
  cachette_close(other);
  cachette_options_free(others);
  cachette_options_free(options);
}

static void every_allocation_of_the_beginning_fails_in_turn(void **state) {
  (void)state;
  cachette_options *options = read_options("");
  for (long countdown = 0;; countdown += countdown < 100 ? 1 : 11) {
    file_folder_empty(&folder);
    long before = failing_allocator_live();
    failing_allocator_arm(countdown);
    int failed = open_and_do_all(options);
    bool fired = failing_allocator_fired();
    failing_allocator_arm(-1);
    assert_int_equal(failing_allocator_live(), before);
    if (fired) continue;
    assert_int_equal(failed, 0);
    break;
  }
  cachette_options_free(options);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_allocation_fails_in_turn),
      TEST(every_allocation_of_the_beginning_fails_in_turn),
  };
  failing_allocator_install();
  sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
  sqlite3_initialize();
  return cmocka_run_group_tests_name("file_nomem", tests, NULL, NULL);
}
