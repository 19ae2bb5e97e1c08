/* SPDX-License-Identifier: MIT */
/*
 * Measures the time of an in-memory op from cachette_submit() to `done`, in nanoseconds, on one
 * thread.
 *
 * The cases are timed in turns, round by round, so that a disturbance of the machine affects all
 * of them equally. The table contains the median of timed case. With --quick timed case runs only
 * briefly, to check that the program works.
 */
#include <cachette.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEY_COUNT = 1000, KEY_SIZE = 16, VALUE_SIZE = 100, MAX_ROUNDS = 31 };

static cachette *cache;
static char keys[KEY_COUNT][KEY_SIZE + 1], absent_keys[KEY_COUNT][KEY_SIZE + 1];
static char value[VALUE_SIZE], fetched[VALUE_SIZE];
static long done_count;

static void on_done(cachette_op *op) { done_count += op->status == CACHETTE_OK; }

static void check(int code, const char *what) {
  if (code >= 0) return;
  fprintf(stderr, "%s: %s\n", what, cachette_strerror(code));
  exit(1);
}

/* ---- Cases ---- */

static void submit(enum cachette_verb verb, const char *key) {
  cachette_item item = {.key = {key, KEY_SIZE}};
  if (verb == CACHETTE_PUT)
    item.value = (cachette_slice){value, VALUE_SIZE};
  else
    item.buffer = fetched, item.buffer_size = sizeof fetched;
  cachette_op op = {.verb = verb, .items = &item, .count = 1, .done = on_done};
  cachette_submit(cache, &op);
}

static void fetch_one(long i) {
  (void)i;
  submit(CACHETTE_FETCH, keys[0]);
}

static void fetch_many(long i) { submit(CACHETTE_FETCH, keys[i % KEY_COUNT]); }

static void fetch_absent(long i) { submit(CACHETTE_FETCH, absent_keys[i % KEY_COUNT]); }

static void put_one(long i) {
  (void)i;
  submit(CACHETTE_PUT, keys[0]);
}

static void put_many(long i) { submit(CACHETTE_PUT, keys[i % KEY_COUNT]); }

/* The simple call, which allocates the value. */
static void fetch_simple(long i) {
  cachette_slice found;
  (void)i;
  if (cachette_fetch(cache, (cachette_slice){keys[0], KEY_SIZE}, &found, NULL, NULL) != 1) return;
  cachette_free(found.data);
  done_count++;
}

typedef struct bench_case {
  const char *name;
  void (*run)(long i);
  double target_ns; /* 0: no target */
  double taken_ns[MAX_ROUNDS];
} bench_case;

static bench_case cases[] = {
    {.name = "fetch, hit, one key", .run = fetch_one, .target_ns = 100},
    {.name = "fetch, hit, 1,000 keys in turn", .run = fetch_many},
    {.name = "fetch, miss", .run = fetch_absent},
    {.name = "put over a value, one key", .run = put_one},
    {.name = "put over values, 1,000 keys in turn", .run = put_many},
    {.name = "cachette_fetch(), hit, one key", .run = fetch_simple},
};

enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

/* ---- Timing ---- */

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double time_case(const bench_case *timed, long calls) {
  long before = done_count;
  double start = now_ns();
  for (long i = 0; i < calls; i++) timed->run(i);
  double taken = now_ns() - start;
  if (done_count - before != calls) {
    fprintf(stderr, "%s: only %ld of %ld were done\n", timed->name, done_count - before, calls);
    exit(1);
  }
  return taken / (double)calls;
}

static int compare(const void *one, const void *other) {
  double a = *(const double *)one, b = *(const double *)other;
  return (a > b) - (a < b);
}

static void print_case(bench_case *timed, int rounds) {
  qsort(timed->taken_ns, (size_t)rounds, sizeof timed->taken_ns[0], compare);
  double median = timed->taken_ns[rounds / 2];
  printf("%-36s %8.1f ns %8.1f ns", timed->name, median, timed->taken_ns[0]);
  if (timed->target_ns > 0)
    printf("   at most %g ns: %s", timed->target_ns,
           median <= timed->target_ns ? "met" : "not met");
  putchar('\n');
}

static void prepare(void) {
  cachette_error error;
  int code = cachette_open(NULL, &cache, &error);
  if (code < 0) check(code, error.message);
  memset(value, 'v', sizeof value);
  for (int i = 0; i < KEY_COUNT; i++) {
    snprintf(keys[i], sizeof keys[i], "user:%011d", i);
    snprintf(absent_keys[i], sizeof absent_keys[i], "none:%011d", i);
    cachette_slice key = {keys[i], KEY_SIZE}, bytes = {value, VALUE_SIZE};
    check(cachette_put(cache, key, bytes, CACHETTE_TTL_MAX, NULL), "put");
  }
}

int main(int count, char **arguments) {
  bool quick = count > 1 && strcmp(arguments[1], "--quick") == 0;
  int rounds = quick ? 1 : MAX_ROUNDS;
  long calls = quick ? 1000 : 200000;
  prepare();
  for (int round = 0; round < rounds; round++)
    for (int i = 0; i < CASE_COUNT; i++) cases[i].taken_ns[round] = time_case(&cases[i], calls);
  printf("C, in-memory, %d-byte keys, %d-byte values, submit to done; %d rounds\n", KEY_SIZE,
         VALUE_SIZE, rounds);
  printf("%-36s %11s %11s\n", "", "median", "least");
  for (int i = 0; i < CASE_COUNT; i++) print_case(&cases[i], rounds);
  cachette_close(cache);
  return 0;
}
