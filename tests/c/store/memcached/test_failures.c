/* SPDX-License-Identifier: MIT */
/* The memcached store when some of its servers are down or hang. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memcached_cluster.h"
#include "peer.h"
#include "server.h"

static void a_server_that_is_down_fails_only_its_keys(void **state) {
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

static void a_server_that_hangs_delays_ops_by_one_timeout_only(void **state) {
  (void)state;
  cachette *handle = open_on(servers[0].host, "timeout", "0.2");
  put_text(handle, "key", "value", 0);
  server_stop(servers[0].pid);
  struct probe probes[5];
  int64_t begin = monotonic_ms();
  for (int i = 0; i < 5; i++) {
    probe_init(&probes[i], CACHETTE_FETCH, "key");
    probe_submit(handle, &probes[i]);
  }
  for (int i = 0; i < 5; i++) probe_wait(handle, &probes[i]);
  assert_in_range(monotonic_ms() - begin, 100, 5000);
  for (int i = 0; i < 5; i++) assert_true(probes[i].op.status < 0);
  server_continue(servers[0].pid);
  for (int i = 0; i < 100 && !has_key(handle, "key"); i++) usleep(50000);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
}

/* Finds a key that belongs to this server. */
static void find_key(cachette *handle, int server, const char *prefix, char *key, size_t size) {
  char line[80], reply[64];
  for (int i = 0;; i++) {
    snprintf(key, size, "%s:%d", prefix, i);
    put_text(handle, key, "value", 0);
    snprintf(line, sizeof line, "mg %s v\r\n", key);
    memcached_server_command(&servers[server], line, reply, sizeof reply);
    if (strncmp(reply, "VA", 2) == 0) return;
  }
}

/*
 * The silence of a server counts from its first unanswered request, not from its last reply.
 */
static void a_server_is_not_closed_for_the_silence_of_another(void **state) {
  (void)state;
  char keys[2][32];
  struct probe probes[2];
  cachette *handle = open_on(all_hosts, "timeout", "1");
  for (int i = 0; i < 2; i++) find_key(handle, i, "silent", keys[i], sizeof keys[i]);
  for (int i = 0; i < 2; i++) {
    server_stop(servers[i].pid);
    probe_init(&probes[i], CACHETTE_FETCH, keys[i]);
    probes[i].op.timeout_ms = i == 0 ? 1000 : 20000;
    probe_submit(handle, &probes[i]);
    if (i == 0) usleep(900000);
  }
  assert_int_equal(probe_wait(handle, &probes[0]), CACHETTE_ETIMEDOUT);
  for (int i = 0; i < 100; i++) { /* a later turn of the loop could close the connection */
    cachette_process(handle);
    usleep(1000);
  }
  assert_true(cachette_op_pending(&probes[1].op));
  for (int i = 0; i < 2; i++) server_continue(servers[i].pid);
  assert_int_equal(probe_wait(handle, &probes[1]), CACHETTE_OK);
  assert_slice(probes[1].item.value, "value");
  cachette_op_deinit(&probes[1].op);
  cachette_close(handle);
}

/* ---- Servers that do not list their keys ---- */

static void expect_no_clear(const char *host, const char *line) {
  struct probe probe;
  for (int with_prefix = 0; with_prefix < 2; with_prefix++) {
    cachette *handle = open_on(host, "key_prefix", with_prefix ? "app:" : NULL);
    enum cachette_verb verb = with_prefix ? CACHETTE_FLUSH : CACHETTE_CLEAR_NAMESPACE;
    for (int i = 0; i < 2; i++) {
      assert_int_equal(probe_run(handle, &probe, verb, "ns"), CACHETTE_EUNSUPPORTED);
      assert_non_null(strstr(probe.error.message, host));
      assert_non_null(strstr(probe.error.message, with_prefix ? "cannot clear the keys with the"
                                                              : "cannot clear a namespace"));
      if (strstr(probe.error.message, line) == NULL) fail_msg("%s", probe.error.message);
    }
    cachette_close(handle);
  }
}

/* Amazon's serverless caches do not know the command. */
static void serve_without_crawler(peer *self, int fd) {
  char line[256];
  size_t size = 0;
  (void)self;
  while (size < sizeof line && recv(fd, &line[size], 1, 0) == 1) {
    if (line[size++] != '\n') continue;
    const char *reply = strncmp(line, "version", 7) == 0 ? "VERSION 1.6.22\r\n" : "ERROR\r\n";
    if (!peer_write(fd, reply, strlen(reply))) return;
    size = 0;
  }
}

static void a_server_without_the_crawler_refuses_to_clear_with_the_reason(void **state) {
  (void)state;
  peer serverless;
  char host[32];
  peer_start(&serverless, serve_without_crawler);
  snprintf(host, sizeof host, "127.0.0.1:%u", serverless.port);
  expect_no_clear(host, "answers \"lru_crawler metadump\" with ERROR.");
  peer_stop(&serverless);
  static const char *const settings[][3] = {{"-X", NULL}, {"-o", "no_lru_crawler", NULL}};
  static const char *const lines[] = {"metadump not allowed", "lru crawler disabled"};
  for (size_t i = 0; i < LENGTH(settings); i++) {
    struct memcached_server server;
    memcached_server_start(&server, settings[i]);
    expect_no_clear(server.host, lines[i]);
    memcached_server_kill(&server);
  }
}

#define TEST(name) cmocka_unit_test_setup(name, cluster_empty)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_server_that_is_down_fails_only_its_keys),
      TEST(a_server_that_hangs_delays_ops_by_one_timeout_only),
      TEST(a_server_is_not_closed_for_the_silence_of_another),
      TEST(a_server_without_the_crawler_refuses_to_clear_with_the_reason),
  };
  return cmocka_run_group_tests(tests, cluster_start, cluster_kill);
}
