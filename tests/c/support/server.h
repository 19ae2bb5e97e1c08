/* SPDX-License-Identifier: MIT */
/* Servers that tests start for themselves: programs that listen on a port of this machine. */
#ifndef CACHETTE_TESTS_SERVER_H
#define CACHETTE_TESTS_SERVER_H

#include <sys/types.h>

/* Returns a free port. */
int server_find_port(void);

/* Connects to a port; -1 if nobody listens. */
int server_connect(int port);

/*
 * Runs a program, given as a NULL-terminated list of words, and waits until it listens, at most
 * `seconds`. If it does not, the test fails with `advice`. On Linux the program ends with the test.
 */
pid_t server_run(const char *const *words, int port, int seconds, const char *advice);

/* Stops the process, so that it hangs, and waits until it has stopped; or continues it. */
void server_stop(pid_t pid);
void server_continue(pid_t pid);

/*
 * Kills the process, even a stopped one, waits for its end, and sets the pid to 0. Does nothing if
 * it is 0.
 */
void server_kill(pid_t *pid);

#endif
