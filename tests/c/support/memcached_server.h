/* SPDX-License-Identifier: MIT */
/* A memcached of the test's own, on a free port, and what it needs for SASL. */
#ifndef CACHETTE_TESTS_MEMCACHED_SERVER_H
#define CACHETTE_TESTS_MEMCACHED_SERVER_H

#include <sys/types.h>

struct memcached_server {
  pid_t pid;
  int port;
  char host[64]; /* 127.0.0.1:port */
};

/* Starts one with further settings, a NULL-terminated list of words such as "-I", "2m"; or NULL. */
void memcached_server_start(struct memcached_server *server, const char *const *settings);

/*
 * Makes a directory with a SASL database in which `user` has the password `secret`, and lets the
 * servers started from now on find it. They run with "-S" to use it.
 */
void memcached_sasl_open(char *directory, size_t size);
void memcached_sasl_close(const char *directory);

/* Starts it again, on the port it had. */
void memcached_server_restart(struct memcached_server *server, const char *const *settings);

/* Kills it, and waits until it is dead. */
void memcached_server_kill(struct memcached_server *server);

/* Sends bytes over a plain socket and gives the reply's first bytes, with a NUL behind them. */
void memcached_server_send(const struct memcached_server *server, const char *bytes, size_t count,
                           char *reply, size_t size);

/* Sends lines over a plain socket and gives the reply's first bytes as text. */
void memcached_server_say(const struct memcached_server *server, const char *lines, char *reply,
                          size_t size);

#endif
