/* SPDX-License-Identifier: MIT */
/*
 * Measures the HTTP rules: a GET of a browser with 10 fields, and a record of 1 KB with 8 fields of
 * the response. No store, no network.
 *
 *     http [--quick]
 *     http --run CASE COUNT    only that, to count instructions
 */
#include <cachette/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum {
  RECORD_SIZE = 1024,
  FIELDS_MAX = 32,
  MAX_ROUNDS = 31,
  CALLS = 20000,
  AGE_MS = 90 * 1000,
  TARGET_NS = 350,
};

static const int64_t start_ms = INT64_C(1770000000000); /* Mon, 02 Feb 2026 02:40:00 GMT */

#define FIELD(name, value)                                     \
  {                                                            \
    {(name), sizeof(name) - 1}, { (value), sizeof(value) - 1 } \
  }

static const cachette_http_field asked_fields[] = {
    FIELD("Host", "www.example.com"),
    FIELD("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    FIELD("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    FIELD("Accept-Language", "en-US,en;q=0.5"),
    FIELD("Accept-Encoding", "gzip, deflate, br, zstd"),
    FIELD("Connection", "keep-alive"),
    FIELD("Upgrade-Insecure-Requests", "1"),
    FIELD("Sec-Fetch-Dest", "document"),
    FIELD("Sec-Fetch-Mode", "navigate"),
    FIELD("Sec-Fetch-Site", "none"),
    FIELD("If-None-Match", "\"5f3c-61a9e0b2c4d80\""), /* only where a 304 is measured */
};

static const cachette_http_field answered_fields[] = {
    FIELD("Date", "Mon, 02 Feb 2026 02:40:00 GMT"),
    FIELD("Content-Type", "text/html; charset=utf-8"),
    FIELD("Content-Encoding", "gzip"),
    FIELD("Cache-Control", "public, max-age=600, stale-while-revalidate=60"),
    FIELD("ETag", "\"5f3c-61a9e0b2c4d80\""),
    FIELD("Last-Modified", "Sun, 01 Feb 2026 18:21:07 GMT"),
    FIELD("Server", "nginx"),
    FIELD("X-Content-Type-Options", "nosniff"),
    FIELD("Vary", "Accept-Encoding"), /* only where a variant is measured, instead of the last */
};

static const cachette_http_policy policy = {0};
static cachette_http_request plain, conditional;
static cachette_http_response response, varying_response;
static cachette_http_field varying_fields[8];
static unsigned char record[RECORD_SIZE], variant[RECORD_SIZE], index_record[RECORD_SIZE];
static size_t index_size;
static cachette_http_exchange decided; /* for the cases that measure one step */

/* ---- Allocations ---- */

static long allocation_count;

static void *counting_malloc(size_t size) {
  allocation_count++;
  return malloc(size);
}

static void *counting_realloc(void *data, size_t size) {
  allocation_count++;
  return realloc(data, size);
}

/* ---- Steps ---- */

static void begin(cachette_http_exchange *exchange, const cachette_http_request *request) {
  bench_check(cachette_http_begin(exchange, &policy, request), "begin");
}

static void decide(cachette_http_exchange *exchange, const unsigned char *bytes, size_t size,
                   enum cachette_http_action expected) {
  cachette_http_decide(exchange, (cachette_slice){bytes, size}, start_ms + AGE_MS);
  if (exchange->action == expected) return;
  fprintf(stderr, "action %d instead of %d: %s\n", (int)exchange->action, (int)expected,
          cachette_http_reason_text(exchange->forwarded));
  exit(1);
}

static void answer(cachette_http_exchange *exchange) {
  cachette_http_field fields[FIELDS_MAX];
  if (cachette_http_answer(exchange, NULL, false, fields, FIELDS_MAX) == 0) exit(1);
}

/* ---- Cases ---- */

static void run_begin(void) {
  cachette_http_exchange exchange;
  begin(&exchange, &plain);
  cachette_http_end(&exchange);
}

static void run_decide(void) { decide(&decided, record, RECORD_SIZE, CACHETTE_HTTP_HIT); }

static void run_answer(void) { answer(&decided); }

static void run_hit(void) {
  cachette_http_exchange exchange;
  begin(&exchange, &plain);
  decide(&exchange, record, RECORD_SIZE, CACHETTE_HTTP_HIT);
  answer(&exchange);
  cachette_http_end(&exchange);
}

static void run_not_modified(void) {
  cachette_http_exchange exchange;
  begin(&exchange, &conditional);
  decide(&exchange, record, RECORD_SIZE, CACHETTE_HTTP_HIT);
  if (exchange.status != 304) exit(1);
  answer(&exchange);
  cachette_http_end(&exchange);
}

static void run_variant(void) {
  cachette_http_exchange exchange;
  begin(&exchange, &plain);
  decide(&exchange, index_record, index_size, CACHETTE_HTTP_VARIANT);
  decide(&exchange, variant, RECORD_SIZE, CACHETTE_HTTP_HIT);
  answer(&exchange);
  cachette_http_end(&exchange);
}

static void run_miss(void) {
  cachette_http_exchange exchange;
  cachette_http_field fields[FIELDS_MAX];
  begin(&exchange, &plain);
  decide(&exchange, NULL, 0, CACHETTE_HTTP_MISS);
  if (cachette_http_forward(&exchange, fields, FIELDS_MAX) == 0) exit(1);
  cachette_http_end(&exchange);
}

/* Writes a record of 1 KB: the body is as long as the head leaves. */
static void write_record(cachette_http_exchange *exchange, unsigned char *bytes) {
  static const unsigned char zeros[RECORD_SIZE];
  size_t head_size = cachette_http_record_size(exchange, NULL);
  if (head_size > RECORD_SIZE) exit(1);
  cachette_slice body = {zeros, RECORD_SIZE - head_size};
  bench_check(cachette_http_record_write(exchange, NULL, &body, 1, bytes), "write");
  memset(bytes + head_size, 0, body.size);
}

static void store(const cachette_http_response *received, unsigned char *bytes) {
  cachette_http_exchange exchange;
  cachette_http_field fields[FIELDS_MAX];
  begin(&exchange, &plain);
  decide(&exchange, NULL, 0, CACHETTE_HTTP_MISS);
  cachette_http_forward(&exchange, fields, FIELDS_MAX);
  cachette_http_receive(&exchange, received, start_ms);
  if (exchange.action != CACHETTE_HTTP_STORE) {
    fprintf(stderr, "not stored: %s\n", cachette_http_reason_text(exchange.not_stored));
    exit(1);
  }
  cachette_http_answer(&exchange, received, false, fields, FIELDS_MAX);
  write_record(&exchange, bytes);
  if (exchange.store_index) {
    index_size = cachette_http_index_size(&exchange);
    if (index_size > sizeof index_record) exit(1);
    cachette_http_index_write(&exchange, index_record);
  }
  cachette_http_end(&exchange);
}

static void run_store(void) {
  static unsigned char bytes[RECORD_SIZE];
  store(&response, bytes);
}

typedef struct bench_case {
  const char *name, *text;
  void (*run)(void);
  double target_ns; /* 0: none */
  bool is_free;     /* it must not allocate */
} bench_case;

static const bench_case cases[] = {
    {"decide", "decide: the verdict of a hit", run_decide, TARGET_NS, true},
    {"begin", "begin and end: the request, its key with SHA-256", run_begin, 0, true},
    {"answer", "answer: the fields to send", run_answer, 0, true},
    {"hit", "a hit: begin, decide, answer, end", run_hit, 0, true},
    {"not_modified", "a 304: the same, with If-None-Match", run_not_modified, 0, true},
    {"variant", "a hit of a variant: decide twice", run_variant, 0, true},
    {"miss", "a miss: begin, decide, forward, end", run_miss, 0, true},
    {"store", "a miss with receive, answer and the record", run_store, 0, false},
};

enum { CASE_COUNT = sizeof cases / sizeof *cases };

/* ---- The program ---- */

static void set_up(void) {
  plain = (cachette_http_request){
      .method = cachette_str("GET"),
      .scheme = cachette_str("https"),
      .path = cachette_str("/articles/2026/02/caching"),
      .query = cachette_str("page=2&sort=date"),
      .fields = {asked_fields, 10},
  };
  conditional = plain;
  conditional.fields.count = 11;
  response = (cachette_http_response){
      .status = 200,
      .fields = {answered_fields, 8},
      .body_size = -1,
      .requested_ms = start_ms - 20,
      .received_ms = start_ms,
      .random = 1,
  };
  memcpy(varying_fields, answered_fields, sizeof varying_fields);
  varying_fields[7] = answered_fields[8];
  varying_response = response;
  varying_response.fields.list = varying_fields;
  store(&response, record);
  store(&varying_response, variant);
  begin(&decided, &plain);
  decide(&decided, record, RECORD_SIZE, CACHETTE_HTTP_HIT);
}

static double time_case(const bench_case *self, long calls) {
  double start = bench_now();
  for (long i = 0; i < calls; i++) self->run();
  return (bench_now() - start) / (double)calls * 1e9;
}

static long count_allocations(const bench_case *self) {
  long before = allocation_count;
  self->run();
  return allocation_count - before;
}

static void print_case(const bench_case *self, double ns) {
  long allocations = count_allocations(self);
  printf("%-52s %8.1f ns %3ld allocations", self->text, ns, allocations);
  if (self->target_ns > 0)
    printf("   at most %g ns: %s", self->target_ns, bench_verdict(ns <= self->target_ns));
  if (self->is_free) printf("   no allocation: %s", bench_verdict(allocations == 0));
  printf("\n");
}

static void measure(int rounds, long calls) {
  double ns[CASE_COUNT][MAX_ROUNDS];
  for (int i = 0; i < rounds; i++) {
    for (int j = 0; j < CASE_COUNT; j++) ns[j][i] = time_case(&cases[j], calls);
  }
  printf("HTTP rules, 10 request fields, 8 response fields, a record of %d bytes, a call\n",
         RECORD_SIZE);
  for (int i = 0; i < CASE_COUNT; i++) print_case(&cases[i], bench_median(ns[i], rounds));
}

static int run_only(const char *name, long count) {
  for (int i = 0; i < CASE_COUNT; i++) {
    if (strcmp(cases[i].name, name) != 0) continue;
    for (long j = 0; j < count; j++) cases[i].run();
    return 0;
  }
  fprintf(stderr, "there is no case %s\n", name);
  return 1;
}

int main(int count, char **arguments) {
  bool quick = count > 1 && strcmp(arguments[1], "--quick") == 0;
  bench_check(cachette_set_allocator(counting_malloc, counting_realloc, free), "allocator");
  set_up();
  if (count == 4 && strcmp(arguments[1], "--run") == 0)
    return run_only(arguments[2], atol(arguments[3]));
  measure(quick ? 1 : MAX_ROUNDS, quick ? 100 : CALLS);
  return 0;
}
