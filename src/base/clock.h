/* SPDX-License-Identifier: MIT */
/*
 * The clocks of the library, in milliseconds.
 *
 * Deadlines and TTLs use a monotonic clock, which a change of the system time does not affect.
 * Reading the coarse clock takes a few nanoseconds; it lags by up to one tick (about 4 ms).
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

/* The clock that TTLs are measured with: the monotonic clock if `now` is NULL, else the one that
 * cachette_options_set_clock() was given. */
typedef struct cachette__clock {
  int64_t (*now)(void *data);
  void *data;
} cachette__clock;

static inline int64_t cachette__read_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* The monotonic clock. */
static inline int64_t cachette__machine_now(void) { return cachette__read_clock(CACHETTE__CLOCK); }

/* Milliseconds since the Unix epoch, for times that other machines or processes read. */
static inline int64_t cachette__epoch_now(void) { return cachette__read_clock(CLOCK_REALTIME); }

#endif
