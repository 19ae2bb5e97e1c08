/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { DAY_MS = 86400000 };

void bench_check(int code, const char *what) {
  if (code >= 0) return;
  fprintf(stderr, "%s: %s\n", what, cachette_strerror(code));
  exit(1);
}

cachette *bench_open(const char *name, ...) {
  cachette_options *options = cachette_options_new();
  cachette_error error;
  cachette *cache;
  va_list pairs;
  va_start(pairs, name);
  for (; name != NULL; name = va_arg(pairs, const char *)) {
    const char *value = va_arg(pairs, const char *);
    int code = cachette_options_set(options, name, value, &error);
    if (code < 0) bench_check(code, error.message);
  }
  va_end(pairs);
  int code = cachette_open(options, &cache, &error);
  if (code < 0) bench_check(code, error.message);
  cachette_options_free(options);
  return cache;
}

double bench_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

long bench_resident(void) {
  long all, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%ld %ld", &all, &resident) != 2) resident = 0;
  fclose(file);
  return resident * sysconf(_SC_PAGESIZE);
}

static int compare(const void *one, const void *other) {
  double a = *(const double *)one, b = *(const double *)other;
  return (a > b) - (a < b);
}

double bench_median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, compare);
  return values[count / 2];
}

uint64_t bench_random(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * UINT64_C(2685821657736338717);
}

/* The integral of x^-skew. */
static double area(const bench_zipf *zipf, double x) {
  double log_x = log(x), power = (1 - zipf->skew) * log_x;
  return fabs(power) > 1e-8 ? (exp(power) - 1) / (1 - zipf->skew) : log_x;
}

/* The inverse of area(). */
static double inverse(const bench_zipf *zipf, double area_x) {
  double power = area_x * (1 - zipf->skew);
  return fabs(power) > 1e-8 ? exp(log1p(power) / (1 - zipf->skew)) : exp(area_x);
}

void bench_zipf_init(bench_zipf *zipf, long count, double skew) {
  *zipf = (bench_zipf){.count = (double)count, .skew = skew};
  zipf->low = area(zipf, 1.5) - 1;
  zipf->high = area(zipf, zipf->count + 0.5);
  zipf->shortcut = 2 - inverse(zipf, area(zipf, 2.5) - exp(-skew * log(2)));
}

long bench_zipf_draw(const bench_zipf *zipf, uint64_t *state) {
  for (;;) {
    double uniform = (double)(bench_random(state) >> 11) / 9007199254740992.0;
    double at = zipf->high + uniform * (zipf->low - zipf->high);
    double x = inverse(zipf, at);
    double rank = floor(x + 0.5);
    if (rank < 1) rank = 1;
    if (rank > zipf->count) rank = zipf->count;
    if (rank - x <= zipf->shortcut || at >= area(zipf, rank + 0.5) - exp(-zipf->skew * log(rank)))
      return (long)rank - 1;
  }
}

void bench_put(cachette *cache, cachette_slice key, cachette_slice value, int64_t ttl_ms) {
  cachette_item item = {.key = key, .value = value, .ttl_ms = ttl_ms > 0 ? ttl_ms : DAY_MS};
  cachette_op op = {.verb = CACHETTE_PUT, .items = &item, .count = 1};
  cachette_submit(cache, &op);
  bench_check(op.status < 0 ? op.status : item.status, "put");
}

bool bench_fetch(cachette *cache, cachette_slice key, void *buffer, size_t size) {
  cachette_item item = {.key = key, .buffer = buffer, .buffer_size = size};
  cachette_op op = {.verb = CACHETTE_FETCH, .items = &item, .count = 1};
  cachette_submit(cache, &op);
  bench_check(op.status < 0 ? op.status : item.status, "fetch");
  return item.status == CACHETTE_HIT;
}

const char *bench_verdict(bool met) { return met ? "met" : "not met"; }
