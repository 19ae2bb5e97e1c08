/* SPDX-License-Identifier: MIT */
#include "mongod_server.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"
#include "store/common/module.h"
#include "support.h"

void use_built_modules(void) { cachette__module_folder = CACHETTE_TEST_MODULES; }

void mongod_server_restart(struct mongod_server *server, const char *const *settings) {
  char port[16], log[96];
  snprintf(port, sizeof port, "%d", server->port);
  snprintf(log, sizeof log, "%s/log", server->directory);
  const char *words[40] = {CACHETTE_TEST_MONGOD,
                           "--port",
                           port,
                           "--bind_ip",
                           "127.0.0.1",
                           "--dbpath",
                           server->directory,
                           "--logpath",
                           log,
                           "--logappend",
                           "--nounixsocket",
                           "--wiredTigerCacheSizeGB",
                           "0.25",
                           "--setParameter",
                           "ttlMonitorSleepSecs=1",
                           "--setParameter",
                           "diagnosticDataCollectionEnabled=false"};
  size_t count = 17;
  for (; settings != NULL && *settings != NULL; settings++) words[count++] = *settings;
  server->pid = server_run(words, server->port, 30,
                           "`scripts/setup test` fetches one to " CACHETTE_TEST_MONGOD ".");
}

void mongod_server_start(struct mongod_server *server, const char *const *settings) {
  use_built_modules();
  memset(server, 0, sizeof *server);
  snprintf(server->directory, sizeof server->directory, "/tmp/cachette-mongod-XXXXXX");
  assert_non_null(mkdtemp(server->directory));
  server->port = server_find_port();
  snprintf(server->url, sizeof server->url, "mongodb://127.0.0.1:%d", server->port);
  mongod_server_restart(server, settings);
}

void mongod_server_share(struct mongod_server *server) {
  const char *url = getenv("CACHETTE_TEST_MONGODB_URL");
  if (url == NULL) {
    mongod_server_start(server, NULL);
    return;
  }
  use_built_modules();
  memset(server, 0, sizeof *server);
  snprintf(server->url, sizeof server->url, "%s", url);
}

void mongod_server_stop(const struct mongod_server *server) { server_stop(server->pid); }

void mongod_server_continue(const struct mongod_server *server) { server_continue(server->pid); }

void mongod_server_kill(struct mongod_server *server) { server_kill(&server->pid); }

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *position) {
  (void)about;
  (void)type;
  (void)position;
  return remove(path);
}

void mongod_server_remove(struct mongod_server *server) {
  mongod_server_kill(server);
  if (server->directory[0] != '\0') nftw(server->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void mongod_command(const char *url, const char *database, const char *json) {
  bson_error_t error;
  mongoc_client_t *client = mongoc_client_new(url);
  assert_non_null(client);
  bson_t *command = bson_new_from_json((const uint8_t *)json, -1, &error);
  if (command == NULL) fail_msg("%s", error.message);
  if (!mongoc_client_command_simple(client, database, command, NULL, NULL, &error))
    fail_msg("%s: %s", json, error.message);
  bson_destroy(command);
  mongoc_client_destroy(client);
}
