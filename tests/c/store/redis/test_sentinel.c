/* SPDX-License-Identifier: MIT */
/* The Redis store behind sentinels: a primary with two replicas. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "redis_sentinel.h"
#include "server.h"
#include "support.h"

static struct redis_sentinels all;

static int start_sentinels(void **state) {
  (void)state;
  redis_sentinels_start(&all);
  return 0;
}

static int remove_sentinels(void **state) {
  (void)state;
  redis_sentinels_remove(&all);
  return 0;
}

static cachette *open_with(const char *url, const char *timeout, const char *read_from) {
  return open_cache(options_with("backend", "redis", "redis_url", url, "timeout", timeout,
                                 "read_from", read_from, NULL));
}

static cachette *open_all(const char *timeout) { return open_with(all.url, timeout, "primary"); }

static int put(cachette *handle, const char *key, cachette_error *error) {
  struct probe probe;
  probe_init(&probe, CACHETTE_PUT, key);
  probe.item.value = cachette_str("value");
  probe_submit(handle, &probe);
  int status = probe_wait(handle, &probe);
  if (status == CACHETTE_OK) status = probe.item.status;
  if (error != NULL) *error = probe.error;
  return status;
}

static bool server_has(int server, const char *command, const char *text) {
  char reply[16384];
  redis_server_command(&all.servers[server], command, reply, sizeof reply);
  return strstr(reply, text) != NULL;
}

static bool took_sets(int server) {
  return server_has(server, "INFO commandstats", "cmdstat_set:");
}

/* ---- Which server ---- */

static void ops_go_to_the_primary(void **state) {
  (void)state;
  cachette *handle = open_all("20");
  int primary = redis_sentinels_primary(&all, 0);
  struct probe probe;
  put_text(handle, "ns:key", "value", 600000);
  assert_true(has_text(handle, "ns:key", "value"));
  assert_true(server_has(primary, "GET ns:key", "value"));
  assert_int_equal(probe_run(handle, &probe, CACHETTE_PING, "unused"), CACHETTE_OK);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "ns"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);
  put_text(handle, "key", "value", 600000);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH, "unused"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);
  cachette_close(handle);
}

static void the_database_is_chosen(void **state) {
  (void)state;
  char url[300];
  snprintf(url, sizeof url, "%s/3", all.url);
  cachette *handle = open_with(url, "20", "primary");
  put_text(handle, "in-3", "value", 600000);
  int primary = redis_sentinels_primary(&all, 0);
  assert_true(server_has(primary, "SELECT 3\r\nGET in-3", "value"));
  cachette_close(handle);
}

static void one_sentinel_of_several_suffices(void **state) {
  (void)state;
  char url[300];
  snprintf(url, sizeof url, "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/main",
           server_find_port(), server_find_port(), all.sentinels[2].port);
  cachette *handle = open_with(url, "20", "primary");
  put_text(handle, "key", "value", 600000);
  cachette_close(handle);
}

static void an_error_names_the_sentinels_if_none_answers(void **state) {
  (void)state;
  char url[300], port[16];
  int first = server_find_port();
  struct probe probe;
  cachette_error error;
  snprintf(url, sizeof url, "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d/main", first,
           server_find_port());
  snprintf(port, sizeof port, ":%d", first);
  cachette *handle = open_with(url, "20", "primary");
  int64_t start = monotonic_ms();
  for (int i = 0; i < 20; i++) {
    assert_int_equal(put(handle, "key", &error), CACHETTE_EUNAVAILABLE);
    assert_non_null(strstr(error.message, port));
  }
  assert_int_equal(probe_run(handle, &probe, CACHETTE_PING, "unused"), CACHETTE_EUNAVAILABLE);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "ns"),
                   CACHETTE_EUNAVAILABLE);
  assert_true(monotonic_ms() - start < 15000); /* not one time-out each */
  cachette_close(handle);
}

static void an_error_names_the_unknown_primary(void **state) {
  (void)state;
  char url[300];
  cachette_error error;
  snprintf(url, sizeof url, "redis+sentinel://127.0.0.1:%d/unheard-of", all.sentinels[0].port);
  cachette *handle = open_with(url, "20", "primary");
  assert_int_equal(put(handle, "key", &error), CACHETTE_EBACKEND);
  assert_non_null(strstr(error.message, "\"unheard-of\""));
  assert_non_null(strstr(error.message, "\"redis_url\""));
  cachette_close(handle);
}

static void a_server_is_no_sentinel(void **state) {
  (void)state;
  char url[300];
  cachette_error error;
  snprintf(url, sizeof url, "redis+sentinel://127.0.0.1:%d/main", all.servers[0].port);
  cachette *handle = open_with(url, "20", "primary");
  assert_int_equal(put(handle, "key", &error), CACHETTE_EBACKEND);
  assert_non_null(strstr(error.message, "SENTINEL"));
  cachette_close(handle);
}

static void reads_go_to_replicas(void **state) {
  (void)state;
  int primary = redis_sentinels_primary(&all, 0);
  cachette *handle = open_with(all.url, "20", "replica");
  put_text(handle, "read", "value", 600000);
  for (int i = 0; i < WATCHED; i++)
    while (!server_has(i, "GET read", "value")) usleep(1000);
  char reply[64];
  for (int i = 0; i < WATCHED; i++)
    redis_server_command(&all.servers[i], "CONFIG RESETSTAT", reply, sizeof reply);
  for (int i = 0; i < 20; i++) assert_true(has_text(handle, "read", "value"));
  for (int i = 0; i < WATCHED; i++)
    assert_int_equal(server_has(i, "INFO commandstats", "cmdstat_get:calls=10"), i != primary);
  cachette_close(handle);
}

static void sentinels_that_die_later_do_not_matter(void **state) {
  (void)state;
  char reply[64];
  int primary = redis_sentinels_primary(&all, 0);
  cachette *handle = open_all("20");
  put_text(handle, "key", "value", 600000);
  for (int i = 0; i < SENTINELS; i++) redis_server_kill(&all.sentinels[i]);
  put_text(handle, "key", "value", 600000);
  redis_server_command(&all.servers[primary], "CLIENT KILL TYPE normal", reply, sizeof reply);
  put_text(handle, "key", "value", 600000); /* over a new connection, which nobody confirms */
  for (int i = 0; i < SENTINELS; i++) redis_sentinels_restart(&all, i);
  redis_sentinels_settle(&all);
  cachette_close(handle);
}

/* Returns how many connections the sentinels have accepted, and commands that they have executed.
 */
static void count_load(long *connections, long *commands) {
  char reply[16384];
  *connections = *commands = 0;
  for (int i = 0; i < SENTINELS; i++) {
    redis_server_command(&all.sentinels[i], "INFO stats", reply, sizeof reply);
    const char *accepted = strstr(reply, "total_connections_received:");
    const char *executed = strstr(reply, "total_commands_processed:");
    assert_non_null(accepted);
    assert_non_null(executed);
    *connections += strtol(strchr(accepted, ':') + 1, NULL, 10);
    *commands += strtol(strchr(executed, ':') + 1, NULL, 10);
  }
}

/* The handles of one options object: one of them asks for all. */
static void many_handles_share_what_the_sentinels_say(void **state) {
  (void)state;
  enum { HANDLES = 200 };
  static cachette *handles[HANDLES];
  char reply[64];
  long connections, commands, connections_after, commands_after;
  cachette_error error;
  cachette_options *options =
      options_with("backend", "redis", "redis_url", all.url, "timeout", "20", NULL);
  count_load(&connections, &commands);
  int64_t start = monotonic_ms();
  for (int i = 0; i < HANDLES; i++) {
    if (cachette_open(options, &handles[i], &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(put(handles[i], "key", NULL), CACHETTE_OK);
  }
  for (int round = 0; round < 2; round++) {
    int primary = redis_sentinels_primary(&all, 0);
    redis_server_command(&all.servers[primary], "CLIENT KILL TYPE normal", reply, sizeof reply);
    for (int i = 0; i < HANDLES; i++)
      if (put(handles[i], "key", &error) < 0) fail_msg("%s", error.message);
  }
  int64_t tenths = (monotonic_ms() - start) / 100 + 1; /* of a second */
  count_load(&connections_after, &commands_after);
  print_message("%d handles in %d ms: %ld connections, %ld commands\n", HANDLES, (int)tenths * 100,
                connections_after - connections, commands_after - commands);
  assert_in_range(connections_after - connections, SENTINELS, 10 + 5 * SENTINELS * tenths);
  for (int i = 0; i < HANDLES; i++) cachette_close(handles[i]);
  cachette_options_free(options);
}

/* ---- Failover ---- */

/* Many ops at once, some of which are increments, which must not count twice. Those in flight when
 * the sentinel closes the connections may fail. */
static void a_manual_failover_fails_only_increments(void **state) {
  (void)state;
  enum { OPS = 32 };
  cachette *handle = open_all("20");
  int old = redis_sentinels_primary(&all, 0);
  struct probe probes[OPS];
  int64_t failed = 0;
  assert_int_equal(put(handle, "warm", NULL), CACHETTE_OK);
  redis_sentinels_fail_over(&all);
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < 4000;) {
    for (int i = 0; i < OPS; i++) {
      probe_init(&probes[i], i % 2 == 0 ? CACHETTE_INCREMENT : CACHETTE_PUT,
                 i % 2 == 0 ? "counter" : "key");
      probes[i].item.amount = 1;
      if (i % 2 == 1) probes[i].item.value = cachette_str("value");
      probe_submit(handle, &probes[i]);
    }
    for (int i = 0; i < OPS; i++) {
      int status = probe_wait(handle, &probes[i]);
      if (status == CACHETTE_OK) status = probes[i].item.status;
      if (status < 0 && i % 2 == 1) fail_msg("%s", probes[i].error.message);
      failed += status < 0;
    }
  }
  assert_true(failed <= OPS / 2);
  int new = redis_sentinels_wait(&all, old);
  assert_int_equal(put(handle, "after", NULL), CACHETTE_OK);
  assert_true(server_has(new, "GET after", "value"));
  redis_sentinels_settle(&all);
  cachette_close(handle);
}

static void writes_go_on_after_the_primary_dies(void **state) {
  (void)state;
  cachette *handle = open_all("20");
  int old = redis_sentinels_primary(&all, 0);
  assert_int_equal(put(handle, "key", NULL), CACHETTE_OK);
  redis_server_kill(&all.servers[old]);
  cachette_error error;
  if (put(handle, "during", &error) < 0) fail_msg("%s", error.message);
  int new = redis_sentinels_wait(&all, old);
  assert_true(server_has(new, "GET during", "value"));
  /* It starts again, and says that it is a primary for about ten seconds. */
  redis_server_restart(&all.servers[old], NULL);
  assert_true(server_has(old, "ROLE", "master"));
  cachette *second = open_all("20");
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < 1000;) {
    assert_int_equal(put(handle, "key", NULL), CACHETTE_OK);
    assert_int_equal(put(second, "key", NULL), CACHETTE_OK);
  }
  assert_false(took_sets(old));
  redis_sentinels_settle(&all);
  assert_false(took_sets(old));
  cachette_close(second);
  cachette_close(handle);
}

/* The handle's loop does not run while all this happens, so no event reaches it. */
static void an_old_primary_that_is_back_gets_no_writes(void **state) {
  (void)state;
  cachette *handle = open_all("20");
  int old = redis_sentinels_primary(&all, 0);
  assert_int_equal(put(handle, "key", NULL), CACHETTE_OK);
  redis_server_kill(&all.servers[old]);
  redis_sentinels_wait(&all, old);
  redis_server_restart(&all.servers[old], NULL);
  assert_true(server_has(old, "ROLE", "master"));
  for (int i = 0; i < 20; i++) assert_int_equal(put(handle, "key", NULL), CACHETTE_OK);
  assert_false(took_sets(old));
  redis_sentinels_settle(&all);
  cachette_close(handle);
}

static void a_primary_that_hangs_is_replaced(void **state) {
  (void)state;
  cachette *handle = open_all("1");
  int old = redis_sentinels_primary(&all, 0);
  assert_int_equal(put(handle, "key", NULL), CACHETTE_OK);
  server_stop(all.servers[old].pid);
  put(handle, "key", NULL); /* it may time out */
  int new = redis_sentinels_wait(&all, old);
  int64_t start = monotonic_ms();
  while (put(handle, "hung", NULL) < 0) assert_true(monotonic_ms() - start < 10000);
  assert_true(server_has(new, "GET hung", "value"));
  server_continue(all.servers[old].pid);
  redis_sentinels_settle(&all);
  cachette_close(handle);
}

static void a_sentinel_that_hangs_is_outvoted(void **state) {
  (void)state;
  int old = redis_sentinels_primary(&all, 0);
  server_stop(all.sentinels[0].pid);
  cachette *handle = open_all("20");
  assert_int_equal(put(handle, "key", NULL), CACHETTE_OK);
  redis_server_kill(&all.servers[old]);
  cachette_error error;
  if (put(handle, "outvoted", &error) < 0) fail_msg("%s", error.message);
  server_continue(all.sentinels[0].pid);
  redis_sentinels_wait(&all, old);
  redis_server_restart(&all.servers[old], NULL);
  redis_sentinels_settle(&all);
  cachette_close(handle);
}

static void cancelled_ops_give_no_wrong_answer(void **state) {
  (void)state;
  enum { MANY = 64, CANCELLATIONS = 10000, ITEMS = 3 };
  static const char *const keys[] = {"one", "two", "three"};
  static cachette_op ops[MANY];
  static cachette_item items[MANY][ITEMS];
  unsigned seed = 1;
  int cancelled = 0;
  cachette *handle = open_all("20");
  for (int i = 0; i < ITEMS; i++) put_text(handle, keys[i], keys[i], 600000);
  for (int i = 0; i < WATCHED; i++)
    while (!server_has(i, "GET three", "three")) usleep(1000);
  for (int round = 0; cancelled < CANCELLATIONS; round++) {
    char reply[64];
    if (round % 100 == 0)
      redis_server_command(&all.sentinels[0], "SENTINEL FAILOVER main", reply, sizeof reply);
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
      for (int j = 0; j < ITEMS && ops[i].status == CACHETTE_OK; j++) {
        assert_int_equal(items[i][j].status, CACHETTE_HIT);
        assert_slice(items[i][j].value, keys[(i + j) % 3]);
      }
      if (ops[i].status != CACHETTE_OK) assert_int_equal(ops[i].status, CACHETTE_ECANCELED);
      cachette_op_deinit(&ops[i]);
    }
  }
  redis_sentinels_settle(&all);
  cachette_close(handle);
}

/* ---- Life cycle ---- */

static void close_in_child(void *data) { cachette_close(data); }

static void waiting_ops_end_with_their_handle(void **state) {
  (void)state;
  cachette *handle = open_all("20"), *unused = open_all("20");
  struct probe probe, clear;
  probe_init(&probe, CACHETTE_FETCH, "key");
  probe_submit(handle, &probe);
  probe_init(&clear, CACHETTE_CLEAR_NAMESPACE, "ns");
  probe_submit(handle, &clear);
  run_in_child(close_in_child, handle);
  cachette_close(handle);
  probe_expect(&probe, CACHETTE_ECLOSED);
  probe_expect(&clear, CACHETTE_ECLOSED);
  handle = open_all("20");
  put_text(handle, "key", "value", 600000);
  run_in_child(close_in_child, handle);
  put_text(handle, "key", "value", 600000);
  cachette_close(handle);
  cachette_close(unused);
}

int main(int argc, char **argv) {
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ops_go_to_the_primary),
      cmocka_unit_test(the_database_is_chosen),
      cmocka_unit_test(one_sentinel_of_several_suffices),
      cmocka_unit_test(an_error_names_the_sentinels_if_none_answers),
      cmocka_unit_test(an_error_names_the_unknown_primary),
      cmocka_unit_test(a_server_is_no_sentinel),
      cmocka_unit_test(reads_go_to_replicas),
      cmocka_unit_test(waiting_ops_end_with_their_handle),
      cmocka_unit_test(sentinels_that_die_later_do_not_matter),
      cmocka_unit_test(many_handles_share_what_the_sentinels_say),
      cmocka_unit_test(a_manual_failover_fails_only_increments),
      cmocka_unit_test(writes_go_on_after_the_primary_dies),
      cmocka_unit_test(an_old_primary_that_is_back_gets_no_writes),
      cmocka_unit_test(a_primary_that_hangs_is_replaced),
      cmocka_unit_test(a_sentinel_that_hangs_is_outvoted),
      cmocka_unit_test(cancelled_ops_give_no_wrong_answer),
  };
  return cmocka_run_group_tests(tests, start_sentinels, remove_sentinels);
}
