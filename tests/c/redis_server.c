/* SPDX-License-Identifier: MIT */
#include "redis_server.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "support.h"

static void wait_a_little(void) {
  const struct timespec pause = {0, 10 * 1000 * 1000};
  nanosleep(&pause, NULL);
}

static struct sockaddr_in address_of(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int find_port(void) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = address_of(0);
  socklen_t size = sizeof address;
  assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
  close(listener);
  return ntohs(address.sin_port);
}

static int connect_to(int port) {
  int peer = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = address_of(port);
  if (connect(peer, (struct sockaddr *)&address, sizeof address) == 0) return peer;
  close(peer);
  return -1;
}

void redis_server_say(const struct redis_server *server, const char *command, char *reply,
                      size_t size) {
  int peer = connect_to(server->port);
  assert_true(peer >= 0);
  assert_int_equal(write(peer, command, strlen(command)), strlen(command));
  assert_int_equal(write(peer, "\r\n", 2), 2);
  ssize_t got = read(peer, reply, size - 1);
  reply[got > 0 ? got : 0] = '\0';
  close(peer);
}

static void wait_until_up(const struct redis_server *server) {
  for (int i = 0; i < 1000; i++) {
    int peer = connect_to(server->port);
    if (peer >= 0) {
      close(peer);
      return;
    }
    assert_int_equal(waitpid(server->pid, NULL, WNOHANG), 0); /* it has not ended */
    wait_a_little();
  }
  fail_msg("redis-server did not come up within 10 s");
}

static void exec_server(const struct redis_server *server, const char *const *settings) {
  char port[16];
  snprintf(port, sizeof port, "%d", server->port);
  const char *words[32] = {"redis-server",    "--port",    port,           "--bind", "127.0.0.1",
                           "--save",          "",          "--appendonly", "no",     "--dir",
                           server->directory, "--logfile", "log"};
  size_t count = 13;
  for (; settings != NULL && *settings != NULL; settings++) words[count++] = *settings;
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  execvp(words[0], (char *const *)words);
  perror("redis-server");
  _exit(127);
}

void redis_server_restart(struct redis_server *server, const char *const *settings) {
  fflush(NULL);
  server->pid = fork();
  assert_true(server->pid >= 0);
  if (server->pid == 0) exec_server(server, settings);
  wait_until_up(server);
}

void redis_server_start(struct redis_server *server, const char *const *settings) {
  memset(server, 0, sizeof *server);
  snprintf(server->directory, sizeof server->directory, "/tmp/cachette-redis-XXXXXX");
  assert_non_null(mkdtemp(server->directory));
  server->port = find_port();
  snprintf(server->url, sizeof server->url, "redis://127.0.0.1:%d", server->port);
  redis_server_restart(server, settings);
}

void redis_server_kill(struct redis_server *server) {
  if (server->pid == 0) return;
  kill(server->pid, SIGKILL);
  kill(server->pid, SIGCONT);
  waitpid(server->pid, NULL, 0);
  server->pid = 0;
}

void redis_server_remove(struct redis_server *server) {
  redis_server_kill(server);
  char path[96];
  snprintf(path, sizeof path, "%s/log", server->directory);
  unlink(path);
  rmdir(server->directory);
}
