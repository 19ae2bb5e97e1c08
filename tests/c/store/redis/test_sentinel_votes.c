/* SPDX-License-Identifier: MIT */
/* The Redis store behind sentinels that answer as the test tells them to. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "redis_peer.h"
#include "support.h"

enum { PEERS = 3, SERVERS = 2, REPLY = REDIS_PEER_REPLY };

/* What a sentinel says. */
static struct opinion {
  int primary; /* the index of the server; -1: it knows no such primary */
  int epoch;
  bool is_late;         /* its first answer takes 50 ms */
  bool is_silent;       /* it reads commands, and does not answer */
  bool is_old;          /* it knows version 2 of the protocol only */
  bool refuses_channel; /* to anybody */
  char peers[512];      /* rows for SENTINELS */
  int asked, subscribed;
} opinions[PEERS];

static struct redis_peer sentinels[PEERS], servers[SERVERS];
static const char *roles[SERVERS]; /* the reply to ROLE */
static int sets[SERVERS], asked_roles[SERVERS];
static bool closes_after_set; /* the servers close the connection instead of an answer to a SET */
static cachette *handle;

static uint16_t port(int server) { return servers[server].peer.port; }

/* ---- Scripts ---- */

static void answer_address(const struct opinion *opinion, char *reply) {
  char text[16];
  if (opinion->primary < 0) {
    snprintf(reply, REPLY, "*-1\r\n");
    return;
  }
  snprintf(text, sizeof text, "%d", port(opinion->primary));
  snprintf(reply, REPLY, "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(text), text);
}

static void answer_master(const struct opinion *opinion, char *reply) {
  char text[16];
  snprintf(text, sizeof text, "%d", opinion->epoch);
  if (opinion->primary < 0)
    snprintf(reply, REPLY, "-ERR No such master with that name\r\n");
  else
    snprintf(reply, REPLY,
             "*4\r\n$5\r\nflags\r\n$6\r\nmaster\r\n$12\r\nconfig-epoch\r\n$%zu\r\n%s\r\n",
             strlen(text), text);
}

static void answer_id(int index, char *reply) {
  snprintf(reply, REPLY, "$40\r\n%040d\r\n", index + 1);
}

static void answer_sentinel(struct opinion *opinion, const struct redis_command *command,
                            char *reply) {
  if (redis_command_is(command, 1, "GET-MASTER-ADDR-BY-NAME")) {
    if (opinion->asked++ == 0 && opinion->is_late) usleep(50000);
    answer_address(opinion, reply);
  } else if (redis_command_is(command, 1, "MASTER")) {
    answer_master(opinion, reply);
  } else if (redis_command_is(command, 1, "MYID")) {
    answer_id((int)(opinion - opinions), reply);
  } else if (opinion->peers[0] != '\0') {
    snprintf(reply, REPLY, "%s", opinion->peers);
  } else {
    snprintf(reply, REPLY, "*0\r\n");
  }
}

static void play_sentinel(struct redis_peer *self, const struct redis_command *command,
                          char *reply) {
  struct opinion *opinion = &opinions[self - sentinels];
  if (opinion->is_silent) return;
  if (redis_command_is(command, 0, "SENTINEL")) {
    answer_sentinel(opinion, command, reply);
  } else if (redis_command_is(command, 0, "HELLO")) {
    snprintf(reply, REPLY, "%s",
             opinion->is_old ? "-ERR unknown command 'HELLO'\r\n"
                             : "%1\r\n$4\r\nmode\r\n$8\r\nsentinel\r\n");
  } else if (redis_command_is(command, 0, "SUBSCRIBE")) {
    opinion->subscribed++;
    snprintf(reply, REPLY, "%s",
             opinion->refuses_channel ? "-NOPERM No permissions to access a channel\r\n"
                                      : ">3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n");
  } else {
    snprintf(reply, REPLY, "+OK\r\n");
  }
}

static void play_server(struct redis_peer *self, const struct redis_command *command, char *reply) {
  int index = (int)(self - servers);
  if (redis_command_is(command, 0, "HELLO"))
    snprintf(reply, REPLY, "%%1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n");
  else if (redis_command_is(command, 0, "ROLE"))
    asked_roles[index]++, snprintf(reply, REPLY, "%s", roles[index]);
  else
    snprintf(reply, REPLY, "+OK\r\n");
  if (redis_command_is(command, 0, "SET")) {
    sets[index]++;
    if (closes_after_set) shutdown(self->fd, SHUT_RDWR);
  }
}

static const char master[] = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";
static const char slave[] =
    "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:0\r\n";

/* Sends all sentinels' connections an event. */
static void push_event(const char *name) {
  char text[128], event[256];
  snprintf(text, sizeof text, "%s 127.0.0.1 1 127.0.0.1 2", name);
  int size = snprintf(event, sizeof event,
                      ">3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$%zu\r\n%s\r\n",
                      strlen(text), text);
  redis_peer_lock();
  for (int i = 0; i < PEERS; i++)
    if (sentinels[i].fd >= 0) peer_write(sentinels[i].fd, event, (size_t)size);
  redis_peer_unlock();
}

/* ---- Set-up ---- */

static int start_peers(void **state) {
  (void)state;
  memset(opinions, 0, sizeof opinions);
  closes_after_set = false;
  for (int i = 0; i < SERVERS; i++) {
    roles[i] = master;
    sets[i] = asked_roles[i] = 0;
    redis_peer_start(&servers[i], play_server);
  }
  for (int i = 0; i < PEERS; i++) redis_peer_start(&sentinels[i], play_sentinel);
  return 0;
}

static int stop_peers(void **state) {
  (void)state;
  cachette_close(handle);
  handle = NULL;
  for (int i = 0; i < PEERS; i++) redis_peer_stop(&sentinels[i]);
  for (int i = 0; i < SERVERS; i++) redis_peer_stop(&servers[i]);
  return 0;
}

static void open_sentinels(int count, const char *timeout, const char *map) {
  char url[256];
  int size = snprintf(url, sizeof url, "redis+sentinel://");
  for (int i = 0; i < count; i++)
    size += snprintf(url + size, sizeof url - (size_t)size, "%s127.0.0.1:%d", i > 0 ? "," : "",
                     sentinels[i].peer.port);
  snprintf(url + size, sizeof url - (size_t)size, "/main");
  handle = open_cache(options_with("backend", "redis", "redis_url", url, "timeout", timeout,
                                   "address_map", map, NULL));
}

static int put(cachette_error *error) {
  struct probe probe;
  probe_init(&probe, CACHETTE_PUT, "key");
  probe.item.value = cachette_str("value");
  probe_submit(handle, &probe);
  int status = probe_wait(handle, &probe);
  if (status == CACHETTE_OK) status = probe.item.status;
  if (error != NULL) *error = probe.error;
  return status;
}

static void expect_put_at(int server) {
  int before = sets[server];
  cachette_error error;
  if (put(&error) < 0) fail_msg("%s", error.message);
  assert_int_equal(sets[server], before + 1);
}

/* Runs the loop until a count has reached a value. */
static void process_until(const int *count, int value) {
  for (int64_t start = monotonic_ms();; usleep(1000)) {
    cachette_process(handle);
    redis_peer_lock();
    bool done = *count >= value;
    redis_peer_unlock();
    if (done) return;
    assert_true(monotonic_ms() - start < 30000);
  }
}

static void process_for(int64_t ms) {
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < ms; usleep(1000))
    cachette_process(handle);
}

static void set_opinion(int sentinel, int primary, int epoch) {
  redis_peer_lock();
  opinions[sentinel].primary = primary;
  opinions[sentinel].epoch = epoch;
  redis_peer_unlock();
}

/* ---- Votes ---- */

static void the_majority_decides(void **state) {
  (void)state;
  opinions[0].primary = 1;
  opinions[0].epoch = 9;
  open_sentinels(3, "20", "");
  expect_put_at(0);
  assert_int_equal(asked_roles[0], 1);
  assert_int_equal(asked_roles[1], 0);
}

/* One sentinel knows of a failover that the others will hear of in a moment. */
static void a_later_failover_is_waited_for(void **state) {
  (void)state;
  opinions[0].primary = opinions[0].epoch = 1;
  open_sentinels(3, "20", "");
  struct probe probe;
  probe_init(&probe, CACHETTE_PUT, "key");
  probe.item.value = cachette_str("value");
  probe_submit(handle, &probe);
  process_until(&opinions[2].asked, 2);
  set_opinion(1, 1, 1);
  assert_int_equal(probe_wait(handle, &probe), CACHETTE_OK);
  assert_int_equal(sets[0], 0);
  assert_int_equal(sets[1], 1);
  cachette_op_deinit(&probe.op);
}

/* The same when most have answered, and the one that knows is late. */
static void the_last_answer_is_waited_for(void **state) {
  (void)state;
  opinions[2].primary = opinions[2].epoch = 1;
  opinions[2].is_late = true;
  open_sentinels(3, "20", "");
  struct probe probe;
  probe_init(&probe, CACHETTE_PUT, "key");
  probe.item.value = cachette_str("value");
  probe_submit(handle, &probe);
  process_until(&opinions[0].asked, 2);
  set_opinion(1, 1, 1);
  assert_int_equal(probe_wait(handle, &probe), CACHETTE_OK);
  assert_int_equal(sets[0], 0);
  cachette_op_deinit(&probe.op);
}

static void the_highest_epoch_decides_a_tie(void **state) {
  (void)state;
  opinions[1].primary = 1;
  opinions[1].epoch = 1;
  open_sentinels(2, "20", "");
  expect_put_at(1);
}

/* The others are down, and this one was cut off before the last failover. */
static void a_sentinel_with_an_older_epoch_is_not_believed(void **state) {
  (void)state;
  for (int i = 0; i < PEERS; i++) opinions[i].epoch = 5;
  open_sentinels(3, "20", "");
  expect_put_at(0);
  redis_peer_lock();
  opinions[1].is_silent = opinions[2].is_silent = true;
  redis_peer_unlock();
  set_opinion(0, 1, 4);
  int asked = opinions[0].asked;
  push_event("main");
  process_until(&opinions[0].asked, asked + 1);
  process_for(1000);
  expect_put_at(0);
  set_opinion(0, 1, 6);
  push_event("main");
  process_until(&asked_roles[1], 1);
  process_for(50);
  expect_put_at(1);
  process_until(&sentinels[1].opened, 2); /* the silent ones are connected to anew */
  process_until(&sentinels[2].opened, 2);
}

static void a_named_server_must_be_a_primary(void **state) {
  (void)state;
  cachette_error error;
  roles[0] = slave;
  open_sentinels(3, "0.5", "");
  assert_true(put(&error) < 0);
  assert_int_equal(sets[0], 0);
  process_for(600);
  assert_int_equal(put(&error), CACHETTE_EUNAVAILABLE);
  assert_non_null(strstr(error.message, "it is a replica"));
  assert_true(asked_roles[0] > 1);
  redis_peer_lock();
  roles[0] = master;
  redis_peer_unlock();
  int64_t start = monotonic_ms();
  while (put(NULL) < 0) {
    assert_true(monotonic_ms() - start < 10000);
    process_for(20);
  }
  assert_true(sets[0] > 0);
}

static void a_user_may_lack_the_permission_for_role(void **state) {
  (void)state;
  roles[0] = "-NOPERM this user has no permissions to run the 'role' command\r\n";
  open_sentinels(1, "20", "");
  expect_put_at(0);
}

/* ---- Events ---- */

static void an_event_of_another_primary_is_ignored(void **state) {
  (void)state;
  open_sentinels(3, "20", "");
  expect_put_at(0);
  process_for(50);
  int asked = opinions[0].asked;
  push_event("other");
  push_event("main2");
  push_event("mine");
  process_for(300);
  assert_int_equal(opinions[0].asked, asked);
  for (int i = 0; i < PEERS; i++) set_opinion(i, 1, 1);
  push_event("main");
  process_until(&asked_roles[1], 1);
  process_for(50);
  expect_put_at(1);
}

static void sentinels_without_version_3_are_polled(void **state) {
  (void)state;
  for (int i = 0; i < PEERS; i++) opinions[i].is_old = true;
  open_sentinels(3, "20", "");
  expect_put_at(0);
  int asked = opinions[0].asked;
  process_until(&opinions[0].asked, asked + 1); /* after ten seconds */
  for (int i = 0; i < PEERS; i++) assert_int_equal(opinions[i].subscribed, 0);
}

static void a_sentinel_may_refuse_the_subscription(void **state) {
  (void)state;
  for (int i = 0; i < PEERS; i++) opinions[i].refuses_channel = true;
  open_sentinels(3, "20", "");
  expect_put_at(0);
  closes_after_set = true; /* which makes the client ask again, twice */
  put(NULL);
  closes_after_set = false;
  expect_put_at(0);
  for (int i = 0; i < PEERS; i++) assert_int_equal(opinions[i].subscribed, 1);
}

/* ---- Sentinels ---- */

static void a_silent_sentinel_is_left_and_tried_again(void **state) {
  (void)state;
  opinions[0].is_silent = opinions[1].is_silent = true;
  open_sentinels(3, "1", "");
  int64_t start = monotonic_ms();
  while (put(NULL) < 0) assert_true(monotonic_ms() - start < 10000);
  process_until(&sentinels[0].opened, 2);
}

static void silent_sentinels_are_named(void **state) {
  (void)state;
  cachette_error error;
  for (int i = 0; i < PEERS; i++) opinions[i].is_silent = true;
  open_sentinels(3, "0.3", "");
  put(NULL);
  process_for(400);
  assert_true(put(&error) < 0);
  assert_non_null(strstr(error.message, "127.0.0.1:"));
}

/* Rows that tell of sentinels: with the address as sentinels announce it. */
static void announce(int teller, const char *host, int announced_port, int id) {
  char text[16];
  snprintf(text, sizeof text, "%d", announced_port);
  snprintf(opinions[teller].peers, sizeof opinions[teller].peers,
           "*1\r\n*6\r\n$2\r\nip\r\n$%zu\r\n%s\r\n$4\r\nport\r\n$%zu\r\n%s\r\n$5\r\nrunid\r\n$"
           "40\r\n%040d\r\n",
           strlen(host), host, strlen(text), text, id);
}

static void other_sentinels_are_learnt(void **state) {
  (void)state;
  char map[64];
  announce(0, "10.9.9.9", 26379, 2);
  snprintf(map, sizeof map, "10.9.9.9:26379=127.0.0.1:%d", sentinels[1].peer.port);
  open_sentinels(1, "20", map);
  expect_put_at(0);
  push_event("main");
  process_until(&opinions[1].asked, 1);
  redis_peer_lock();
  opinions[0].peers[0] = '\0'; /* forgotten, but it answers */
  opinions[0].is_silent = true;
  redis_peer_unlock();
  set_opinion(1, 1, 1);
  push_event("main");
  process_until(&asked_roles[1], 1);
  process_for(50);
  expect_put_at(1);
}

static void a_known_sentinel_is_not_learnt_under_another_address(void **state) {
  (void)state;
  announce(0, "127.0.0.1", sentinels[2].peer.port, 2);
  open_sentinels(2, "20", "");
  expect_put_at(0);
  int asked = opinions[1].asked;
  push_event("main");
  process_until(&opinions[1].asked, asked + 1);
  process_for(50);
  assert_int_equal(sentinels[2].opened, 0);
}

/* ---- Connections to the primary ---- */

/* The primary closes its connection, and is named no longer. What it has executed is sent again. */
static void a_new_connection_waits_for_the_votes(void **state) {
  (void)state;
  open_sentinels(3, "20", "");
  expect_put_at(0);
  process_for(600); /* the last result is old now */
  for (int i = 0; i < PEERS; i++) set_opinion(i, 1, 1);
  redis_peer_lock();
  closes_after_set = true;
  redis_peer_unlock();
  struct probe probe;
  probe_init(&probe, CACHETTE_PUT, "key");
  probe.item.value = cachette_str("value");
  probe_submit(handle, &probe);
  process_until(&sets[0], 2);
  redis_peer_lock();
  closes_after_set = false;
  redis_peer_unlock();
  probe_wait(handle, &probe);
  assert_int_equal(probe.item.status, CACHETTE_MISS);
  assert_int_equal(sets[0], 2);
  assert_int_equal(sets[1], 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_peers, stop_peers)
  const struct CMUnitTest tests[] = {
      TEST(the_majority_decides),
      TEST(a_later_failover_is_waited_for),
      TEST(the_last_answer_is_waited_for),
      TEST(the_highest_epoch_decides_a_tie),
      TEST(a_sentinel_with_an_older_epoch_is_not_believed),
      TEST(a_named_server_must_be_a_primary),
      TEST(a_user_may_lack_the_permission_for_role),
      TEST(an_event_of_another_primary_is_ignored),
      TEST(sentinels_without_version_3_are_polled),
      TEST(a_sentinel_may_refuse_the_subscription),
      TEST(a_silent_sentinel_is_left_and_tried_again),
      TEST(silent_sentinels_are_named),
      TEST(other_sentinels_are_learnt),
      TEST(a_known_sentinel_is_not_learnt_under_another_address),
      TEST(a_new_connection_waits_for_the_votes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
