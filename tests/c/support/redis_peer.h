/* SPDX-License-Identifier: MIT */
/* A server of the Redis protocol whose replies the test writes. */
#ifndef CACHETTE_TESTS_REDIS_PEER_H
#define CACHETTE_TESTS_REDIS_PEER_H

#include "peer.h"

enum { REDIS_PEER_WORDS = 8, REDIS_PEER_WORD = 256, REDIS_PEER_REPLY = 4096 };

/* A command as the server receives it. */
struct redis_command {
  int count;
  char words[REDIS_PEER_WORDS][REDIS_PEER_WORD];
};

struct redis_peer {
  peer peer; /* must be first; one connection at a time */
  /* Writes the reply to a command, or nothing; called with redis_peer_lock() held, which also
   * guards the members below. */
  void (*script)(struct redis_peer *self, const struct redis_command *command, char *reply);
  int opened; /* connections */
  int fd;     /* of the current one */
};

void redis_peer_start(struct redis_peer *self,
                      void (*script)(struct redis_peer *self, const struct redis_command *command,
                                     char *reply));
void redis_peer_stop(struct redis_peer *self);

/* One lock for all. */
void redis_peer_lock(void);
void redis_peer_unlock(void);

/* Returns whether the command has this word, from 0; letters match in either case. */
bool redis_command_is(const struct redis_command *command, int index, const char *word);

#endif
