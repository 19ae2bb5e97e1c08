/* SPDX-License-Identifier: MIT */
#include "redis_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"
#include "support.h"

void redis_server_command(const struct redis_server *server, const char *command, char *reply,
                          size_t size) {
  int peer = server_connect(server->port);
  assert_true(peer >= 0);
  assert_int_equal(write(peer, command, strlen(command)), strlen(command));
  assert_int_equal(write(peer, "\r\n", 2), 2);
  ssize_t got = read(peer, reply, size - 1);
  reply[got > 0 ? got : 0] = '\0';
  close(peer);
}

void redis_server_restart(struct redis_server *server, const char *const *settings) {
  char port[16];
  snprintf(port, sizeof port, "%d", server->port);
  const char *words[32] = {"redis-server",    "--port",    port,           "--bind", "127.0.0.1",
                           "--save",          "",          "--appendonly", "no",     "--dir",
                           server->directory, "--logfile", "log"};
  size_t count = 13;
  for (; settings != NULL && *settings != NULL; settings++) words[count++] = *settings;
  server->pid = server_run(words, server->port, 10, "`scripts/setup test` installs it.");
}

void redis_server_start(struct redis_server *server, const char *const *settings) {
  memset(server, 0, sizeof *server);
  snprintf(server->directory, sizeof server->directory, "/tmp/cachette-redis-XXXXXX");
  assert_non_null(mkdtemp(server->directory));
  server->port = server_find_port();
  snprintf(server->url, sizeof server->url, "redis://127.0.0.1:%d", server->port);
  redis_server_restart(server, settings);
}

void redis_server_kill(struct redis_server *server) { server_kill(&server->pid); }

void redis_server_remove(struct redis_server *server) {
  redis_server_kill(server);
  char path[96];
  snprintf(path, sizeof path, "%s/log", server->directory);
  unlink(path);
  rmdir(server->directory);
}
