/* SPDX-License-Identifier: MIT */
/* Each allocation of the file store fails in turn, including those of SQLite. */
#include <sqlite3.h>
#include <string.h>

#include "base/alloc.h"
#include "file_folder.h"
#include "nomem.h"
#include "support.h"

/* ---- An allocator for SQLite, which stores its size before each block ---- */

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

static const struct nomem_call calls[] = {
    {CACHETTE_PUT, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_PUT, CACHETTE_IF_ABSENT, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_FETCH, CACHETTE_WITH_TTL, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_EXISTS, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_TOUCH, .keys = {"ns:1", "ns:2", "key"}},
    {CACHETTE_INCREMENT, .keys = {"counter"}, .amount = 1},
    {CACHETTE_INCREMENT, .keys = {"counter"}, .amount = 1},
    {CACHETTE_CLEAR, .keys = {"key"}},
    {CACHETTE_CLEAR_NAMESPACE, .keys = {"ns"}},
    {.verb = CACHETTE_FLUSH_EXPIRED},
    {.verb = CACHETTE_PING},
    {.verb = CACHETTE_FLUSH},
};

static struct nomem_store store_with(cachette_options *options) {
  return (struct nomem_store){
      options, calls, LENGTH(calls), {CACHETTE_EBACKEND, CACHETTE_EUNAVAILABLE}};
}

static cachette_options *create_options(const char *prefix) {
  return options_with("backend", "file", "pickle_path", folder.path, "key_prefix", prefix,
                      "timeout", "60", NULL);
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  cachette_options *options = create_options("nomem:"), *others = create_options("other:");
  struct nomem_store store = store_with(options);
  assert_int_equal(nomem_use_store(&store), 0);
  cachette *other;
  assert_int_equal(cachette_open(others, &other, NULL), CACHETTE_OK);
  put_text(other, "key", "value", 3600000);
  cachette_close(other);
  assert_true(nomem_some(nomem_use_store, &store, 200, 7) > 100);
  other = open_cache(others);
  assert_true(has_text(other, "key", "value"));
  cachette_close(other);
  cachette_options_free(options);
}

static int create_file(void *store) {
  file_folder_empty(&folder);
  return nomem_use_store(store);
}

static void each_failing_allocation_is_handled_while_the_file_is_created(void **state) {
  (void)state;
  cachette_options *options = create_options("");
  struct nomem_store store = store_with(options);
  nomem_some(create_file, &store, 100, 11);
  cachette_options_free(options);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_set_up, folder_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(each_failing_allocation_is_handled),
      TEST(each_failing_allocation_is_handled_while_the_file_is_created),
  };
  failing_allocator_install();
  sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
  sqlite3_initialize();
  return cmocka_run_group_tests_name("file_nomem", tests, NULL, NULL);
}
