/* SPDX-License-Identifier: MIT */
#include "redis_sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"
#include "support.h"

enum { PATIENCE_MS = 60000, REPLY = 16384, PAUSE_US = 20000 };

/* ---- Starting ---- */

static void config_of(const struct redis_server *sentinel, char *path, size_t size) {
  snprintf(path, size, "%s/sentinel.conf", sentinel->directory);
}

void redis_sentinels_restart(struct redis_sentinels *self, int sentinel) {
  struct redis_server *server = &self->sentinels[sentinel];
  char path[96];
  config_of(server, path, sizeof path);
  const char *words[] = {"redis-server", path, "--sentinel", NULL};
  server->pid = server_run(words, server->port, 10, "`scripts/setup test` installs it.");
}

static void write_config(const struct redis_sentinels *self, int sentinel) {
  const struct redis_server *server = &self->sentinels[sentinel];
  char path[96];
  config_of(server, path, sizeof path);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file, "port %d\nbind 127.0.0.1\ndir %s\nlogfile log\nsentinel myid %040x\n", server->port,
          server->directory, (unsigned)server->port);
  fprintf(file,
          "sentinel monitor main 127.0.0.1 %d 2\nsentinel down-after-milliseconds main 1000\n"
          "sentinel failover-timeout main 5000\n",
          self->servers[0].port);
  for (int i = 1; i < WATCHED; i++)
    fprintf(file, "sentinel known-replica main 127.0.0.1 %d\n", self->servers[i].port);
  for (int i = 0; i < SENTINELS; i++)
    if (i != sentinel)
      fprintf(file, "sentinel known-sentinel main 127.0.0.1 %d %040x\n", self->sentinels[i].port,
              (unsigned)self->sentinels[i].port);
  assert_int_equal(fclose(file), 0);
}

void redis_sentinels_start(struct redis_sentinels *self) {
  char port[16];
  memset(self, 0, sizeof *self);
  const char *const fast[] = {"--repl-diskless-sync-delay", "0", NULL};
  redis_server_start(&self->servers[0], fast);
  snprintf(port, sizeof port, "%d", self->servers[0].port);
  const char *const replica[] = {
      "--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", port, NULL};
  for (int i = 1; i < WATCHED; i++) redis_server_start(&self->servers[i], replica);
  for (int i = 0; i < SENTINELS; i++) {
    struct redis_server *server = &self->sentinels[i];
    snprintf(server->directory, sizeof server->directory, "/tmp/cachette-redis-XXXXXX");
    assert_non_null(mkdtemp(server->directory));
    server->port = server_find_port();
  }
  for (int i = 0; i < SENTINELS; i++) write_config(self, i);
  for (int i = 0; i < SENTINELS; i++) redis_sentinels_restart(self, i);
  snprintf(self->url, sizeof self->url,
           "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/main", self->sentinels[0].port,
           self->sentinels[1].port, self->sentinels[2].port);
  redis_sentinels_settle(self);
}

static void remove_file(const struct redis_server *server, const char *name) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", server->directory, name);
  unlink(path);
}

void redis_sentinels_remove(struct redis_sentinels *self) {
  for (int i = 0; i < SENTINELS; i++) {
    redis_server_kill(&self->sentinels[i]);
    remove_file(&self->sentinels[i], "sentinel.conf");
    redis_server_remove(&self->sentinels[i]);
  }
  for (int i = 0; i < WATCHED; i++) {
    redis_server_kill(&self->servers[i]);
    remove_file(&self->servers[i], "dump.rdb");
    redis_server_remove(&self->servers[i]);
  }
}

/* ---- Asking ---- */

int redis_sentinels_primary(const struct redis_sentinels *self, int sentinel) {
  char reply[REPLY], port[16];
  redis_server_command(&self->sentinels[sentinel], "SENTINEL GET-MASTER-ADDR-BY-NAME main", reply,
                       sizeof reply);
  for (int i = 0; i < WATCHED; i++) {
    snprintf(port, sizeof port, "\n%d\r", self->servers[i].port);
    if (strstr(reply, port) != NULL) return i;
  }
  return -1;
}

static bool says(const struct redis_server *server, const char *command, const char *text) {
  char reply[REPLY];
  redis_server_command(server, command, reply, sizeof reply);
  return strstr(reply, text) != NULL;
}

/* Returns the server that all sentinels that run name, or -1. */
static int find_agreed(const struct redis_sentinels *self) {
  int agreed = -1;
  for (int i = 0; i < SENTINELS; i++) {
    if (self->sentinels[i].pid == 0) continue;
    int named = redis_sentinels_primary(self, i);
    if (agreed >= 0 && named != agreed) return -1;
    agreed = named;
  }
  return agreed;
}

int redis_sentinels_wait(const struct redis_sentinels *self, int old) {
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < PATIENCE_MS; usleep(PAUSE_US)) {
    int agreed = find_agreed(self);
    if (agreed >= 0 && agreed != old && says(&self->servers[agreed], "ROLE", "master"))
      return agreed;
  }
  fail_msg("no other server took over");
  return -1;
}

void redis_sentinels_fail_over(const struct redis_sentinels *self) {
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < PATIENCE_MS; usleep(PAUSE_US))
    if (says(&self->sentinels[0], "SENTINEL FAILOVER main", "+OK")) return;
  fail_msg("the failover was refused");
}

static bool is_settled(const struct redis_sentinels *self) {
  int agreed = find_agreed(self);
  if (agreed < 0 || !says(&self->servers[agreed], "ROLE", "master")) return false;
  for (int i = 0; i < WATCHED; i++)
    if (i != agreed && !says(&self->servers[i], "INFO replication", "master_link_status:up"))
      return false;
  for (int i = 0; i < SENTINELS; i++) {
    if (self->sentinels[i].pid == 0) continue;
    if (!says(&self->sentinels[i], "SENTINEL CKQUORUM main", "+OK")) return false;
    if (says(&self->sentinels[i], "SENTINEL MASTER main", "s_down")) return false;
    if (says(&self->sentinels[i], "SENTINEL MASTER main", "failover_in_progress")) return false;
    if (says(&self->sentinels[i], "SENTINEL REPLICAS main", "s_down")) return false;
    if (says(&self->sentinels[i], "SENTINEL REPLICAS main", "\r\nerr\r\n")) return false;
  }
  return true;
}

void redis_sentinels_settle(const struct redis_sentinels *self) {
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < PATIENCE_MS; usleep(PAUSE_US))
    if (is_settled(self)) return;
  fail_msg("the sentinels do not agree");
}
