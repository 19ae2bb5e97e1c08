/* SPDX-License-Identifier: MIT */
/* The Redis store against real servers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "redis_server.h"
#include "server.h"
#include "support.h"

static struct redis_server server;

static int start_server(void **state) {
  (void)state;
  redis_server_start(&server, NULL);
  return 0;
}

static int remove_server(void **state) {
  (void)state;
  redis_server_remove(&server);
  return 0;
}

static int empty_server(void **state) {
  (void)state;
  char reply[64];
  redis_server_command(&server, "FLUSHALL", reply, sizeof reply);
  return strncmp(reply, "+OK", 3);
}

static cachette *open_with(const char *name, const char *value) {
  return open_cache(options_with("backend", "redis", "redis_url", server.url, name, value, NULL));
}

static cachette *open_redis(void) { return open_with("timeout", "5"); }

static void expect_reply(const char *command, const char *expected) {
  char reply[256];
  redis_server_command(&server, command, reply, sizeof reply);
  assert_string_equal(reply, expected);
}

static void put(cachette *handle, const char *key, const char *value) {
  put_text(handle, key, value, 0);
}

/* ---- Verbs ---- */

static void stored_values_are_plain_and_have_a_ttl(void **state) {
  (void)state;
  cachette *handle = open_redis();
  put(handle, "greeting", "hello");
  expect_reply("GET greeting", "$5\r\nhello\r\n");
  char reply[64];
  redis_server_command(&server, "PTTL greeting", reply, sizeof reply);
  int left = atoi(reply + 1);
  assert_in_range(left, 50000, 60000);
  assert_int_equal(cachette_put(handle, cachette_str("short"), cachette_str("x"), 12345, NULL), 0);
  redis_server_command(&server, "PTTL short", reply, sizeof reply);
  left = atoi(reply + 1);
  assert_in_range(left, 2000, 12345);
  cachette_close(handle);
}

static void entries_of_other_clients_are_fetched(void **state) {
  (void)state;
  cachette *handle = open_redis();
  expect_reply("SET theirs value", "+OK\r\n");
  expect_reply("SET empty \"\"", "+OK\r\n");
  cachette_slice value;
  int64_t ttl;
  assert_int_equal(cachette_fetch(handle, cachette_str("theirs"), &value, &ttl, NULL), 1);
  assert_slice(value, "value");
  assert_int_equal(ttl, CACHETTE_TTL_NEVER);
  cachette_free(value.data);
  assert_int_equal(cachette_fetch(handle, cachette_str("empty"), &value, NULL, NULL), 1);
  assert_int_equal(value.size, 0);
  cachette_free(value.data);
  assert_int_equal(cachette_fetch(handle, cachette_str("absent"), &value, &ttl, NULL), 0);
  cachette_close(handle);
}

static void clear_counts_existing_keys(void **state) {
  (void)state;
  cachette *handle = open_redis();
  put(handle, "a", "1");
  put(handle, "b", "2");
  cachette_item items[3] = {
      {.key = cachette_str("a")}, {.key = cachette_str("absent")}, {.key = cachette_str("b")}};
  cachette_op op = {.verb = CACHETTE_CLEAR, .items = items, .count = 3};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, 2);
  assert_int_equal(items[0].status, CACHETTE_HIT);
  assert_int_equal(items[1].status, CACHETTE_MISS);
  assert_int_equal(items[2].status, CACHETTE_HIT);
  expect_reply("DBSIZE", ":0\r\n");
  cachette_close(handle);
}

static void clearing_a_namespace_keeps_similar_keys(void **state) {
  (void)state;
  enum { COUNT = 3000 };
  cachette *handle = open_redis();
  static const char *const others[] = {"user", "users:1", "xuser:1", "u:1", "user1"};
  char key[64];
  for (int i = 0; i < COUNT; i++) {
    snprintf(key, sizeof key, "user:%d:%.*s", i, i % 40,
             "........................................");
    put(handle, key, "x");
  }
  for (size_t i = 0; i < LENGTH(others); i++) put(handle, others[i], "x");
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "user"), CACHETTE_OK);
  assert_int_equal(probe.op.number, COUNT);
  assert_int_equal(probe.item.status, CACHETTE_HIT);
  expect_reply("DBSIZE", ":5\r\n");
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "user"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 0);
  assert_int_equal(probe.item.status, CACHETTE_MISS);
  cachette_close(handle);
}

static void pattern_characters_in_a_namespace_are_literal(void **state) {
  (void)state;
  static const char *const names[] = {"*", "?", "[a]", "a\\", "a*b", "^", "{x}", "[", "]"};
  cachette *handle = open_redis();
  for (size_t i = 0; i < LENGTH(names); i++) {
    char key[32];
    snprintf(key, sizeof key, "%s:1", names[i]);
    put(handle, key, "x");
  }
  put(handle, "a:1", "x");
  for (size_t i = 0; i < LENGTH(names); i++) {
    struct probe probe;
    assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, names[i]), CACHETTE_OK);
    assert_int_equal(probe.op.number, 1);
  }
  expect_reply("DBSIZE", ":1\r\n");
  cachette_close(handle);
}

static void one_op_clears_several_namespaces(void **state) {
  (void)state;
  cachette *handle = open_redis();
  put(handle, "a:1", "x");
  put(handle, "a:2", "x");
  put(handle, "c:1", "x");
  put(handle, "d:1", "x");
  cachette_item items[3] = {
      {.key = cachette_str("a")}, {.key = cachette_str("b")}, {.key = cachette_str("c")}};
  cachette_op op = {.verb = CACHETTE_CLEAR_NAMESPACE, .items = items, .count = 3};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, 3);
  assert_int_equal(items[0].status, CACHETTE_HIT);
  assert_int_equal(items[1].status, CACHETTE_MISS);
  assert_int_equal(items[2].status, CACHETTE_HIT);
  cachette_close(handle);
}

static void flush_clears_all_or_only_the_keys_with_the_prefix(void **state) {
  (void)state;
  cachette *handle = open_redis(), *prefixed = open_with("key_prefix", "app*:");
  struct probe probe;
  put(handle, "other", "x");
  put(handle, "app:1", "x");
  put(prefixed, "1", "x");
  put(prefixed, "2", "x");
  expect_reply("GET app*:1", "$1\r\nx\r\n");
  assert_int_equal(probe_run(prefixed, &probe, CACHETTE_FLUSH, "unused"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 2);
  expect_reply("DBSIZE", ":2\r\n");
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH_EXPIRED, "unused"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 0);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH, "unused"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 2);
  expect_reply("DBSIZE", ":0\r\n");
  cachette_close(handle);
  cachette_close(prefixed);
}

static void values_of_all_sizes_come_back(void **state) {
  (void)state;
  cachette *handle = open_redis();
  static const size_t sizes[] = {0,     1,     100,    4095,    4096,    4097,    65527,
                                 65536, 70000, 131072, 1 << 20, 5000011, 32 << 20};
  for (size_t i = 0; i < LENGTH(sizes); i++) {
    char *bytes = malloc(sizes[i] + 1);
    for (size_t j = 0; j < sizes[i]; j++) bytes[j] = (char)(j * 31 + (j >> 8) + i);
    cachette_error error;
    if (cachette_put(handle, cachette_str("key"), (cachette_slice){bytes, sizes[i]}, 0, &error) < 0)
      fail_msg("%zu bytes: %s", sizes[i], error.message);
    cachette_slice value;
    if (cachette_fetch(handle, cachette_str("key"), &value, NULL, &error) < 0)
      fail_msg("%zu bytes: %s", sizes[i], error.message);
    assert_int_equal(value.size, sizes[i]);
    assert_int_equal(memcmp(value.data, bytes, sizes[i]), 0);
    cachette_free(value.data);
    free(bytes);
  }
  cachette_close(handle);
}

/* ---- Concurrency ---- */

enum { CROWD = 500 };

struct caller {
  struct probe probe;
  char key[32];
};

static struct caller *create_crowd(enum cachette_verb verb) {
  struct caller *crowd = calloc(CROWD, sizeof *crowd);
  for (int i = 0; i < CROWD; i++) {
    snprintf(crowd[i].key, sizeof crowd[i].key, "key:%d", i);
    probe_init(&crowd[i].probe, verb, crowd[i].key);
    if (verb == CACHETTE_PUT) crowd[i].probe.item.value = cachette_str(crowd[i].key);
  }
  return crowd;
}

static void put_crowd(cachette *handle) {
  struct caller *crowd = create_crowd(CACHETTE_PUT);
  for (int i = 0; i < CROWD; i++) probe_submit(handle, &crowd[i].probe);
  for (int i = 0; i < CROWD; i++)
    assert_int_equal(probe_wait(handle, &crowd[i].probe), CACHETTE_OK);
  free(crowd);
}

static void check_crowd(cachette *handle, struct caller *crowd) {
  for (int i = 0; i < CROWD; i++) {
    if (!crowd[i].probe.done) probe_wait(handle, &crowd[i].probe);
    if (crowd[i].probe.op.status == CACHETTE_OK) {
      assert_int_equal(crowd[i].probe.item.status, CACHETTE_HIT);
      assert_slice(crowd[i].probe.item.value, crowd[i].key);
    }
    assert_int_equal(crowd[i].probe.done, 1);
    cachette_op_deinit(&crowd[i].probe.op);
  }
}

static void each_op_gets_its_own_answer(void **state) {
  (void)state;
  cachette *handle = open_redis();
  put_crowd(handle);
  struct caller *crowd = create_crowd(CACHETTE_FETCH);
  for (int i = 0; i < CROWD; i++) {
    if (i % 3 == 0) crowd[i].probe.op.flags = CACHETTE_WITH_TTL;
    probe_submit(handle, &crowd[i].probe);
  }
  check_crowd(handle, crowd);
  for (int i = 0; i < CROWD; i++) {
    assert_int_equal(crowd[i].probe.op.status, CACHETTE_OK);
    if (i % 3 == 0) assert_in_range(crowd[i].probe.item.ttl_ms, 1, 60000);
  }
  free(crowd);
  cachette_close(handle);
}

static void cancelled_ops_do_not_take_the_answers_of_others(void **state) {
  (void)state;
  cachette *handle = open_redis();
  put_crowd(handle);
  srand(1);
  for (int round = 0; round < 20; round++) {
    struct caller *crowd = create_crowd(CACHETTE_FETCH);
    for (int i = 0; i < CROWD; i++) {
      probe_submit(handle, &crowd[i].probe);
      if (rand() % 8 == 0) cachette_process(handle);
      if (rand() % 3 == 0) {
        int victim = rand() % (i + 1);
        if (!crowd[victim].probe.done)
          assert_int_equal(cachette_cancel(handle, &crowd[victim].probe.op), CACHETTE_OK);
      }
    }
    check_crowd(handle, crowd);
    free(crowd);
  }
  cachette_close(handle);
}

static void one_op_fetches_many_keys(void **state) {
  (void)state;
  cachette *handle = open_redis();
  put_crowd(handle);
  cachette_item items[CROWD] = {0};
  char keys[CROWD][32];
  for (int i = 0; i < CROWD; i++) {
    snprintf(keys[i], sizeof keys[i], i % 5 == 0 ? "absent:%d" : "key:%d", i);
    items[i].key = cachette_str(keys[i]);
  }
  cachette_op op = {.verb = CACHETTE_FETCH, .items = items, .count = CROWD};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, CROWD - CROWD / 5);
  for (int i = 0; i < CROWD; i++) {
    assert_int_equal(items[i].status, i % 5 == 0 ? CACHETTE_MISS : CACHETTE_HIT);
    if (i % 5 != 0) assert_slice(items[i].value, keys[i]);
  }
  cachette_op_deinit(&op);
  cachette_close(handle);
}

static void a_close_completes_pending_ops(void **state) {
  (void)state;
  for (int turns = 0; turns < 4; turns++) {
    cachette *handle = open_redis();
    struct caller *crowd = create_crowd(CACHETTE_FETCH);
    for (int i = 0; i < CROWD; i++) probe_submit(handle, &crowd[i].probe);
    for (int i = 0; i < turns; i++) cachette_process(handle);
    cachette_close(handle);
    for (int i = 0; i < CROWD; i++) assert_int_equal(crowd[i].probe.done, 1);
    for (int i = 0; i < CROWD; i++) cachette_op_deinit(&crowd[i].probe.op);
    free(crowd);
  }
}

static void ops_beyond_the_capacity_fail(void **state) {
  (void)state;
  enum { MANY = 70000 };
  cachette *handle = open_redis();
  struct probe *probes = calloc(MANY, sizeof *probes);
  long refused = 0;
  for (int i = 0; i < MANY; i++) {
    probe_init(&probes[i], CACHETTE_FETCH, "key");
    probe_submit(handle, &probes[i]);
  }
  for (int i = 0; i < MANY; i++) {
    if (!probes[i].done) probe_wait(handle, &probes[i]);
    if (probes[i].op.status == CACHETTE_OK) continue;
    assert_int_equal(probes[i].op.status, CACHETTE_EUNAVAILABLE);
    assert_non_null(
        strstr(probes[i].error.message, "Too many operations are waiting for 127.0.0.1:"));
    refused++;
  }
  assert_int_equal(refused, MANY - 65536);
  free(probes);
  cachette_close(handle);
}

/* ---- Errors ---- */

static int fetch(cachette *handle, struct probe *probe) {
  int status = probe_run(handle, probe, CACHETTE_FETCH, "key");
  cachette_op_deinit(&probe->op);
  return status;
}

static void an_unreachable_server_is_reported(void **state) {
  (void)state;
  struct redis_server dead = server;
  redis_server_start(&dead, NULL);
  redis_server_remove(&dead);
  cachette_options *options = options_with("backend", "redis", "redis_url", dead.url, NULL);
  cachette *handle;
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  cachette_options_free(options);
  struct probe probe;
  int64_t start = monotonic_ms();
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(fetch(handle, &probe), CACHETTE_EUNAVAILABLE);
    assert_non_null(strstr(probe.error.message, "refused"));
  }
  assert_true(monotonic_ms() - start < 5000);
  cachette_close(handle);
}

static void a_key_of_another_type_is_an_error_of_its_item(void **state) {
  (void)state;
  cachette *handle = open_redis();
  expect_reply("RPUSH list a", ":1\r\n");
  put(handle, "key", "x");
  cachette_item items[2] = {{.key = cachette_str("list")}, {.key = cachette_str("key")}};
  cachette_error error;
  cachette_op op = {.verb = CACHETTE_FETCH, .items = items, .count = 2, .error = &error};
  op.flags = CACHETTE_WITH_TTL;
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(items[0].status, CACHETTE_EBACKEND);
  assert_string_equal(error.subject, "list");
  assert_non_null(strstr(error.message, "under \"list\""));
  assert_int_equal(items[1].status, CACHETTE_HIT);
  cachette_op_deinit(&op);
  cachette_close(handle);
}

static void a_restarted_server_is_used_again(void **state) {
  (void)state;
  struct redis_server other;
  redis_server_start(&other, NULL);
  cachette_options *options = options_with("backend", "redis", "redis_url", other.url, NULL);
  cachette *handle;
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  cachette_options_free(options);
  struct probe probe;
  for (int round = 0; round < 3; round++) {
    int64_t start = monotonic_ms();
    while (fetch(handle, &probe) != CACHETTE_OK) assert_true(monotonic_ms() - start < 8000);
    redis_server_kill(&other);
    assert_int_equal(fetch(handle, &probe), CACHETTE_EUNAVAILABLE);
    redis_server_restart(&other, NULL);
  }
  redis_server_remove(&other);
  cachette_close(handle);
}

static void idempotent_ops_survive_a_broken_connection(void **state) {
  (void)state;
  cachette *handle = open_redis();
  put(handle, "key", "x");
  char reply[64];
  for (int i = 0; i < 20; i++) {
    redis_server_command(&server, "CLIENT KILL TYPE normal SKIPME yes", reply, sizeof reply);
    struct probe probe;
    assert_int_equal(fetch(handle, &probe), CACHETTE_OK);
  }
  cachette_close(handle);
}

static void a_server_that_hangs_delays_ops_by_one_timeout_only(void **state) {
  (void)state;
  struct redis_server other;
  redis_server_start(&other, NULL);
  cachette *handle = open_cache(options_with("backend", "redis", "redis_url", other.url, "timeout",
                                             "0.2", "connect_timeout", "0.2", NULL));
  struct probe probe;
  assert_int_equal(fetch(handle, &probe), CACHETTE_OK);
  server_stop(other.pid);
  assert_int_equal(fetch(handle, &probe), CACHETTE_ETIMEDOUT);
  assert_non_null(strstr(probe.error.message, "127.0.0.1:"));
  assert_non_null(strstr(probe.error.message, "0.2 s"));
  cachette_process(handle);
  int64_t start = monotonic_ms();
  int failed_at_once = 0;
  for (int i = 0; i < 20; i++) {
    int64_t before = monotonic_ms();
    int status = fetch(handle, &probe);
    assert_true(status == CACHETTE_EUNAVAILABLE || status == CACHETTE_ETIMEDOUT);
    failed_at_once += monotonic_ms() - before < 100;
  }
  assert_true(failed_at_once > 0);
  assert_true(monotonic_ms() - start < 20 * 250);
  server_continue(other.pid);
  start = monotonic_ms();
  while (fetch(handle, &probe) != CACHETTE_OK) assert_true(monotonic_ms() - start < 8000);
  redis_server_remove(&other);
  cachette_close(handle);
}

/* Runs the handle for 20 ms and cancels the op if it is still pending. Returns its status. */
static int fetch_impatiently(cachette *handle, struct probe *probe) {
  probe_init(probe, CACHETTE_FETCH, "key");
  probe_submit(handle, probe);
  for (int i = 0; i < 20 && !probe->done; i++) {
    cachette_process(handle);
    usleep(1000);
  }
  if (!probe->done) cachette_cancel(handle, &probe->op);
  cachette_op_deinit(&probe->op);
  return probe->op.status;
}

/* Callers that wait for less than the option `timeout` never see it expire. */
static void a_server_that_hangs_is_given_up_if_all_ops_are_cancelled(void **state) {
  (void)state;
  struct redis_server other;
  redis_server_start(&other, NULL);
  cachette *handle = open_cache(options_with("backend", "redis", "redis_url", other.url, "timeout",
                                             "0.3", "connect_timeout", "0.3", NULL));
  struct probe probe;
  assert_int_equal(fetch(handle, &probe), CACHETTE_OK);
  server_stop(other.pid);
  int64_t start = monotonic_ms();
  while (fetch_impatiently(handle, &probe) == CACHETTE_ECANCELED)
    assert_true(monotonic_ms() - start < 5000);
  assert_true(monotonic_ms() - start >= 300);
  assert_int_equal(probe.op.status, CACHETTE_EUNAVAILABLE);
  assert_non_null(strstr(probe.error.message, "has not answered for 0.3 s"));
  server_continue(other.pid);
  redis_server_remove(&other);
  cachette_close(handle);
}

static void an_old_server_is_sent_old_commands(void **state) {
  (void)state;
  static const char *const settings[] = {
      "--rename-command", "UNLINK", "", "--rename-command", "HELLO", "", NULL};
  struct redis_server other;
  redis_server_start(&other, settings);
  cachette_options *options = options_with("backend", "redis", "redis_url", other.url, NULL);
  cachette *handle;
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  cachette_options_free(options);
  struct probe probe;
  put(handle, "ns:1", "x");
  put(handle, "ns:2", "x");
  put(handle, "key", "x");
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "ns"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 2);
  assert_int_equal(fetch(handle, &probe), CACHETTE_OK);
  assert_int_equal(probe.item.status, CACHETTE_HIT);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR, "key"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);
  assert_int_equal(fetch(handle, &probe), CACHETTE_OK);
  assert_int_equal(probe.item.status, CACHETTE_MISS);
  cachette_close(handle);
  assert_int_equal(cachette_open(NULL, &handle, NULL), CACHETTE_OK);
  cachette_close(handle);

  options = options_with("backend", "redis", "redis_url", other.url, NULL);
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  cachette_options_free(options);
  put(handle, "key", "x"); /* now the clear of a key is the first to use the unknown command */
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR, "key"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);
  cachette_close(handle);
  redis_server_remove(&other);
}

static void user_name_and_password_are_sent(void **state) {
  (void)state;
  struct redis_server other;
  redis_server_start(&other, NULL);
  char reply[64];
  redis_server_command(&other, "ACL SETUSER ann on >se:cret ~* +@all", reply, sizeof reply);
  assert_string_equal(reply, "+OK\r\n");
  redis_server_command(&other, "CONFIG SET requirepass p@ss/word", reply, sizeof reply);
  assert_string_equal(reply, "+OK\r\n");
  struct {
    const char *user_info, *words;
  } cases[] = {
      {"", "requires a password"},
      {":wrong@", "refuses the user name or the password"},
      {":p%40ss%2Fword@", NULL},
      {"ann:se%3Acret@", NULL},
      {"ann:p%40ss%2Fword@", "refuses the user name or the password"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char url[128];
    snprintf(url, sizeof url, "redis://%s127.0.0.1:%d/3", cases[i].user_info, other.port);
    cachette_options *options = options_with("backend", "redis", "redis_url", url, NULL);
    cachette *handle;
    assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
    cachette_options_free(options);
    struct probe probe;
    int status = fetch(handle, &probe);
    assert_int_equal(status, cases[i].words == NULL ? CACHETTE_OK : CACHETTE_EBACKEND);
    if (cases[i].words != NULL) assert_non_null(strstr(probe.error.message, cases[i].words));
    cachette_close(handle);
  }
  redis_server_remove(&other);
}

static void a_database_is_selected(void **state) {
  (void)state;
  cachette_options *options = options_with("backend", "redis", NULL);
  char url[160];
  snprintf(url, sizeof url, "%s/7", server.url);
  cachette_options_set(options, "redis_url", url, NULL);
  cachette *handle;
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  put(handle, "key", "x");
  expect_reply("DBSIZE", ":0\r\n");
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH, "unused"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);
  cachette_close(handle);
  snprintf(url, sizeof url, "%s/7777", server.url);
  cachette_options_set(options, "redis_url", url, NULL);
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  assert_int_equal(fetch(handle, &probe), CACHETTE_EBACKEND);
  assert_non_null(strstr(probe.error.message, "DB index"));
  cachette_close(handle);
  cachette_options_free(options);
}

static void a_malformed_url_is_refused_without_its_password(void **state) {
  (void)state;
  static const char *const urls[] = {"http://host",
                                     "redis://",
                                     "redis://:hunter2@host/x",
                                     "redis://host:0",
                                     "redis://host/1?db=2",
                                     "redis://host?a=b",
                                     "redis://ann@host",
                                     "unix://",
                                     "unix://host/path",
                                     "redis://host:66666",
                                     "redis://[::1",
                                     "host:6379",
                                     "redis://:hunter2@/#x",
                                     "redis://h/-1"};
  for (size_t i = 0; i < LENGTH(urls); i++) {
    cachette_options *options = options_with("backend", "redis", "redis_url", urls[i], NULL);
    cachette_error error;
    assert_int_equal(cachette_options_check(options, &error, 1), 1);
    assert_string_equal(error.subject, "redis_url");
    assert_null(strstr(error.message, "hunter2"));
    assert_non_null(strstr(error.message, "redis_url"));
    cachette_options_free(options);
  }
}

static void ten_thousand_handles_leak_no_descriptors(void **state) {
  (void)state;
  int before = count_descriptors();
  for (int i = 0; i < 10000; i++) {
    cachette *handle = open_redis();
    struct probe probe;
    if (i % 10 == 0) assert_int_equal(fetch(handle, &probe), CACHETTE_OK);
    cachette_close(handle);
  }
  assert_int_equal(count_descriptors(), before);
}

static void fetch_in_child(void *data) {
  struct probe probe;
  probe_init(&probe, CACHETTE_FETCH, "key");
  probe_submit(data, &probe);
  child_assert(probe.op.status == CACHETTE_EFORK);
  cachette_close(data);
  cachette *handle = open_redis();
  child_assert(probe_run(handle, &probe, CACHETTE_FETCH, "key") == CACHETTE_OK);
  child_assert(probe.item.status == CACHETTE_HIT);
  cachette_op_deinit(&probe.op);
  cachette_close(handle);
}

static void a_fork_does_not_affect_the_connection_of_the_parent(void **state) {
  (void)state;
  cachette *handle = open_redis();
  put(handle, "key", "value");
  struct probe waiting;
  probe_init(&waiting, CACHETTE_FETCH, "key");
  probe_submit(handle, &waiting);
  run_in_child(fetch_in_child, handle);
  assert_int_equal(probe_wait(handle, &waiting), CACHETTE_OK);
  assert_slice(waiting.item.value, "value");
  cachette_op_deinit(&waiting.op);
  cachette_close(handle);
}

#define ON_EMPTY(test) cmocka_unit_test_setup(test, empty_server)

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_EMPTY(stored_values_are_plain_and_have_a_ttl),
      ON_EMPTY(entries_of_other_clients_are_fetched),
      ON_EMPTY(clear_counts_existing_keys),
      ON_EMPTY(clearing_a_namespace_keeps_similar_keys),
      ON_EMPTY(pattern_characters_in_a_namespace_are_literal),
      ON_EMPTY(one_op_clears_several_namespaces),
      ON_EMPTY(flush_clears_all_or_only_the_keys_with_the_prefix),
      ON_EMPTY(values_of_all_sizes_come_back),
      ON_EMPTY(each_op_gets_its_own_answer),
      ON_EMPTY(cancelled_ops_do_not_take_the_answers_of_others),
      ON_EMPTY(one_op_fetches_many_keys),
      ON_EMPTY(a_close_completes_pending_ops),
      ON_EMPTY(ops_beyond_the_capacity_fail),
      ON_EMPTY(an_unreachable_server_is_reported),
      ON_EMPTY(a_key_of_another_type_is_an_error_of_its_item),
      ON_EMPTY(a_restarted_server_is_used_again),
      ON_EMPTY(idempotent_ops_survive_a_broken_connection),
      ON_EMPTY(a_server_that_hangs_delays_ops_by_one_timeout_only),
      ON_EMPTY(a_server_that_hangs_is_given_up_if_all_ops_are_cancelled),
      ON_EMPTY(an_old_server_is_sent_old_commands),
      ON_EMPTY(user_name_and_password_are_sent),
      ON_EMPTY(a_database_is_selected),
      ON_EMPTY(a_malformed_url_is_refused_without_its_password),
      ON_EMPTY(ten_thousand_handles_leak_no_descriptors),
      ON_EMPTY(a_fork_does_not_affect_the_connection_of_the_parent),
  };
  return cmocka_run_group_tests(tests, start_server, remove_server);
}
