/* SPDX-License-Identifier: MIT */
/*
 * A DynamoDB Local for one test, on a free port, with its data in memory. `scripts/setup test`
 * fetches the program. It requires signed requests, but accepts any key.
 */
#ifndef CACHETTE_TESTS_DYNAMODB_SERVER_H
#define CACHETTE_TESTS_DYNAMODB_SERVER_H

#include <sys/types.h>

#include "cachette.h"

struct dynamodb_server {
  pid_t pid;
  int port;
  char url[256];
};

/* Starts a server. */
void dynamodb_server_start(struct dynamodb_server *server);

/* Starts a server, or uses the one at the URL in the variable CACHETTE_TEST_DYNAMODB_URL. */
void dynamodb_server_share(struct dynamodb_server *server);

/* Suspends it, so that it hangs. */
void dynamodb_server_stop(const struct dynamodb_server *server);

/* Resumes it. */
void dynamodb_server_continue(const struct dynamodb_server *server);

/* Kills it and waits until it has exited, unless the environment named it. */
void dynamodb_server_kill(struct dynamodb_server *server);

/*
 * Opens a cache on it with credentials that it accepts. More options follow as a NULL-terminated
 * list of names and values.
 */
cachette *dynamodb_open(const struct dynamodb_server *server, ...);

#endif
