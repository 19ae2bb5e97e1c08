/* SPDX-License-Identifier: MIT */
/*
 * Measures the in-memory store with Zipf-distributed keys: one thread, two threads, and the
 * latency of single calls.
 *
 *     speed [--quick]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { KEY_SIZE = 16, VALUE_SIZE = 100, DRAWS = 1 << 22, MANY = 64, MAX_ROUNDS = 9 };

static char (*keys)[KEY_SIZE];
static uint32_t *draws; /* indexes of keys, distributed by popularity */
static char value[VALUE_SIZE];

static void make_keys(long count) {
  keys = realloc(keys, (size_t)count * KEY_SIZE);
  for (long i = 0; i < count; i++) {
    char text[KEY_SIZE + 1];
    snprintf(text, sizeof text, "%016ld", i);
    memcpy(keys[i], text, KEY_SIZE);
  }
}

/* Spreads the popular keys over the key range. */
static void make_draws(long count, long draw_count) {
  bench_zipf zipf;
  uint64_t state = 7;
  bench_zipf_init(&zipf, count, 0.99);
  for (long i = 0; i < draw_count; i++)
    draws[i] = (uint32_t)((uint64_t)bench_zipf_draw(&zipf, &state) * 7919 % (uint64_t)count);
}

static cachette_slice key_at(uint32_t index) { return (cachette_slice){keys[index], KEY_SIZE}; }

static cachette_slice the_value(void) { return (cachette_slice){value, VALUE_SIZE}; }

/* ---- One thread ---- */

static double time_get(cachette *cache, long calls) {
  char fetched[VALUE_SIZE];
  long hits = 0;
  double start = bench_now();
  for (long i = 0; i < calls; i++)
    hits += bench_fetch(cache, key_at(draws[i]), fetched, VALUE_SIZE);
  double taken = bench_now() - start;
  if (hits != calls) fprintf(stderr, "%ld of %ld were misses\n", calls - hits, calls);
  return taken / (double)calls;
}

static double time_put(cachette *cache, long calls) {
  double start = bench_now();
  for (long i = 0; i < calls; i++) bench_put(cache, key_at(draws[i]), the_value(), 0);
  return (bench_now() - start) / (double)calls;
}

static double time_many(cachette *cache, long calls, enum cachette_verb verb) {
  static char fetched[MANY][VALUE_SIZE];
  double start = bench_now();
  long done = 0;
  for (long i = 0; i + MANY <= calls; i += MANY, done += MANY) {
    cachette_item items[MANY];
    for (int j = 0; j < MANY; j++) {
      items[j] = (cachette_item){.key = key_at(draws[i + j]), .buffer = fetched[j]};
      items[j].buffer_size = VALUE_SIZE;
      if (verb == CACHETTE_PUT) items[j].value = the_value();
    }
    cachette_op op = {.verb = verb, .items = items, .count = MANY};
    cachette_submit(cache, &op);
    bench_check(op.status, "many");
  }
  return (bench_now() - start) / (double)done;
}

typedef struct figures {
  double get, put, get_many, put_many; /* seconds for each key */
} figures;

static figures measure(long key_count, long calls, int rounds) {
  double get[MAX_ROUNDS], put[MAX_ROUNDS], get_many[MAX_ROUNDS], put_many[MAX_ROUNDS];
  cachette *cache = bench_open("memory_limit", "1G", NULL);
  make_keys(key_count);
  make_draws(key_count, calls);
  for (long i = 0; i < key_count; i++) bench_put(cache, key_at((uint32_t)i), the_value(), 0);
  for (int i = 0; i < rounds; i++) {
    get[i] = time_get(cache, calls);
    get_many[i] = time_many(cache, calls, CACHETTE_FETCH);
    put[i] = time_put(cache, calls);
    put_many[i] = time_many(cache, calls, CACHETTE_PUT);
  }
  cachette_close(cache);
  return (figures){bench_median(get, rounds), bench_median(put, rounds),
                   bench_median(get_many, rounds), bench_median(put_many, rounds)};
}

static void print_figures(const char *keys_text, figures all, double target_ns) {
  printf("%-44s %8.1f ns   at most %g ns: %s\n", keys_text, all.get * 1e9, target_ns,
         bench_verdict(all.get * 1e9 <= target_ns));
  printf("%-44s %8.1f ns   at most twice that: %s\n", "  overwrite", all.put * 1e9,
         bench_verdict(all.put <= 2 * all.get));
  printf("%-44s %8.1f ns   at most half of the single get: %s\n", "  get of 64 keys at once, a key",
         all.get_many * 1e9, bench_verdict(all.get_many <= all.get / 2));
  printf("%-44s %8.1f ns\n", "  put of 64 keys at once, a key", all.put_many * 1e9);
  fflush(stdout);
}

/* ---- Two threads ---- */

typedef struct work {
  cachette *cache;
  long calls, offset;
  int writes; /* out of ten calls */
  pthread_barrier_t *barrier;
} work;

static void *do_work(void *data) {
  const work *self = data;
  char fetched[VALUE_SIZE];
  pthread_barrier_wait(self->barrier);
  for (long i = 0; i < self->calls; i++) {
    uint32_t index = draws[(self->offset + i) % DRAWS];
    if (i % 10 < self->writes)
      bench_put(self->cache, key_at(index), the_value(), 0);
    else
      bench_fetch(self->cache, key_at(index), fetched, VALUE_SIZE);
  }
  return NULL;
}

/* Returns the calls per second of all threads together. */
static double run_threads(int count, long calls, int writes) {
  pthread_t threads[2];
  work all[2];
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
  for (int i = 0; i < count; i++) {
    cachette *cache = bench_open("memory_limit", "1G", "memory_name", "shared", NULL);
    all[i] = (work){cache, calls, i * DRAWS / 2, writes, &barrier};
    pthread_create(&threads[i], NULL, do_work, &all[i]);
  }
  pthread_barrier_wait(&barrier);
  double start = bench_now();
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  double taken = bench_now() - start;
  for (int i = 0; i < count; i++) cachette_close(all[i].cache);
  pthread_barrier_destroy(&barrier);
  return (double)(count * calls) / taken;
}

static void measure_threads(long key_count, long calls, int rounds) {
  static const double targets[] = {1.8, 1.5};
  cachette *keeper = bench_open("memory_limit", "1G", "memory_name", "shared", NULL);
  make_keys(key_count);
  make_draws(key_count, DRAWS);
  for (long i = 0; i < key_count; i++) bench_put(keeper, key_at((uint32_t)i), the_value(), 0);
  printf("\nThreads, %ld keys, calls a second\n%-44s %12s %12s %6s\n", key_count, "", "one thread",
         "two threads", "ratio");
  for (int writes = 0; writes < 2; writes++) {
    double one[MAX_ROUNDS], two[MAX_ROUNDS], ratio[MAX_ROUNDS];
    for (int i = 0; i < rounds; i++) {
      one[i] = run_threads(1, calls, writes);
      two[i] = run_threads(2, calls, writes);
      ratio[i] = two[i] / one[i];
    }
    double middle = bench_median(ratio, rounds);
    printf("%-44s %12.0f %12.0f %6.2f   at least %g: %s\n", writes ? "a tenth writes" : "reading",
           bench_median(one, rounds), bench_median(two, rounds), middle, targets[writes],
           bench_verdict(middle >= targets[writes]));
  }
  cachette_close(keeper);
}

/* ---- Latency ---- */

enum { STEPS = 64, DECADES = 32 }; /* of the histogram: STEPS for each power of two */

typedef struct histogram {
  long counts[STEPS * DECADES], total, above_ms;
  double max_seconds;
} histogram;

static void record(histogram *self, double seconds) {
  double ns = seconds * 1e9;
  int power = 0;
  for (double each = ns; each >= 2 && power < DECADES - 1; each /= 2) power++;
  int step = (int)((ns / (double)(1L << power) - 1) * STEPS);
  self->counts[power * STEPS + (step < 0 ? 0 : step < STEPS ? step : STEPS - 1)]++;
  self->total++;
  self->above_ms += seconds > 1e-3;
  if (seconds > self->max_seconds) self->max_seconds = seconds;
}

/* The latency in nanoseconds that this share of the calls does not exceed. */
static double percentile(const histogram *self, double share) {
  long passed = 0;
  for (int i = 0; i < STEPS * DECADES; i++) {
    passed += self->counts[i];
    if ((double)passed >= share * (double)self->total)
      return (double)(1L << i / STEPS) * (1 + (double)(i % STEPS + 1) / STEPS);
  }
  return self->max_seconds * 1e9;
}

static void print_histogram(const char *name, const histogram *self) {
  printf("%-30s %8.0f %8.0f %8.0f %8.0f %9.3f ms %8ld\n", name, percentile(self, 0.5),
         percentile(self, 0.99), percentile(self, 0.999), percentile(self, 0.9999),
         self->max_seconds * 1e3, self->above_ms);
}

static int64_t simulated_now(void *data) { return *(int64_t *)data; }

static cachette *open_with_clock(int64_t *now) {
  cachette_options *options = cachette_options_new();
  cachette *cache;
  cachette_options_set(options, "memory_limit", "256M", NULL);
  cachette_options_set_clock(options, simulated_now, now);
  bench_check(cachette_open(options, &cache, NULL), "open");
  cachette_options_free(options);
  return cache;
}

/* Runs mixed calls while the clock advances. One entry in twenty expires at the same second, half
 * way through. */
static void run_latency(long calls, histogram *ours) {
  int64_t now = 1000, end = 600000;
  uint64_t state = 11;
  char fetched[VALUE_SIZE];
  cachette *cache = open_with_clock(&now);
  for (long i = 0; i < calls; i++) {
    uint64_t number = bench_random(&state);
    uint64_t id = number % 2000000;
    cachette_slice key = {&id, sizeof id};
    int64_t ttl = number % 20 == 0 && now < end ? end - now : 3600000;
    if (i == calls / 2) now = end;
    if (i % 10000 == 0) now += 10;
    double start = bench_now();
    if (number >> 60 < 8)
      bench_put(cache, key, the_value(), ttl);
    else
      bench_fetch(cache, key, fetched, VALUE_SIZE);
    record(ours, bench_now() - start);
  }
  cachette_close(cache);
}

static void measure_latency(long calls) {
  static histogram ours, empty;
  for (long i = 0; i < calls; i++) {
    double start = bench_now();
    record(&empty, bench_now() - start);
  }
  run_latency(calls, &ours);
  printf("\nSingle calls, %ld of them, half of them puts, a twentieth ending at one second; ns\n",
         calls);
  printf("%-30s %8s %8s %8s %8s %12s %8s\n", "", "median", "99%", "99.9%", "99.99%", "longest",
         "over 1 ms");
  print_histogram("ours", &ours);
  print_histogram("an empty loop", &empty);
  printf(
      "the longest below 1 ms: %s (where the empty loop has longer ones, the machine was away)\n",
      bench_verdict(ours.max_seconds < 1e-3));
}

int main(int count, char **arguments) {
  bool quick = count > 1 && strcmp(arguments[1], "--quick") == 0;
  int rounds = quick ? 1 : MAX_ROUNDS;
  draws = malloc(DRAWS * sizeof *draws);
  memset(value, 'v', sizeof value);
  printf("Speed, %d-byte keys, %d-byte values, Zipf 0.99, a call\n", KEY_SIZE, VALUE_SIZE);
  print_figures("get, 10,000 keys", measure(quick ? 1000 : 10000, quick ? 1000 : 1000000, rounds),
                60);
  print_figures("get, 1,000,000 keys",
                measure(quick ? 1000 : 1000000, quick ? 1000 : 1000000, rounds), 250);
  measure_threads(quick ? 1000 : 100000, quick ? 1000 : 2000000, rounds);
  measure_latency(quick ? 1000 : 10000000);
  return 0;
}
