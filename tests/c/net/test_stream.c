/* SPDX-License-Identifier: MIT */
/* A stream over TCP and Unix sockets, with servers that echo, stop answering, hang up and reset. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

/* Checks that the stream could not be opened, and the message. */
static void expect_unopened(const client *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void expect_unopened(const client *self, const char *format, ...) {
  char message[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  assert_int_equal(self->event_counts[AT_CLOSED], 1);
  assert_int_equal(self->event_counts[AT_OPENED] + self->event_counts[AT_BUFFER], 0);
  assert_false(self->was_open);
  assert_int_equal(self->error.code, CACHETTE_EUNAVAILABLE);
  assert_string_equal(self->error.message, message);
}

static void expect_broken(const client *self, const char *words) {
  assert_int_equal(self->event_counts[AT_OPENED], 1);
  assert_int_equal(self->event_counts[AT_CLOSED], 1);
  assert_true(self->was_open);
  assert_int_equal(self->error.code, CACHETTE_EUNAVAILABLE);
  char name[128];
  cachette__target_text(&self->target, name, sizeof name);
  if (strstr(self->error.message, words) == NULL || strstr(self->error.message, name) == NULL)
    fail_msg("%s", self->error.message);
}

/* ---- Transfers ---- */

static void echo(client *self, size_t size) {
  assert_int_equal(client_open(self), CACHETTE_OK);
  self->to_send = self->to_receive = size;
  client_run(self);
  if (self->stream == NULL) fail_msg("%s", self->error.message);
  assert_int_equal(self->received, size);
  assert_int_equal(cachette__stream_sent(self->stream), size);
  assert_int_equal(cachette__buffer_size(cachette__stream_output(self->stream)), 0);
  assert_int_equal(self->event_counts[AT_OPENED], 1);
  assert_true(self->event_counts[AT_PAUSED] >= 1 &&
              self->event_counts[AT_PAUSED] <= self->event_counts[AT_RECEIVED]);
  client_close(self);
}

static const size_t sizes[] = {1, 2, 4095, 65536, 65537, 1 << 20, 10 << 20};

static void tcp_transfers_bytes_in_both_directions(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(sizes); i++) {
    peer server;
    client self;
    peer_start(&server, serve_echo);
    client_init(&self, "127.0.0.1", server.port, NULL);
    echo(&self, sizes[i]);
    peer_stop(&server);
  }
}

static void a_unix_socket_transfers_bytes_in_both_directions(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(sizes); i++) {
    peer server;
    client self;
    peer_start_unix(&server, serve_echo);
    client_init(&self, NULL, 0, server.path);
    echo(&self, sizes[i]);
    peer_stop(&server);
  }
}

static void bytes_can_be_received_in_small_pieces(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_echo);
  server.slice = 1;
  client_init(&self, "127.0.0.1", server.port, NULL);
  self.buffer_size = 3;
  echo(&self, 2000);
  peer_stop(&server);
}

/* Runs the loop as one embedded in another: polls its descriptor until its next timer is due. */
static void run_embedded(uv_loop_t *embedded) {
  enum { LONG_MS = 20000 };
  int timeout = uv_backend_timeout(embedded);
  struct pollfd watched = {uv_backend_fd(embedded), POLLIN, 0};
  int count = poll(&watched, 1, timeout < 0 || timeout > LONG_MS ? LONG_MS : timeout);
  assert_true(count > 0 || (timeout >= 0 && timeout < LONG_MS)); /* else an event was missed */
  uv_run(embedded, UV_RUN_NOWAIT);
}

static void a_stream_works_on_an_embedded_loop(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_echo);
  for (int round = 0; round < 3; round++) {
    client_init(&self, "127.0.0.1", server.port, NULL);
    self.target.connect_timeout_ms = 3600000;
    self.to_send = self.to_receive = 300000;
    assert_int_equal(client_open(&self), CACHETTE_OK);
    while (self.received < self.to_receive) run_embedded(&loop);
    self.to_send = self.to_receive = 1000000;
    while (self.appended < self.to_send) client_send(&self, SIZE_MAX); /* outside of the loop */
    while (self.received < self.to_receive) run_embedded(&loop);
    client_close(&self);
    while (uv_loop_alive(&loop)) run_embedded(&loop);
  }
  peer_stop(&server);
}

/* ---- Failures to open ---- */

static void a_refused_port_is_reported(void **state) {
  (void)state;
  client self;
  client_init(&self, "127.0.0.1", free_port(), NULL);
  client_open_and_run_to_end(&self);
  expect_unopened(&self, "Cannot connect to 127.0.0.1:%d: connection refused.", self.target.port);
}

static void a_missing_unix_socket_is_reported(void **state) {
  (void)state;
  client self;
  client_init(&self, NULL, 0, "/tmp/cachette-none.sock");
  assert_int_equal(client_open(&self), CACHETTE_OK);
  assert_int_equal(uv_backend_timeout(&loop), 0);
  client_run_to_end(&self);
  expect_unopened(&self, "Cannot connect to /tmp/cachette-none.sock: no such file or directory.");
}

static void a_path_too_long_for_a_socket_is_reported(void **state) {
  (void)state;
  char path[200];
  memset(path, 'p', sizeof path);
  path[0] = '/';
  path[sizeof path - 1] = '\0';
  client self;
  client_init(&self, NULL, 0, path);
  client_open_and_run_to_end(&self);
  assert_false(self.was_open);
  assert_non_null(strstr(self.error.message, ": the path is too long for a socket."));
}

static void an_unknown_name_is_reported(void **state) {
  (void)state;
  resolver_set("nohost.invalid", "");
  client self;
  client_init(&self, "nohost.invalid", 6379, NULL);
  client_open_and_run_to_end(&self);
  expect_unopened(&self, "Cannot connect to nohost.invalid:6379: the host name is unknown.");
}

static void a_server_that_does_not_answer_is_reported(void **state) {
  (void)state;
  struct full_socket full;
  full_socket_open(&full, "127.0.0.1", 0);
  client self;
  client_init(&self, "127.0.0.1", port_of(full.listener), NULL);
  self.target.connect_timeout_ms = 200;
  client_open_and_run_to_end(&self);
  expect_unopened(&self, "Cannot connect to 127.0.0.1:%d: no answer within 0.2 s.",
                  self.target.port);
  full_socket_close(&full);
}

static void a_resolver_that_does_not_answer_is_reported(void **state) {
  (void)state;
  resolver_set("slow.test", "127.0.0.1");
  resolver_pause(true);
  client self;
  client_init(&self, "slow.test", 6379, NULL);
  self.target.connect_timeout_ms = 50;
  client_open_and_run_to_end(&self);
  expect_unopened(
      &self, "Cannot connect to slow.test:6379: the host name was not resolved within 0.05 s.");
  resolver_release();
  loop_finish();
  resolver_pause(false);
  uv_loop_init(&loop);
}

/* ---- Names and addresses ---- */

static void the_systems_resolver_resolves_localhost(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_echo);
  client_init(&self, "localhost", server.port, NULL);
  echo(&self, 1000);
  peer_stop(&server);
}

static void every_address_is_tried(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_echo);
  resolver_set("four.test", "127.0.0.2 ::1 127.0.0.3 127.0.0.1");
  client_init(&self, "four.test", server.port, NULL);
  echo(&self, 1000);
  peer_stop(&server);
  assert_int_equal(server.served, 1);
}

static void an_unresponsive_address_leaves_time_for_the_next(void **state) {
  (void)state;
  peer server;
  client self;
  struct full_socket full;
  peer_start(&server, serve_echo);
  full_socket_open(&full, "127.0.0.2", server.port);
  resolver_set("two.test", "127.0.0.2 127.0.0.1");
  client_init(&self, "two.test", server.port, NULL);
  self.target.connect_timeout_ms = 600;
  echo(&self, 1000);
  full_socket_close(&full);
  peer_stop(&server);
}

/* A refused connection is reported in preference to an address without a route. */
static void the_most_specific_reason_is_reported(void **state) {
  (void)state;
  client self;
  resolver_set("odd.test", "127.0.0.1 255.255.255.255");
  client_init(&self, "odd.test", free_port(), NULL);
  client_open_and_run_to_end(&self);
  expect_unopened(&self, "Cannot connect to odd.test:%d: connection refused.", self.target.port);
}

static void connecting_waits_for_a_full_unix_socket(void **state) {
  (void)state;
  static const char path[] = "/tmp/cachette-full.sock";
  unlink(path);
  int listener = listen_unix(path, 0);
  client first, self;
  client_init(&first, NULL, 0, path);
  client_connect(&first);
  client_init(&self, NULL, 0, path);
  self.target.connect_timeout_ms = 50;
  client_open_and_run_to_end(&self);
  expect_unopened(&self, "Cannot connect to %s: no answer within 0.05 s.", path);

  client_init(&self, NULL, 0, path);
  assert_int_equal(client_open(&self), CACHETTE_OK);
  for (int i = 0; i < 3; i++) uv_run(&loop, UV_RUN_ONCE);
  assert_int_equal(self.event_counts[AT_OPENED] + self.event_counts[AT_CLOSED], 0);
  close(accept(listener, NULL, NULL)); /* frees a slot of the queue */
  while (self.event_counts[AT_OPENED] == 0 && self.stream != NULL) uv_run(&loop, UV_RUN_ONCE);
  assert_non_null(self.stream);
  client_close(&self);
  client_close(&first);
  close(listener);
  unlink(path);
}

/* ---- Broken connections ---- */

static void serve_and_hang_up(peer *self, int fd) {
  (void)self;
  peer_write(fd, "bye", 3);
}

static void bytes_before_a_close_are_received(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_and_hang_up);
  client_init(&self, "127.0.0.1", server.port, NULL);
  client_open_and_run_to_end(&self);
  assert_string_equal(self.text, "bye");
  assert_int_equal(self.event_counts[AT_PAUSED], 1);
  expect_broken(&self, "was closed by the server");
  peer_stop(&server);
}

/* Answers without reading the request, so that closing resets the connection after the answer. */
static void serve_and_reset(peer *self, int fd) {
  (void)self;
  struct pollfd readable = {fd, POLLIN, 0};
  poll(&readable, 1, -1);
  peer_write(fd, "-ERR no", 7);
}

static void flush_word(client *self) {
  memcpy(cachette__buffer_reserve(cachette__stream_output(self->stream), 4), "PING", 4);
  cachette__stream_output(self->stream)->end += 4;
  self->in_call = true; /* detects an event inside the call */
  cachette__stream_flush(self->stream);
  self->in_call = false;
}

static void bytes_before_a_reset_are_received(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_and_reset);
  client_init(&self, "127.0.0.1", server.port, NULL);
  self.buffer_size = 2;
  client_connect(&self);
  flush_word(&self);
  peer_wait(&server);
  client_run_to_end(&self);
  assert_string_equal(self.text, "-ERR no");
  expect_broken(&self, "reset");
  peer_stop(&server);
}

static void an_error_in_a_flush_is_reported_by_the_loop(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_and_reset);
  client_init(&self, "127.0.0.1", server.port, NULL);
  client_connect(&self);
  flush_word(&self);
  peer_wait(&server);
  flush_word(&self); /* fails with ECONNRESET */
  flush_word(&self); /* would fail with EPIPE and raise SIGPIPE */
  assert_int_equal(self.event_counts[AT_CLOSED], 0);
  assert_int_equal(uv_backend_timeout(&loop), 0);
  client_run_to_end(&self);
  assert_string_equal(self.text, "-ERR no"); /* the error does not lose the answer */
  assert_int_equal(self.sent, 4);
  expect_broken(&self, "reset");
  peer_stop(&server);
}

static void wait_and_reset(peer *self, int fd) {
  while (sem_wait(&self->go) != 0) continue;
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void a_reset_of_an_idle_connection_is_reported(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, wait_and_reset);
  client_init(&self, "127.0.0.1", server.port, NULL);
  client_connect(&self);
  sem_post(&server.go);
  client_run_to_end(&self);
  expect_broken(&self, "reset");
  assert_int_equal(self.event_counts[AT_PAUSED], 0);
  peer_stop(&server);
}

static void run_out_of_memory(client *self, enum stage stage) {
  if (stage == AT_BUFFER) self->no_buffer = self->received > 0;
}

static void a_failed_allocation_of_the_buffer_closes_the_stream(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_words);
  client_init(&self, "127.0.0.1", server.port, NULL);
  self.buffer_size = 4;
  self.then = run_out_of_memory;
  client_open_and_run_to_end(&self);
  assert_int_equal(self.received, 4);
  expect_broken(&self, "out of memory");
  peer_stop(&server);
}

/* ---- Large transfers ---- */

static void wait_and_serve_echo(peer *self, int fd) {
  while (sem_wait(&self->go) != 0) continue;
  serve_echo(self, fd);
}

static void bytes_that_the_socket_does_not_accept_are_sent_later(void **state) {
  (void)state;
  enum { SIZE = 16 << 20 };
  peer server;
  client self;
  peer_start(&server, wait_and_serve_echo);
  client_init(&self, "127.0.0.1", server.port, NULL);
  client_connect(&self);
  self.to_send = self.to_receive = SIZE;
  while (self.appended < SIZE) client_send(&self, SIZE_MAX);
  for (int i = 0; i < 3; i++) uv_run(&loop, UV_RUN_NOWAIT);
  uint64_t sent = cachette__stream_sent(self.stream);
  assert_in_range(sent, 1, SIZE - 1);
  assert_int_equal(cachette__buffer_size(cachette__stream_output(self.stream)), SIZE - sent);
  sem_post(&server.go);
  client_run(&self);
  assert_int_equal(cachette__stream_sent(self.stream), SIZE);
  client_close(&self);
  peer_stop(&server);
}

static void a_fast_peer_does_not_block_the_loop(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_flood);
  client_init(&self, "127.0.0.1", server.port, NULL);
  self.buffer_size = 1;
  client_connect(&self);
  peer_wait(&server);
  while (self.received < 8192) {
    size_t before = self.received;
    int paused = self.event_counts[AT_PAUSED];
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_in_range(self.received - before, 0, 100);
    assert_int_equal(self.event_counts[AT_PAUSED] - paused, self.received > before);
  }
  client_close(&self);
  peer_stop(&server);
}

/* ---- The socket ---- */

static int option_of(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  assert_int_equal(getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

static void the_socket_is_set_for_small_messages_and_dead_peers(void **state) {
  (void)state;
  peer server;
  client self;
  peer_start(&server, serve_silence);
  client_init(&self, "127.0.0.1", server.port, NULL);
  client_connect(&self);
  int fd = descriptor_to(server.port);
  assert_true(fd >= 0);
  assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
  assert_true(option_of(fd, IPPROTO_TCP, TCP_NODELAY));
  assert_true(option_of(fd, SOL_SOCKET, SO_KEEPALIVE));
#ifdef TCP_KEEPIDLE
  assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
  assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
  assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
#endif
  client_close(&self);
  peer_stop(&server);
}

static void messages_name_the_server(void **state) {
  (void)state;
  char host[300], text[128];
  memset(host, 'h', sizeof host);
  host[sizeof host - 1] = '\0';
  const struct {
    cachette__target target;
    const char *text;
  } cases[] = {
      {{.host = "127.0.0.1", .port = 6379}, "127.0.0.1:6379"},
      {{.host = "::1", .port = 1}, "[::1]:1"},
      {{.host = "name.test", .port = 65535}, "name.test:65535"},
      {{.path = "/run/redis.sock"}, "/run/redis.sock"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__target_text(&cases[i].target, text, sizeof text);
    assert_string_equal(text, cases[i].text);
  }
  cachette__target long_target = {.host = host, .port = 6379};
  cachette__target_text(&long_target, text, sizeof text);
  assert_string_equal(text + strlen(text) - 5, ":6379");
}

static void a_long_host_name_does_not_cut_off_the_reason(void **state) {
  (void)state;
  char host[254];
  memset(host, 'h', sizeof host);
  host[sizeof host - 1] = '\0';
  resolver_set(host, "");
  client self;
  client_init(&self, host, 6379, NULL);
  int code = client_open(&self);
  if (code == CACHETTE_OK) client_run_to_end(&self);
  assert_int_equal(self.error.code, CACHETTE_EUNAVAILABLE);
  assert_int_equal(self.error.message[strlen(self.error.message) - 1], '.');
  uv_run(&loop, UV_RUN_DEFAULT);
}

#define test(name) cmocka_unit_test_setup_teardown(name, loop_set_up, loop_tear_down)

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      test(tcp_transfers_bytes_in_both_directions),
      test(a_unix_socket_transfers_bytes_in_both_directions),
      test(bytes_can_be_received_in_small_pieces),
      test(a_stream_works_on_an_embedded_loop),
      test(a_refused_port_is_reported),
      test(a_missing_unix_socket_is_reported),
      test(a_path_too_long_for_a_socket_is_reported),
      test(an_unknown_name_is_reported),
      test(a_server_that_does_not_answer_is_reported),
      test(a_resolver_that_does_not_answer_is_reported),
      test(the_systems_resolver_resolves_localhost),
      test(every_address_is_tried),
      test(an_unresponsive_address_leaves_time_for_the_next),
      test(the_most_specific_reason_is_reported),
      test(connecting_waits_for_a_full_unix_socket),
      test(bytes_before_a_close_are_received),
      test(bytes_before_a_reset_are_received),
      test(an_error_in_a_flush_is_reported_by_the_loop),
      test(a_reset_of_an_idle_connection_is_reported),
      test(bytes_that_the_socket_does_not_accept_are_sent_later),
      test(a_fast_peer_does_not_block_the_loop),
      test(a_failed_allocation_of_the_buffer_closes_the_stream),
      test(the_socket_is_set_for_small_messages_and_dead_peers),
      test(messages_name_the_server),
      test(a_long_host_name_does_not_cut_off_the_reason),
  };
  return cmocka_run_group_tests_name("stream", tests, loop_warm_up, NULL);
}
