/* SPDX-License-Identifier: MIT */
/* The Redis store when its server refuses ops temporarily or for good. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cache.h"
#include "memcached_server.h"
#include "peer.h"
#include "redis_server.h"
#include "resolver.h"
#include "server.h"
#include "store/registry.h"

/* Two servers with the same port, on 127.0.0.1 and 127.0.0.2. The host name moves between them. */
static struct redis_server old, new;

static void wait_for_address(const char *address, int port) {
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  assert_int_equal(inet_pton(AF_INET, address, &name.sin_addr), 1);
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < 60000; usleep(10000)) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool is_up = connect(fd, (struct sockaddr *)&name, sizeof name) == 0;
    close(fd);
    if (is_up) return;
  }
  fail_msg("nothing listens on %s:%d", address, port);
}

static int start_servers(void **state) {
  (void)state;
  static const char *const settings[] = {"--bind", "127.0.0.2", NULL};
  redis_server_start(&old, NULL);
  new = old;
  snprintf(new.directory, sizeof new.directory, "/tmp/cachette-redis-XXXXXX");
  assert_non_null(mkdtemp(new.directory));
  redis_server_restart(&new, settings);
  wait_for_address("127.0.0.2", new.port);
  return 0;
}

static int remove_servers(void **state) {
  (void)state;
  redis_server_remove(&old);
  redis_server_remove(&new);
  return 0;
}

static void send_command(const char *command) {
  char reply[64];
  redis_server_command(&old, command, reply, sizeof reply);
  assert_memory_equal(reply, "+OK", 3);
}

/* Makes the old server a replica, which refuses writes. */
static void demote(void) { send_command("REPLICAOF 127.0.0.1 1"); }

static int promote(void **state) {
  (void)state;
  send_command("REPLICAOF NO ONE");
  send_command("FLUSHALL");
  resolver_set("moves.test", "127.0.0.1");
  return 0;
}

static cachette *open_name(const char *timeout) {
  char url[64];
  snprintf(url, sizeof url, "redis://moves.test:%d", old.port);
  cachette *handle = open_cache(options_with("backend", "redis", "redis_url", url, "timeout",
                                             timeout, "connect_timeout", "30", NULL));
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_PING, "unused"), CACHETTE_OK);
  return handle;
}

static void put(cachette *handle, struct probe *probe, const char *key) {
  probe_init(probe, CACHETTE_PUT, key);
  probe->item.value = cachette_str("value");
  probe_submit(handle, probe);
}

static void count(cachette *handle, struct probe *probe, int64_t amount) {
  probe_init(probe, CACHETTE_INCREMENT, "counter");
  probe->item.amount = amount;
  probe_submit(handle, probe);
}

/* Runs the handle until the server has refused the requests. */
static void process_refusals(cachette *handle) {
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < 300; usleep(1000))
    cachette_process(handle);
}

static void a_host_name_that_moves_is_resolved_again(void **state) {
  (void)state;
  cachette *handle = open_name("30");
  struct probe probes[3];
  demote();
  put(handle, &probes[0], "key");
  count(handle, &probes[1], 5);
  count(handle, &probes[2], 2);
  process_refusals(handle);
  for (int i = 0; i < 3; i++) assert_int_equal(probes[i].done, 0);
  resolver_set("moves.test", "127.0.0.2");
  for (int i = 0; i < 3; i++) assert_int_equal(probe_wait(handle, &probes[i]), CACHETTE_OK);
  assert_int_equal(probes[2].item.amount, 7);
  assert_true(has_text(handle, "key", "value"));
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH, "unused"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 2);
  cachette_close(handle);
}

static void only_refused_items_are_sent_again(void **state) {
  (void)state;
  cachette *handle = open_name("30");
  cachette_item items[3] = {{.key = cachette_str("a"), .amount = 1},
                            {.key = cachette_str("b"), .amount = 20},
                            {.key = cachette_str("c"), .amount = 300}};
  cachette_op op = {.verb = CACHETTE_INCREMENT, .items = items, .count = 3};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  demote();
  cachette_submit(handle, &op);
  process_refusals(handle);
  assert_true(cachette_op_pending(&op));
  send_command("REPLICAOF NO ONE");
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, 3);
  static const int64_t sums[] = {2, 40, 600};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(items[i].status, CACHETTE_HIT);
    assert_int_equal(items[i].amount, sums[i]);
  }
  cachette_close(handle);
}

static void at_the_deadline_the_op_fails_with_the_servers_error(void **state) {
  (void)state;
  static const enum cachette_verb verbs[] = {CACHETTE_PUT, CACHETTE_TOUCH, CACHETTE_INCREMENT,
                                             CACHETTE_CLEAR, CACHETTE_FLUSH};
  cachette *handle = open_name("2");
  demote();
  for (size_t i = 0; i < LENGTH(verbs); i++) {
    struct probe probe;
    int status = probe_run(handle, &probe, verbs[i], "key");
    if (status == CACHETTE_OK) status = probe.item.status;
    assert_int_equal(status, CACHETTE_EBACKEND);
    assert_non_null(strstr(probe.error.message, "is a read-only replica; use the primary"));
  }
  cachette_close(handle);
}

static void ops_waiting_for_a_retry_can_be_cancelled_or_closed(void **state) {
  (void)state;
  enum { MANY = 100 };
  for (int close_at = 0; close_at < 2; close_at++) {
    cachette *handle = open_name("30");
    struct probe probes[MANY], clear;
    put_text(handle, "ns:1", "value", 0);
    demote();
    for (int i = 0; i < MANY; i++) put(handle, &probes[i], "key");
    probe_init(&clear, CACHETTE_CLEAR_NAMESPACE, "ns");
    probe_submit(handle, &clear);
    process_refusals(handle);
    for (int i = 0; close_at == 0 && i < MANY; i += 2) {
      assert_int_equal(cachette_cancel(handle, &probes[i].op), CACHETTE_OK);
      probe_expect(&probes[i], CACHETTE_ECANCELED);
    }
    send_command("REPLICAOF NO ONE");
    for (int i = 1; close_at == 0 && i < MANY; i += 2)
      assert_int_equal(probe_wait(handle, &probes[i]), CACHETTE_OK);
    if (close_at == 0) assert_int_equal(probe_wait(handle, &clear), CACHETTE_OK);
    cachette_close(handle);
    for (int i = 0; i < MANY; i++) assert_int_equal(probes[i].done, 1);
    assert_int_equal(clear.done, 1);
  }
}

static void close_in_child(void *data) { cachette_close(data); }

static void a_child_frees_ops_waiting_for_a_retry(void **state) {
  (void)state;
  cachette *handle = open_name("30");
  struct probe probe, clear;
  put_text(handle, "ns:1", "value", 0);
  demote();
  put(handle, &probe, "key");
  probe_init(&clear, CACHETTE_CLEAR_NAMESPACE, "ns");
  probe_submit(handle, &clear);
  process_refusals(handle);
  run_in_child(close_in_child, handle);
  send_command("REPLICAOF NO ONE");
  assert_int_equal(probe_wait(handle, &probe), CACHETTE_OK);
  assert_int_equal(probe_wait(handle, &clear), CACHETTE_OK);
  assert_int_equal(clear.op.number, 1);
  cachette_close(handle);
}

/* ---- Counting without transactions ---- */

static cachette *open_as_ann(const char *rules) {
  char command[128], url[64];
  snprintf(command, sizeof command, "ACL SETUSER ann reset on >secret ~* %s", rules);
  send_command(command);
  snprintf(url, sizeof url, "redis://ann:secret@127.0.0.1:%d", old.port);
  return open_cache(options_with("backend", "redis", "redis_url", url, "timeout", "30",
                                 "connect_timeout", "30", NULL));
}

static void one_op_increments_several_counters_without_transactions(void **state) {
  (void)state;
  static const char *const rules[] = {"+@all", "+@read +@write", "+@all -exec", "+@all -multi"};
  for (size_t i = 0; i < LENGTH(rules); i++) {
    promote(NULL);
    cachette *handle = open_as_ann(rules[i]);
    put_text(handle, "text", "no number", 0);
    cachette_error error;
    for (int round = 1; round < 4; round++) {
      cachette_item items[3] = {{.key = cachette_str("a"), .amount = 2},
                                {.key = cachette_str("text"), .amount = 2},
                                {.key = cachette_str("b"), .amount = -3}};
      cachette_op op = {.verb = CACHETTE_INCREMENT, .items = items, .count = 3, .error = &error};
      assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
      assert_int_equal(op.number, 2);
      assert_int_equal(items[0].amount, 2 * round);
      assert_int_equal(items[1].status, CACHETTE_ECODEC);
      assert_int_equal(items[2].amount, -3 * round);
      assert_int_equal(items[2].status, round > 1 ? CACHETTE_HIT : CACHETTE_MISS);
      assert_string_equal(error.subject, "text");
    }
    cachette_close(handle);
  }
}

#define ON_PRIMARY(test) cmocka_unit_test_setup(test, promote)

/* ---- Events ---- */

static int losses;

static void count_loss(cachette__events *events) {
  (void)events;
  losses++;
}

static int listen_to(cachette__layer *layer, cachette_error *error) {
  (void)error;
  layer->events.lost = count_loss;
  return CACHETTE_OK;
}

static bool is_wanted(const cachette_options *options) {
  (void)options;
  return true;
}

static int open_with_listener(const cachette__store_context *context, cachette__store **store,
                              cachette_error *error) {
  static const cachette__layer_kind listener = {
      .size = sizeof(cachette__layer), .wanted = is_wanted, .init = listen_to};
  static const cachette__layer_kind *const kinds[] = {&listener};
  return cachette__layers_open_over(kinds, 1, cachette__store_open, context, store, error);
}

/* Checks that a layer is notified once of a connection that was open, and of no failed attempt. */
static void expect_one_loss(const char *backend, const char *name, const char *address,
                            void (*kill_server)(void)) {
  cachette *handle;
  struct probe probe;
  losses = 0;
  cachette_options *options = options_with("backend", backend, name, address, "timeout", "5", NULL);
  assert_int_equal(cachette__open_with(options, open_with_listener, &handle, NULL), CACHETTE_OK);
  cachette_options_free(options);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_PING, "-"), CACHETTE_OK);
  assert_int_equal(losses, 0);
  kill_server();
  for (int i = 0; i < 3; i++) assert_true(probe_run(handle, &probe, CACHETTE_PING, "-") < 0);
  assert_int_equal(losses, 1);
  cachette_close(handle);
}

static struct redis_server lost_redis;
static struct memcached_server lost_memcached;

static void kill_redis(void) { redis_server_kill(&lost_redis); }

static void kill_memcached(void) { memcached_server_kill(&lost_memcached); }

static void layers_are_notified_of_a_lost_connection(void **state) {
  (void)state;
  redis_server_start(&lost_redis, NULL);
  expect_one_loss("redis", "redis_url", lost_redis.url, kill_redis);
  redis_server_remove(&lost_redis);
  memcached_server_start(&lost_memcached, NULL);
  expect_one_loss("memcached", "memcached_host", lost_memcached.host, kill_memcached);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(layers_are_notified_of_a_lost_connection),
      ON_PRIMARY(a_host_name_that_moves_is_resolved_again),
      ON_PRIMARY(only_refused_items_are_sent_again),
      ON_PRIMARY(at_the_deadline_the_op_fails_with_the_servers_error),
      ON_PRIMARY(ops_waiting_for_a_retry_can_be_cancelled_or_closed),
      ON_PRIMARY(a_child_frees_ops_waiting_for_a_retry),
      ON_PRIMARY(one_op_increments_several_counters_without_transactions),
  };
  return cmocka_run_group_tests(tests, start_servers, remove_servers);
}
