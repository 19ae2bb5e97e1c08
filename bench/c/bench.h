/* SPDX-License-Identifier: MIT */
/* What the programs of this folder share. All of them work through the public header. */
#ifndef CACHETTE_BENCH_H
#define CACHETTE_BENCH_H

#include <cachette.h>
#include <stdint.h>

/* Ends the program with a message unless `code` is that of success. */
void bench_check(int code, const char *what);

/* A handle with the options named in pairs, ended by NULL. */
cachette *bench_open(const char *name, ...);

/* Seconds by a clock that only goes on. */
double bench_now(void);

/* Bytes of this process that are in memory. */
long bench_resident(void);

/* Sorts the values and gives the middle one. */
double bench_median(double *values, int count);

/* Numbers that are the same in each run (xorshift64*). */
uint64_t bench_random(uint64_t *state);

/*
 * Draws of Zipf's law over 0..count-1: how likely each is falls with its rank to the power of
 * `skew`. By rejection and inversion (Hörmann and Derflinger, 1996), so that it needs no table.
 */
typedef struct bench_zipf {
  double count, skew, low, high, shortcut;
} bench_zipf;

void bench_zipf_init(bench_zipf *zipf, long count, double skew);
long bench_zipf_draw(const bench_zipf *zipf, uint64_t *state);

/* Puts a value that lives for a day, or until `ttl_ms`; ends the program if that fails. */
void bench_put(cachette *cache, cachette_slice key, cachette_slice value, int64_t ttl_ms);

/* Fetches into a buffer; whether it was there. */
bool bench_fetch(cachette *cache, cachette_slice key, void *buffer, size_t size);

/* " at most X: met", or that it was not. */
const char *bench_verdict(bool met);

#endif
