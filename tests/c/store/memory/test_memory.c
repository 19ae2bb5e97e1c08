/* SPDX-License-Identifier: MIT */
/* The in-memory store through the public API only, so that its implementation can be replaced. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static int64_t now;

/* Opens a handle with the fake clock and one option or NULL. */
static cachette *open_clocked(const char *name, const char *value) {
  cachette_options *options = options_with(name, value, NULL);
  cachette_options_set_clock(options, fake_clock, &now);
  return open_memory(options);
}

static int reset(void **state) {
  now = 1000;
  return probe_reset(state);
}

static int64_t run_number(cachette *handle, enum cachette_verb verb, const char *key) {
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, verb, key), CACHETTE_OK);
  return probe.op.number;
}

/* ---- Time ---- */

static void a_ttl_is_exact_to_the_millisecond(void **state) {
  (void)state;
  cachette *handle = open_clocked(NULL, NULL);
  put_text(handle, "key", "value", 100);
  assert_int_equal(time_left(handle, "key"), 100);
  now += 99;
  assert_int_equal(time_left(handle, "key"), 1);
  assert_true(has_text(handle, "key", "value"));
  now += 1;
  assert_false(has_key(handle, "key"));
  assert_int_equal(cachette_clear(handle, cachette_str("key"), NULL), 0);
  assert_int_equal(stats_of(handle).expirations, 1);
  cachette_close(handle);
}

static void the_option_ttl_applies_to_a_put_without_one(void **state) {
  (void)state;
  cachette *handle = open_clocked("ttl", "7");
  put_text(handle, "key", "value", 0);
  assert_int_equal(time_left(handle, "key"), 7000);
  cachette_close(handle);
  handle = open_clocked(NULL, NULL);
  put_text(handle, "key", "value", 0);
  assert_int_equal(time_left(handle, "key"), 60000);
  cachette_close(handle);
}

static void the_longest_ttl_does_not_overflow(void **state) {
  (void)state;
  static const int64_t times[] = {0, INT64_MAX - CACHETTE_TTL_MAX, INT64_MAX - 1};
  for (size_t i = 0; i < LENGTH(times); i++) {
    now = times[i];
    cachette *handle = open_clocked(NULL, NULL);
    put_text(handle, "key", "value", CACHETTE_TTL_MAX);
    assert_true(has_text(handle, "key", "value"));
    assert_true(time_left(handle, "key") > 0);
    cachette_close(handle);
  }
}

static void a_put_renews_the_ttl(void **state) {
  (void)state;
  cachette *handle = open_clocked(NULL, NULL);
  put_text(handle, "key", "one", 100);
  now += 60;
  put_text(handle, "key", "two", 100);
  now += 60;
  assert_true(has_text(handle, "key", "two"));
  put_text(handle, "key", "three", 10);
  now += 10;
  assert_false(has_key(handle, "key"));
  cachette_close(handle);
}

static void entries_expire_by_the_systems_clock(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  put_text(handle, "key", "value", 1);
  while (has_key(handle, "key")) continue;
  put_text(handle, "key", "value", 60000);
  assert_true(time_left(handle, "key") > 50000 && time_left(handle, "key") <= 60000);
  cachette_close(handle);
}

static void flush_expired_counts_expired_entries(void **state) {
  (void)state;
  cachette *handle = open_clocked(NULL, NULL);
  for (int i = 0; i < 10; i++) {
    char key[8];
    snprintf(key, sizeof key, "k%d", i);
    put_text(handle, key, "value", i < 4 ? 10 : 20);
  }
  assert_int_equal(run_number(handle, CACHETTE_FLUSH_EXPIRED, "-"), 0);
  now += 10;
  assert_int_equal(run_number(handle, CACHETTE_FLUSH_EXPIRED, "-"), 4);
  assert_int_equal(stats_of(handle).entries, 6);
  assert_int_equal(stats_of(handle).expirations, 4);
  assert_int_equal(run_number(handle, CACHETTE_FLUSH_EXPIRED, "-"), 0);
  assert_true(has_key(handle, "k4"));
  cachette_close(handle);
}

static void no_other_verb_counts_expired_entries(void **state) {
  (void)state;
  cachette *handle = open_clocked(NULL, NULL);
  put_text(handle, "ns:old", "value", 10);
  put_text(handle, "ns:new", "value", 100);
  now += 10;
  assert_int_equal(run_number(handle, CACHETTE_CLEAR, "ns:old"), 0);
  put_text(handle, "ns:old", "value", 10);
  now += 10;
  assert_int_equal(run_number(handle, CACHETTE_CLEAR_NAMESPACE, "ns"), 1);
  put_text(handle, "old", "value", 10);
  put_text(handle, "new", "value", 100);
  now += 10;
  assert_int_equal(run_number(handle, CACHETTE_FLUSH, "-"), 1);
  assert_int_equal(stats_of(handle).entries, 0);
  cachette_close(handle);
}

/* ---- Values and keys ---- */

static void fill(unsigned char *bytes, size_t size, unsigned seed) {
  for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(i * 31 + i / 256 + seed);
}

static void values_of_all_sizes_come_back(void **state) {
  (void)state;
  enum { LIMIT = 1 << 20 };
  static const size_t sizes[] = {
      0,        1,    7,    8,     9,     63,    64,        65,
      4095,     4096, 4097, 65535, 65536, 65537, LIMIT / 8, LIMIT / 4 - 1,
      LIMIT / 4};
  static unsigned char bytes[LIMIT / 4];
  cachette *handle = open_clocked("memory_limit", "1M");
  for (size_t i = 0; i < LENGTH(sizes); i++) {
    fill(bytes, sizes[i], (unsigned)i);
    cachette_slice value = {bytes, sizes[i]}, found;
    assert_int_equal(cachette_put(handle, cachette_str("key"), value, 0, NULL), CACHETTE_OK);
    assert_int_equal(cachette_fetch(handle, cachette_str("key"), &found, NULL, NULL), 1);
    assert_non_null(found.data);
    assert_int_equal(found.size, sizes[i]);
    assert_memory_equal(found.data, bytes, sizes[i]);
    cachette_free(found.data);
  }
  assert_int_equal(stats_of(handle).entries, 1);
  cachette_close(handle);
}

static void an_empty_value_needs_no_bytes(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  cachette_slice nothing = {NULL, 0}, found;
  assert_int_equal(cachette_put(handle, cachette_str("key"), nothing, 0, NULL), CACHETTE_OK);
  assert_int_equal(cachette_fetch(handle, cachette_str("key"), &found, NULL, NULL), CACHETTE_HIT);
  assert_non_null(found.data);
  assert_int_equal(found.size, 0);
  cachette_free(found.data);
  cachette_close(handle);
}

static void a_value_too_large_removes_the_old_one(void **state) {
  (void)state;
  enum { QUARTER = 1 << 18 };
  static char bytes[QUARTER + 1];
  cachette *handle = open_clocked("memory_limit", "1M");
  put_text(handle, "key", "old", 0);
  put_text(handle, "other", "value", 0);
  cachette_error error;
  cachette_slice value = {bytes, QUARTER + 1};
  int code = cachette_put(handle, cachette_str("key"), value, 0, &error);
  assert_int_equal(code, CACHETTE_ETOOBIG);
  assert_int_equal(error.code, CACHETTE_ETOOBIG);
  assert_string_equal(error.subject, "key");
  assert_string_equal(error.message,
                      "The value of \"key\" has 262145 bytes; the in-memory backend takes up to a "
                      "quarter of \"memory_limit\", here 262144.");
  assert_false(has_key(handle, "key"));
  assert_true(has_key(handle, "other"));
  assert_int_equal(stats_of(handle).puts, 2);
  cachette_close(handle);
}

static void an_item_that_fails_leaves_the_others(void **state) {
  (void)state;
  static char bytes[(1 << 18) + 1];
  cachette *handle = open_clocked("memory_limit", "1M");
  cachette_item items[] = {
      {.key = cachette_str("a"), .value = cachette_str("1")},
      {.key = cachette_str("first"), .value = {bytes, sizeof bytes}},
      {.key = cachette_str("second"), .value = {bytes, sizeof bytes}},
      {.key = cachette_str("b"), .value = cachette_str("2")},
  };
  cachette_error error;
  cachette_op op = {.verb = CACHETTE_PUT, .items = items, .count = 4, .error = &error};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, 2);
  assert_int_equal(items[0].status, CACHETTE_MISS);
  assert_int_equal(items[1].status, CACHETTE_ETOOBIG);
  assert_int_equal(items[2].status, CACHETTE_ETOOBIG);
  assert_int_equal(items[3].status, CACHETTE_MISS);
  assert_string_equal(error.subject, "first");
  assert_true(has_text(handle, "a", "1"));
  assert_true(has_text(handle, "b", "2"));
  assert_int_equal(stats_of(handle).errors, 2);
  cachette_close(handle);
}

static void one_op_may_have_many_keys(void **state) {
  (void)state;
  cachette *handle = open_clocked(NULL, NULL);
  cachette_item items[] = {
      {.key = cachette_str("a"), .value = cachette_str("1"), .ttl_ms = 10},
      {.key = cachette_str("b"), .value = cachette_str("2"), .ttl_ms = 20},
      {.key = cachette_str("a"), .value = cachette_str("3"), .ttl_ms = 30},
  };
  cachette_op put = {.verb = CACHETTE_PUT, .items = items, .count = 3};
  assert_int_equal(cachette_run(handle, &put), CACHETTE_OK);
  assert_int_equal(put.number, 3);
  assert_int_equal(items[2].status, CACHETTE_HIT); /* it replaced an entry */

  cachette_item wanted[] = {{.key = cachette_str("a")},
                            {.key = cachette_str("none")},
                            {.key = cachette_str("b")},
                            {.key = cachette_str("a")}};
  cachette_op fetch = {
      .verb = CACHETTE_FETCH, .flags = CACHETTE_WITH_TTL, .items = wanted, .count = 4};
  assert_int_equal(cachette_run(handle, &fetch), CACHETTE_OK);
  assert_int_equal(fetch.number, 3);
  assert_slice(wanted[0].value, "3");
  assert_int_equal(wanted[0].ttl_ms, 30);
  assert_int_equal(wanted[1].status, CACHETTE_MISS);
  assert_null(wanted[1].value.data);
  assert_slice(wanted[2].value, "2");
  assert_slice(wanted[3].value, "3");
  cachette_op_deinit(&fetch);
  for (size_t i = 0; i < LENGTH(wanted); i++) assert_null(wanted[i].value.data);

  cachette_op clear = {.verb = CACHETTE_CLEAR, .items = wanted, .count = 4};
  assert_int_equal(cachette_run(handle, &clear), CACHETTE_OK);
  assert_int_equal(clear.number, 2);
  assert_int_equal(wanted[0].status, CACHETTE_HIT);
  assert_int_equal(wanted[1].status, CACHETTE_MISS);
  assert_int_equal(wanted[2].status, CACHETTE_HIT);
  assert_int_equal(wanted[3].status, CACHETTE_MISS);
  cachette_close(handle);
}

static void keys_may_be_any_bytes(void **state) {
  (void)state;
  static const char *const texts[] = {"", "\0", "\0\0", "a", "a\0", "a\0b", "a\0c", "\xff\x80"};
  static const size_t sizes[] = {0, 1, 2, 1, 2, 3, 3, 2};
  cachette *handle = open_memory(NULL);
  for (size_t i = 1; i < LENGTH(texts); i++) {
    cachette_slice key = {texts[i], sizes[i]}, value = {&sizes[i], sizeof sizes[i]};
    assert_int_equal(cachette_put(handle, key, value, 0, NULL), CACHETTE_OK);
  }
  assert_int_equal(stats_of(handle).entries, LENGTH(texts) - 1);
  for (size_t i = 1; i < LENGTH(texts); i++) {
    cachette_slice key = {texts[i], sizes[i]}, found;
    assert_int_equal(cachette_fetch(handle, key, &found, NULL, NULL), CACHETTE_HIT);
    assert_memory_equal(found.data, &sizes[i], sizeof sizes[i]);
    cachette_free(found.data);
  }
  cachette_close(handle);
}

static void the_longest_keys_are_distinct(void **state) {
  (void)state;
  unsigned char *bytes = calloc(1, CACHETTE_KEY_MAX);
  cachette *handle = open_memory(NULL);
  cachette_slice key = {bytes, CACHETTE_KEY_MAX};
  assert_int_equal(cachette_put(handle, key, cachette_str("one"), 0, NULL), CACHETTE_OK);
  bytes[CACHETTE_KEY_MAX - 1] = 1;
  assert_int_equal(cachette_put(handle, key, cachette_str("two"), 0, NULL), CACHETTE_OK);
  bytes[CACHETTE_KEY_MAX - 1] = 0;
  cachette_slice found;
  assert_int_equal(cachette_fetch(handle, key, &found, NULL, NULL), CACHETTE_HIT);
  assert_slice(found, "one");
  cachette_free(found.data);
  key.size--;
  assert_int_equal(cachette_fetch(handle, key, &found, NULL, NULL), CACHETTE_MISS);
  cachette_close(handle);
  free(bytes);
}

/* ---- Buffers for fetched values ---- */

static char fetched[256];
static int alloc_calls;
static size_t alloc_size;

static void *alloc_buffer(cachette_op *op, cachette_item *item, size_t size) {
  assert_ptr_equal(item, op->items);
  alloc_calls++;
  alloc_size = size;
  return size <= sizeof fetched ? fetched : NULL;
}

static void *alloc_nothing(cachette_op *op, cachette_item *item, size_t size) {
  (void)op, (void)item, (void)size;
  alloc_calls++;
  return NULL;
}

static void a_value_that_fits_is_copied_to_the_buffer(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  put_text(handle, "key", "12345678", 0);
  for (size_t size = 8; size <= 9; size++) {
    char buffer[9] = "--------";
    struct probe probe;
    probe_init(&probe, CACHETTE_FETCH, "key");
    probe.item.buffer = buffer;
    probe.item.buffer_size = size;
    probe.op.alloc = alloc_nothing;
    alloc_calls = 0;
    assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
    assert_ptr_equal(probe.item.value.data, buffer);
    assert_slice(probe.item.value, "12345678");
    assert_int_equal(alloc_calls, 0);
    cachette_op_deinit(&probe.op);
  }
  cachette_close(handle);
}

static void a_value_that_does_not_fit_the_buffer_is_allocated(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  put_text(handle, "key", "12345678", 0);
  char buffer[8] = "-------";
  struct probe probe;
  probe_init(&probe, CACHETTE_FETCH, "key");
  probe.item.buffer = buffer;
  probe.item.buffer_size = 7;
  probe.op.alloc = alloc_buffer;
  alloc_calls = 0;
  assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
  assert_ptr_equal(probe.item.value.data, fetched);
  assert_slice(probe.item.value, "12345678");
  assert_int_equal(alloc_calls, 1);
  assert_int_equal(alloc_size, 8);
  cachette_op_deinit(&probe.op);

  /* Without `alloc` the library allocates and frees the value. */
  probe.op.alloc = NULL;
  assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
  assert_slice(probe.item.value, "12345678");
  assert_true(probe.item.value.data != fetched && probe.item.value.data != buffer);
  cachette_op_deinit(&probe.op);
  assert_string_equal(buffer, "-------");
  cachette_close(handle);
}

static void an_item_without_memory_fails_alone(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  put_text(handle, "key", "value", 0);
  char buffer[8];
  cachette_item items[] = {{.key = cachette_str("key")},
                           {.key = cachette_str("none")},
                           {.key = cachette_str("key"), .buffer = buffer, .buffer_size = 8}};
  cachette_error error = {.code = 0};
  cachette_op op = {
      .verb = CACHETTE_FETCH, .items = items, .count = 3, .alloc = alloc_nothing, .error = &error};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(error.code, CACHETTE_ENOMEM);
  assert_int_equal(op.number, 1);
  assert_int_equal(items[0].status, CACHETTE_ENOMEM);
  assert_null(items[0].value.data);
  assert_int_equal(items[1].status, CACHETTE_MISS);
  assert_int_equal(items[2].status, CACHETTE_HIT);
  assert_slice(items[2].value, "value");
  cachette_op_deinit(&op);
  assert_true(has_key(handle, "key"));
  cachette_close(handle);
}

/* The store holds no lock while it allocates a buffer, so another thread may change the value. */
static const char *next_value;

static void *alloc_and_change(cachette_op *op, cachette_item *item, size_t size) {
  (void)item;
  cachette *other = op->data;
  if (alloc_calls++ == 0) {
    if (next_value != NULL)
      put_text(other, "key", next_value, 0);
    else
      cachette_clear(other, cachette_str("key"), NULL);
  }
  alloc_size = size;
  return size <= sizeof fetched ? fetched : NULL;
}

static void a_value_may_change_while_its_buffer_is_allocated(void **state) {
  (void)state;
  static const char *const values[] = {"longer than it was", "short", "", "12345678", NULL};
  cachette *handle = open_memory(options_with("memory_name", "shared", NULL));
  cachette *other = open_memory(options_with("memory_name", "shared", NULL));
  for (size_t i = 0; i < LENGTH(values); i++) {
    put_text(handle, "key", "as it was", 0);
    next_value = values[i];
    alloc_calls = 0;
    cachette_item item = {.key = cachette_str("key")};
    cachette_op op = {.verb = CACHETTE_FETCH,
                      .items = &item,
                      .count = 1,
                      .alloc = alloc_and_change,
                      .data = other};
    assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
    assert_int_equal(item.status, values[i] != NULL);
    assert_int_equal(op.number, values[i] != NULL);
    if (values[i] != NULL) assert_slice(item.value, values[i]);
    if (values[i] == NULL) assert_null(item.value.data);
    assert_int_equal(alloc_calls, i == 0 ? 2 : 1);
    cachette_op_deinit(&op);
  }
  cachette_close(other);
  cachette_close(handle);
}

/* ---- Namespaces ---- */

static void a_namespace_has_the_keys_that_begin_with_it_and_a_colon(void **state) {
  (void)state;
  static const char *const inside[] = {"ns:", "ns:a", "ns::", "ns:a:b", "ns:\xff"};
  static const char *const outside[] = {"ns", "n", "nsx:a", "nsx", "n:s", "xns:a", "NS:a", "other"};
  cachette *handle = open_memory(NULL);
  for (size_t i = 0; i < LENGTH(inside); i++) put_text(handle, inside[i], "value", 0);
  for (size_t i = 0; i < LENGTH(outside); i++) put_text(handle, outside[i], "value", 0);
  assert_int_equal(run_number(handle, CACHETTE_CLEAR_NAMESPACE, "ns"), LENGTH(inside));
  for (size_t i = 0; i < LENGTH(inside); i++) assert_false(has_key(handle, inside[i]));
  for (size_t i = 0; i < LENGTH(outside); i++) assert_true(has_key(handle, outside[i]));
  assert_int_equal(run_number(handle, CACHETTE_CLEAR_NAMESPACE, "ns"), 0);
  cachette_close(handle);
}

static void namespaces_can_be_nested_and_cleared_together(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  static const char *const keys[] = {"a:1", "a:b:1", "a:b:2", "c:1", "d:1", "e"};
  for (size_t i = 0; i < LENGTH(keys); i++) put_text(handle, keys[i], "value", 0);
  assert_int_equal(run_number(handle, CACHETTE_CLEAR_NAMESPACE, "a:b"), 2);
  cachette_item names[] = {
      {.key = cachette_str("a")}, {.key = cachette_str("none")}, {.key = cachette_str("d")}};
  cachette_op op = {.verb = CACHETTE_CLEAR_NAMESPACE, .items = names, .count = 3};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, 2);
  assert_int_equal(stats_of(handle).entries, 2);
  cachette_close(handle);
}

static void flush_clears_everything(void **state) {
  (void)state;
  enum { ENTRIES = 1000 };
  cachette *handle = open_memory(NULL);
  int64_t empty = stats_of(handle).bytes;
  for (int i = 0; i < ENTRIES; i++) {
    char key[16];
    snprintf(key, sizeof key, "%d", i);
    put_text(handle, key, "value", 0);
  }
  cachette_stats full = stats_of(handle);
  assert_int_equal(full.entries, ENTRIES);
  assert_true(full.bytes > empty && full.bytes <= full.limit);
  assert_int_equal(run_number(handle, CACHETTE_FLUSH, "-"), ENTRIES);
  assert_int_equal(run_number(handle, CACHETTE_FLUSH, "-"), 0);
  assert_int_equal(stats_of(handle).entries, 0);
  put_text(handle, "key", "again", 0);
  assert_true(has_text(handle, "key", "again"));
  cachette_close(handle);
}

/* ---- The limit ---- */

static void the_table_never_exceeds_its_limit(void **state) {
  (void)state;
  static char bytes[1 << 18];
  cachette *handle = open_clocked("memory_limit", "1M");
  for (int i = 0; i < 5000; i++) {
    char key[16];
    snprintf(key, sizeof key, "%d", i);
    cachette_slice value = {bytes, (size_t)(i % 50 == 0 ? sizeof bytes : (size_t)(i * 37 % 3000))};
    assert_int_equal(cachette_put(handle, cachette_str(key), value, 0, NULL), CACHETTE_OK);
    cachette_stats stats = stats_of(handle);
    assert_true(stats.bytes <= stats.limit);
    assert_true(stats.entries > 0);
  }
  cachette_stats stats = stats_of(handle);
  assert_true(stats.evictions > 0);
  assert_true(stats.evictions_new > 0);
  assert_int_equal(stats.evictions,
                   stats.evictions_new + stats.evictions_old + stats.evictions_forced);
  assert_true(stats_of(handle).entries + stats_of(handle).evictions <= 5000);
  cachette_close(handle);
}

/* ---- Sharing ---- */

static void handles_of_the_same_name_share_their_entries(void **state) {
  (void)state;
  cachette *one = open_clocked("memory_name", "shared");
  cachette *two = open_clocked("memory_name", "shared");
  cachette *separate = open_clocked("memory_name", "Shared");
  put_text(one, "key", "value", 100);
  assert_true(has_text(two, "key", "value"));
  assert_false(has_key(separate, "key"));
  assert_int_equal(stats_of(two).entries, 1);
  assert_int_equal(stats_of(two).puts, 0);
  cachette_close(one);
  assert_true(has_text(two, "key", "value"));
  cachette_close(two);
  cachette_close(separate);
  /* Closing the last handle removes the entries. */
  one = open_clocked("memory_name", "shared");
  assert_false(has_key(one, "key"));
  cachette_close(one);
}

static void handles_without_a_name_share_nothing(void **state) {
  (void)state;
  static const char *const names[] = {NULL, ""};
  for (size_t i = 0; i < LENGTH(names); i++) {
    cachette *one = open_clocked("memory_name", names[i]);
    cachette *two = open_clocked("memory_name", names[i]);
    put_text(one, "key", "value", 0);
    assert_false(has_key(two, "key"));
    cachette_close(one);
    cachette_close(two);
  }
}

static void handles_that_share_must_agree_on_the_limit(void **state) {
  (void)state;
  cachette *one = open_memory(options_with("memory_name", "shared", "memory_limit", "2M", NULL));
  cachette_options *options = options_with("memory_name", "shared", "memory_limit", "3M", NULL);
  cachette *two = NULL;
  cachette_error error;
  assert_int_equal(cachette_open(options, &two, &error), CACHETTE_ECONFIG);
  assert_string_equal(error.subject, "memory_limit");
  assert_string_equal(error.message,
                      "The in-memory store \"shared\" is already open with a \"memory_limit\" of "
                      "2097152 bytes. All caches that share it must set the same limit.");
  assert_null(two);
  cachette_options_set(options, "memory_limit", "2048K", NULL);
  assert_int_equal(cachette_open(options, &two, NULL), CACHETTE_OK);
  cachette_close(two);
  cachette_close(one);
  /* When no handle is open, the limit may be different. */
  cachette_options_set(options, "memory_limit", "3M", NULL);
  assert_int_equal(cachette_open(options, &two, NULL), CACHETTE_OK);
  cachette_close(two);
  cachette_options_free(options);
}

/* Puts values of 1/4 to 4 times a size under random keys, some of which exist. */
static void put_around(cachette *handle, size_t middle, int count, uint32_t *state) {
  static char bytes[1 << 18];
  for (int i = 0; i < count; i++) {
    *state = *state * 1664525 + 1013904223;
    uint32_t id = *state >> 8 & 0x3ffff;
    size_t size = middle / 4 + (size_t)(*state >> 4) % (4 * middle);
    assert_int_equal(cachette_put(handle, (cachette_slice){&id, sizeof id},
                                  (cachette_slice){bytes, size}, 3600000, NULL),
                     CACHETTE_OK);
  }
}

static void shifting_sizes_do_not_fragment_the_memory(void **state) {
  (void)state;
  enum { LIMIT = 16 << 20 };
  static char bytes[1 << 18];
  uint32_t random = 1;
  cachette *handle = open_clocked("memory_limit", "16M");
  put_around(handle, 16000, 20000, &random);
  put_around(handle, 300, 400000, &random);
  size_t live = 0;
  for (uint32_t id = 0; id <= 0x3ffff; id++) {
    cachette_item item = {.key = {&id, sizeof id}, .buffer = bytes, .buffer_size = sizeof bytes};
    cachette_op op = {.verb = CACHETTE_FETCH, .items = &item, .count = 1};
    assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
    if (item.status == CACHETTE_HIT) live += item.value.size + sizeof id;
  }
  assert_true(live >= (size_t)LIMIT / 100 * 80); /* the rest are headers and the index */
  cachette_close(handle);
}

#define test(name) cmocka_unit_test_setup(name, reset)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(a_ttl_is_exact_to_the_millisecond),
      test(the_option_ttl_applies_to_a_put_without_one),
      test(the_longest_ttl_does_not_overflow),
      test(a_put_renews_the_ttl),
      test(entries_expire_by_the_systems_clock),
      test(flush_expired_counts_expired_entries),
      test(no_other_verb_counts_expired_entries),
      test(values_of_all_sizes_come_back),
      test(shifting_sizes_do_not_fragment_the_memory),
      test(an_empty_value_needs_no_bytes),
      test(a_value_too_large_removes_the_old_one),
      test(an_item_that_fails_leaves_the_others),
      test(one_op_may_have_many_keys),
      test(keys_may_be_any_bytes),
      test(the_longest_keys_are_distinct),
      test(a_value_that_fits_is_copied_to_the_buffer),
      test(a_value_that_does_not_fit_the_buffer_is_allocated),
      test(an_item_without_memory_fails_alone),
      test(a_value_may_change_while_its_buffer_is_allocated),
      test(a_namespace_has_the_keys_that_begin_with_it_and_a_colon),
      test(namespaces_can_be_nested_and_cleared_together),
      test(flush_clears_everything),
      test(the_table_never_exceeds_its_limit),
      test(handles_of_the_same_name_share_their_entries),
      test(handles_without_a_name_share_nothing),
      test(handles_that_share_must_agree_on_the_limit),
  };
  return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
