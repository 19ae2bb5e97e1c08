/* SPDX-License-Identifier: MIT */
/* A memcached for one test, on a free port, optionally with SASL. */
#ifndef CACHETTE_TESTS_MEMCACHED_SERVER_H
#define CACHETTE_TESTS_MEMCACHED_SERVER_H

#include <sys/types.h>

struct memcached_server {
  pid_t pid;
  int port;
  char host[64]; /* 127.0.0.1:port */
};

/* Starts a server. `settings`: more arguments, NULL-terminated, such as "-I", "2m"; or NULL. */
void memcached_server_start(struct memcached_server *server, const char *const *settings);

/*
 * Creates a directory with a SASL database in which `user` has the password `secret`. Servers that
 * are started from now on with "-S" use it. Its path is written to `directory`.
 */
void memcached_sasl_open(char *directory, size_t size);

/* Removes the directory. */
void memcached_sasl_close(const char *directory);

/* Starts it again, on the same port. */
void memcached_server_restart(struct memcached_server *server, const char *const *settings);

/* Kills it and waits until it has exited. */
void memcached_server_kill(struct memcached_server *server);

/* Sends bytes over a plain socket and reads the start of the reply, to which it appends a NUL. */
void memcached_server_send(const struct memcached_server *server, const char *bytes, size_t count,
                           char *reply, size_t size);

/* The same for text, which ends with CRLF. */
void memcached_server_command(const struct memcached_server *server, const char *lines, char *reply,
                              size_t size);

#endif
