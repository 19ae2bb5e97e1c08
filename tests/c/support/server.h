/* SPDX-License-Identifier: MIT */
/* Servers that tests start: programs that listen on a port of this machine. */
#ifndef CACHETTE_TESTS_SERVER_H
#define CACHETTE_TESTS_SERVER_H

#include <sys/types.h>

/* Returns a free port. */
int server_find_port(void);

/* Connects to a port. Returns the descriptor, or -1 if nothing listens there. */
int server_connect(int port);

/*
 * Runs a program, given as a NULL-terminated list of words, and waits up to `seconds` until it
 * listens. If it does not, the test fails with `advice`. On Linux the program is killed when the
 * test exits. Returns its process id.
 */
pid_t server_run(const char *const *words, int port, int seconds, const char *advice);

/* Suspends the process, so that it hangs, and waits until it has stopped. */
void server_stop(pid_t pid);

/* Resumes a stopped process. */
void server_continue(pid_t pid);

/*
 * Kills the process, even a stopped one, waits until it has exited, and sets the pid to 0. Does
 * nothing if it is 0.
 */
void server_kill(pid_t *pid);

#endif
