/* SPDX-License-Identifier: MIT */
/*
 * Time as the library reads it: milliseconds that never decrease and do not care for the wall
 * clock being set. The coarse clock costs a few nanoseconds and lags by one tick (4 ms or so).
 */
#ifndef CACHETTE_CLOCK_H
#define CACHETTE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#if defined(CLOCK_MONOTONIC_COARSE)
#define CACHETTE__CLOCK CLOCK_MONOTONIC_COARSE
#else
#define CACHETTE__CLOCK CLOCK_MONOTONIC
#endif

/* Where time to live is counted: the machine's clock if `now` is NULL, else the caller's. */
typedef struct cachette__clock {
  int64_t (*now)(void *data);
  void *data;
} cachette__clock;

static inline int64_t cachette__read_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static inline int64_t cachette__machine_now(void) { return cachette__read_clock(CACHETTE__CLOCK); }

/* Milliseconds since the epoch, for what other machines or a later run have to understand. */
static inline int64_t cachette__epoch_now(void) { return cachette__read_clock(CLOCK_REALTIME); }

#endif
