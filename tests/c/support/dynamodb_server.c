/* SPDX-License-Identifier: MIT */
#include "dynamodb_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"
#include "store/common/module.h"
#include "support.h"

void dynamodb_server_start(struct dynamodb_server *server) {
  char port[16];
  memset(server, 0, sizeof *server);
  server->port = server_find_port();
  snprintf(port, sizeof port, "%d", server->port);
  snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", server->port);
  const char *words[] = {"java",
                         "-Xmx256m",
                         "-XX:+UseSerialGC",
                         "-XX:TieredStopAtLevel=1",
                         "-Djava.library.path=" CACHETTE_TEST_DYNAMODB,
                         "-cp",
                         CACHETTE_TEST_DYNAMODB "/*",
                         "com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
                         "-inMemory",
                         "-disableTelemetry",
                         "-port",
                         port,
                         NULL};
  server->pid = server_run(words, server->port, 60,
                           "`scripts/setup test` fetches DynamoDB Local to " CACHETTE_TEST_DYNAMODB
                           "; it needs Java 17.");
}

void dynamodb_server_share(struct dynamodb_server *server) {
  const char *url = getenv("CACHETTE_TEST_DYNAMODB_URL");
  if (url == NULL) {
    dynamodb_server_start(server);
    return;
  }
  memset(server, 0, sizeof *server);
  snprintf(server->url, sizeof server->url, "%s", url);
}

void dynamodb_server_stop(const struct dynamodb_server *server) { server_stop(server->pid); }

void dynamodb_server_continue(const struct dynamodb_server *server) {
  server_continue(server->pid);
}

void dynamodb_server_kill(struct dynamodb_server *server) { server_kill(&server->pid); }

cachette *dynamodb_open(const struct dynamodb_server *server, ...) {
  cachette__module_folder = CACHETTE_TEST_MODULES;
  cachette_options *options =
      options_with("backend", "dynamodb", "dynamodb_url", server->url, "aws_access_key_id", "id",
                   "aws_secret_access_key", "secret", "timeout", "10", NULL);
  va_list rest;
  va_start(rest, server);
  options_set_all(options, rest);
  va_end(rest);
  return open_cache(options);
}
