/* SPDX-License-Identifier: MIT */
/* Shared helpers of the benchmark programs, which use only the public header. */
#ifndef CACHETTE_BENCH_H
#define CACHETTE_BENCH_H

#include <cachette.h>
#include <stdint.h>

/* Exits with a message if `code` is an error. */
void bench_check(int code, const char *what);

/* Opens a handle. The options are name and value pairs, terminated by NULL. */
cachette *bench_open(const char *name, ...);

/* Seconds of the monotonic clock. */
double bench_now(void);

/* The resident memory of this process, in bytes. */
long bench_resident(void);

/* Sorts the values and returns their median. */
double bench_median(double *values, int count);

/* A reproducible pseudo-random number (xorshift64*). */
uint64_t bench_random(uint64_t *state);

/*
 * Draws from the Zipf distribution over 0..count-1: the probability of a rank is proportional to
 * rank^-skew. Rejection-inversion (Hörmann and Derflinger, 1996) needs no table.
 */
typedef struct bench_zipf {
  double count, skew, low, high, shortcut;
} bench_zipf;

void bench_zipf_init(bench_zipf *zipf, long count, double skew);
long bench_zipf_draw(const bench_zipf *zipf, uint64_t *state);

/* Puts a value with a TTL in milliseconds, or of a day if it is 0. Exits on an error. */
void bench_put(cachette *cache, cachette_slice key, cachette_slice value, int64_t ttl_ms);

/* Fetches into a buffer. Returns whether it was a hit. Exits on an error. */
bool bench_fetch(cachette *cache, cachette_slice key, void *buffer, size_t size);

/* "met" or "not met". */
const char *bench_verdict(bool met);

#endif
