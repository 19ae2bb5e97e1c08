/* SPDX-License-Identifier: MIT */
/* Discovery of memcached servers: real servers, and a scripted endpoint that announces them. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memcached_cluster.h"
#include "memcached_endpoint.h"
#include "server.h"
#include "store/memcached/published.h"

enum { COUNT = 300, PERIOD_MS = 200, LONG_PERIOD_MS = 600 * 1000 };

static struct endpoint endpoint;
static char keys[COUNT][24];

static int set_up(void **state) {
  cachette__mc_discovery_period_ms = PERIOD_MS;
  endpoint_start(&endpoint);
  for (int i = 0; i < COUNT; i++) snprintf(keys[i], sizeof keys[i], "found:%d", i);
  return cluster_empty(state);
}

static int tear_down(void **state) {
  (void)state;
  endpoint_stop(&endpoint);
  return 0;
}

static cachette *open_with(const char *hosts, const char *timeout, const char *const *more) {
  cachette_options *options = options_with("backend", "memcached", "memcached_host", hosts,
                                           "timeout", timeout, "memcached_discovery", "true", NULL);
  for (; more != NULL && *more != NULL; more += 2)
    assert_int_equal(cachette_options_set(options, more[0], more[1], NULL), 0);
  return open_cache(options);
}

static cachette *open_discovered(void) { return open_with(endpoint.host, "5", NULL); }

/* Runs the handle for at least this time. */
static void run_for(cachette *handle, int ms) {
  for (int64_t end = monotonic_ms() + ms; monotonic_ms() < end;) {
    cachette_process(handle);
    usleep(1000);
  }
}

/* Runs the handle until the endpoint was asked `count` times more. */
static void wait_until_asked(cachette *handle, int count) {
  int asked = endpoint.asked;
  for (int64_t end = monotonic_ms() + 20000; endpoint.asked < asked + count;) {
    assert_true(monotonic_ms() < end);
    run_for(handle, 1);
  }
  run_for(handle, 20); /* for the reply to arrive */
}

static void put_all(cachette *handle) {
  static cachette_item items[COUNT];
  for (int i = 0; i < COUNT; i++)
    items[i] = (cachette_item){.key = cachette_str(keys[i]), .value = cachette_str(keys[i])};
  assert_int_equal(run_items(handle, CACHETTE_PUT, 0, items, COUNT), COUNT);
}

/* Returns how many of the keys are hits, each with its own value. */
static int count_hits(cachette *handle) {
  static cachette_item items[COUNT];
  int hits = 0;
  for (int i = 0; i < COUNT; i++) items[i] = (cachette_item){.key = cachette_str(keys[i])};
  cachette_op op = {.verb = CACHETTE_FETCH, .items = items, .count = COUNT};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  for (int i = 0; i < COUNT; i++) {
    assert_true(items[i].status >= 0);
    if (items[i].status == CACHETTE_HIT) assert_slice(items[i].value, keys[i]);
    hits += items[i].status == CACHETTE_HIT;
  }
  cachette_op_deinit(&op);
  return hits;
}

/* Returns a number from a server's statistics. */
static int statistic(int server, const char *name) {
  char reply[8192], text[64];
  memcached_server_command(&servers[server], "stats\r\n", reply, sizeof reply);
  snprintf(text, sizeof text, "STAT %s ", name);
  const char *found = strstr(reply, text);
  assert_non_null(found);
  return atoi(found + strlen(text));
}

static void expect_notice(cachette *handle, const char *words) {
  char notice[256] = "";
  for (int i = 0; i < 10000 && !cachette_take_notice(handle, notice, sizeof notice); i++)
    run_for(handle, 1);
  if (strstr(notice, words) == NULL) fail_msg("%s", notice);
  assert_non_null(strstr(notice, "\"memcached_discovery\""));
  assert_non_null(strstr(notice, endpoint.host));
}

/* ---- The first list ---- */

static void ops_before_the_first_list_wait_for_it(void **state) {
  (void)state;
  struct probe probes[20];
  endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
  cachette *handle = open_discovered();
  for (int i = 0; i < 20; i++) {
    probe_init(&probes[i], CACHETTE_FETCH, keys[i]);
    probe_submit(handle, &probes[i]);
    assert_true(cachette_op_pending(&probes[i].op));
  }
  for (int i = 0; i < 20; i += 3)
    assert_int_equal(cachette_cancel(handle, &probes[i].op), CACHETTE_OK);
  for (int i = 0; i < 20; i++) {
    assert_int_equal(probe_wait(handle, &probes[i]), i % 3 == 0 ? CACHETTE_ECANCELED : CACHETTE_OK);
    probe_expect(&probes[i], i % 3 == 0 ? CACHETTE_ECANCELED : CACHETTE_OK);
  }
  put_all(handle);
  assert_int_equal(count_hits(handle), COUNT);
  assert_true(statistic(0, "curr_items") > COUNT / 4 && statistic(1, "curr_items") > COUNT / 4);
  assert_int_equal(statistic(2, "curr_items"), 0);
  cachette_close(handle);
}

static void a_handle_can_be_closed_at_any_time(void **state) {
  (void)state;
  endpoint_announce(&endpoint, 1, servers[0].host, NULL);
  for (int turns = 0; turns < 30; turns++) {
    struct probe probe;
    cachette *handle = open_discovered();
    probe_init(&probe, CACHETTE_FETCH, "key");
    probe_submit(handle, &probe);
    for (int i = 0; i < turns; i++) {
      cachette_process(handle);
      if (turns % 3 == 0) usleep(100);
    }
    cachette_close(handle);
    assert_int_equal(probe.done, 1);
  }
}

static void keys_go_where_a_list_of_the_same_servers_sends_them(void **state) {
  (void)state;
  char hosts[200];
  endpoint_announce(&endpoint, 1, servers[2].host, servers[0].host, servers[1].host, NULL);
  cachette *found = open_discovered();
  snprintf(hosts, sizeof hosts, "%s,%s,%s", servers[0].host, servers[1].host, servers[2].host);
  cachette *listed = open_on(hosts, NULL, NULL);
  put_all(found);
  assert_int_equal(count_hits(listed), COUNT);
  struct probe probe;
  assert_int_equal(probe_run(found, &probe, CACHETTE_CLEAR_NAMESPACE, "found"), CACHETTE_OK);
  assert_int_equal(probe.op.number, COUNT);
  put_all(found);
  assert_int_equal(probe_run(found, &probe, CACHETTE_PING, "-"), CACHETTE_OK);
  assert_int_equal(probe_run(found, &probe, CACHETTE_FLUSH, "-"), CACHETTE_OK);
  assert_int_equal(probe.op.number, COUNT);
  cachette_close(listed);
  cachette_close(found);
}

/* ---- No list ---- */

static void expect_failure(cachette *handle, int code, const char *words) {
  cachette_error error = {.message = ""};
  cachette_slice fetched;
  int actual = cachette_fetch(handle, cachette_str("key"), &fetched, NULL, &error);
  if (actual != code) fail_msg("%d: %s", actual, error.message);
  if (strstr(error.message, words) == NULL) fail_msg("%s", error.message);
  if (strstr(error.message, endpoint.host) == NULL) fail_msg("%s", error.message);
  assert_non_null(strstr(error.message, "\"memcached_discovery\""));
}

static void expect_recovery(cachette *handle) {
  cachette_slice fetched;
  for (int i = 0; cachette_fetch(handle, cachette_str("key"), &fetched, NULL, NULL) < 0; i++) {
    assert_true(i < 10000);
    run_for(handle, 1);
  }
}

static void without_a_list_ops_fail_with_the_reason_until_there_is_one(void **state) {
  (void)state;
  static const struct {
    const char *reply;
    bool hangs_up;
    int code;
    const char *words;
  } cases[] = {
      {"ERROR\r\n", false, CACHETTE_EUNSUPPORTED,
       "with an error: ERROR. Is the \"memcached_host\""},
      {"SERVER_ERROR busy\r\n", false, CACHETTE_EBACKEND, "SERVER_ERROR busy"},
      {"END\r\n", false, CACHETTE_EBACKEND, "is not valid: it is empty"},
      {"CONFIG cluster 0 3\r\n1\n\n\r\nEND\r\n", false, CACHETTE_EBACKEND, "it is empty"},
      {"CONFIG cluster 0 4\r\n1\na\n\r\nEND\r\n", false, CACHETTE_EBACKEND, "NAME|ADDRESS|PORT"},
      {"CONFIG cluster 0 999999\r\n1\n", false, CACHETTE_EBACKEND, "it is too large"},
      {"CONFIG cluster 0 99999999999999999\r\n", false, CACHETTE_EBACKEND, "size of a value"},
      {"CONFIG cluster 0 80\r\n1\n127.0", true, CACHETTE_EUNAVAILABLE, "closed"},
      {"HD O1\r\n", false, CACHETTE_EBACKEND, "it is not what \"config get cluster\" returns"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    endpoint_send(&endpoint, cases[i].reply, cases[i].hangs_up);
    cachette *handle = open_discovered();
    for (int j = 0; j < 3; j++) expect_failure(handle, cases[i].code, cases[i].words);
    endpoint_announce(&endpoint, 1, servers[0].host, NULL);
    expect_recovery(handle);
    cachette_close(handle);
  }
}

static void an_endpoint_that_is_down_is_named_and_found_again(void **state) {
  (void)state;
  uint16_t port = endpoint.peer.port;
  endpoint_stop(&endpoint);
  cachette *handle = open_discovered();
  for (int i = 0; i < 3; i++) expect_failure(handle, CACHETTE_EUNAVAILABLE, "connection refused");
  endpoint_start(&endpoint);
  char host[128];
  snprintf(host, sizeof host, "127.0.0.1:%u,%s", port, endpoint.host);
  cachette_close(handle);
  endpoint_announce(&endpoint, 1, servers[0].host, NULL);
  handle = open_with(host, "5", NULL); /* the first of two is down */
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
}

static void a_silent_endpoint_is_named_by_the_time_out(void **state) {
  (void)state;
  endpoint_be_silent(&endpoint);
  cachette *handle =
      open_with(endpoint.host, "0.2", (const char *[]){"connect_timeout", "0.2", NULL});
  struct probe probes[3];
  for (int i = 0; i < 3; i++) {
    probe_init(&probes[i], CACHETTE_FETCH, "key");
    probe_submit(handle, &probes[i]);
  }
  for (int i = 0; i < 3; i++) {
    assert_int_equal(probe_wait(handle, &probes[i]), CACHETTE_ETIMEDOUT);
    assert_non_null(strstr(probes[i].error.message, endpoint.host));
    assert_non_null(strstr(probes[i].error.message, "\"memcached_discovery\""));
  }
  run_for(handle, 400);
  expect_failure(handle, CACHETTE_EUNAVAILABLE, "did not send the list of servers in time");
  endpoint_announce(&endpoint, 1, servers[0].host, NULL);
  expect_recovery(handle);
  cachette_close(handle);
}

/* ---- Newer lists ---- */

static void a_new_server_takes_its_share_and_the_others_keep_their_connections(void **state) {
  (void)state;
  endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
  cachette *handle = open_discovered();
  put_all(handle);
  int connections = statistic(0, "total_connections");
  endpoint_announce(&endpoint, 2, servers[2].host, servers[1].host, servers[0].host, NULL);
  wait_until_asked(handle, 2);
  assert_int_equal(statistic(2, "curr_connections"), statistic(0, "curr_connections") - 1);
  int hits = count_hits(handle);
  assert_in_range(COUNT - hits, COUNT / 5, COUNT / 2);
  put_all(handle);
  assert_int_equal(count_hits(handle), COUNT);
  assert_int_equal(statistic(2, "curr_items"), COUNT - hits);
  assert_int_equal(statistic(0, "total_connections"), connections + 2); /* of this test */
  cachette_close(handle);
}

static void a_removed_server_is_not_used_any_more(void **state) {
  (void)state;
  endpoint_announce(&endpoint, 7, servers[0].host, servers[1].host, servers[2].host, NULL);
  cachette *handle = open_discovered();
  put_all(handle);
  int connections = statistic(2, "curr_connections");
  endpoint_announce(&endpoint, 8, servers[0].host, servers[1].host, NULL);
  wait_until_asked(handle, 2);
  assert_int_equal(statistic(2, "curr_connections"), connections - 1);
  int hits = count_hits(handle);
  assert_in_range(COUNT - hits, COUNT / 5, COUNT / 2);
  put_all(handle);
  assert_int_equal(count_hits(handle), COUNT);
  cachette_close(handle);
}

static void an_older_or_invalid_list_is_not_used(void **state) {
  (void)state;
  static const char *const replies[][2] = {
      {"ERROR\r\n", "with an error: ERROR"},
      {"CONFIG cluster 0 3\r\n9\n\n\r\nEND\r\n", "it is empty"},
      {"CONFIG cluster 0 5\r\n9\na|\n\r\nEND\r\n", "NAME|ADDRESS|PORT"},
      {"CONFIG cluster 0 999999\r\n9\n", "it is too large"},
      {"END\r\n", "it is empty"},
  };
  char notice[256];
  endpoint_announce(&endpoint, 5, servers[0].host, servers[1].host, NULL);
  cachette *handle = open_discovered();
  put_all(handle);
  for (size_t i = 0; i < LENGTH(replies); i++) {
    endpoint_send(&endpoint, replies[i][0], false);
    expect_notice(handle, replies[i][1]);
    wait_until_asked(handle, 2);
    assert_false(
        cachette_take_notice(handle, notice, sizeof notice)); /* the same is not repeated */
    assert_int_equal(count_hits(handle), COUNT);
  }
  endpoint_send(&endpoint, "CONFIG cluster 0 50\r\n9\n127.0.0", true);
  expect_notice(handle, "closed");
  endpoint_announce(&endpoint, 4, servers[2].host, NULL);
  expect_notice(handle, "sent version 4 of the list of servers, which is older than 5");
  assert_int_equal(count_hits(handle), COUNT);
  endpoint_announce(&endpoint, 5, servers[2].host, NULL);
  wait_until_asked(handle, 2);
  assert_int_equal(count_hits(handle), COUNT);
  while (cachette_take_notice(handle, notice, sizeof notice)) continue;
  wait_until_asked(handle, 2);
  assert_false(cachette_take_notice(handle, notice, sizeof notice));
  cachette_close(handle);
}

static void an_endpoint_that_dies_leaves_the_servers_in_use(void **state) {
  (void)state;
  endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
  cachette *handle = open_discovered();
  put_all(handle);
  endpoint_stop(&endpoint);
  expect_notice(handle, "connection refused");
  assert_int_equal(count_hits(handle), COUNT);
  endpoint_start(&endpoint);
  cachette_close(handle);
}

/* ---- Servers that are lost ---- */

static void a_lost_server_is_a_reason_to_ask(void **state) {
  (void)state;
  cachette__mc_discovery_period_ms = LONG_PERIOD_MS;
  endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
  cachette *handle = open_discovered();
  put_all(handle);
  assert_int_equal(endpoint.asked, 1);
  endpoint_announce(&endpoint, 2, servers[0].host, servers[2].host, NULL);
  memcached_server_kill(&servers[1]);
  wait_until_asked(handle, 1);
  put_all(handle);
  assert_int_equal(count_hits(handle), COUNT);
  assert_int_equal(endpoint.asked, 2);
  cachette_close(handle);
  memcached_server_restart(&servers[1], NULL);
}

/* An op on a server that is removed meanwhile ends as if it were not: with its reply, or with the
 * reason why there is none. */
static void ops_on_a_removed_server_end(void **state) {
  (void)state;
  for (int dies = 0; dies < 2; dies++) {
    struct probe probes[COUNT];
    int answered = 0, failed = 0;
    endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
    cachette *handle = open_with(endpoint.host, "20", NULL);
    put_all(handle);
    server_stop(servers[1].pid);
    for (int i = 0; i < COUNT; i++) {
      probe_init(&probes[i], CACHETTE_FETCH, keys[i]);
      probe_submit(handle, &probes[i]);
    }
    endpoint_announce(&endpoint, 2, servers[0].host, NULL);
    wait_until_asked(handle, 2);
    if (dies)
      memcached_server_kill(&servers[1]);
    else
      server_continue(servers[1].pid);
    for (int i = 0; i < COUNT; i++) {
      int status = probe_wait(handle, &probes[i]);
      answered += status == CACHETTE_OK && probes[i].item.status == CACHETTE_HIT;
      failed += status == CACHETTE_EUNAVAILABLE;
      if (status < 0) assert_non_null(strstr(probes[i].error.message, servers[1].host));
      cachette_op_deinit(&probes[i].op);
    }
    assert_int_equal(answered + failed, COUNT);
    assert_true(dies ? failed > COUNT / 4 : failed == 0);
    put_all(handle);
    assert_int_equal(count_hits(handle), COUNT);
    cachette_close(handle);
    if (dies) memcached_server_restart(&servers[1], NULL);
  }
}

/* ---- Many handles, and authentication ---- */

static void handles_of_the_same_options_ask_once(void **state) {
  (void)state;
  enum { HANDLES = 20 };
  cachette *handles[HANDLES];
  cachette__mc_discovery_period_ms = LONG_PERIOD_MS;
  endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
  cachette_options *options = options_with("backend", "memcached", "memcached_host", endpoint.host,
                                           "timeout", "5", "memcached_discovery", "true", NULL);
  for (int i = 0; i < HANDLES; i++) {
    assert_int_equal(cachette_open(options, &handles[i], NULL), CACHETTE_OK);
    if (i % 2 == 0) put_text(handles[i], keys[i], "value", 0);
  }
  for (int i = 0; i < HANDLES; i++) put_text(handles[i], keys[i], "value", 0);
  assert_int_equal(endpoint.asked, 1);
  for (int i = 0; i < HANDLES; i++) cachette_close(handles[i]);
  cachette_options_free(options);
}

static void with_sasl_and_with_a_password_file_the_endpoint_gets_the_login(void **state) {
  (void)state;
  static const char *const sasl[] = {
      "memcached_auth", "sasl", "memcached_username", "user", "memcached_password", "secret", NULL};
  static const char *const ascii[] = {"memcached_username", "user", "memcached_password", "secret",
                                      NULL};
  char directory[64], path[] = "/tmp/cachette-auth-XXXXXX";
  struct memcached_server with_sasl, with_file;
  int file = mkstemp(path);
  assert_int_equal(write(file, "user:secret\n", 12), 12);
  close(file);
  memcached_sasl_open(directory, sizeof directory);
  memcached_server_start(&with_sasl, (const char *const[]){"-S", NULL});
  memcached_server_start(&with_file, (const char *const[]){"-u", "root", "-Y", path, NULL});
  endpoint_announce(&endpoint, 1, with_sasl.host, NULL);
  cachette *handle = open_with(endpoint.host, "5", sasl);
  put_all(handle);
  assert_int_equal(count_hits(handle), COUNT);
  cachette_close(handle);
  endpoint_announce(&endpoint, 2, with_file.host, NULL);
  handle = open_with(endpoint.host, "5", ascii);
  put_all(handle);
  assert_int_equal(count_hits(handle), COUNT);
  cachette_close(handle);
  memcached_server_kill(&with_sasl);
  memcached_server_kill(&with_file);
  memcached_sasl_close(directory);
  unlink(path);
}

static void an_endpoint_has_no_weight(void **state) {
  (void)state;
  cachette_error error;
  cachette *handle;
  cachette_options *options = options_with("backend", "memcached", "memcached_host", "host:1:2",
                                           "memcached_discovery", "true", NULL);
  assert_int_equal(cachette_open(options, &handle, &error), CACHETTE_ECONFIG);
  assert_string_equal(error.subject, "memcached_host");
  assert_non_null(strstr(error.message, "memcached_discovery"));
  cachette_options_free(options);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(ops_before_the_first_list_wait_for_it),
      TEST(a_handle_can_be_closed_at_any_time),
      TEST(keys_go_where_a_list_of_the_same_servers_sends_them),
      TEST(without_a_list_ops_fail_with_the_reason_until_there_is_one),
      TEST(an_endpoint_that_is_down_is_named_and_found_again),
      TEST(a_silent_endpoint_is_named_by_the_time_out),
      TEST(a_new_server_takes_its_share_and_the_others_keep_their_connections),
      TEST(a_removed_server_is_not_used_any_more),
      TEST(an_older_or_invalid_list_is_not_used),
      TEST(an_endpoint_that_dies_leaves_the_servers_in_use),
      TEST(a_lost_server_is_a_reason_to_ask),
      TEST(ops_on_a_removed_server_end),
      TEST(handles_of_the_same_options_ask_once),
      TEST(with_sasl_and_with_a_password_file_the_endpoint_gets_the_login),
      TEST(an_endpoint_has_no_weight),
  };
  return cmocka_run_group_tests(tests, cluster_start, cluster_kill);
}
