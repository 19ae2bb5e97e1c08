/* SPDX-License-Identifier: MIT */
/*
 * A mongod for one test, on a free port and in a temporary directory. Tests use libmongoc to look
 * at its data. `scripts/setup test` fetches the program.
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

/* Tells the library where the built modules are. Call it before a cache is opened. */
void use_built_modules(void);

/* Starts a server. `settings`: more arguments, NULL-terminated, such as "--auth"; or NULL. */
void mongod_server_start(struct mongod_server *server, const char *const *settings);

/* Starts it again, with the same port and data. */
void mongod_server_restart(struct mongod_server *server, const char *const *settings);

/* Suspends it, so that it hangs. */
void mongod_server_stop(const struct mongod_server *server);

/* Resumes it. */
void mongod_server_continue(const struct mongod_server *server);

/* Kills it, even if it is suspended, and waits until it has exited. */
void mongod_server_kill(struct mongod_server *server);

/* Kills it and removes its directory. */
void mongod_server_remove(struct mongod_server *server);

/*
 * Starts a server, or uses the one at the URL in the variable CACHETTE_TEST_MONGODB_URL, which is
 * never killed.
 */
void mongod_server_share(struct mongod_server *server);

/* Runs a command on a database, and checks that it succeeds. */
void mongod_command(const char *url, const char *database, const char *json);

#endif
