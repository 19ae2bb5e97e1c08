/* SPDX-License-Identifier: MIT */
#include "memcached_server.h"

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

void memcached_server_send(const struct memcached_server *server, const char *bytes, size_t count,
                           char *reply, size_t size) {
  int peer = connect_to(server->port);
  assert_true(peer >= 0);
  assert_int_equal(write(peer, bytes, count), count);
  ssize_t got = read(peer, reply, size - 1);
  reply[got > 0 ? got : 0] = '\0';
  close(peer);
}

void memcached_server_say(const struct memcached_server *server, const char *lines, char *reply,
                          size_t size) {
  memcached_server_send(server, lines, strlen(lines), reply, size);
}

static void wait_until_up(const struct memcached_server *server) {
  for (int i = 0; i < 1000; i++) {
    int peer = connect_to(server->port);
    if (peer >= 0) {
      close(peer);
      return;
    }
    assert_int_equal(waitpid(server->pid, NULL, WNOHANG), 0); /* it has not ended */
    wait_a_little();
  }
  fail_msg("memcached did not come up within 10 s");
}

static void exec_server(const struct memcached_server *server, const char *const *settings) {
  char port[16];
  snprintf(port, sizeof port, "%d", server->port);
  const char *words[32] = {"memcached", "-p", port, "-l", "127.0.0.1", "-U", "0", "-u", "root"};
  size_t count = 9;
  for (; settings != NULL && *settings != NULL; settings++) words[count++] = *settings;
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  execvp(words[0], (char *const *)words);
  perror("memcached");
  _exit(127);
}

void memcached_server_restart(struct memcached_server *server, const char *const *settings) {
  fflush(NULL);
  server->pid = fork();
  assert_true(server->pid >= 0);
  if (server->pid == 0) exec_server(server, settings);
  wait_until_up(server);
}

void memcached_server_start(struct memcached_server *server, const char *const *settings) {
  memset(server, 0, sizeof *server);
  server->port = find_port();
  snprintf(server->host, sizeof server->host, "127.0.0.1:%d", server->port);
  memcached_server_restart(server, settings);
}

static void write_config(const char *directory) {
  char path[128];
  snprintf(path, sizeof path, "%s/memcached.conf", directory);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file, "mech_list: plain\nsasldb_path: %s/users\n", directory);
  fclose(file);
}

void memcached_sasl_open(char *directory, size_t size) {
  char command[256];
  snprintf(directory, size, "/tmp/cachette-sasl-XXXXXX");
  assert_non_null(mkdtemp(directory));
  write_config(directory);
  snprintf(
      command, sizeof command,
      "printf secret | PATH=$PATH:/usr/sbin saslpasswd2 -p -a memcached -c -f %s/users user && "
      "chmod -R a+rX %s",
      directory, directory);
  assert_int_equal(system(command), 0); /* Debian has saslpasswd2 in sasl2-bin */
  assert_int_equal(setenv("SASL_CONF_PATH", directory, 1), 0);
}

void memcached_sasl_close(const char *directory) {
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", directory);
  assert_int_equal(system(command), 0);
}

void memcached_server_kill(struct memcached_server *server) {
  if (server->pid == 0) return;
  kill(server->pid, SIGKILL);
  kill(server->pid, SIGCONT);
  waitpid(server->pid, NULL, 0);
  server->pid = 0;
}
