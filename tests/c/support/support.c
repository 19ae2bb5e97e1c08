/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

static bool in_child;

/* An assertion that also works in a child process. */
#define require(condition)                                                    \
  do {                                                                        \
    if (in_child && !(condition)) child_fail(#condition, __FILE__, __LINE__); \
    if (!in_child) assert_true(condition);                                    \
  } while (0)

/* The same for the result of a library call. Prints the error. */
static void require_ok(int code, const cachette_error *error) {
  if (code < 0) fprintf(stderr, "%s\n", error->message);
  require(code >= 0);
}

/* ---- Probes ---- */

static int done_count;

int probe_reset(void **state) {
  (void)state;
  done_count = 0;
  return 0;
}

static void on_done(cachette_op *op) {
  struct probe *self = op->data;
  self->done++;
  self->order = ++done_count;
  require(pthread_equal(self->submitter, pthread_self()));
  if (self->then != NULL) self->then(self);
}

void probe_init(struct probe *self, enum cachette_verb verb, const char *key) {
  memset(self, 0, sizeof *self);
  self->item.key = cachette_str(key);
  self->op = (cachette_op){
      .verb = verb,
      .items = &self->item,
      .count = 1,
      .done = on_done,
      .data = self,
      .error = &self->error,
  };
  self->submitter = pthread_self();
}

void probe_submit(cachette *handle, struct probe *self) { cachette_submit(handle, &self->op); }

int probe_wait(cachette *handle, struct probe *self) {
  return cachette_op_pending(&self->op) ? cachette_run(handle, &self->op) : self->op.status;
}

int probe_run(cachette *handle, struct probe *self, enum cachette_verb verb, const char *key) {
  probe_init(self, verb, key);
  return cachette_run(handle, &self->op);
}

void probe_expect(const struct probe *self, int status) {
  assert_int_equal(self->done, 1);
  assert_int_equal(self->op.status, status);
  assert_false(cachette_op_pending(&self->op));
  if (status < 0) assert_int_equal(self->error.code, status);
}

/* ---- Handles and time ---- */

cachette_options *options_with(const char *name, ...) {
  cachette_options *options = cachette_options_new();
  require(options != NULL);
  va_list rest;
  va_start(rest, name);
  if (name != NULL) {
    require(cachette_options_set(options, name, va_arg(rest, const char *), NULL) == CACHETTE_OK);
    options_set_all(options, rest);
  }
  va_end(rest);
  return options;
}

void options_set_all(cachette_options *options, va_list rest) {
  for (const char *name; (name = va_arg(rest, const char *)) != NULL;)
    require(cachette_options_set(options, name, va_arg(rest, const char *), NULL) == CACHETTE_OK);
}

cachette *open_cache(cachette_options *options) {
  cachette *handle = NULL;
  cachette_error error = {.message = ""};
  require_ok(cachette_open(options, &handle, &error), &error);
  cachette_options_free(options);
  return handle;
}

cachette *open_memory(cachette_options *options) { return open_cache(options); }

int64_t fake_clock(void *data) { return *(int64_t *)data; }

int64_t monotonic_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int64_t run_items(cachette *handle, enum cachette_verb verb, unsigned flags, cachette_item *items,
                  size_t count) {
  cachette_error error = {.message = ""};
  cachette_op op = {.verb = verb, .flags = flags, .items = items, .count = count, .error = &error};
  require_ok(cachette_run(handle, &op), &error);
  return op.number;
}

int increment(cachette *handle, const char *key, int64_t amount, int64_t *sum,
              cachette_error *error) {
  cachette_item item = {.key = cachette_str(key), .amount = amount};
  cachette_op op = {.verb = CACHETTE_INCREMENT, .items = &item, .count = 1, .error = error};
  require(cachette_run(handle, &op) == CACHETTE_OK);
  require(op.number == (item.status >= 0));
  *sum = item.amount;
  return item.status;
}

int64_t time_left(cachette *handle, const char *key) {
  cachette_slice value;
  int64_t ttl_ms = 0;
  int status = cachette_fetch(handle, cachette_str(key), &value, &ttl_ms, NULL);
  if (status == CACHETTE_HIT) cachette_free(value.data);
  return ttl_ms;
}

void put_text(cachette *handle, const char *key, const char *value, int64_t ttl_ms) {
  cachette_error error = {.message = ""};
  require_ok(cachette_put(handle, cachette_str(key), cachette_str(value), ttl_ms, &error), &error);
}

bool has_text(cachette *handle, const char *key, const char *value) {
  cachette_slice found;
  int status = cachette_fetch(handle, cachette_str(key), &found, NULL, NULL);
  if (status == CACHETTE_MISS) return false;
  require(status == CACHETTE_HIT);
  require(found.data != NULL);
  bool same = found.size == strlen(value) && memcmp(found.data, value, found.size) == 0;
  cachette_free(found.data);
  return same;
}

bool has_key(cachette *handle, const char *key) {
  cachette_slice found;
  int status = cachette_fetch(handle, cachette_str(key), &found, NULL, NULL);
  if (status == CACHETTE_HIT) cachette_free(found.data);
  return status == CACHETTE_HIT;
}

cachette_stats stats_of(const cachette *handle) {
  cachette_stats stats;
  require(cachette_get_stats(handle, &stats, sizeof stats) == CACHETTE_OK);
  return stats;
}

int count_descriptors(void) {
  DIR *folder = opendir("/dev/fd");
  assert_non_null(folder);
  int count = 0;
  while (readdir(folder) != NULL) count++;
  closedir(folder);
  return count - 3; /* ".", ".." and the descriptor of `folder` */
}

/* ---- An allocator that fails ---- */

static atomic_long countdown = -1; /* allocations until one fails; negative: none fails */
static atomic_bool fired, paused;
static atomic_long live;

/* The threads of a store allocate, too. Exactly one of several concurrent allocations fails. */
static bool should_fail(void) {
  if (paused || countdown < 0 || atomic_fetch_sub(&countdown, 1) != 0) return false;
  fired = true;
  return true;
}

static void *counted_malloc(size_t size) {
  void *data = should_fail() ? NULL : malloc(size);
  if (data != NULL) live++;
  return data;
}

static void *counted_realloc(void *data, size_t size) {
  void *moved = should_fail() ? NULL : realloc(data, size);
  if (moved != NULL && data == NULL) live++;
  return moved;
}

static void counted_free(void *data) {
  if (data != NULL) live--;
  free(data);
}

static void *counted_calloc(size_t count, size_t size) {
  void *data = counted_malloc(count * size);
  if (data != NULL) memset(data, 0, count * size);
  return data;
}

/* For libuv: never fails, but counts live blocks because counted_free() does. */
static void *unfailing_realloc(void *data, size_t size) {
  bool was_paused = paused;
  paused = true;
  void *moved = counted_realloc(data, size);
  paused = was_paused;
  return moved;
}

void failing_allocator_install(void) {
  int code = cachette_set_allocator(counted_malloc, counted_realloc, counted_free);
  assert_int_equal(code, CACHETTE_OK);
  code = uv_replace_allocator(counted_malloc, unfailing_realloc, counted_calloc, counted_free);
  assert_int_equal(code, 0);
}

void failing_allocator_pause(bool on) { paused = on; }

void failing_allocator_arm(long allocations) {
  countdown = allocations;
  fired = false;
}

bool failing_allocator_fired(void) { return fired; }

long failing_allocator_live(void) { return live; }

/* ---- Children ---- */

void child_fail(const char *condition, const char *file, int line) {
  fprintf(stderr, "%s:%d: in the child: %s\n", file, line, condition);
  _exit(1);
}

void run_in_child(void (*body)(void *data), void *data) {
  enum { SECONDS = 20 };
  pid_t child = fork();
  require(child >= 0);
  if (child == 0) {
    in_child = true;
    alarm(SECONDS); /* kills a child that hangs, which fails the test */
    body(data);
    _exit(0);
  }
  int status = 0;
  require(waitpid(child, &status, 0) == child);
  require(!WIFSIGNALED(status) && WEXITSTATUS(status) == 0);
}
