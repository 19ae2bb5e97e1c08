/* SPDX-License-Identifier: MIT */
/* A Redis primary with replicas and sentinels for tests, on free ports of this machine. */
#ifndef CACHETTE_TESTS_REDIS_SENTINEL_H
#define CACHETTE_TESTS_REDIS_SENTINEL_H

#include "redis_server.h"

enum { SENTINELS = 3, WATCHED = 3 };

struct redis_sentinels {
  struct redis_server servers[WATCHED]; /* the first is the primary to start with */
  struct redis_server sentinels[SENTINELS];
  char url[256]; /* redis+sentinel://... with all of them; the primary's name is "main" */
};

/* Starts the servers and the sentinels, which know each other. Returns when the replicas are
 * synchronised. A primary that does not answer for 1 s is replaced. */
void redis_sentinels_start(struct redis_sentinels *self);

/* Kills them all and removes their files. */
void redis_sentinels_remove(struct redis_sentinels *self);

/* Starts a sentinel again that was killed, with the state that it had. */
void redis_sentinels_restart(struct redis_sentinels *self, int sentinel);

/* Returns the index of the server that a sentinel names. */
int redis_sentinels_primary(const struct redis_sentinels *self, int sentinel);

/* Waits until all sentinels that run name another server than `old`, which says that it is a
 * primary. Returns its index. */
int redis_sentinels_wait(const struct redis_sentinels *self, int old);

/* Lets a replica take over, without waiting for it. */
void redis_sentinels_fail_over(const struct redis_sentinels *self);

/* Waits until all servers run, one of them as the primary and the others as its replicas, and the
 * sentinels know that. */
void redis_sentinels_settle(const struct redis_sentinels *self);

#endif
