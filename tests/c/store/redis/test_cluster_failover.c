/* SPDX-License-Identifier: MIT */
/* The Redis store on a cluster of three primaries, each with a replica, when servers fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "redis_cluster.h"
#include "server.h"
#include "support.h"

static struct redis_cluster cluster;

static int start_cluster(void **state) {
  (void)state;
  redis_cluster_start(&cluster, 3, 3);
  return 0;
}

static int remove_cluster(void **state) {
  (void)state;
  redis_cluster_remove(&cluster);
  return 0;
}

static cachette *open_node(int node, const char *timeout) {
  return open_cache(options_with("backend", "redis", "redis_url", cluster.nodes[node].url,
                                 "timeout", timeout, NULL));
}

/* One key for each of the primaries that the cluster was started with. */
static char keys[3][16];

static void find_keys(void) {
  for (int node = 0; node < 3; node++) {
    for (int i = 0; keys[node][0] == '\0'; i++) {
      char key[16];
      snprintf(key, sizeof key, "key:%d", i);
      if (redis_cluster_owner(&cluster, key) == node) memcpy(keys[node], key, sizeof key);
    }
  }
}

/* Returns whether a node says that it is a primary. */
static bool is_primary(int node) {
  char reply[64];
  redis_server_command(&cluster.nodes[node], "ROLE", reply, sizeof reply);
  return strstr(reply, "master") != NULL;
}

/* Returns which of the two nodes of a shard is the primary now. */
static int primary_of(int shard) {
  return cluster.nodes[shard].pid != 0 && is_primary(shard) ? shard : shard + 3;
}

static void wait_for_replica(int node) {
  redis_cluster_wait(&cluster, node, "INFO replication", "role:slave");
  redis_cluster_wait(&cluster, node, "INFO replication", "master_link_status:up");
}

/* Waits until each shard has one primary and a synchronised replica, for half a second. */
static void settle(void) {
  int calm = 0;
  for (int64_t start = monotonic_ms(); calm < 5; usleep(100000)) {
    int good = 0;
    for (int i = 0; i < 3; i++) {
      char reply[4096];
      int replica = is_primary(i) ? i + 3 : i;
      redis_server_command(&cluster.nodes[replica], "INFO replication", reply, sizeof reply);
      good += is_primary(primary_of(i)) && strstr(reply, "master_link_status:up") != NULL;
    }
    calm = good == 3 ? calm + 1 : 0;
    assert_true(monotonic_ms() - start < 60000);
  }
}

static int put(cachette *handle, const char *key, int64_t timeout_ms) {
  struct probe probe;
  probe_init(&probe, CACHETTE_PUT, key);
  probe.op.timeout_ms = timeout_ms;
  probe.item.value = cachette_str("value");
  probe_submit(handle, &probe);
  int status = probe_wait(handle, &probe);
  if (status == CACHETTE_OK) status = probe.item.status;
  if (status < 0) print_message("put of %s: %s\n", key, probe.error.message);
  return status;
}

static void put_until_accepted(cachette *handle, const char *key) {
  for (int64_t start = monotonic_ms(); put(handle, key, 0) < 0; usleep(10000)) {
    assert_true(monotonic_ms() - start < 30000);
    cachette_process(handle); /* an op that fails at once does not run the loop */
  }
}

static void writes_go_on_at_the_replica_that_takes_over(void **state) {
  (void)state;
  cachette *handle = open_node(1, "20");
  for (int i = 0; i < 3; i++) put_text(handle, keys[i], "value", 600000);
  int dead = primary_of(0), next = dead == 0 ? 3 : 0;
  redis_server_kill(&cluster.nodes[dead]);
  struct probe write;
  probe_init(&write, CACHETTE_PUT, keys[0]);
  write.item.value = cachette_str("new");
  probe_submit(handle, &write);
  while (cachette_op_pending(&write.op)) { /* the other slots are served meanwhile */
    assert_true(has_text(handle, keys[1], "value"));
    assert_true(has_text(handle, keys[2], "value"));
  }
  if (write.op.status < 0) fail_msg("%s", write.error.message);
  assert_true(is_primary(next));
  assert_true(has_text(handle, keys[0], "new"));
  redis_cluster_restart(&cluster, dead);
  wait_for_replica(dead);
  assert_int_equal(put(handle, keys[0], 0), CACHETTE_OK);
  cachette_close(handle);
}

/* Many ops at once, some of which are increments, which must not count twice. */
static void a_manual_failover_fails_no_op(void **state) {
  (void)state;
  enum { OPS = 32 };
  cachette *handle = open_node(1, "20");
  int old = primary_of(1), new = old == 1 ? 4 : 1;
  struct probe probes[OPS];
  int64_t sum = 0, submitted = 0;
  cachette_error error;
  probe_run(handle, &probes[0], CACHETTE_CLEAR, keys[1]);
  redis_cluster_do(&cluster, new, "CLUSTER FAILOVER");
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < 3000;) {
    for (int i = 0; i < OPS; i++) {
      probe_init(&probes[i], i % 2 == 0 ? CACHETTE_INCREMENT : CACHETTE_EXISTS, keys[1]);
      probes[i].item.amount = 1;
      probe_submit(handle, &probes[i]);
      submitted += i % 2 == 0;
    }
    for (int i = 0; i < OPS; i++) {
      if (probe_wait(handle, &probes[i]) < 0) fail_msg("%s", probes[i].error.message);
      assert_true(probes[i].item.status >= 0);
    }
  }
  assert_true(is_primary(new));
  assert_true(increment(handle, keys[1], 0, &sum, &error) >= 0);
  assert_int_equal(sum, submitted);
  wait_for_replica(old);
  cachette_close(handle);
}

static void a_primary_that_hangs_is_replaced(void **state) {
  (void)state;
  settle();
  cachette *handle = open_node(1, "1");
  int hung = primary_of(2), next = hung == 2 ? 5 : 2;
  put_until_accepted(handle, keys[2]);
  server_stop(cluster.nodes[hung].pid);
  put(handle, keys[2], 0); /* it may time out, which shows that the server hangs */
  redis_cluster_wait(&cluster, next, "ROLE", "master");
  put_until_accepted(handle, keys[2]);
  server_continue(cluster.nodes[hung].pid);
  wait_for_replica(hung);
  cachette_close(handle);
}

/* Both servers of a shard are down: ops fail at once, after one time-out, and recover. */
static void a_shard_that_is_down_fails_at_once(void **state) {
  (void)state;
  settle();
  cachette *handle = open_node(1, "1");
  int primary = primary_of(0), replica = primary == 0 ? 3 : 0;
  struct probe probe;
  put_until_accepted(handle, keys[0]);
  redis_server_kill(&cluster.nodes[replica]);
  redis_server_kill(&cluster.nodes[primary]);
  assert_true(put(handle, keys[0], 0) < 0);
  usleep(200000);
  assert_true(put(handle, keys[0], 0) < 0);
  int failed_at_once = 0;
  for (int i = 0; i < 20; i++) {
    probe_init(&probe, CACHETTE_PUT, keys[0]);
    probe.item.value = cachette_str("value");
    probe_submit(handle, &probe);
    failed_at_once += !cachette_op_pending(&probe.op);
    assert_true(probe_wait(handle, &probe) < 0);
    assert_non_null(strstr(probe.error.message, "127.0.0.1:"));
  }
  assert_true(failed_at_once > 10);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_PING, "unused"), CACHETTE_EUNAVAILABLE);
  assert_non_null(strstr(probe.error.message, "127.0.0.1:"));
  redis_cluster_restart(&cluster, primary);
  redis_cluster_restart(&cluster, replica);
  wait_for_replica(primary_of(0) == 0 ? 3 : 0);
  redis_cluster_wait(&cluster, 1, "CLUSTER INFO", "cluster_state:ok");
  put_until_accepted(handle, keys[0]);
  cachette_close(handle);
}

/* Ops on several keys are cancelled at random while the primaries change; no answer is another's.
 */
static void cancelled_ops_give_no_wrong_answer(void **state) {
  (void)state;
  enum { MANY = 64, CANCELLATIONS = 10000, ITEMS = 3 };
  static cachette_op ops[MANY];
  static cachette_item items[MANY][ITEMS];
  unsigned seed = 1;
  int cancelled = 0, promoted = -1;
  settle();
  cachette *handle = open_node(1, "20");
  for (int i = 0; i < ITEMS; i++) put_text(handle, keys[i], keys[i], 600000);
  for (int round = 0; cancelled < CANCELLATIONS; round++) {
    if (round % 50 == 0 && (promoted < 0 || is_primary(promoted))) {
      int shard = round / 50 % 3;
      char reply[64];
      promoted = primary_of(shard) == shard ? shard + 3 : shard;
      redis_server_command(&cluster.nodes[promoted], "CLUSTER FAILOVER", reply, sizeof reply);
    }
    for (int i = 0; i < MANY; i++) {
      ops[i] = (cachette_op){.verb = CACHETTE_FETCH, .items = items[i], .count = ITEMS};
      for (int j = 0; j < ITEMS; j++)
        items[i][j] = (cachette_item){.key = cachette_str(keys[(i + j) % 3])};
      cachette_submit(handle, &ops[i]);
    }
    for (int i = 0; i < MANY; i++) {
      if (rand_r(&seed) % 3 == 0) cachette_process(handle);
      if (rand_r(&seed) % 2 == 0) cancelled += cachette_cancel(handle, &ops[i]) == CACHETTE_OK;
    }
    for (int i = 0; i < MANY; i++) {
      if (cachette_op_pending(&ops[i])) cachette_run(handle, &ops[i]);
      if (ops[i].status == CACHETTE_OK)
        for (int j = 0; j < ITEMS; j++) {
          assert_int_equal(items[i][j].status, CACHETTE_HIT);
          assert_slice(items[i][j].value, keys[(i + j) % 3]);
        }
      else
        assert_int_equal(ops[i].status, CACHETTE_ECANCELED);
      cachette_op_deinit(&ops[i]);
    }
  }
  cachette_close(handle);
}

static void close_in_child(void *data) { cachette_close(data); }

/* Ops wait for a shard that is down, in a handle that is closed, also by a child. */
static void waiting_ops_end_with_their_handle(void **state) {
  (void)state;
  settle();
  cachette *handle = open_node(1, "20");
  int primary = primary_of(0);
  struct probe probes[2], clear;
  put_text(handle, keys[0], "value", 600000);
  server_stop(cluster.nodes[primary].pid);
  for (int i = 0; i < 2; i++) {
    probe_init(&probes[i], CACHETTE_FETCH, keys[i]);
    probe_submit(handle, &probes[i]);
  }
  probe_init(&clear, CACHETTE_CLEAR_NAMESPACE, "ns");
  probe_submit(handle, &clear);
  for (int i = 0; i < 10; i++) cachette_process(handle);
  run_in_child(close_in_child, handle);
  cachette_close(handle);
  probe_expect(&probes[0], CACHETTE_ECLOSED);
  probe_expect(&clear, CACHETTE_ECLOSED);
  cachette_op_deinit(&probes[1].op);
  server_continue(cluster.nodes[primary].pid);
}

/* A clear, or a flush, waits for the replica that takes over from a dead primary. */
static void check_clear(enum cachette_verb verb, const char *prefix) {
  settle();
  cachette *handle = open_cache(options_with("backend", "redis", "redis_url", cluster.nodes[1].url,
                                             "timeout", "20", "key_prefix", prefix, NULL));
  char key[3][32];
  for (int i = 0; i < 3; i++) {
    snprintf(key[i], sizeof key[i], "ns:{%s}", keys[i]);
    put_text(handle, key[i], "value", 600000);
  }
  int dead = primary_of(0);
  redis_cluster_wait(&cluster, dead == 0 ? 3 : 0, "KEYS *ns:{*", "ns:{");
  redis_server_kill(&cluster.nodes[dead]);
  for (int i = 0; i < 10; i++, usleep(10000)) /* so that the loss is known */
    assert_true(has_text(handle, key[1], "value"));
  struct probe probe;
  int status = probe_run(handle, &probe, verb, "ns");
  if (status < 0) fail_msg("%s", probe.error.message);
  if (prefix != NULL) assert_int_equal(probe.op.number, 3);
  for (int i = 0; i < 3; i++) assert_false(has_text(handle, key[i], "value"));
  cachette_close(handle);
  redis_cluster_restart(&cluster, dead);
  wait_for_replica(dead);
}

static void a_clear_waits_for_the_replica_that_takes_over(void **state) {
  (void)state;
  check_clear(CACHETTE_CLEAR_NAMESPACE, "app:");
}

static void a_flush_waits_for_the_replica_that_takes_over(void **state) {
  (void)state;
  check_clear(CACHETTE_FLUSH, "app:");
  check_clear(CACHETTE_FLUSH, NULL);
}

/* Returns how many GETs a node has executed. */
static int count_gets(int node) {
  char reply[16384];
  redis_server_command(&cluster.nodes[node], "INFO commandstats", reply, sizeof reply);
  const char *at = strstr(reply, "cmdstat_get:calls=");
  return at != NULL ? atoi(strchr(at, '=') + 1) : 0;
}

static void reset_counts(void) {
  for (int i = 0; i < 6; i++) redis_cluster_do(&cluster, i, "CONFIG RESETSTAT");
}

/* Opens with all nodes in the URL. */
static cachette *open_all(const char *read_from) {
  char url[256];
  int size = snprintf(url, sizeof url, "redis+cluster://");
  for (int i = 0; i < 6; i++)
    size += snprintf(url + size, sizeof url - (size_t)size, "%s127.0.0.1:%d", i > 0 ? "," : "",
                     cluster.nodes[i].port);
  return open_cache(options_with("backend", "redis", "redis_url", url, "read_from", read_from,
                                 "timeout", "10", NULL));
}

static void reads_go_to_replicas_if_wanted(void **state) {
  (void)state;
  static const char *const choices[] = {"primary", "replica", "prefer_replica"};
  for (size_t i = 0; i < LENGTH(choices); i++) {
    cachette *handle = open_all(choices[i]);
    int primaries = 0, all = 0;
    for (int j = 0; j < 3; j++) put_text(handle, keys[j], "value", 600000);
    usleep(100000); /* until it is replicated */
    reset_counts();
    for (int j = 0; j < 30; j++) assert_true(has_text(handle, keys[j % 3], "value"));
    for (int node = 0; node < 6; node++) {
      int gets = count_gets(node);
      all += gets;
      if (is_primary(node)) primaries += gets;
    }
    assert_int_equal(all, 30);
    assert_int_equal(primaries, i == 0 ? 30 : 0);
    cachette_close(handle);
  }
}

static void reads_go_elsewhere_if_a_replica_is_down(void **state) {
  (void)state;
  int primary = primary_of(0), replica = primary == 0 ? 3 : 0;
  cachette *handle = open_all("prefer_replica");
  put_text(handle, keys[0], "value", 600000);
  usleep(100000);
  assert_true(has_text(handle, keys[0], "value"));
  redis_server_kill(&cluster.nodes[replica]);
  for (int i = 0; i < 100; i++) assert_true(has_text(handle, keys[0], "value"));
  redis_cluster_restart(&cluster, replica);
  wait_for_replica(replica);
  cachette_close(handle);
  handle = open_all("replica");
  redis_server_kill(&cluster.nodes[replica]);
  struct probe probe;
  int status = probe_run(handle, &probe, CACHETTE_FETCH, keys[0]);
  if (status == CACHETTE_OK) status = probe.item.status;
  assert_int_equal(status, CACHETTE_EUNAVAILABLE);
  assert_non_null(strstr(probe.error.message, "read_from"));
  redis_cluster_restart(&cluster, replica);
  wait_for_replica(replica);
  cachette_close(handle);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_go_to_replicas_if_wanted),
      cmocka_unit_test(reads_go_elsewhere_if_a_replica_is_down),
      cmocka_unit_test(writes_go_on_at_the_replica_that_takes_over),
      cmocka_unit_test(a_manual_failover_fails_no_op),
      cmocka_unit_test(cancelled_ops_give_no_wrong_answer),
      cmocka_unit_test(waiting_ops_end_with_their_handle),
      cmocka_unit_test(a_clear_waits_for_the_replica_that_takes_over),
      cmocka_unit_test(a_flush_waits_for_the_replica_that_takes_over),
      cmocka_unit_test(a_primary_that_hangs_is_replaced),
      cmocka_unit_test(a_shard_that_is_down_fails_at_once),
  };
  start_cluster(NULL);
  find_keys();
  return cmocka_run_group_tests(tests, NULL, remove_cluster);
}
