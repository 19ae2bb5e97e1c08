/* SPDX-License-Identifier: MIT */
/* The memcached store against real servers. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memcached_server.h"
#include "support.h"

enum { SERVERS = 3 };

static struct memcached_server servers[SERVERS];
static char all_hosts[256];

static int start_servers(void **state) {
  (void)state;
  for (int i = 0; i < SERVERS; i++) memcached_server_start(&servers[i], NULL);
  snprintf(all_hosts, sizeof all_hosts, "%s, %s:3,%s", servers[0].host, servers[1].host,
           servers[2].host);
  return 0;
}

static int kill_servers(void **state) {
  (void)state;
  for (int i = 0; i < SERVERS; i++) memcached_server_kill(&servers[i]);
  return 0;
}

static int empty_servers(void **state) {
  char reply[64];
  (void)state;
  for (int i = 0; i < SERVERS; i++) {
    memcached_server_say(&servers[i], "flush_all\r\n", reply, sizeof reply);
    assert_string_equal(reply, "OK\r\n");
  }
  return 0;
}

static cachette *open_on(const char *hosts, const char *name, const char *value) {
  cachette_options *options =
      options_with("backend", "memcached", "memcached_host", hosts, "timeout", "5", NULL);
  cachette *handle;
  cachette_error error;
  if (name != NULL) assert_int_equal(cachette_options_set(options, name, value, NULL), 0);
  if (cachette_open(options, &handle, &error) < 0) fail_msg("%s", error.message);
  cachette_options_free(options);
  return handle;
}

static cachette *open_one(void) { return open_on(servers[0].host, NULL, NULL); }

static cachette *open_all(void) { return open_on(all_hosts, NULL, NULL); }

static void expect_said(const char *lines, const char *expected) {
  char reply[512];
  memcached_server_say(&servers[0], lines, reply, sizeof reply);
  assert_string_equal(reply, expected);
}

static int64_t run_items(cachette *handle, enum cachette_verb verb, unsigned flags,
                         cachette_item *items, size_t count) {
  cachette_error error = {.message = ""};
  cachette_op op = {.verb = verb, .flags = flags, .items = items, .count = count, .error = &error};
  if (cachette_run(handle, &op) < 0) fail_msg("%s", error.message);
  return op.number;
}

static int64_t time_left(cachette *handle, const char *key) {
  cachette_slice value;
  int64_t ttl_ms;
  assert_int_equal(cachette_fetch(handle, cachette_str(key), &value, &ttl_ms, NULL), 1);
  cachette_free(value.data);
  return ttl_ms;
}

/* ---- Verbs ---- */

static void what_is_stored_is_plain(void **state) {
  (void)state;
  cachette *handle = open_one();
  put_text(handle, "greeting", "hello", 0);
  expect_said("mg greeting v f t\r\n", "VA 5 f0 t60\r\nhello\r\n");
  expect_said("ms theirs 5 T0\r\nvalue\r\n", "HD\r\n");
  assert_true(holds_text(handle, "theirs", "value"));
  assert_int_equal(time_left(handle, "theirs"), CACHETTE_TTL_NEVER);
  put_text(handle, "empty", "", 0);
  assert_true(holds_text(handle, "empty", ""));
  assert_false(holds(handle, "absent"));
  cachette_close(handle);
}

static void times_round_up_and_long_ones_are_dates(void **state) {
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
    assert_true(left <= times[i][1] + 1000 && left >= times[i][1] - 2000); /* of two clocks */
  }
  put_text(handle, "short", "value", 1000);
  usleep(2200000);
  assert_false(holds(handle, "short"));
  cachette_close(handle);
}

static void every_verb_on_one_server_and_on_three(void **state) {
  (void)state;
  for (int many = 0; many < 2; many++) {
    cachette *handle = many ? open_all() : open_one();
    put_text(handle, "a", "first", 0);
    cachette_item items[] = {{.key = cachette_str("a"), .value = cachette_str("second")},
                             {.key = cachette_str("b"), .value = cachette_str("second")}};
    assert_int_equal(run_items(handle, CACHETTE_PUT, CACHETTE_IF_ABSENT, items, 2), 1);
    assert_int_equal(items[0].status, CACHETTE_HIT);
    assert_int_equal(items[1].status, CACHETTE_MISS);
    assert_true(holds_text(handle, "a", "first"));
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
    assert_false(holds(handle, "x"));
    cachette_close(handle);
  }
}

static int increment(cachette *handle, const char *key, int64_t amount, int64_t *sum,
                     cachette_error *error) {
  cachette_item item = {.key = cachette_str(key), .amount = amount};
  cachette_op op = {.verb = CACHETTE_INCREMENT, .items = &item, .count = 1, .error = error};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  *sum = item.amount;
  return item.status;
}

static void counters_count_and_stop_at_zero(void **state) {
  (void)state;
  cachette *handle = open_one();
  cachette_error error;
  int64_t sum;
  assert_int_equal(increment(handle, "n", 5, &sum, NULL), CACHETTE_MISS);
  assert_int_equal(sum, 5);
  assert_int_equal(increment(handle, "n", 37, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, 42);
  assert_true(holds_text(handle, "n", "42"));
  assert_int_equal(increment(handle, "n", 0, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, 42);
  assert_int_equal(increment(handle, "n", -2, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, 40);
  assert_int_equal(increment(handle, "n", -100, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, 0);
  put_text(handle, "text", "abc", 0);
  assert_int_equal(increment(handle, "text", 1, &sum, &error), CACHETTE_ECODEC);
  assert_non_null(strstr(error.message, "\"text\" is not a counter"));
  assert_true(holds_text(handle, "text", "abc"));
  assert_int_equal(increment(handle, "big", INT64_MAX, &sum, NULL), CACHETTE_MISS);
  assert_int_equal(increment(handle, "big", 1, &sum, &error), CACHETTE_EINVAL);
  cachette_item item = {.key = cachette_str("timed"), .amount = 1, .ttl_ms = 900000};
  assert_int_equal(run_items(handle, CACHETTE_INCREMENT, 0, &item, 1), 1);
  increment(handle, "timed", 1, &sum, NULL);
  assert_in_range(time_left(handle, "timed"), 890000, 900000);
  cachette_close(handle);
}

/* The server counts in 64 bits without a sign; what leaves our range is counted back there. */
static void counters_that_go_too_far_are_counted_back(void **state) {
  (void)state;
  static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
  cachette *handle = open_all();
  cachette_item items[LENGTH(keys)];
  for (size_t i = 0; i < LENGTH(keys); i++) {
    put_text(handle, keys[i], i % 2 == 0 ? "9223372036854775000" : "5000", 0);
    items[i] = (cachette_item){.key = cachette_str(keys[i]), .amount = 900};
  }
  cachette_error error = {.message = ""};
  cachette_op op = {
      .verb = CACHETTE_INCREMENT, .items = items, .count = LENGTH(keys), .error = &error};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, LENGTH(keys) / 2);
  assert_non_null(strstr(error.message, "would leave the range"));
  for (size_t i = 0; i < LENGTH(keys); i++) {
    assert_int_equal(items[i].status, i % 2 == 0 ? CACHETTE_EINVAL : CACHETTE_HIT);
    assert_true(holds_text(handle, keys[i], i % 2 == 0 ? "9223372036854775000" : "5900"));
    if (i % 2 == 1) assert_int_equal(items[i].amount, 5900);
  }
  cachette_close(handle);
}

enum { CROWD = 7 };

/* Adds amounts to a counter of `begin` all at once; the order is that in which the server had them.
 */
static void increment_at_once(cachette *handle, const char *begin, const int64_t *amounts,
                              struct probe crowd[CROWD]) {
  put_text(handle, "n", begin, 0);
  for (int i = 0; i < CROWD; i++) {
    probe_init(&crowd[i], CACHETTE_INCREMENT, "n");
    crowd[i].item.amount = amounts[i];
    probe_submit(handle, &crowd[i]);
  }
  for (int i = 0; i < CROWD; i++) assert_int_equal(probe_wait(handle, &crowd[i]), CACHETTE_OK);
}

/* However they interleave: each succeeds or fails, and the sum of those that succeed is there. */
static void counters_of_large_amounts_are_exact(void **state) {
  (void)state;
  static const struct {
    const char *begin;
    int64_t amounts[CROWD];
  } cases[] = {
      {"9223372036854775807",
       {INT64_MAX, INT64_MAX - 1, INT64_MAX - 2, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}},
      {"0",
       {INT64_C(1) << 62, INT64_C(1) << 62, INT64_C(1) << 62, INT64_C(1) << 62, INT64_C(1) << 62,
        INT64_C(1) << 62, INT64_C(1) << 62}},
      {"100", {INT64_MAX, INT64_MAX, 1, INT64_MAX, 1, INT64_MAX, 1}},
      {"9223372036854775807",
       {-(INT64_C(1) << 40), 1 << 20, INT64_C(1) << 33, -(INT64_C(1) << 33), INT64_C(1) << 39,
        INT64_C(1) << 40, INT64_MAX}},
  };
  cachette *handle = open_one();
  struct probe crowd[CROWD];
  for (size_t i = 0; i < LENGTH(cases); i++) {
    increment_at_once(handle, cases[i].begin, cases[i].amounts, crowd);
    int64_t sum = strtoll(cases[i].begin, NULL, 10), last;
    for (int j = 0; j < CROWD; j++) {
      if (crowd[j].item.status < 0)
        assert_int_equal(crowd[j].error.code, CACHETTE_EINVAL);
      else
        sum += cases[i].amounts[j];
    }
    assert_int_equal(increment(handle, "n", 0, &last, NULL), CACHETTE_HIT);
    assert_int_equal(last, sum);
  }
  cachette_close(handle);
}

/* What was given up when it had gone too far leaves a counter that can be used. */
static void a_counter_beyond_the_limit_is_put_right(void **state) {
  (void)state;
  static const int64_t amounts[] = {0, -1, -7, 1, INT64_C(1) << 40, -(INT64_C(1) << 40), INT64_MIN};
  cachette *handle = open_one();
  int64_t sum;
  for (size_t i = 0; i < LENGTH(amounts); i++) {
    struct probe given_up;
    put_text(handle, "n", "9223372036854775806", 0);
    probe_init(&given_up, CACHETTE_INCREMENT, "n");
    given_up.item.amount = 5;
    probe_submit(handle, &given_up);
    assert_int_equal(cachette_cancel(handle, &given_up.op), CACHETTE_OK);
    int status = increment(handle, "n", amounts[i], &sum, NULL);
    if (amounts[i] > 0) {
      assert_int_equal(status, CACHETTE_EINVAL);
      sum = INT64_MAX;
    } else if (amounts[i] == INT64_MIN) {
      assert_int_equal(sum, 0);
    } else { /* how far it had gone is not known if it comes back into the range at once */
      int64_t least = INT64_MAX + amounts[i];
      assert_in_range(sum, least, amounts[i] < -4 ? least + 4 : least);
    }
    int64_t again;
    assert_int_equal(increment(handle, "n", 0, &again, NULL), CACHETTE_HIT);
    assert_int_equal(again, sum);
  }
  cachette_close(handle);
}

/* memcached looks for a '-' behind a number of more than 63 bits, as far as its memory has no NUL.
 */
static void a_counter_beyond_the_limit_is_put_right_whatever_is_behind_it(void **state) {
  (void)state;
  enum { KEYS = 50 };
  static const char dashes[] = "--------------------------------------------";
  char key[16];
  cachette *handle = open_one();
  for (int i = 0; i < KEYS; i++) {
    snprintf(key, sizeof key, "n%02d", i);
    put_text(handle, key, dashes, 0); /* whose chunk the counter then gets */
  }
  for (int i = 0; i < KEYS; i++) {
    snprintf(key, sizeof key, "n%02d", i);
    assert_int_equal(cachette_clear(handle, cachette_str(key), NULL), 1);
  }
  for (int i = 0; i < KEYS; i++) {
    int64_t sum;
    struct probe given_up;
    snprintf(key, sizeof key, "n%02d", i);
    put_text(handle, key, "9223372036854775806", 30000);
    probe_init(&given_up, CACHETTE_INCREMENT, key);
    given_up.item.amount = 5;
    probe_submit(handle, &given_up);
    if (i % 2 == 0) assert_int_equal(cachette_cancel(handle, &given_up.op), CACHETTE_OK);
    if (i % 2 == 1) assert_int_equal(probe_wait(handle, &given_up), CACHETTE_OK);
    if (i % 2 == 1) assert_int_equal(given_up.item.status, CACHETTE_EINVAL);
    assert_int_equal(increment(handle, key, 0, &sum, NULL), CACHETTE_HIT);
    assert_int_equal(sum, i % 2 == 0 ? INT64_MAX : INT64_MAX - 1);
    assert_in_range(time_left(handle, key), 20000, 30000);
  }
  cachette_close(handle);
}

static void what_is_no_counter_takes_no_large_amount(void **state) {
  (void)state;
  static const char *const values[] = {"", "abc", "-5", "12a", "99999999999999999999999", "1.5"};
  cachette *handle = open_one();
  cachette_error error;
  int64_t sum;
  for (size_t i = 0; i < LENGTH(values); i++) {
    put_text(handle, "text", values[i], 0);
    assert_int_equal(increment(handle, "text", INT64_C(1) << 40, &sum, &error), CACHETTE_ECODEC);
    assert_true(holds_text(handle, "text", values[i]));
  }
  cachette_item item = {.key = cachette_str("made"), .amount = INT64_C(1) << 40, .ttl_ms = 900000};
  assert_int_equal(run_items(handle, CACHETTE_INCREMENT, 0, &item, 1), 1);
  assert_int_equal(item.status, CACHETTE_MISS);
  increment(handle, "made", INT64_C(1) << 40, &sum, NULL);
  assert_int_equal(sum, INT64_C(1) << 41);
  assert_in_range(time_left(handle, "made"), 890000, 900000);
  cachette_close(handle);
}

static void many_keys_over_three_servers(void **state) {
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
    memcached_server_say(&servers[i], "stats\r\n", reply, sizeof reply);
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
  assert_true(holds(handle, "manyfold"));
  assert_true(holds(handle, "other:1"));
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "many"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 0);
  cachette_close(handle);
}

static void namespaces_are_cleared_side_by_side_and_under_load(void **state) {
  (void)state;
  enum { NAMESPACES = 6, EACH_HAS = 100, FETCHES = 500 };
  cachette *handle = open_all();
  char key[32], names[NAMESPACES][16];
  struct probe sweeps[NAMESPACES];
  static struct probe fetches[FETCHES];
  put_text(handle, "key", "value", 0);
  for (int i = 0; i < NAMESPACES; i++) {
    snprintf(names[i], sizeof names[i], "ns%d", i);
    for (int j = 0; j < EACH_HAS; j++) {
      snprintf(key, sizeof key, "ns%d:%d", i, j);
      put_text(handle, key, "value", 0);
    }
  }
  for (int i = 0; i < FETCHES; i++) {
    if (i % 50 == 0 && i / 50 < NAMESPACES) {
      probe_init(&sweeps[i / 50], CACHETTE_CLEAR_NAMESPACE, names[i / 50]);
      probe_submit(handle, &sweeps[i / 50]);
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
    if (probe_wait(handle, &sweeps[i]) < 0) fail_msg("%s", sweeps[i].error.message);
    assert_int_equal(sweeps[i].op.number, EACH_HAS);
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
  assert_false(holds(handle, "key"));
  free(bytes);
  cachette_close(handle);
}

static void keys_of_every_length_and_byte(void **state) {
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
  assert_false(holds(handle, "a\r\nflush_all\r\nmg b"));
  put_text(handle, "x T0\r\nmd safe\r\n", "value", 0);
  assert_true(holds_text(handle, "safe", "value"));
  assert_true(holds_text(handle, "x T0\r\nmd safe\r\n", "value"));
  cachette_close(handle);
}

static void a_prefix_keeps_caches_apart(void **state) {
  (void)state;
  cachette *one = open_on(all_hosts, "key_prefix", "one:"), *plain = open_all();
  struct probe probe;
  put_text(one, "ns:a", "1", 0);
  put_text(one, "b", "1", 0);
  put_text(plain, "ns:a", "2", 0);
  assert_true(holds_text(one, "ns:a", "1"));
  assert_true(holds_text(plain, "one:b", "1"));
  assert_int_equal(probe_run(one, &probe, CACHETTE_CLEAR_NAMESPACE, "ns"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);
  assert_int_equal(probe_run(one, &probe, CACHETTE_FLUSH, "-"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);
  assert_true(holds_text(plain, "ns:a", "2"));
  cachette_close(one);
  cachette_close(plain);
}

/* Of a long key the server lists the head alone. */
static void a_namespace_is_cleared_whole_or_refused(void **state) {
  (void)state;
  enum { MOST = 121 };
  static const char *const tails[] = {"a", "b c"};
  static const size_t sizes[] = {1, 60, MOST - 1, MOST, 185, 186, 300};
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
    if (sizes[i] < MOST) {
      assert_int_equal(status, CACHETTE_OK);
      assert_int_equal(probe.op.number, 10);
    } else {
      probe_expect(&probe, CACHETTE_EINVAL);
      assert_non_null(strstr(probe.error.message, "is too long to be cleared"));
      assert_int_equal(strncmp(probe.error.subject, "nnnn", 4), 0);
    }
    assert_int_equal(holds(handle, key), sizes[i] >= MOST);
  }
  cachette_close(handle);
}

static void a_long_prefix_is_cleared_whole_or_refused(void **state) {
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
    if (status < 0) assert_non_null(strstr(probe.error.message, "Choose a shorter one"));
    assert_int_equal(holds(handle, "key"), size > 121);
    cachette_close(handle);
  }
}

/* ---- Servers that fail ---- */

static void a_server_that_is_down_fails_its_own_keys_alone(void **state) {
  (void)state;
  enum { COUNT = 300 };
  static cachette_item items[COUNT];
  static char keys[COUNT][16];
  cachette *handle = open_all();
  for (int i = 0; i < COUNT; i++) {
    snprintf(keys[i], sizeof keys[i], "down:%d", i);
    items[i] = (cachette_item){.key = cachette_str(keys[i]), .value = cachette_str("value")};
  }
  assert_int_equal(run_items(handle, CACHETTE_PUT, 0, items, COUNT), COUNT);
  memcached_server_kill(&servers[1]);
  int lost = 0;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < COUNT; i++) items[i] = (cachette_item){.key = cachette_str(keys[i])};
    cachette_error error = {.message = ""};
    cachette_op op = {.verb = CACHETTE_FETCH, .items = items, .count = COUNT, .error = &error};
    assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
    int failed = 0;
    for (int i = 0; i < COUNT; i++) {
      assert_true(items[i].status == CACHETTE_HIT || items[i].status == CACHETTE_EUNAVAILABLE);
      failed += items[i].status < 0;
    }
    assert_in_range(failed, COUNT / 3, COUNT - 20);
    if (round > 0) assert_int_equal(failed, lost);
    lost = failed;
    assert_non_null(strstr(error.message, servers[1].host));
    cachette_op_deinit(&op);
  }
  memcached_server_restart(&servers[1], NULL);
  for (int i = 0;; i++) {
    struct probe probe;
    if (probe_run(handle, &probe, CACHETTE_PING, "-") == CACHETTE_OK) break;
    assert_true(i < 100);
    usleep(100000);
  }
  cachette_close(handle);
}

static void a_server_that_hangs_costs_no_more_than_the_time(void **state) {
  (void)state;
  cachette *handle = open_on(servers[0].host, "timeout", "0.2");
  put_text(handle, "key", "value", 0);
  int status;
  kill(servers[0].pid, SIGSTOP);
  assert_int_equal(waitpid(servers[0].pid, &status, WUNTRACED), servers[0].pid); /* it stands */
  struct probe probes[5];
  int64_t begin = machine_ms();
  for (int i = 0; i < 5; i++) {
    probe_init(&probes[i], CACHETTE_FETCH, "key");
    probe_submit(handle, &probes[i]);
  }
  for (int i = 0; i < 5; i++) probe_wait(handle, &probes[i]);
  assert_in_range(machine_ms() - begin, 100, 5000);
  for (int i = 0; i < 5; i++) assert_true(probes[i].op.status < 0);
  kill(servers[0].pid, SIGCONT);
  for (int i = 0; i < 100 && !holds(handle, "key"); i++) usleep(50000);
  assert_true(holds_text(handle, "key", "value"));
  cachette_close(handle);
}

/* A key that the n-th server has. */
static void find_key(cachette *handle, int server, const char *head, char *key, size_t size) {
  char line[64], reply[64];
  for (int i = 0;; i++) {
    snprintf(key, size, "%s:%d", head, i);
    put_text(handle, key, "value", 0);
    snprintf(line, sizeof line, "mg %s v\r\n", key);
    memcached_server_say(&servers[server], line, reply, sizeof reply);
    if (strncmp(reply, "VA", 2) == 0) return;
  }
}

static void stop(int server) {
  int status;
  kill(servers[server].pid, SIGSTOP);
  assert_int_equal(waitpid(servers[server].pid, &status, WUNTRACED), servers[server].pid);
}

/* One that has been idle, and has a question for a moment, has not been silent for the time. */
static void a_server_is_not_given_up_for_what_another_was_asked(void **state) {
  (void)state;
  char keys[2][32];
  struct probe probes[2];
  cachette *handle = open_on(all_hosts, "timeout", "1");
  for (int i = 0; i < 2; i++) find_key(handle, i, "silent", keys[i], sizeof keys[i]);
  for (int i = 0; i < 2; i++) {
    stop(i);
    probe_init(&probes[i], CACHETTE_FETCH, keys[i]);
    probes[i].op.timeout_ms = i == 0 ? 1000 : 20000;
    probe_submit(handle, &probes[i]);
    if (i == 0) usleep(900000);
  }
  assert_int_equal(probe_wait(handle, &probes[0]), CACHETTE_ETIMEDOUT);
  for (int i = 0; i < 100; i++) { /* that which was decided is done in a later turn */
    cachette_process(handle);
    usleep(1000);
  }
  assert_true(cachette_op_pending(&probes[1].op));
  for (int i = 0; i < 2; i++) kill(servers[i].pid, SIGCONT);
  assert_int_equal(probe_wait(handle, &probes[1]), CACHETTE_OK);
  assert_slice(probes[1].item.value, "value");
  cachette_op_deinit(&probes[1].op);
  cachette_close(handle);
}

static void ops_given_up_keep_their_place(void **state) {
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

/* ---- Authentication, and options ---- */

static void a_user_name_and_password_are_shown(void **state) {
  (void)state;
  char path[] = "/tmp/cachette-auth-XXXXXX";
  int file = mkstemp(path);
  assert_int_equal(write(file, "user:secret\n", 12), 12);
  fchmod(file, 0644);
  close(file);
  struct memcached_server server;
  const char *const settings[] = {"-Y", path, NULL};
  memcached_server_start(&server, settings);
  static const struct {
    const char *password, *words;
  } cases[] = {
      {"secret", NULL}, {"wrong", "refuses the user name or the password"}, {NULL, "asks for"}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_options *options =
        options_with("backend", "memcached", "memcached_host", server.host, NULL);
    if (cases[i].password != NULL) {
      cachette_options_set(options, "memcached_username", "user", NULL);
      cachette_options_set(options, "memcached_password", cases[i].password, NULL);
    }
    cachette *handle;
    cachette_error error = {.message = ""};
    assert_int_equal(cachette_open(options, &handle, &error), CACHETTE_OK);
    int code = cachette_put(handle, cachette_str("key"), cachette_str("value"), 0, &error);
    if (cases[i].words == NULL) {
      assert_int_equal(code, CACHETTE_OK);
      assert_true(holds_text(handle, "key", "value"));
    } else {
      assert_int_equal(code, CACHETTE_EBACKEND);
      assert_non_null(strstr(error.message, cases[i].words));
      assert_null(strstr(error.message, "wrong"));
    }
    cachette_close(handle);
    cachette_options_free(options);
  }
  memcached_server_kill(&server);
  unlink(path);
}

static void a_unix_socket_serves_too(void **state) {
  (void)state;
  char path[] = "/tmp/cachette-memcached-XXXXXX";
  int file = mkstemp(path);
  close(file);
  unlink(path);
  pid_t pid = fork();
  if (pid == 0) {
    execlp("memcached", "memcached", "-u", "root", "-s", path, "-a", "777", (char *)NULL);
    _exit(127);
  }
  for (int i = 0; i < 500 && access(path, F_OK) != 0; i++) usleep(10000);
  usleep(50000);
  cachette *handle = open_on(path, NULL, NULL);
  put_text(handle, "key", "value", 0);
  assert_true(holds_text(handle, "key", "value"));
  cachette_close(handle);
  kill(pid, SIGKILL);
  unlink(path);
}

static void hosts_that_are_none_are_faults(void **state) {
  (void)state;
  static const char *const bad[] = {",",         "host:",         "host:0",     "host:65536",
                                    "host:1:0",  "host:1:1001",   "host:1:2:3", "::1",
                                    "[::1",      "[::1]x",        "[]",         "a,,b",
                                    "a,a:11211", "memcached://h", "ho st",      "user@host"};
  static const char *const good[] = {"host",  "host:1",    "host:1:1000",
                                     "[::1]", "[::1]:5:2", "/run/m.socket",
                                     "a,b",   " a , b:2 ", "a:1,a:2:3"};
  cachette_error error;
  for (size_t i = 0; i < LENGTH(bad); i++) {
    cachette_options *options =
        options_with("backend", "memcached", "memcached_host", bad[i], NULL);
    if (cachette_options_check(options, &error, 1) != 1) fail_msg("%s", bad[i]);
    assert_string_equal(error.subject, "memcached_host");
    assert_non_null(strstr(error.message, "It looks like host[:port[:weight]]"));
    cachette_options_free(options);
  }
  for (size_t i = 0; i < LENGTH(good); i++) {
    cachette_options *options =
        options_with("backend", "memcached", "memcached_host", good[i], NULL);
    if (cachette_options_check(options, &error, 1) != 0) fail_msg("%s", error.message);
    cachette_options_free(options);
  }
}

int main(void) {
#define ON(test) cmocka_unit_test_setup(test, empty_servers)
  const struct CMUnitTest tests[] = {
      ON(what_is_stored_is_plain),
      ON(times_round_up_and_long_ones_are_dates),
      ON(every_verb_on_one_server_and_on_three),
      ON(counters_count_and_stop_at_zero),
      ON(counters_that_go_too_far_are_counted_back),
      ON(counters_of_large_amounts_are_exact),
      ON(a_counter_beyond_the_limit_is_put_right),
      ON(a_counter_beyond_the_limit_is_put_right_whatever_is_behind_it),
      ON(what_is_no_counter_takes_no_large_amount),
      ON(many_keys_over_three_servers),
      ON(namespaces_are_cleared_side_by_side_and_under_load),
      ON(values_of_all_sizes_come_back),
      ON(keys_of_every_length_and_byte),
      ON(no_key_injects_a_command),
      ON(a_prefix_keeps_caches_apart),
      ON(a_namespace_is_cleared_whole_or_refused),
      ON(a_long_prefix_is_cleared_whole_or_refused),
      ON(a_server_that_is_down_fails_its_own_keys_alone),
      ON(a_server_that_hangs_costs_no_more_than_the_time),
      ON(a_server_is_not_given_up_for_what_another_was_asked),
      ON(ops_given_up_keep_their_place),
      cmocka_unit_test(a_user_name_and_password_are_shown),
      cmocka_unit_test(a_unix_socket_serves_too),
      cmocka_unit_test(hosts_that_are_none_are_faults),
  };
#undef ON
  return cmocka_run_group_tests(tests, start_servers, kill_servers);
}
