/* SPDX-License-Identifier: MIT */
/* The Redis store on a cluster of three nodes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "redis_cluster.h"
#include "support.h"

static struct redis_cluster cluster;

static int start_cluster(void **state) {
  (void)state;
  redis_cluster_start(&cluster, 3, 0);
  return 0;
}

static int remove_cluster(void **state) {
  (void)state;
  redis_cluster_remove(&cluster);
  return 0;
}

static cachette *open_node(int node, const char *prefix) {
  return open_cache(options_with("backend", "redis", "redis_url", cluster.nodes[node].url,
                                 "key_prefix", prefix, "timeout", "10", NULL));
}

enum { KEYS = 100 };

static char names[KEYS][16];

static void name_items(cachette_item *items) {
  memset(items, 0, KEYS * sizeof *items);
  for (int i = 0; i < KEYS; i++) {
    snprintf(names[i], sizeof names[i], "key:%d", i);
    items[i].key = cachette_str(names[i]);
  }
}

static void a_plain_url_of_a_node_serves_the_whole_cluster(void **state) {
  (void)state;
  cachette *handle = open_node(0, NULL);
  for (int i = 0; i < 10; i++) {
    char key[16];
    snprintf(key, sizeof key, "one:%d", i);
    put_text(handle, key, key, 0);
    assert_true(has_text(handle, key, key));
  }
  cachette_close(handle);
}

static void one_seed_that_answers_is_enough(void **state) {
  (void)state;
  char url[128];
  snprintf(url, sizeof url, "redis+cluster://127.0.0.1:1,127.0.0.1:%d", cluster.nodes[1].port);
  cachette *handle =
      open_cache(options_with("backend", "redis", "redis_url", url, "timeout", "10", NULL));
  put_text(handle, "seeds", "value", 0);
  assert_true(has_text(handle, "seeds", "value"));
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR, "seeds"), CACHETTE_OK);
  cachette_close(handle);
}

static void many_keys_are_grouped_by_node(void **state) {
  (void)state;
  cachette *handle = open_node(1, "app:");
  cachette_item items[KEYS];
  name_items(items);
  for (int i = 0; i < KEYS; i++) items[i].value = cachette_str(names[i]);
  assert_int_equal(run_items(handle, CACHETTE_PUT, 0, items, KEYS), KEYS);
  name_items(items);
  cachette_op op = {.verb = CACHETTE_FETCH, .items = items, .count = KEYS};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, KEYS);
  for (int i = 0; i < KEYS; i++) {
    assert_int_equal(items[i].status, CACHETTE_HIT);
    assert_slice(items[i].value, names[i]);
  }
  cachette_op_deinit(&op);
  name_items(items);
  assert_int_equal(run_items(handle, CACHETTE_EXISTS, 0, items, KEYS), KEYS);
  for (int i = 0; i < KEYS; i++) items[i].ttl_ms = 5000;
  assert_int_equal(run_items(handle, CACHETTE_TOUCH, 0, items, KEYS), KEYS);
  assert_int_equal(run_items(handle, CACHETTE_CLEAR, 0, items, KEYS), KEYS);
  assert_int_equal(run_items(handle, CACHETTE_EXISTS, 0, items, KEYS), 0);
  for (int i = 0; i < KEYS; i++) items[i].amount = i;
  assert_int_equal(run_items(handle, CACHETTE_INCREMENT, 0, items, KEYS), KEYS);
  for (int i = 0; i < KEYS; i++) items[i].amount = 1;
  cachette_op count = {.verb = CACHETTE_INCREMENT, .items = items, .count = KEYS};
  assert_int_equal(cachette_run(handle, &count), CACHETTE_OK);
  for (int i = 0; i < KEYS; i++) assert_int_equal(items[i].amount, i + 1);
  assert_int_equal(run_items(handle, CACHETTE_CLEAR, 0, items, KEYS), KEYS);
  cachette_close(handle);
}

static void ping_and_flush_reach_all_primaries(void **state) {
  (void)state;
  cachette *handle = open_node(2, NULL);
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH, "unused"), CACHETTE_OK);
  cachette_item items[KEYS];
  name_items(items);
  for (int i = 0; i < KEYS; i++) items[i].value = cachette_str("value");
  assert_int_equal(run_items(handle, CACHETTE_PUT, 0, items, KEYS), KEYS);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_PING, "unused"), CACHETTE_OK);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH, "unused"), CACHETTE_OK);
  assert_int_equal(probe.op.number, KEYS);
  name_items(items);
  assert_int_equal(run_items(handle, CACHETTE_EXISTS, 0, items, KEYS), 0);
  cachette_close(handle);
}

static void a_slot_that_has_moved_is_followed(void **state) {
  (void)state;
  cachette *handle = open_node(0, NULL);
  int slot = redis_cluster_slot(&cluster, "moves"), from = redis_cluster_owner(&cluster, "moves");
  int to = (from + 1) % 3;
  put_text(handle, "moves", "value", 0);
  redis_cluster_move(&cluster, slot, from, to, -1);
  assert_true(has_text(handle, "moves", "value"));
  int64_t sum;
  cachette_error error;
  redis_cluster_move(&cluster, slot, to, from, -1);
  put_text(handle, "moves", "1", 0);
  redis_cluster_move(&cluster, slot, from, to, -1);
  assert_true(increment(handle, "moves", 5, &sum, &error) >= 0);
  assert_int_equal(sum, 6);
  redis_cluster_move(&cluster, slot, to, from, -1);
  cachette_close(handle);
}

/* While a slot migrates, keys that are gone from the old owner are asked for at the new one. */
static void a_slot_that_is_moving_is_served_by_both_nodes(void **state) {
  (void)state;
  cachette *handle = open_node(0, NULL);
  int slot = redis_cluster_slot(&cluster, "{tag}"), from = redis_cluster_owner(&cluster, "{tag}");
  int to = (from + 1) % 3;
  static const char *const keys[] = {"{tag}:a", "{tag}:b", "{tag}:c", "{tag}:d"};
  cachette_item items[LENGTH(keys)] = {{.amount = 0}};
  for (size_t i = 0; i < LENGTH(keys); i++) put_text(handle, keys[i], "7", 60000);
  redis_cluster_move(&cluster, slot, from, to, 2);
  for (size_t i = 0; i < LENGTH(keys); i++) assert_true(has_text(handle, keys[i], "7"));
  for (size_t i = 0; i < LENGTH(keys); i++) {
    items[i].key = cachette_str(keys[i]);
    assert_true(time_left(handle, keys[i]) > 0);
  }
  for (size_t i = 0; i < LENGTH(keys); i++) items[i].amount = 3;
  assert_int_equal(run_items(handle, CACHETTE_INCREMENT, 0, items, LENGTH(keys)), LENGTH(keys));
  for (size_t i = 0; i < LENGTH(keys); i++) assert_int_equal(items[i].amount, 10);
  assert_int_equal(run_items(handle, CACHETTE_EXISTS, 0, items, LENGTH(keys)), LENGTH(keys));
  assert_int_equal(run_items(handle, CACHETTE_CLEAR, 0, items, LENGTH(keys)), LENGTH(keys));
  put_text(handle, "{tag}:new", "value", 0);
  assert_true(has_text(handle, "{tag}:new", "value"));
  redis_cluster_move(&cluster, slot, from, to, -1);
  assert_true(has_text(handle, "{tag}:new", "value"));
  redis_cluster_move(&cluster, slot, to, from, -1);
  cachette_close(handle);
}

static void put_many(cachette *handle, const char *format, int count) {
  for (int i = 0; i < count; i++) {
    char key[32];
    snprintf(key, sizeof key, format, i);
    put_text(handle, key, "value", 0);
  }
}

static int64_t count_of(cachette *handle, enum cachette_verb verb, const char *key) {
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, verb, key), CACHETTE_OK);
  return probe.op.number;
}

static void a_namespace_is_cleared_on_all_nodes(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    cachette *handle = open_node(i, i == 0 ? NULL : "app:");
    count_of(handle, CACHETTE_FLUSH, "unused");
    put_many(handle, "ns:%d", 300);
    put_many(handle, "other:%d", 10);
    cachette_close(handle);
    handle = open_node(i, i == 0 ? NULL : "app:"); /* a clear is the first op of its handle */
    assert_int_equal(count_of(handle, CACHETTE_CLEAR_NAMESPACE, "ns"), 300);
    assert_int_equal(count_of(handle, CACHETTE_CLEAR_NAMESPACE, "ns"), 0);
    assert_int_equal(count_of(handle, CACHETTE_FLUSH, "unused"), 10);
    cachette_close(handle);
  }
}

/* A node that is importing a slot lists keys that it must not delete before it owns the slot. */
static void foreign_keys_are_cleared_once_where_they_live(void **state) {
  (void)state;
  cachette *handle = open_node(0, NULL);
  int slot = redis_cluster_slot(&cluster, "{t}"), from = redis_cluster_owner(&cluster, "{t}");
  int to = (from + 2) % 3;
  put_many(handle, "ns:{t}%d", 20);
  put_many(handle, "ns:%d", 50);
  redis_cluster_move(&cluster, slot, from, to, 10);
  assert_int_equal(count_of(handle, CACHETTE_CLEAR_NAMESPACE, "ns"), 70);
  put_many(handle, "{t}:%d", 20);
  redis_cluster_move(&cluster, slot, from, to, 5);
  assert_int_equal(count_of(handle, CACHETTE_CLEAR_NAMESPACE, "{t}"), 20);
  assert_int_equal(count_of(handle, CACHETTE_CLEAR_NAMESPACE, "{t}"), 0);
  redis_cluster_move(&cluster, slot, from, to, -1);
  redis_cluster_move(&cluster, slot, to, from, -1);
  cachette_close(handle);
}

static void a_database_other_than_0_is_an_error_that_says_why(void **state) {
  (void)state;
  char url[160];
  struct probe probe;
  snprintf(url, sizeof url, "%s/1", cluster.nodes[0].url);
  cachette *handle = open_cache(options_with("backend", "redis", "redis_url", url, NULL));
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "key"), CACHETTE_EUNSUPPORTED);
  assert_non_null(strstr(probe.error.message, "only the database 0"));
  cachette_close(handle);
}

/* Returns how often the nodes were asked for the map since the last reset. */
static int count_map_requests(void) {
  int count = 0;
  for (int i = 0; i < cluster.count; i++) {
    char reply[16384];
    redis_server_command(&cluster.nodes[i], "INFO commandstats", reply, sizeof reply);
    const char *at = strstr(reply, "cmdstat_cluster|slots:calls=");
    if (at != NULL) count += atoi(strchr(at, '=') + 1);
    redis_cluster_do(&cluster, i, "CONFIG RESETSTAT");
  }
  return count;
}

/* All of them see a slot move, and move back. */
static void many_handles_share_their_map_requests(void **state) {
  (void)state;
  enum { HANDLES = 100 };
  static cachette *handles[HANDLES];
  char url[128];
  snprintf(url, sizeof url, "redis+cluster://127.0.0.1:%d,127.0.0.1:%d", cluster.nodes[0].port,
           cluster.nodes[1].port);
  cachette_options *options =
      options_with("backend", "redis", "redis_url", url, "timeout", "10", NULL);
  count_map_requests();
  int64_t start = monotonic_ms();
  for (int i = 0; i < HANDLES; i++) {
    cachette_error error;
    if (cachette_open(options, &handles[i], &error) < 0) fail_msg("%s", error.message);
    put_text(handles[i], "moves", "value", 0);
  }
  int slot = redis_cluster_slot(&cluster, "moves"), from = redis_cluster_owner(&cluster, "moves");
  int to = (from + 1) % 3;
  redis_cluster_move(&cluster, slot, from, to, -1);
  for (int i = 0; i < HANDLES; i++) assert_true(has_text(handles[i], "moves", "value"));
  redis_cluster_move(&cluster, slot, to, from, -1);
  for (int i = 0; i < HANDLES; i++) assert_true(has_text(handles[i], "moves", "value"));
  int64_t seconds = (monotonic_ms() - start) / 1000 + 1;
  assert_in_range(count_map_requests(), 1, 5 * seconds);
  for (int i = 0; i < HANDLES; i++) cachette_close(handles[i]);
  cachette_options_free(options);
}

static void a_cluster_of_one_node_is_served(void **state) {
  (void)state;
  static const char *const schemes[] = {"redis", "redis+cluster"};
  struct redis_cluster one;
  redis_cluster_start(&one, 1, 0);
  for (size_t i = 0; i < LENGTH(schemes); i++) {
    char url[64];
    snprintf(url, sizeof url, "%s://127.0.0.1:%d", schemes[i], one.nodes[0].port);
    cachette *handle = open_cache(options_with("backend", "redis", "redis_url", url, NULL));
    put_many(handle, "ns:%d", 20);
    assert_int_equal(count_of(handle, CACHETTE_PING, "unused"), 0);
    assert_int_equal(count_of(handle, CACHETTE_CLEAR_NAMESPACE, "ns"), 20);
    put_many(handle, "other:%d", 20);
    assert_int_equal(count_of(handle, CACHETTE_FLUSH, "unused"), 20);
    cachette_close(handle);
  }
  redis_cluster_remove(&one);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_plain_url_of_a_node_serves_the_whole_cluster),
      cmocka_unit_test(one_seed_that_answers_is_enough),
      cmocka_unit_test(many_keys_are_grouped_by_node),
      cmocka_unit_test(ping_and_flush_reach_all_primaries),
      cmocka_unit_test(a_slot_that_has_moved_is_followed),
      cmocka_unit_test(a_slot_that_is_moving_is_served_by_both_nodes),
      cmocka_unit_test(a_database_other_than_0_is_an_error_that_says_why),
      cmocka_unit_test(many_handles_share_their_map_requests),
      cmocka_unit_test(a_cluster_of_one_node_is_served),
      cmocka_unit_test(a_namespace_is_cleared_on_all_nodes),
      cmocka_unit_test(foreign_keys_are_cleared_once_where_they_live),
  };
  return cmocka_run_group_tests(tests, start_cluster, remove_cluster);
}
