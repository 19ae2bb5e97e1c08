/* SPDX-License-Identifier: MIT */
#include "memcached_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"
#include "support.h"

void memcached_server_send(const struct memcached_server *server, const char *bytes, size_t count,
                           char *reply, size_t size) {
  int peer = server_connect(server->port);
  assert_true(peer >= 0);
  assert_int_equal(write(peer, bytes, count), count);
  ssize_t got = read(peer, reply, size - 1);
  reply[got > 0 ? got : 0] = '\0';
  close(peer);
}

void memcached_server_command(const struct memcached_server *server, const char *lines, char *reply,
                              size_t size) {
  memcached_server_send(server, lines, strlen(lines), reply, size);
}

void memcached_server_restart(struct memcached_server *server, const char *const *settings) {
  char port[16];
  snprintf(port, sizeof port, "%d", server->port);
  const char *words[32] = {"memcached", "-p", port, "-l", "127.0.0.1", "-U", "0", "-u", "root"};
  size_t count = 9;
  for (; settings != NULL && *settings != NULL; settings++) words[count++] = *settings;
  server->pid = server_run(words, server->port, 10, "`scripts/setup test` installs it.");
}

void memcached_server_start(struct memcached_server *server, const char *const *settings) {
  memset(server, 0, sizeof *server);
  server->port = server_find_port();
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
  assert_int_equal(system(command), 0); /* the Debian package sasl2-bin has saslpasswd2 */
  assert_int_equal(setenv("SASL_CONF_PATH", directory, 1), 0);
}

void memcached_sasl_close(const char *directory) {
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", directory);
  assert_int_equal(system(command), 0);
}

void memcached_server_kill(struct memcached_server *server) { server_kill(&server->pid); }
