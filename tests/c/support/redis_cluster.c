/* SPDX-License-Identifier: MIT */
#include "redis_cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"
#include "support.h"

enum { SLOTS = 16384, PATIENCE_MS = 60000, REPLY = 16384 };

static void ask(const struct redis_cluster *self, int node, const char *command, char *reply) {
  redis_server_command(&self->nodes[node], command, reply, REPLY);
}

void redis_cluster_do(struct redis_cluster *self, int node, const char *format, ...) {
  char command[512], reply[REPLY];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(command, sizeof command, format, arguments);
  va_end(arguments);
  ask(self, node, command, reply);
  if (strncmp(reply, "+", 1) != 0) fail_msg("%s: %s", command, reply);
}

void redis_cluster_wait(const struct redis_cluster *self, int node, const char *command,
                        const char *text) {
  char reply[REPLY];
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < PATIENCE_MS; usleep(20000)) {
    ask(self, node, command, reply);
    if (strstr(reply, text) != NULL) return;
  }
  fail_msg("%s: no \"%s\" in: %s", command, text, reply);
}

static bool runs(const struct redis_cluster *self, int node) { return self->nodes[node].pid != 0; }

/* ---- Slots ---- */

int redis_cluster_slot(const struct redis_cluster *self, const char *key) {
  char command[128], reply[REPLY];
  int node = 0;
  while (!runs(self, node)) node++;
  snprintf(command, sizeof command, "CLUSTER KEYSLOT %s", key);
  ask(self, node, command, reply);
  return atoi(reply + 1);
}

static int first_slot(const struct redis_cluster *self, int node) {
  return SLOTS * node / self->primaries;
}

int redis_cluster_owner(const struct redis_cluster *self, const char *key) {
  int slot = redis_cluster_slot(self, key), node = 0;
  while (slot >= first_slot(self, node + 1)) node++;
  return node;
}

/* Returns whether a node believes that the owner of a slot has this port. */
static bool believes(const struct redis_cluster *self, int node, int slot, int owner) {
  char reply[REPLY], line[64];
  ask(self, node, "CLUSTER NODES", reply);
  snprintf(line, sizeof line, "%.40s ", self->ids[owner]);
  const char *at = strstr(reply, line);
  if (at == NULL) return false;
  char own[REPLY];
  snprintf(own, sizeof own, "%.*s", (int)strcspn(at, "\n"), at);
  char *word = strstr(own, "connected");
  for (word = word != NULL ? strchr(word, ' ') : NULL; word != NULL; word = strchr(word + 1, ' ')) {
    int begin = atoi(word + 1), end = begin;
    const char *dash = strchr(word, '-');
    if (word[1] == '[') break;
    if (dash != NULL && dash < word + 1 + strcspn(word + 1, " ")) end = atoi(dash + 1);
    if (begin <= slot && slot <= end) return true;
  }
  return false;
}

void redis_cluster_wait_owner(const struct redis_cluster *self, int slot, int owner) {
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < PATIENCE_MS; usleep(20000)) {
    int agreed = 0;
    for (int i = 0; i < self->count; i++)
      agreed += !runs(self, i) || believes(self, i, slot, owner);
    if (agreed == self->count) return;
  }
  fail_msg("not all nodes agree on the owner of slot %d", slot);
}

void redis_cluster_move(struct redis_cluster *self, int slot, int from, int to, int keys) {
  char command[160], reply[REPLY];
  redis_cluster_do(self, to, "CLUSTER SETSLOT %d IMPORTING %s", slot, self->ids[from]);
  redis_cluster_do(self, from, "CLUSTER SETSLOT %d MIGRATING %s", slot, self->ids[to]);
  for (int moved = 0; keys < 0 || moved < keys; moved++) {
    snprintf(command, sizeof command, "CLUSTER GETKEYSINSLOT %d 1", slot);
    ask(self, from, command, reply);
    char *key = strchr(reply, '$');
    if (key == NULL) break;
    key = strchr(key, '\n') + 1;
    key[strcspn(key, "\r")] = '\0';
    redis_cluster_do(self, from, "MIGRATE 127.0.0.1 %d %s 0 5000", self->nodes[to].port, key);
  }
  if (keys >= 0) return;
  redis_cluster_do(self, to, "CLUSTER SETSLOT %d NODE %s", slot, self->ids[to]);
  redis_cluster_do(self, from, "CLUSTER SETSLOT %d NODE %s", slot, self->ids[to]);
  redis_cluster_wait_owner(self, slot, to);
}

/* ---- Life cycle ---- */

void redis_cluster_restart(struct redis_cluster *self, int node) {
  const char *const settings[] = {"--cluster-enabled",
                                  "yes",
                                  "--cluster-config-file",
                                  self->config[node],
                                  "--cluster-node-timeout",
                                  "1000",
                                  "--repl-diskless-sync-delay",
                                  "0",
                                  NULL};
  redis_server_restart(&self->nodes[node], settings);
}

/* The port of the bus is 10000 higher, and must be below 65536. */
static int find_port(void) {
  for (;;) {
    int port = server_find_port();
    if (port < 55000) return port;
    port = 20000 + port % 9000;
    int fd = server_connect(port);
    if (fd < 0) return port;
    close(fd);
  }
}

static void start_node(struct redis_cluster *self, int node) {
  struct redis_server *server = &self->nodes[node];
  char reply[REPLY];
  snprintf(server->directory, sizeof server->directory, "/tmp/cachette-redis-XXXXXX");
  assert_non_null(mkdtemp(server->directory));
  server->port = find_port();
  snprintf(server->url, sizeof server->url, "redis://127.0.0.1:%d", server->port);
  snprintf(self->config[node], sizeof self->config[node], "%s/nodes", server->directory);
  redis_cluster_restart(self, node);
  ask(self, node, "CLUSTER MYID", reply);
  snprintf(self->ids[node], sizeof self->ids[node], "%.40s", strchr(reply, '\n') + 1);
}

static void meet(struct redis_cluster *self) {
  for (int i = 0; i < self->count; i++) {
    if (i < self->primaries)
      redis_cluster_do(self, i, "CLUSTER ADDSLOTSRANGE %d %d", first_slot(self, i),
                       first_slot(self, i + 1) - 1);
    redis_cluster_do(self, i, "CLUSTER SET-CONFIG-EPOCH %d", i + 1);
  }
  for (int i = 1; i < self->count; i++)
    redis_cluster_do(self, 0, "CLUSTER MEET 127.0.0.1 %d", self->nodes[i].port);
  char known[64];
  snprintf(known, sizeof known, "cluster_known_nodes:%d", self->count);
  for (int i = 0; i < self->count; i++) {
    redis_cluster_wait(self, i, "CLUSTER INFO", known);
    redis_cluster_wait(self, i, "CLUSTER INFO", "cluster_state:ok");
  }
}

void redis_cluster_start(struct redis_cluster *self, int primaries, int replicas) {
  *self = (struct redis_cluster){.count = primaries + replicas, .primaries = primaries};
  assert_true(self->count <= REDIS_CLUSTER_MAX);
  for (int i = 0; i < self->count; i++) start_node(self, i);
  meet(self);
  for (int i = 0; i < replicas; i++) {
    int node = primaries + i, primary = i % primaries;
    for (int64_t start = monotonic_ms(); monotonic_ms() - start < PATIENCE_MS; usleep(20000)) {
      char command[128], reply[REPLY];
      snprintf(command, sizeof command, "CLUSTER REPLICATE %s", self->ids[primary]);
      ask(self, node, command, reply);
      if (reply[0] == '+') break;
    }
  }
  for (int i = primaries; i < self->count; i++)
    redis_cluster_wait(self, i, "INFO replication", "master_link_status:up");
  for (int i = 0; i < self->count; i++) {
    char text[64];
    for (int j = primaries; j < self->count; j++) {
      snprintf(text, sizeof text, "slave %.40s", self->ids[(j - primaries) % primaries]);
      redis_cluster_wait(self, i, "CLUSTER NODES", text);
    }
  }
}

void redis_cluster_remove(struct redis_cluster *self) {
  for (int i = 0; i < self->count; i++) {
    redis_server_kill(&self->nodes[i]);
    unlink(self->config[i]);
    char path[128];
    snprintf(path, sizeof path, "%s/dump.rdb", self->nodes[i].directory);
    unlink(path);
    redis_server_remove(&self->nodes[i]);
  }
}
