/* SPDX-License-Identifier: MIT */
/*
 * Measures the memory of a million entries, and the fragmentation after puts of all sizes.
 *
 *     memory [--quick]
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

enum { KEY_SIZE = 16, VALUE_SIZE = 100, LARGEST = 1 << 18, STAGES = 5 };

static char value[LARGEST];

static void measure_overhead(long count) {
  cachette *cache = bench_open("memory_limit", "1G", NULL);
  cachette_stats stats;
  long before = bench_resident();
  for (long i = 0; i < count; i++) {
    char key[KEY_SIZE + 1];
    snprintf(key, sizeof key, "%016ld", i);
    bench_put(cache, (cachette_slice){key, KEY_SIZE}, (cachette_slice){value, VALUE_SIZE}, 0);
  }
  double each = (double)(bench_resident() - before) / (double)count;
  double overhead = each - KEY_SIZE - VALUE_SIZE;
  cachette_get_stats(cache, &stats, sizeof stats);
  printf("Memory, %ld entries of %d + %d bytes\n", count, KEY_SIZE, VALUE_SIZE);
  printf("%-44s %10ld\n", "entries held", (long)stats.entries);
  printf("%-44s %10.1f bytes\n", "resident memory an entry", each);
  printf("%-44s %10.1f bytes   at most 32: %s\n", "of which overhead", overhead,
         bench_verdict(overhead <= 32));
  cachette_close(cache);
}

/* Draws a size within eight powers of two, whose middle differs between stages: 1 B to 256 KiB. */
static size_t draw_size(uint64_t *state, int stage) {
  static const int middles[STAGES] = {4, 12, 7, 14, 10};
  double power = middles[stage] + (double)(bench_random(state) >> 40) / (1 << 24) * 8 - 4;
  size_t size = (size_t)((double)((size_t)1 << (int)power) * (1 + (power - (int)power)));
  return size < LARGEST ? size : LARGEST;
}

static void measure_fragmentation(long puts, size_t limit) {
  char text[32];
  uint64_t state = 42;
  snprintf(text, sizeof text, "%zu", limit);
  cachette *cache = bench_open("memory_limit", text, NULL);
  long before = bench_resident(), max_resident = 0;
  for (long i = 0; i < puts; i++) {
    uint64_t id = bench_random(&state) % 2000000;
    size_t size = draw_size(&state, (int)(i * STAGES / puts));
    memcpy(value, &id, sizeof id);
    bench_put(cache, (cachette_slice){&id, sizeof id}, (cachette_slice){value, size}, 0);
    if (i % 1000 != 0) continue;
    long now = bench_resident() - before;
    if (now > max_resident) max_resident = now;
  }
  /* No other call lists the entries, so every key is fetched. */
  static char fetched[LARGEST];
  double live = 0;
  for (uint64_t id = 0; id < 2000000; id++) {
    cachette_item item = {
        .key = {&id, sizeof id}, .buffer = fetched, .buffer_size = sizeof fetched};
    cachette_op op = {.verb = CACHETTE_FETCH, .items = &item, .count = 1};
    cachette_submit(cache, &op);
    if (item.status == CACHETTE_HIT) live += (double)(item.value.size + sizeof id);
  }
  double share = live / (double)limit, peak = (double)max_resident / (double)limit;
  printf("\nFragmentation, %ld puts of 1 B to 256 KiB, whose sizes shift, into %zu MiB\n", puts,
         limit >> 20);
  printf("%-44s %9.1f%%   at most 102%%: %s\n", "most resident memory, of the limit", 100 * peak,
         bench_verdict(peak <= 1.02));
  printf("%-44s %9.1f%%   at least 90%%: %s\n", "live keys and values at the end, of the limit",
         100 * share, bench_verdict(share >= 0.9));
  cachette_close(cache);
}

int main(int count, char **arguments) {
  bool quick = count > 1 && strcmp(arguments[1], "--quick") == 0;
  memset(value, 'v', sizeof value); /* touches its pages, which would else count as growth */
  measure_overhead(quick ? 10000 : 1000000);
  measure_fragmentation(quick ? 5000 : 10000000, (size_t)64 << 20);
  return 0;
}
