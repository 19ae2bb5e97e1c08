/* SPDX-License-Identifier: MIT */
/* A redis-server of the test's own, on a free port and in a directory that goes with it. */
#ifndef CACHETTE_TESTS_REDIS_SERVER_H
#define CACHETTE_TESTS_REDIS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct redis_server {
  pid_t pid;
  int port;
  char directory[64];
  char url[128]; /* redis://127.0.0.1:port */
};

/* Starts one with further settings, a NULL-terminated list of words such as "--maxmemory", "1mb".
 */
void redis_server_start(struct redis_server *server, const char *const *settings);

/* Starts it again, on the port it had. */
void redis_server_restart(struct redis_server *server, const char *const *settings);

/* Kills it, and waits until it is dead. */
void redis_server_kill(struct redis_server *server);

/* Kills it if it lives, and removes its directory. */
void redis_server_remove(struct redis_server *server);

/* Sends one command over a plain socket and gives the reply's first bytes as text. */
void redis_server_say(const struct redis_server *server, const char *command, char *reply,
                      size_t size);

#endif
