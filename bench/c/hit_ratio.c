/* SPDX-License-Identifier: MIT */
/*
 * Measures the hit ratio of the in-memory store on access traces, next to those of other policies.
 *
 *     hit_ratio DIRECTORY [--quick]
 *
 * The directory contains NAME.u32.xz (little-endian 32-bit numbers, one for each request) and
 * ref_hit_ratios.tsv (trace, capacity in objects, policy, hit ratio in percent). A put follows each
 * miss. All entries have the same size, chosen so that the capacity of a full cache is that of the
 * row. NAME.size.u32.xz contains the size of each requested object. Such a trace runs again with
 * sizes, next to an LRU that is limited to the same number of bytes of values, without overhead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { MAX_ROWS = 1024, MAX_POLICIES = 32, NAME_SIZE = 64, MAX_VALUE = 1 << 20 };

typedef struct row {
  char trace[NAME_SIZE];
  long capacity;
  double ratios[MAX_POLICIES]; /* in percent; -1: unknown */
} row;

static row rows[MAX_ROWS];
static char policies[MAX_POLICIES][NAME_SIZE];
static int row_count, policy_count;
static uint32_t *requests, *sizes;
static long request_count;
static char value[MAX_VALUE], fetched[MAX_VALUE];

/* ---- Reading ---- */

static int find_policy(const char *name) {
  for (int i = 0; i < policy_count; i++)
    if (strcmp(policies[i], name) == 0) return i;
  if (policy_count == MAX_POLICIES) return -1;
  snprintf(policies[policy_count], NAME_SIZE, "%s", name);
  return policy_count++;
}

static row *find_row(const char *trace, long capacity) {
  for (int i = 0; i < row_count; i++)
    if (rows[i].capacity == capacity && strcmp(rows[i].trace, trace) == 0) return &rows[i];
  if (row_count == MAX_ROWS) return NULL;
  row *added = &rows[row_count++];
  snprintf(added->trace, NAME_SIZE, "%s", trace);
  added->capacity = capacity;
  for (int i = 0; i < MAX_POLICIES; i++) added->ratios[i] = -1;
  return added;
}

static void read_references(const char *directory) {
  char path[4096], trace[NAME_SIZE], policy[NAME_SIZE], line[256];
  long capacity;
  double ratio;
  snprintf(path, sizeof path, "%s/ref_hit_ratios.tsv", directory);
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    perror(path);
    exit(1);
  }
  while (fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "%63[^\t]\t%ld\t%63[^\t]\t%lf", trace, &capacity, policy, &ratio) != 4)
      continue; /* the header line */
    int index = find_policy(policy);
    row *found = find_row(trace, capacity);
    if (index >= 0 && found != NULL) found->ratios[index] = ratio;
  }
  fclose(file);
}

/* Returns all numbers of a file, or NULL if it cannot be read. */
static uint32_t *read_numbers(const char *directory, const char *name, long *count) {
  char command[4200];
  snprintf(command, sizeof command, "xz -dc '%s/%s.u32.xz' 2>/dev/null", directory, name);
  FILE *pipe = popen(command, "r");
  uint32_t *numbers = NULL;
  *count = 0;
  for (long capacity = 0; pipe != NULL;) {
    if (*count == capacity) {
      capacity = capacity > 0 ? 2 * capacity : 1 << 16;
      numbers = realloc(numbers, (size_t)capacity * sizeof *numbers);
      if (numbers == NULL) abort();
    }
    size_t got = fread(numbers + *count, sizeof *numbers, (size_t)(capacity - *count), pipe);
    if (got == 0) break;
    *count += (long)got;
  }
  if (pipe != NULL) pclose(pipe);
  if (*count > 0) return numbers;
  free(numbers);
  return NULL;
}

/* ---- Entries counted as one ---- */

static cachette_slice key_of(const uint32_t *id) { return (cachette_slice){id, sizeof *id}; }

static cachette *open_limit(size_t limit) {
  char text[32];
  snprintf(text, sizeof text, "%zu", limit);
  return bench_open("memory_limit", text, "ttl", "3600", NULL);
}

/* The number of entries after a cache was filled with new keys several times over. */
static long count_stored(size_t limit, size_t size, long capacity) {
  cachette *cache = open_limit(limit);
  cachette_stats stats;
  for (uint32_t i = 0; i < 4 * capacity; i++) {
    uint32_t id = UINT32_C(0x80000000) + i;
    bench_put(cache, key_of(&id), (cachette_slice){value, size}, 0);
  }
  cachette_get_stats(cache, &stats, sizeof stats);
  cachette_close(cache);
  return (long)stats.entries;
}

/* The smallest size of values with which at most `capacity` entries fit. */
static size_t find_size(size_t limit, long capacity) {
  size_t low = 1, high = limit / (size_t)capacity;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (count_stored(limit, middle, capacity) <= capacity)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

static double run_row(const row *each) {
  size_t limit = 1 << 20;
  while (limit / (size_t)each->capacity < 1000) limit *= 2; /* for a fine resolution of sizes */
  size_t size = find_size(limit, each->capacity);
  cachette *cache = open_limit(limit);
  long hits = 0;
  for (long i = 0; i < request_count; i++) {
    bool hit = bench_fetch(cache, key_of(&requests[i]), fetched, sizeof fetched);
    hits += hit;
    if (!hit) bench_put(cache, key_of(&requests[i]), (cachette_slice){value, size}, 0);
  }
  cachette_close(cache);
  return 100.0 * (double)hits / (double)request_count;
}

/* The ratio of the policy with this prefix; its settings follow in its name. */
static double reference(const row *each, const char *policy) {
  for (int i = 0; i < policy_count; i++)
    if (strncmp(policies[i], policy, strlen(policy)) == 0) return each->ratios[i];
  return -1;
}

static double mean_of(const char *policy, int count) {
  double sum = 0;
  for (int i = 0; i < count; i++) sum += reference(&rows[i], policy);
  return sum / count;
}

static void run_counted(const char *directory, bool quick) {
  static const char *const compared[] = {"LRU", "ARC", "S3FIFO", "WTinyLFU", "LIRS"};
  enum { COMPARED = sizeof compared / sizeof *compared };
  double sum = 0, worst = 100;
  char loaded[NAME_SIZE] = "";
  int count = quick && row_count > 1 ? 1 : row_count;
  printf("Hit ratio in percent, entries counted as one\n%-20s %9s %7s", "trace", "entries", "ours");
  for (int i = 0; i < COMPARED; i++) printf(" %9s", compared[i]);
  printf("  to S3FIFO\n");
  if (quick) rows[0] = rows[row_count / 2];
  for (int i = 0; i < count; i++) {
    if (strcmp(loaded, rows[i].trace) != 0) {
      free(requests);
      requests = read_numbers(directory, rows[i].trace, &request_count);
      if (requests == NULL) {
        fprintf(stderr, "%s/%s.u32.xz cannot be read\n", directory, rows[i].trace);
        exit(1);
      }
      strcpy(loaded, rows[i].trace);
      if (quick && request_count > 5000) request_count = 5000;
    }
    double ours = run_row(&rows[i]), difference = ours - reference(&rows[i], "S3FIFO");
    sum += ours;
    if (difference < worst) worst = difference;
    printf("%-20s %9ld %7.2f", rows[i].trace, rows[i].capacity, ours);
    for (int j = 0; j < COMPARED; j++) printf(" %9.2f", reference(&rows[i], compared[j]));
    printf("  %+.2f\n", difference);
    fflush(stdout);
  }
  printf("%-20s %9s %7.2f", "mean", "", sum / count);
  for (int j = 0; j < COMPARED; j++) printf(" %9.2f", mean_of(compared[j], count));
  bool above = true;
  for (int j = 0; j < COMPARED; j++) above &= sum / count > mean_of(compared[j], count);
  printf("\nmean above each of these: %s; each row at least S3FIFO less 0.3: %s (worst %+.2f)\n",
         bench_verdict(above), bench_verdict(worst >= -0.3), worst);
}

/* ---- Entries with sizes ---- */

/* A simple LRU: a linked list in arrays that are indexed by id. */
typedef struct lru {
  uint32_t *newer, *older, *size; /* entry 0 is the list head, ids start at 1 */
  uint64_t bytes, limit;
} lru;

static void lru_unlink(lru *self, uint32_t id) {
  self->older[self->newer[id]] = self->older[id];
  self->newer[self->older[id]] = self->newer[id];
}

static void lru_link(lru *self, uint32_t id) {
  self->older[id] = self->older[0];
  self->newer[id] = 0;
  self->newer[self->older[0]] = id;
  self->older[0] = id;
}

static bool lru_request(lru *self, uint32_t id, uint32_t size) {
  bool hit = self->size[id] > 0;
  if (hit) {
    lru_unlink(self, id);
    self->bytes -= self->size[id];
  }
  if (size > self->limit) {
    self->size[id] = 0;
    return hit;
  }
  self->size[id] = size;
  self->bytes += size;
  lru_link(self, id);
  while (self->bytes > self->limit) {
    uint32_t last = self->newer[0];
    lru_unlink(self, last);
    self->bytes -= self->size[last];
    self->size[last] = 0;
  }
  return hit;
}

typedef struct hit_ratios {
  double objects, bytes; /* hit ratios in percent */
} hit_ratios;

static uint32_t size_of(long i) {
  return sizes[i] == 0 ? 1 : sizes[i] < MAX_VALUE ? sizes[i] : MAX_VALUE;
}

static hit_ratios run_lru(uint64_t limit, uint32_t ids) {
  lru self = {calloc(ids + 2, 4), calloc(ids + 2, 4), calloc(ids + 2, 4), 0, limit};
  double hits = 0, hit_bytes = 0, bytes = 0;
  for (long i = 0; i < request_count; i++) {
    bool hit = lru_request(&self, requests[i] + 1, size_of(i));
    hits += hit;
    hit_bytes += hit ? size_of(i) : 0;
    bytes += size_of(i);
  }
  free(self.newer);
  free(self.older);
  free(self.size);
  return (hit_ratios){100 * hits / (double)request_count, 100 * hit_bytes / bytes};
}

static hit_ratios run_sized(uint64_t limit) {
  cachette *cache = open_limit(limit);
  double hits = 0, hit_bytes = 0, bytes = 0;
  for (long i = 0; i < request_count; i++) {
    bool hit = bench_fetch(cache, key_of(&requests[i]), fetched, sizeof fetched);
    hits += hit;
    hit_bytes += hit ? size_of(i) : 0;
    bytes += size_of(i);
    if (hit || size_of(i) > limit / 4) continue;
    bench_put(cache, key_of(&requests[i]), (cachette_slice){value, size_of(i)}, 0);
  }
  cachette_close(cache);
  return (hit_ratios){100 * hits / (double)request_count, 100 * hit_bytes / bytes};
}

static void run_sizes(const char *directory, const char *trace, bool quick) {
  char name[NAME_SIZE + 8];
  long size_count;
  snprintf(name, sizeof name, "%s.size", trace);
  sizes = read_numbers(directory, name, &size_count);
  if (sizes == NULL) return;
  free(requests);
  requests = read_numbers(directory, trace, &request_count);
  if (requests == NULL || request_count != size_count) return;
  if (quick) request_count = 5000;
  uint32_t ids = 0;
  for (long i = 0; i < request_count; i++) ids = requests[i] > ids ? requests[i] : ids;
  printf("\nHit ratio in percent, %s, entries with sizes, all bytes of ours counted\n", trace);
  printf("%-10s %14s %14s %14s %14s\n", "limit", "objects, ours", "objects, LRU", "bytes, ours",
         "bytes, LRU");
  for (uint64_t limit = 4 << 20; limit <= 1024 << 20 && !(quick && limit > 4 << 20); limit *= 4) {
    hit_ratios ours = run_sized(limit), theirs = run_lru(limit, ids);
    printf("%6zu MiB %14.2f %14.2f %14.2f %14.2f\n", (size_t)(limit >> 20), ours.objects,
           theirs.objects, ours.bytes, theirs.bytes);
    fflush(stdout);
  }
  free(sizes);
}

int main(int count, char **arguments) {
  if (count < 2) {
    fprintf(stderr, "usage: hit_ratio DIRECTORY [--quick]\n");
    return 2;
  }
  bool quick = count > 2 && strcmp(arguments[2], "--quick") == 0;
  read_references(arguments[1]);
  run_counted(arguments[1], quick);
  run_sizes(arguments[1], "adapt_size_request", quick);
  return 0;
}
