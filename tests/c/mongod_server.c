/* SPDX-License-Identifier: MIT */
#include "mongod_server.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "store/module.h"
#include "support.h"

void use_built_modules(void) { cachette__module_folder = CACHETTE_TEST_MODULES; }

static struct sockaddr_in address_of(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int find_port(void) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = address_of(0);
  socklen_t size = sizeof address;
  assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
  close(listener);
  return ntohs(address.sin_port);
}

static bool listens(int port) {
  int peer = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = address_of(port);
  bool up = connect(peer, (struct sockaddr *)&address, sizeof address) == 0;
  close(peer);
  return up;
}

static void wait_until_up(const struct mongod_server *server) {
  const struct timespec pause = {0, 20 * 1000 * 1000};
  for (int i = 0; i < 1500; i++) {
    if (listens(server->port)) return;
    if (waitpid(server->pid, NULL, WNOHANG) != 0)
      fail_msg("mongod ended; its log is %s/log. `scripts/setup test` fetches one to %s.",
               server->directory, CACHETTE_TEST_MONGOD);
    nanosleep(&pause, NULL);
  }
  fail_msg("mongod did not come up within 30 s");
}

static void exec_server(const struct mongod_server *server, const char *const *settings) {
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
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  execv(words[0], (char *const *)words);
  perror(words[0]);
  _exit(127);
}

void mongod_server_restart(struct mongod_server *server, const char *const *settings) {
  fflush(NULL);
  server->pid = fork();
  assert_true(server->pid >= 0);
  if (server->pid == 0) exec_server(server, settings);
  wait_until_up(server);
}

void mongod_server_start(struct mongod_server *server, const char *const *settings) {
  use_built_modules();
  memset(server, 0, sizeof *server);
  snprintf(server->directory, sizeof server->directory, "/tmp/cachette-mongod-XXXXXX");
  assert_non_null(mkdtemp(server->directory));
  server->port = find_port();
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

void mongod_server_stop(const struct mongod_server *server) {
  int status;
  kill(server->pid, SIGSTOP);
  assert_int_equal(waitpid(server->pid, &status, WUNTRACED), server->pid);
  assert_true(WIFSTOPPED(status));
}

void mongod_server_continue(const struct mongod_server *server) { kill(server->pid, SIGCONT); }

void mongod_server_kill(struct mongod_server *server) {
  if (server->pid == 0) return;
  kill(server->pid, SIGKILL);
  kill(server->pid, SIGCONT);
  waitpid(server->pid, NULL, 0);
  server->pid = 0;
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *place) {
  (void)about;
  (void)type;
  (void)place;
  return remove(path);
}

void mongod_server_remove(struct mongod_server *server) {
  mongod_server_kill(server);
  if (server->directory[0] != '\0') nftw(server->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void mongod_command(const char *url, const char *database, const char *json) {
  bson_error_t fault;
  mongoc_client_t *client = mongoc_client_new(url);
  assert_non_null(client);
  bson_t *command = bson_new_from_json((const uint8_t *)json, -1, &fault);
  if (command == NULL) fail_msg("%s", fault.message);
  if (!mongoc_client_command_simple(client, database, command, NULL, NULL, &fault))
    fail_msg("%s: %s", json, fault.message);
  bson_destroy(command);
  mongoc_client_destroy(client);
}
