/* SPDX-License-Identifier: MIT */
/*
 * A store that is not immediate, for tests of the core. It behaves like one pipelined connection to
 * a server: ops wait in a queue and are answered in order. A detached op leaves a tombstone in the
 * queue, whose late answer is dropped.
 *
 * A fetch of a key that begins with "h" is a hit whose value is the key, so that an answer to the
 * wrong op shows. All else misses; a put or clear counts each of its items.
 */
#ifndef CACHETTE_TESTS_SLOW_STORE_H
#define CACHETTE_TESTS_SLOW_STORE_H

#include "core/cache.h"

#define SLOW_NEVER UINT64_MAX

enum slow_manner {
  SLOW_BY_TIMER,  /* an answer comes `delay_ms` after its op */
  SLOW_BY_WIRE,   /* an answer comes when a byte that was sent comes back through a pipe */
  SLOW_IN_SUBMIT, /* an answer comes inside submit, as from a server known to be down */
};

/* How the stores treat ops submitted from now on; slow_reset() zeroes it. */
extern struct slow_settings {
  enum slow_manner manner;
  uint64_t delay_ms;
  bool forgets;   /* leaves no tombstones, so that a million ops can be cancelled */
  int failure;    /* the code with which ops fail, or 0 */
  int open_fails; /* the code with which open fails, or 0 */
} slow_settings;

/* What the stores have seen since slow_reset(). */
extern struct slow_seen {
  int opened, closed, closed_forked;
  int submitted, answered, detached;
  int late; /* answers that found a tombstone */
} slow_seen;

/* Answers that many of the ops that were sent by wire with SLOW_NEVER. */
void slow_release(int count);

/*
 * Sends an event from the store that was opened last: a notice, an invalidated key, a lost
 * connection.
 */
void slow_tell(const char *notice);
void slow_invalidate(const char *key);
void slow_lose(void);

/* Opens a handle over a slow store; `options` may be NULL. */
cachette *slow_open(const cachette_options *options);

/* Zeroes settings and counts. A cmocka set-up function. */
int slow_reset(void **state);

extern const cachette__store_vtable slow_store;

#endif
