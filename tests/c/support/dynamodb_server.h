/* SPDX-License-Identifier: MIT */
/*
 * A DynamoDB Local of the test's own, on a free port; its data goes with it. The program is the one
 * that `scripts/setup test` fetches. It wants requests to be signed, but does not check by whom.
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

/* Starts one. */
void dynamodb_server_start(struct dynamodb_server *server);

/* The same, or the one that the environment names in CACHETTE_TEST_DYNAMODB_URL. */
void dynamodb_server_share(struct dynamodb_server *server);

/* Stops it, so that it hangs, and waits until it has stopped; or continues it. */
void dynamodb_server_stop(const struct dynamodb_server *server);
void dynamodb_server_continue(const struct dynamodb_server *server);

/* Kills it, unless it came from the environment, and waits for its end. */
void dynamodb_server_kill(struct dynamodb_server *server);

/*
 * Opens a cache on it with credentials that it accepts, and further options as names and values,
 * ended by NULL.
 */
cachette *dynamodb_open(const struct dynamodb_server *server, ...);

#endif
