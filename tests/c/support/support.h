/* SPDX-License-Identifier: MIT */
/*
 * What the C tests share: ops that record their result, a fake clock, an allocator that fails on
 * demand, and child processes.
 */
#ifndef CACHETTE_TESTS_SUPPORT_H
#define CACHETTE_TESTS_SUPPORT_H

/* cmocka.h needs these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "cachette.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Checks that a slice has the bytes of a C string. */
#define assert_slice(slice, text)                          \
  do {                                                     \
    assert_int_equal((slice).size, strlen(text));          \
    assert_memory_equal((slice).data, text, (slice).size); \
  } while (0)

/* An op on one item that records its result. */
struct probe {
  cachette_op op;
  cachette_item item;
  cachette_error error;
  pthread_t submitter;
  int done;                          /* how often `done` was called */
  int order;                         /* its position in the order of completion, from 1 */
  void (*then)(struct probe *probe); /* runs inside `done`, or NULL */
  void *data;
};

/* Initialises an op for probe_submit(). */
void probe_init(struct probe *probe, enum cachette_verb verb, const char *key);

void probe_submit(cachette *handle, struct probe *probe);

/* Runs the handle until a submitted op is done. Returns the status of the op. */
int probe_wait(cachette *handle, struct probe *probe);

/* Initialises, submits and runs an op. Returns its status. */
int probe_run(cachette *handle, struct probe *probe, enum cachette_verb verb, const char *key);

/* Checks that `done` was called once and that the op has this status. */
void probe_expect(const struct probe *probe, int status);

/* Restarts `order` at 1. A cmocka set-up function. */
int probe_reset(void **state);

/* Creates options from a NULL-terminated list of names and values. The caller frees them. */
cachette_options *options_with(const char *name, ...);

/* Sets options from the rest of such a list. */
void options_set_all(cachette_options *options, va_list rest);

/* Opens a cache and frees the options. NULL means the defaults. */
cachette *open_cache(cachette_options *options);

/* The same for the in-memory backend. */
cachette *open_memory(cachette_options *options);

/* A clock for cachette_options_set_clock(). `data` is an int64_t with the time in milliseconds. */
int64_t fake_clock(void *data);

/* Returns the time of the system's monotonic clock, in milliseconds. */
int64_t monotonic_ms(void);

/* Runs an op on these items, checks that it succeeds, and returns its `number`. */
int64_t run_items(cachette *handle, enum cachette_verb verb, unsigned flags, cachette_item *items,
                  size_t count);

/* Adds to a counter and sets `sum` to its new value. Returns the status of the item. */
int increment(cachette *handle, const char *key, int64_t amount, int64_t *sum,
              cachette_error *error);

/* Returns the remaining TTL of a key in milliseconds, or 0 for a miss. */
int64_t time_left(cachette *handle, const char *key);

/* Puts text under a key. */
void put_text(cachette *handle, const char *key, const char *value, int64_t ttl_ms);

/* Returns whether the value of a key is this text. */
bool has_text(cachette *handle, const char *key, const char *value);

/* Returns whether a fetch of the key is a hit. */
bool has_key(cachette *handle, const char *key);

cachette_stats stats_of(const cachette *handle);

/* Returns how many file descriptors this process has open. */
int count_descriptors(void);

/* ---- An allocator that fails ---- */

/*
 * Replaces the allocators of the library and of libuv. Call it before anything else. libuv's
 * realloc never fails, because libuv aborts when its table of descriptors cannot grow.
 */
void failing_allocator_install(void);

/* Makes one allocation fail after this many successful ones. A negative number: none fails. */
void failing_allocator_arm(long allocations);

/* While paused, allocations succeed and do not count down. */
void failing_allocator_pause(bool paused);

/* Returns whether an allocation has failed since the last failing_allocator_arm(). */
bool failing_allocator_fired(void);

/* Returns how many blocks are allocated and not yet freed. */
long failing_allocator_live(void);

/* ---- Children ---- */

/*
 * An assertion for a child process: on failure it prints the location and exits. cmocka's own
 * assertions would continue with the parent's tests.
 */
#define child_assert(condition)                                   \
  do {                                                            \
    if (!(condition)) child_fail(#condition, __FILE__, __LINE__); \
  } while (0)

_Noreturn void child_fail(const char *condition, const char *file, int line);

/* Runs `body` in a forked child. Checks that it returns in time and that no child_assert() fails.
 */
void run_in_child(void (*body)(void *data), void *data);

#endif
