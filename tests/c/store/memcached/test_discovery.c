/* SPDX-License-Identifier: MIT */
/* Discovery of memcached servers: real servers, and a scripted endpoint that announces them. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memcached_discovery.h"
#include "server.h"
#include "store/memcached/published.h"

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
    discovery_run_for(handle, 1);
  if (strstr(notice, words) == NULL) fail_msg("%s", notice);
  assert_non_null(strstr(notice, "\"memcached_discovery\""));
  assert_non_null(strstr(notice, endpoint.host));
}

/* ---- The first list ---- */

static void ops_before_the_first_list_wait_for_it(void **state) {
  (void)state;
  struct probe probes[20];
  endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
  cachette *handle = discovery_open();
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
  discovery_put_all(handle);
  assert_int_equal(discovery_count_hits(handle), DISCOVERY_KEYS);
  assert_true(statistic(0, "curr_items") > DISCOVERY_KEYS / 4 &&
              statistic(1, "curr_items") > DISCOVERY_KEYS / 4);
  assert_int_equal(statistic(2, "curr_items"), 0);
  cachette_close(handle);
}

static void a_handle_can_be_closed_at_any_time(void **state) {
  (void)state;
  endpoint_announce(&endpoint, 1, servers[0].host, NULL);
  for (int turns = 0; turns < 30; turns++) {
    struct probe probe;
    cachette *handle = discovery_open();
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
  cachette *found = discovery_open();
  snprintf(hosts, sizeof hosts, "%s,%s,%s", servers[0].host, servers[1].host, servers[2].host);
  cachette *listed = open_on(hosts, NULL, NULL);
  discovery_put_all(found);
  assert_int_equal(discovery_count_hits(listed), DISCOVERY_KEYS);
  struct probe probe;
  assert_int_equal(probe_run(found, &probe, CACHETTE_CLEAR_NAMESPACE, "found"), CACHETTE_OK);
  assert_int_equal(probe.op.number, DISCOVERY_KEYS);
  discovery_put_all(found);
  assert_int_equal(probe_run(found, &probe, CACHETTE_PING, "-"), CACHETTE_OK);
  assert_int_equal(probe_run(found, &probe, CACHETTE_FLUSH, "-"), CACHETTE_OK);
  assert_int_equal(probe.op.number, DISCOVERY_KEYS);
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
    discovery_run_for(handle, 1);
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
    cachette *handle = discovery_open();
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
  cachette *handle = discovery_open();
  for (int i = 0; i < 3; i++) expect_failure(handle, CACHETTE_EUNAVAILABLE, "connection refused");
  endpoint_start(&endpoint);
  char host[128];
  snprintf(host, sizeof host, "127.0.0.1:%u,%s", port, endpoint.host);
  cachette_close(handle);
  endpoint_announce(&endpoint, 1, servers[0].host, NULL);
  handle = discovery_open_with(host, "5", NULL); /* the first of two is down */
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
}

static void a_silent_endpoint_is_named_by_the_time_out(void **state) {
  (void)state;
  endpoint_be_silent(&endpoint);
  cachette *handle =
      discovery_open_with(endpoint.host, "0.2", (const char *[]){"connect_timeout", "0.2", NULL});
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
  discovery_run_for(handle, 400);
  expect_failure(handle, CACHETTE_EUNAVAILABLE, "did not send the list of servers in time");
  endpoint_announce(&endpoint, 1, servers[0].host, NULL);
  expect_recovery(handle);
  cachette_close(handle);
}

/* ---- Newer lists ---- */

static void a_new_server_takes_its_share_and_the_others_keep_their_connections(void **state) {
  (void)state;
  endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
  cachette *handle = discovery_open();
  discovery_put_all(handle);
  int connections = statistic(0, "total_connections");
  endpoint_announce(&endpoint, 2, servers[2].host, servers[1].host, servers[0].host, NULL);
  discovery_wait_until_asked(handle, 2);
  assert_int_equal(statistic(2, "curr_connections"), statistic(0, "curr_connections") - 1);
  int hits = discovery_count_hits(handle);
  assert_in_range(DISCOVERY_KEYS - hits, DISCOVERY_KEYS / 5, DISCOVERY_KEYS / 2);
  discovery_put_all(handle);
  assert_int_equal(discovery_count_hits(handle), DISCOVERY_KEYS);
  assert_int_equal(statistic(2, "curr_items"), DISCOVERY_KEYS - hits);
  assert_int_equal(statistic(0, "total_connections"), connections + 2); /* of this test */
  cachette_close(handle);
}

static void a_removed_server_is_not_used_any_more(void **state) {
  (void)state;
  endpoint_announce(&endpoint, 7, servers[0].host, servers[1].host, servers[2].host, NULL);
  cachette *handle = discovery_open();
  discovery_put_all(handle);
  int connections = statistic(2, "curr_connections");
  endpoint_announce(&endpoint, 8, servers[0].host, servers[1].host, NULL);
  discovery_wait_until_asked(handle, 2);
  assert_int_equal(statistic(2, "curr_connections"), connections - 1);
  int hits = discovery_count_hits(handle);
  assert_in_range(DISCOVERY_KEYS - hits, DISCOVERY_KEYS / 5, DISCOVERY_KEYS / 2);
  discovery_put_all(handle);
  assert_int_equal(discovery_count_hits(handle), DISCOVERY_KEYS);
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
  cachette *handle = discovery_open();
  discovery_put_all(handle);
  for (size_t i = 0; i < LENGTH(replies); i++) {
    endpoint_send(&endpoint, replies[i][0], false);
    expect_notice(handle, replies[i][1]);
    discovery_wait_until_asked(handle, 2);
    assert_false(
        cachette_take_notice(handle, notice, sizeof notice)); /* the same is not repeated */
    assert_int_equal(discovery_count_hits(handle), DISCOVERY_KEYS);
  }
  endpoint_send(&endpoint, "CONFIG cluster 0 50\r\n9\n127.0.0", true);
  expect_notice(handle, "closed");
  endpoint_announce(&endpoint, 4, servers[2].host, NULL);
  expect_notice(handle, "sent version 4 of the list of servers, which is older than 5");
  assert_int_equal(discovery_count_hits(handle), DISCOVERY_KEYS);
  endpoint_announce(&endpoint, 5, servers[2].host, NULL);
  discovery_wait_until_asked(handle, 2);
  assert_int_equal(discovery_count_hits(handle), DISCOVERY_KEYS);
  while (cachette_take_notice(handle, notice, sizeof notice)) continue;
  discovery_wait_until_asked(handle, 2);
  assert_false(cachette_take_notice(handle, notice, sizeof notice));
  cachette_close(handle);
}

static void an_endpoint_that_dies_leaves_the_servers_in_use(void **state) {
  (void)state;
  endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
  cachette *handle = discovery_open();
  discovery_put_all(handle);
  endpoint_stop(&endpoint);
  expect_notice(handle, "connection refused");
  assert_int_equal(discovery_count_hits(handle), DISCOVERY_KEYS);
  endpoint_start(&endpoint);
  cachette_close(handle);
}

/* ---- Servers that are lost ---- */

static void a_lost_server_is_a_reason_to_ask(void **state) {
  (void)state;
  cachette__mc_discovery_period_ms = DISCOVERY_LONG_MS;
  endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
  cachette *handle = discovery_open();
  discovery_put_all(handle);
  assert_int_equal(endpoint.asked, 1);
  endpoint_announce(&endpoint, 2, servers[0].host, servers[2].host, NULL);
  memcached_server_kill(&servers[1]);
  discovery_wait_until_asked(handle, 1);
  discovery_put_all(handle);
  assert_int_equal(discovery_count_hits(handle), DISCOVERY_KEYS);
  assert_int_equal(endpoint.asked, 2);
  cachette_close(handle);
  memcached_server_restart(&servers[1], NULL);
}

/* An op on a server that is removed meanwhile ends as if it were not: with its reply, or with the
 * reason why there is none. */
static void ops_on_a_removed_server_end(void **state) {
  (void)state;
  for (int dies = 0; dies < 2; dies++) {
    struct probe probes[DISCOVERY_KEYS];
    int answered = 0, failed = 0;
    endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
    cachette *handle = discovery_open_with(endpoint.host, "20", NULL);
    discovery_put_all(handle);
    server_stop(servers[1].pid);
    for (int i = 0; i < DISCOVERY_KEYS; i++) {
      probe_init(&probes[i], CACHETTE_FETCH, keys[i]);
      probe_submit(handle, &probes[i]);
    }
    endpoint_announce(&endpoint, 2, servers[0].host, NULL);
    discovery_wait_until_asked(handle, 2);
    if (dies)
      memcached_server_kill(&servers[1]);
    else
      server_continue(servers[1].pid);
    for (int i = 0; i < DISCOVERY_KEYS; i++) {
      int status = probe_wait(handle, &probes[i]);
      answered += status == CACHETTE_OK && probes[i].item.status == CACHETTE_HIT;
      failed += status == CACHETTE_EUNAVAILABLE;
      if (status < 0) assert_non_null(strstr(probes[i].error.message, servers[1].host));
      cachette_op_deinit(&probes[i].op);
    }
    assert_int_equal(answered + failed, DISCOVERY_KEYS);
    assert_true(dies ? failed > DISCOVERY_KEYS / 4 : failed == 0);
    discovery_put_all(handle);
    assert_int_equal(discovery_count_hits(handle), DISCOVERY_KEYS);
    cachette_close(handle);
    if (dies) memcached_server_restart(&servers[1], NULL);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, discovery_set_up, discovery_tear_down)

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
  };
  return cmocka_run_group_tests(tests, cluster_start, cluster_kill);
}
