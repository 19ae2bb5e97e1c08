/* SPDX-License-Identifier: MIT */
/*
 * A store that is not immediate, for tests of the core. It behaves like one pipelined connection to
 * a server: ops wait in a queue and are answered in order. A detached op leaves a tombstone in the
 * queue, whose late answer is dropped.
 *
 * A fetch of a key that begins with "h" is a hit with the key as its value, so that a test detects
 * an answer to the wrong op. All other fetches miss. A put or clear counts each of its items.
 */
#ifndef CACHETTE_TESTS_SLOW_STORE_H
#define CACHETTE_TESTS_SLOW_STORE_H

#include "core/cache.h"

#define SLOW_NEVER UINT64_MAX

enum slow_mode {
  SLOW_BY_TIMER,  /* an answer comes `delay_ms` after submit */
  SLOW_BY_WIRE,   /* an answer comes when a byte arrives through a pipe */
  SLOW_IN_SUBMIT, /* an answer comes inside submit, as when a server is known to be down */
};

/* How the stores treat ops submitted from now on. slow_reset() zeroes it. */
extern struct slow_settings {
  enum slow_mode mode;
  uint64_t delay_ms;
  bool leaves_no_tombstone; /* for detached ops, so that a million can be cancelled */
  int failure;              /* the error code of each op, or 0 */
  int open_fails;           /* the error code of open, or 0 */
} slow_settings;

/* Counts since slow_reset(), for all slow stores. */
extern struct slow_seen {
  int opened, closed, closed_forked;
  int submitted, answered, detached;
  int late; /* answers that found a tombstone */
} slow_seen;

/* Answers `count` ops that were submitted with SLOW_BY_WIRE and SLOW_NEVER. */
void slow_release(int count);

/* These send an event from the store that was opened last. */
void slow_send_notice(const char *notice);
void slow_invalidate_key(const char *key);
void slow_lose_connection(void);

/* Opens a handle over a slow store. `options` may be NULL. */
cachette *slow_open(const cachette_options *options);

/* Zeroes `slow_settings` and `slow_seen`. A cmocka set-up function. */
int slow_reset(void **state);

extern const cachette__store_vtable slow_store;

#endif
