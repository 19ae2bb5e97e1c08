/* SPDX-License-Identifier: MIT */
/* Servers that tests start for themselves: programs that listen on a port of this machine. */
#ifndef CACHETTE_TESTS_SERVER_H
#define CACHETTE_TESTS_SERVER_H

#include <sys/types.h>

/* A port that nobody listens on. */
int server_find_port(void);

/* A connection to a port; -1 if nobody listens. */
int server_connect(int port);

/*
 * Runs a program, a NULL-terminated list of words, that ends with the test if it is Linux, and
 * waits until it listens, `seconds` at most. `advice` is told if it does not.
 */
pid_t server_run(const char *const *words, int port, int seconds, const char *advice);

/* Stops it, as one that hangs, and waits until it stands still; or lets it go on. */
void server_stop(pid_t pid);
void server_continue(pid_t pid);

/* Kills it, and waits until it is dead; one that is stopped, too. 0 is none, and it becomes 0. */
void server_kill(pid_t *pid);

#endif
