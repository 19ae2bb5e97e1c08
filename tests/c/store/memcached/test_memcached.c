/* SPDX-License-Identifier: MIT */
/* The memcached store against real servers: its verbs, keys and values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memcached_cluster.h"

static void expect_reply(const char *lines, const char *expected) {
  char reply[512];
  memcached_server_command(&servers[0], lines, reply, sizeof reply);
  assert_string_equal(reply, expected);
}

/* ---- Verbs ---- */

static void stored_values_are_plain(void **state) {
  (void)state;
  cachette *handle = open_one();
  put_text(handle, "greeting", "hello", 0);
  expect_reply("mg greeting v f t\r\n", "VA 5 f0 t60\r\nhello\r\n");
  expect_reply("ms theirs 5 T0\r\nvalue\r\n", "HD\r\n");
  assert_true(has_text(handle, "theirs", "value"));
  assert_int_equal(time_left(handle, "theirs"), CACHETTE_TTL_NEVER);
  put_text(handle, "empty", "", 0);
  assert_true(has_text(handle, "empty", ""));
  assert_false(has_key(handle, "absent"));
  cachette_close(handle);
}

static void ttls_round_up_and_long_ones_are_sent_as_dates(void **state) {
  (void)state;
  cachette *handle = open_one();
  static const int64_t times[][2] = {{1, 1000},
                                     {1000, 1000},
                                     {1001, 2000},
                                     {INT64_C(2592000000), INT64_C(2592000000)},
                                     {INT64_C(2592000001), INT64_C(2592001000)},
                                     {INT64_C(31536000000), INT64_C(31536000000)}};
  for (size_t i = 0; i < LENGTH(times); i++) {
    put_text(handle, "key", "value", times[i][0]);
    int64_t left = time_left(handle, "key");
    /* The clocks of client and server differ. */
    assert_true(left <= times[i][1] + 1000 && left >= times[i][1] - 2000);
  }
  put_text(handle, "short", "value", 1000);
  usleep(2200000);
  assert_false(has_key(handle, "short"));
  cachette_close(handle);
}

static void every_verb_works_on_one_and_on_three_servers(void **state) {
  (void)state;
  for (int many = 0; many < 2; many++) {
    cachette *handle = many ? open_all() : open_one();
    put_text(handle, "a", "first", 0);
    cachette_item items[] = {{.key = cachette_str("a"), .value = cachette_str("second")},
                             {.key = cachette_str("b"), .value = cachette_str("second")}};
    assert_int_equal(run_items(handle, CACHETTE_PUT, CACHETTE_IF_ABSENT, items, 2), 1);
    assert_int_equal(items[0].status, CACHETTE_HIT);
    assert_int_equal(items[1].status, CACHETTE_MISS);
    assert_true(has_text(handle, "a", "first"));
    cachette_item three[] = {{.key = cachette_str("a"), .ttl_ms = 900000},
                             {.key = cachette_str("absent"), .ttl_ms = 900000},
                             {.key = cachette_str("b"), .ttl_ms = 900000}};
    assert_int_equal(run_items(handle, CACHETTE_EXISTS, 0, three, 3), 2);
    assert_int_equal(run_items(handle, CACHETTE_TOUCH, 0, three, 3), 2);
    assert_int_equal(three[1].status, CACHETTE_MISS);
    assert_in_range(time_left(handle, "a"), 890000, 900000);
    assert_int_equal(run_items(handle, CACHETTE_CLEAR, 0, three, 3), 2);
    assert_int_equal(run_items(handle, CACHETTE_CLEAR, 0, three, 3), 0);
    struct probe probe;
    assert_int_equal(probe_run(handle, &probe, CACHETTE_PING, "-"), CACHETTE_OK);
    assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH_EXPIRED, "-"), CACHETTE_OK);
    put_text(handle, "x", "1", 0);
    put_text(handle, "y", "1", 0);
    assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH, "-"), CACHETTE_OK);
    assert_true(probe.op.number >= 2);
    assert_false(has_key(handle, "x"));
    cachette_close(handle);
  }
}

static void many_keys_are_spread_over_three_servers(void **state) {
  (void)state;
  enum { COUNT = 3000 };
  static cachette_item items[COUNT];
  static char keys[COUNT][16], values[COUNT][3000];
  cachette *handle = open_all();
  for (int i = 0; i < COUNT; i++) {
    snprintf(keys[i], sizeof keys[i], "many:%d", i);
    memset(values[i], 'a' + i % 26, sizeof values[i]);
    items[i] = (cachette_item){.key = cachette_str(keys[i]), .value = {values[i], (size_t)i}};
  }
  assert_int_equal(run_items(handle, CACHETTE_PUT, 0, items, COUNT), COUNT);
  for (int i = 0; i < COUNT; i++) items[i] = (cachette_item){.key = cachette_str(keys[i])};
  cachette_op op = {
      .verb = CACHETTE_FETCH, .flags = CACHETTE_WITH_TTL, .items = items, .count = COUNT};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, COUNT);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(items[i].value.size, i);
    assert_memory_equal(items[i].value.data, values[i], (size_t)i);
    assert_in_range(items[i].ttl_ms, 50000, 60000);
  }
  cachette_op_deinit(&op);
  /* Each server has some of them. */
  for (int i = 0; i < SERVERS; i++) {
    char reply[4096];
    memcached_server_command(&servers[i], "stats\r\n", reply, sizeof reply);
    const char *found = strstr(reply, "curr_items ");
    assert_non_null(found);
    assert_true(atoi(found + 11) > COUNT / 10);
  }
  struct probe probe;
  put_text(handle, "manyfold", "x", 0);
  put_text(handle, "other:1", "x", 0);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "many"), CACHETTE_OK);
  assert_int_equal(probe.op.number, COUNT);
  assert_int_equal(probe.item.status, CACHETTE_HIT);
  assert_true(has_key(handle, "manyfold"));
  assert_true(has_key(handle, "other:1"));
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "many"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 0);
  cachette_close(handle);
}

static void namespaces_are_cleared_concurrently_and_under_load(void **state) {
  (void)state;
  enum { NAMESPACES = 6, KEYS_EACH = 100, FETCHES = 500 };
  cachette *handle = open_all();
  char key[32], names[NAMESPACES][16];
  struct probe clears[NAMESPACES];
  static struct probe fetches[FETCHES];
  put_text(handle, "key", "value", 0);
  for (int i = 0; i < NAMESPACES; i++) {
    snprintf(names[i], sizeof names[i], "ns%d", i);
    for (int j = 0; j < KEYS_EACH; j++) {
      snprintf(key, sizeof key, "ns%d:%d", i, j);
      put_text(handle, key, "value", 0);
    }
  }
  for (int i = 0; i < FETCHES; i++) {
    if (i % 50 == 0 && i / 50 < NAMESPACES) {
      probe_init(&clears[i / 50], CACHETTE_CLEAR_NAMESPACE, names[i / 50]);
      probe_submit(handle, &clears[i / 50]);
    }
    probe_init(&fetches[i], CACHETTE_FETCH, "key");
    probe_submit(handle, &fetches[i]);
  }
  for (int i = 0; i < FETCHES; i++) {
    assert_int_equal(probe_wait(handle, &fetches[i]), CACHETTE_OK);
    assert_slice(fetches[i].item.value, "value");
    cachette_op_deinit(&fetches[i].op);
  }
  for (int i = 0; i < NAMESPACES; i++) {
    if (probe_wait(handle, &clears[i]) < 0) fail_msg("%s", clears[i].error.message);
    assert_int_equal(clears[i].op.number, KEYS_EACH);
  }
  cachette_close(handle);
}

static void values_of_all_sizes_come_back(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 2, 100, 65519, 65520, 65536, 70000, 500000, 1048000};
  cachette *handle = open_one();
  char *bytes = malloc(1 << 20);
  for (size_t i = 0; i < LENGTH(sizes); i++) {
    for (size_t j = 0; j < sizes[i]; j++) bytes[j] = (char)(j * 31 + (j >> 8));
    cachette_slice value = {bytes, sizes[i]}, fetched;
    assert_int_equal(cachette_put(handle, cachette_str("key"), value, 0, NULL), 0);
    assert_int_equal(cachette_fetch(handle, cachette_str("key"), &fetched, NULL, NULL), 1);
    assert_int_equal(fetched.size, sizes[i]);
    assert_memory_equal(fetched.data, bytes, sizes[i]);
    cachette_free(fetched.data);
  }
  cachette_error error;
  cachette_slice large = {bytes, 1 << 20};
  assert_int_equal(cachette_put(handle, cachette_str("key"), large, 0, &error), CACHETTE_ETOOBIG);
  assert_non_null(strstr(error.message, "takes at most 1048576 bytes"));
  assert_false(has_key(handle, "key"));
  free(bytes);
  cachette_close(handle);
}

static void keys_of_every_length_and_byte_are_distinct(void **state) {
  (void)state;
  static const size_t sizes[] = {1,   122, 123, 185, 186,  187,   188,  249,
                                 250, 251, 252, 500, 5000, 65535, 65536};
  static char key[65537];
  cachette *handle = open_all();
  for (int odd = 0; odd < 2; odd++) {
    for (size_t i = 0; i < LENGTH(sizes); i++) {
      memset(key, 'k', sizeof key);
      if (odd) key[sizes[i] / 2] = ' ';
      for (char last = 'a'; last <= 'b'; last++) {
        key[sizes[i] - 1] = last;
        cachette_slice name = {key, sizes[i]};
        cachette_slice value = {&last, 1};
        assert_int_equal(cachette_put(handle, name, value, 0, NULL), 0);
      }
      for (char last = 'a'; last <= 'b'; last++) {
        key[sizes[i] - 1] = last;
        cachette_slice name = {key, sizes[i]}, fetched;
        assert_int_equal(cachette_fetch(handle, name, &fetched, NULL, NULL), 1);
        assert_int_equal(*(const char *)fetched.data, last);
        cachette_free(fetched.data);
      }
    }
  }
  for (int byte = 0; byte < 256; byte++) {
    char odd_key[] = {'x', (char)byte, 'y'};
    cachette_slice name = {odd_key, 3}, value = {odd_key, 3}, fetched;
    assert_int_equal(cachette_put(handle, name, value, 0, NULL), 0);
    assert_int_equal(cachette_fetch(handle, name, &fetched, NULL, NULL), 1);
    assert_memory_equal(fetched.data, odd_key, 3);
    cachette_free(fetched.data);
    assert_int_equal(cachette_clear(handle, name, NULL), 1);
  }
  cachette_close(handle);
}

static void no_key_injects_a_command(void **state) {
  (void)state;
  cachette *handle = open_one();
  put_text(handle, "safe", "value", 0);
  assert_false(has_key(handle, "a\r\nflush_all\r\nmg b"));
  put_text(handle, "x T0\r\nmd safe\r\n", "value", 0);
  assert_true(has_text(handle, "safe", "value"));
  assert_true(has_text(handle, "x T0\r\nmd safe\r\n", "value"));
  cachette_close(handle);
}

static void a_prefix_keeps_caches_apart(void **state) {
  (void)state;
  cachette *one = open_on(all_hosts, "key_prefix", "one:"), *plain = open_all();
  struct probe probe;
  put_text(one, "ns:a", "1", 0);
  put_text(one, "b", "1", 0);
  put_text(plain, "ns:a", "2", 0);
  assert_true(has_text(one, "ns:a", "1"));
  assert_true(has_text(plain, "one:b", "1"));
  assert_int_equal(probe_run(one, &probe, CACHETTE_CLEAR_NAMESPACE, "ns"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);
  assert_int_equal(probe_run(one, &probe, CACHETTE_FLUSH, "-"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);
  assert_true(has_text(plain, "ns:a", "2"));
  cachette_close(one);
  cachette_close(plain);
}

/* The server lists only the start of a long key. */
static void a_namespace_is_cleared_completely_or_refused(void **state) {
  (void)state;
  enum { TOO_LONG = 121 };
  static const char *const tails[] = {"a", "b c"};
  static const size_t sizes[] = {1, 60, TOO_LONG - 1, TOO_LONG, 185, 186, 300};
  char name[320], key[1024];
  cachette *handle = open_all();
  for (size_t i = 0; i < LENGTH(sizes); i++) {
    struct probe probe;
    memset(name, 'n', sizes[i]);
    name[sizes[i]] = '\0';
    for (size_t j = 0; j < 10; j++) {
      snprintf(key, sizeof key, "%s:%zu%*s%s", name, j, j < 5 ? 1 : 400, "", tails[j % 2]);
      put_text(handle, key, "value", 0);
    }
    int status = probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, name);
    if (sizes[i] < TOO_LONG) {
      assert_int_equal(status, CACHETTE_OK);
      assert_int_equal(probe.op.number, 10);
    } else {
      probe_expect(&probe, CACHETTE_EINVAL);
      assert_non_null(strstr(probe.error.message, "is too long to clear"));
      assert_int_equal(strncmp(probe.error.subject, "nnnn", 4), 0);
    }
    assert_int_equal(has_key(handle, key), sizes[i] >= TOO_LONG);
  }
  cachette_close(handle);
}

static void a_flush_with_a_long_prefix_is_complete_or_refused(void **state) {
  (void)state;
  char prefix[160];
  for (size_t size = 120; size <= 123; size++) {
    struct probe probe;
    memset(prefix, 'p', size);
    prefix[size] = '\0';
    cachette *handle = open_on(all_hosts, "key_prefix", prefix);
    put_text(handle, "key", "value", 0);
    int status = probe_run(handle, &probe, CACHETTE_FLUSH, "-");
    assert_int_equal(status, size <= 121 ? CACHETTE_OK : CACHETTE_EUNSUPPORTED);
    if (status < 0) assert_non_null(strstr(probe.error.message, "Choose a shorter prefix"));
    assert_int_equal(has_key(handle, "key"), size > 121);
    cachette_close(handle);
  }
}

static void cancelled_ops_do_not_take_the_answers_of_others(void **state) {
  (void)state;
  cachette *handle = open_all();
  char key[16];
  for (int i = 0; i < 100; i++) {
    snprintf(key, sizeof key, "%d", i);
    put_text(handle, key, key, 0);
  }
  unsigned seed = 7;
  for (int round = 0; round < 200; round++) {
    struct probe probes[50];
    char keys[50][8];
    for (int i = 0; i < 50; i++) {
      snprintf(keys[i], sizeof keys[i], "%d", (round + i) % 100);
      probe_init(&probes[i], CACHETTE_FETCH, keys[i]);
      probe_submit(handle, &probes[i]);
    }
    for (int i = 0; i < 50; i++) {
      seed = seed * 1103515245 + 12345;
      if (seed >> 30 == 0 && cachette_op_pending(&probes[i].op))
        assert_int_equal(cachette_cancel(handle, &probes[i].op), CACHETTE_OK);
    }
    for (int i = 0; i < 50; i++) {
      probe_wait(handle, &probes[i]);
      if (probes[i].op.status == CACHETTE_ECANCELED) continue;
      assert_int_equal(probes[i].op.status, CACHETTE_OK);
      assert_slice(probes[i].item.value, keys[i]);
      cachette_op_deinit(&probes[i].op);
    }
  }
  cachette_close(handle);
}

#define TEST(name) cmocka_unit_test_setup(name, cluster_empty)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(stored_values_are_plain),
      TEST(ttls_round_up_and_long_ones_are_sent_as_dates),
      TEST(every_verb_works_on_one_and_on_three_servers),
      TEST(many_keys_are_spread_over_three_servers),
      TEST(namespaces_are_cleared_concurrently_and_under_load),
      TEST(values_of_all_sizes_come_back),
      TEST(keys_of_every_length_and_byte_are_distinct),
      TEST(no_key_injects_a_command),
      TEST(a_prefix_keeps_caches_apart),
      TEST(a_namespace_is_cleared_completely_or_refused),
      TEST(a_flush_with_a_long_prefix_is_complete_or_refused),
      TEST(cancelled_ops_do_not_take_the_answers_of_others),
  };
  return cmocka_run_group_tests(tests, cluster_start, cluster_kill);
}
