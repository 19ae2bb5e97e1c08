/* SPDX-License-Identifier: MIT */
/* The Redis store with a server that closes the connection on an unknown command. */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "peer.h"

/* ---- A clock that the test can advance ---- */

static int64_t skipped_s;

/* Replaces the function of the C library. */
int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = (int)syscall(SYS_clock_gettime, clock, time);
  if (clock == CACHETTE__CLOCK) time->tv_sec += skipped_s;
  return result;
}

/* ---- The server ---- */

static int hellos, pings;
static bool answers_hello;

static void serve(peer *self, int fd) {
  char bytes[4096];
  (void)self;
  for (ssize_t got; (got = read(fd, bytes, sizeof bytes - 1)) > 0;) {
    bytes[got] = '\0';
    if (strstr(bytes, "HELLO") != NULL) {
      hellos++;
      if (!answers_hello) return;
      if (!peer_write(fd, "%0\r\n+OK\r\n", 9)) return;
    } else if (strstr(bytes, "PING") != NULL) {
      pings++;
      if (!peer_write(fd, "+PONG\r\n", 7)) return;
    } else if (!peer_write(fd, "$-1\r\n", 5) || strstr(bytes, "last") != NULL) {
      return;
    }
  }
}

static cachette *open_at(uint16_t port) {
  char url[64];
  snprintf(url, sizeof url, "redis://127.0.0.1:%u", port);
  return open_cache(options_with("backend", "redis", "redis_url", url, "timeout", "30",
                                 "connect_timeout", "30", NULL));
}

static void fetch(cachette *handle, const char *key) {
  struct probe probe;
  int status = probe_run(handle, &probe, CACHETTE_FETCH, key);
  if (status < 0) fail_msg("%s", probe.error.message);
  cachette_op_deinit(&probe.op);
}

static void hello_is_retried_after_a_minute(void **state) {
  (void)state;
  peer server;
  peer_start(&server, serve);
  cachette *handle = open_at(server.port);
  for (int i = 0; i < 5; i++) {
    fetch(handle, "key");
    fetch(handle, "last"); /* the server closes the connection */
  }
  assert_int_equal(hellos, 1);
  assert_int_equal(pings, 5);
  answers_hello = true;
  skipped_s += 61;
  fetch(handle, "key");
  assert_int_equal(hellos, 2);
  assert_int_equal(pings, 5);
  fetch(handle, "last");
  fetch(handle, "key");
  assert_int_equal(hellos, 3); /* sent on each connection to a server that supports it */
  cachette_close(handle);
  peer_stop(&server);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(hello_is_retried_after_a_minute)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
