/* SPDX-License-Identifier: MIT */
/* A redis-server for one test, on a free port and in a temporary directory. */
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

/* Starts a server. `settings`: more arguments, NULL-terminated, such as "--save", "60"; or NULL. */
void redis_server_start(struct redis_server *server, const char *const *settings);

/* Starts it again, on the same port. */
void redis_server_restart(struct redis_server *server, const char *const *settings);

/* Kills it and waits until it has exited. */
void redis_server_kill(struct redis_server *server);

/* Kills it if it runs, and removes its directory. */
void redis_server_remove(struct redis_server *server);

/* Sends one command over a plain socket and reads the start of the reply as text. */
void redis_server_command(const struct redis_server *server, const char *command, char *reply,
                          size_t size);

#endif
