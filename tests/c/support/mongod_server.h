/* SPDX-License-Identifier: MIT */
/*
 * A mongod of the test's own, on a free port and in a directory that goes with it; what else is
 * needed to look at it is libmongoc. The program is the one that `scripts/setup test` fetches.
 */
#ifndef CACHETTE_TESTS_MONGOD_SERVER_H
#define CACHETTE_TESTS_MONGOD_SERVER_H

#include <mongoc/mongoc.h>
#include <sys/types.h>

struct mongod_server {
  pid_t pid;
  int port;
  char directory[64];
  char url[256];
};

/* Has the library find its modules where they were built. Before anything is opened. */
void use_built_modules(void);

/* Starts one with further settings, a NULL-terminated list of words such as "--auth". */
void mongod_server_start(struct mongod_server *server, const char *const *settings);

/* Starts it again, on the port and with the data that it had. */
void mongod_server_restart(struct mongod_server *server, const char *const *settings);

/* Stops it, so that it hangs, and waits until it has stopped; or continues it. */
void mongod_server_stop(const struct mongod_server *server);
void mongod_server_continue(const struct mongod_server *server);

/* Kills it, and waits until it is dead; one that is stopped, too. */
void mongod_server_kill(struct mongod_server *server);

/* Kills it and removes its directory. */
void mongod_server_remove(struct mongod_server *server);

/*
 * The one that several tests use: a mongod as above, or the one that the environment names in
 * CACHETTE_TEST_MONGODB_URL, which then is not killed.
 */
void mongod_server_share(struct mongod_server *server);

/* Runs a command on a database; holds that it succeeds. */
void mongod_command(const char *url, const char *database, const char *json);

#endif
