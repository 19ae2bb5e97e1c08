/* SPDX-License-Identifier: MIT */
/* Closing a stream: at any stage, inside any event, in forks, and out of memory. */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fork.h"
#include "client.h"
#include "nomem.h"

/* ---- Closing ---- */

static void a_stream_can_be_closed_before_any_event(void **state) {
  (void)state;
  struct full_socket full;
  full_socket_open(&full, "127.0.0.1", 0);
  resolver_set("one.test", "127.0.0.1");
  uint16_t port = port_of(full.listener);
  static const char *const hosts[] = {"127.0.0.1", "one.test", "nohost.invalid", "255.255.255.255",
                                      NULL};
  for (size_t i = 0; i < LENGTH(hosts); i++) {
    for (int turns = 0; turns < 6; turns++) {
      client self;
      client_init(&self, hosts[i], port, "/tmp/cachette-none.sock");
      assert_int_equal(client_open(&self), CACHETTE_OK);
      for (int turn = 0; turn < turns && self.stream != NULL; turn++) uv_run(&loop, UV_RUN_NOWAIT);
      client_close(&self);
      loop_finish();
      assert_int_equal(self.event_counts[AT_OPENED], 0);
      uv_loop_init(&loop);
    }
  }
  full_socket_close(&full);
}

static void a_stream_can_be_closed_during_name_resolution(void **state) {
  (void)state;
  resolver_set("slow.test", "127.0.0.1");
  resolver_pause(true);
  client self;
  client_init(&self, "slow.test", 6379, NULL);
  assert_int_equal(client_open(&self), CACHETTE_OK);
  uv_run(&loop, UV_RUN_NOWAIT);
  client_close(&self);
  uv_run(&loop, UV_RUN_NOWAIT);
  resolver_release();
  loop_finish();
  resolver_pause(false);
  uv_loop_init(&loop);
}

static enum stage closing_stage;

static void close_at(client *self, enum stage stage) {
  if (stage == closing_stage) client_close(self);
}

/* The client checks that no event follows. */
static void a_stream_can_be_closed_inside_any_event(void **state) {
  (void)state;
  peer server;
  peer_start(&server, serve_words);
  for (closing_stage = AT_OPENED; closing_stage < STAGES; closing_stage++) {
    client self;
    client_init(&self, "127.0.0.1", closing_stage == AT_CLOSED ? free_port() : server.port, NULL);
    self.then = close_at;
    self.buffer_size = 4;
    client_open_and_run_to_end(&self);
    loop_finish();
    assert_int_equal(self.event_counts[closing_stage], 1);
    assert_int_equal(self.event_counts[AT_CLOSED], closing_stage == AT_CLOSED);
    uv_loop_init(&loop);
  }
  peer_stop(&server);
}

static void replace_at(client *self, enum stage stage) {
  if (stage != closing_stage || self->data == NULL) return;
  self->data = NULL; /* once */
  client_close(self);
  memset(self->event_counts, 0, sizeof self->event_counts);
  self->received = 0;
  assert_int_equal(client_open(self), CACHETTE_OK);
}

static void a_stream_can_be_replaced_inside_any_event(void **state) {
  (void)state;
  peer server;
  peer_start(&server, serve_words);
  for (closing_stage = AT_OPENED; closing_stage < AT_CLOSED; closing_stage++) {
    client self;
    client_init(&self, "127.0.0.1", server.port, NULL);
    self.data = &self;
    self.then = replace_at;
    self.to_receive = 10;
    assert_int_equal(client_open(&self), CACHETTE_OK);
    client_run(&self);
    assert_string_equal(self.text, "some words");
    assert_null(self.data);
    client_close(&self);
  }
  peer_stop(&server);
}

static client successor;

static void open_successor(client *self, enum stage stage) {
  if (stage != AT_CLOSED) return;
  client_init(&successor, "127.0.0.1", *(uint16_t *)self->data, NULL);
  assert_int_equal(client_open(&successor), CACHETTE_OK);
}

static void a_new_stream_can_be_opened_when_one_has_closed(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_words);
  client_init(&self, "127.0.0.1", free_port(), NULL);
  self.data = &server.port;
  self.then = open_successor;
  client_open_and_run_to_end(&self);
  successor.to_receive = 10;
  client_run(&successor);
  assert_string_equal(successor.text, "some words");
  client_close(&successor);
  peer_stop(&server);
}

static void a_close_reaches_the_server_at_once(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_silence);
  client_init(&self, "127.0.0.1", server.port, NULL);
  client_connect(&self);
  client_close(&self);
  peer_wait(&server); /* does not need another turn of the loop */
  peer_stop(&server);
}

/* ---- Forks ---- */

static void closing_in_a_forked_child_does_not_affect_the_parent(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_echo);
  client_init(&self, "127.0.0.1", server.port, NULL);
  assert_int_equal(client_open(&self), CACHETTE_OK);
  run_in_child(client_close_in_child, &self); /* connecting */
  while (self.event_counts[AT_OPENED] == 0) uv_run(&loop, UV_RUN_ONCE);
  run_in_child(client_close_in_child, &self); /* open */
  self.to_send = self.to_receive = 1 << 20;
  client_send(&self, SIZE_MAX);
  run_in_child(client_close_in_child, &self); /* with bytes in flight */
  client_run(&self);
  assert_int_equal(self.received, 1 << 20);
  client_close(&self);
  peer_stop(&server);
}

static bool is_child;
static int forks;

/* The child continues in the parent's loop. It must not read the parent's bytes. */
static void fork_at_received(client *self, enum stage stage) {
  if (stage != AT_RECEIVED || forks++ > 0) return;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    is_child = true;
    alarm(20);
    self->to_send = 0;
    return;
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_child_forked_in_an_event_reads_nothing(void **state) {
  (void)state;
  assert_int_equal(cachette__fork_watch(), CACHETTE_OK);
  peer server;
  client self;
  forks = 0;
  peer_start(&server, serve_flood);
  client_init(&self, "127.0.0.1", server.port, NULL);
  self.then = fork_at_received;
  self.buffer_size = 1;
  self.to_receive = 8192;
  client_connect(&self);
  peer_wait(&server);
  while (self.received < self.to_receive) {
    uv_run(&loop, UV_RUN_ONCE);
    if (is_child) {
      child_assert(self.event_counts[AT_RECEIVED] == 1 && self.event_counts[AT_PAUSED] == 0);
      cachette__stream_flush(self.stream);
      cachette__stream_close(self.stream, true);
      _exit(0);
    }
  }
  client_close(&self);
  peer_stop(&server);
}

/* ---- Memory ---- */

static peer *memory_server;

/* Opens a stream, exchanges bytes and closes it. Returns 0 or the error code. */
static int exchange(void *host) {
  client self;
  client_init(&self, host, memory_server->port, memory_server->path);
  self.to_send = self.to_receive = 200000;
  int code = client_open(&self);
  if (code == CACHETTE_OK) {
    client_run(&self);
    code = self.out_of_memory || self.event_counts[AT_CLOSED] > 0 ? CACHETTE_ENOMEM : CACHETTE_OK;
    if (self.event_counts[AT_CLOSED] > 0) assert_string_not_equal(self.error.message, "");
  } else {
    assert_int_equal(self.error.code, code);
  }
  client_close(&self);
  uv_run(&loop, UV_RUN_DEFAULT);
  return code;
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  peer servers[2];
  peer_start(&servers[0], serve_echo);
  peer_start_unix(&servers[1], serve_echo);
  resolver_set("three.test", "127.0.0.2 127.0.0.3 127.0.0.1");
  static const char *const hosts[] = {"127.0.0.1", "three.test", NULL};
  for (size_t i = 0; i < LENGTH(hosts); i++) {
    memory_server = &servers[hosts[i] == NULL];
    assert_int_equal(exchange((void *)hosts[i]), CACHETTE_OK);
    assert_in_range(nomem_each(exchange, (void *)hosts[i]), 1, 100);
  }
  peer_stop(&servers[0]);
  peer_stop(&servers[1]);
}

#define test(name) cmocka_unit_test_setup_teardown(name, loop_set_up, loop_tear_down)

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      test(a_stream_can_be_closed_before_any_event),
      test(a_stream_can_be_closed_during_name_resolution),
      test(a_stream_can_be_closed_inside_any_event),
      test(a_stream_can_be_replaced_inside_any_event),
      test(a_new_stream_can_be_opened_when_one_has_closed),
      test(a_close_reaches_the_server_at_once),
      test(closing_in_a_forked_child_does_not_affect_the_parent),
      test(a_child_forked_in_an_event_reads_nothing),
      test(each_failing_allocation_is_handled),
  };
  return cmocka_run_group_tests_name("stream_close", tests, loop_warm_up, NULL);
}
