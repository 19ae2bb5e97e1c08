/* SPDX-License-Identifier: MIT */
#include "redis_peer.h"

#include <pthread.h>
#include <strings.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void redis_peer_lock(void) { pthread_mutex_lock(&lock); }
void redis_peer_unlock(void) { pthread_mutex_unlock(&lock); }

bool redis_command_is(const struct redis_command *command, int index, const char *word) {
  return index < command->count && strcasecmp(command->words[index], word) == 0;
}

/* Reads a line without its CR LF. Returns false at the end of the stream. */
static bool read_line(FILE *in, char *line, int size) {
  if (fgets(line, size, in) == NULL) return false;
  line[strcspn(line, "\r\n")] = '\0';
  return true;
}

static bool read_command(FILE *in, struct redis_command *command) {
  char line[64];
  if (!read_line(in, line, sizeof line)) return false;
  must(line[0] == '*');
  command->count = atoi(line + 1);
  must(command->count <= REDIS_PEER_WORDS);
  for (int i = 0; i < command->count; i++) {
    if (!read_line(in, line, sizeof line)) return false;
    size_t size = (size_t)atoi(line + 1);
    must(size < REDIS_PEER_WORD - 2);
    if (fread(command->words[i], 1, size + 2, in) != size + 2) return false;
    command->words[i][size] = '\0';
  }
  return true;
}

static void serve(peer *base, int fd) {
  struct redis_peer *self = (struct redis_peer *)base;
  struct redis_command command;
  char reply[REDIS_PEER_REPLY];
  FILE *in = fdopen(dup(fd), "r");
  must(in != NULL);
  redis_peer_lock();
  self->opened++;
  self->fd = fd;
  redis_peer_unlock();
  bool ok = true;
  while (ok && read_command(in, &command)) {
    reply[0] = '\0';
    redis_peer_lock();
    self->script(self, &command, reply);
    redis_peer_unlock();
    ok = peer_write(fd, reply, strlen(reply));
  }
  redis_peer_lock();
  self->fd = -1;
  redis_peer_unlock();
  fclose(in);
}

void redis_peer_start(struct redis_peer *self,
                      void (*script)(struct redis_peer *self, const struct redis_command *command,
                                     char *reply)) {
  memset(self, 0, sizeof *self);
  self->script = script;
  self->fd = -1;
  peer_start(&self->peer, serve);
}

void redis_peer_stop(struct redis_peer *self) { peer_stop(&self->peer); }
