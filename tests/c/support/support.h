/* SPDX-License-Identifier: MIT */
/*
 * What the C tests share: ops that record how they end, a clock that a test moves, an allocator
 * that fails on demand, and child processes.
 */
#ifndef CACHETTE_TESTS_SUPPORT_H
#define CACHETTE_TESTS_SUPPORT_H

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "cachette.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Whether a slice holds the bytes of a C string. */
#define assert_slice(slice, text)                          \
  do {                                                     \
    assert_int_equal((slice).size, strlen(text));          \
    assert_memory_equal((slice).data, text, (slice).size); \
  } while (0)

/* An op on one item that records how it ended. */
struct probe {
  cachette_op op;
  cachette_item item;
  cachette_error error;
  pthread_t submitter;
  int done;                          /* calls of `done` */
  int order;                         /* the how-manieth of all probes to be done, from 1 */
  void (*then)(struct probe *probe); /* runs inside `done`, or NULL */
  void *data;
};

/* Initialises an op, ready to be submitted. */
void probe_init(struct probe *probe, enum cachette_verb verb, const char *key);

void probe_submit(cachette *handle, struct probe *probe);

/* Drives the handle until an op that was submitted is done; returns its status. */
int probe_wait(cachette *handle, struct probe *probe);

/* Makes, submits and runs an op; returns its status. */
int probe_run(cachette *handle, struct probe *probe, enum cachette_verb verb, const char *key);

/* Checks that the op was done once, with this status. */
void probe_expect(const struct probe *probe, int status);

/* Counts `order` from 1 again. A cmocka set-up function. */
int probe_reset(void **state);

/* Makes options from pairs of names and values, ended by NULL. */
cachette_options *options_with(const char *name, ...);

/* Sets more options in the same way. */
void options_set_all(cachette_options *options, va_list rest);

/* Opens a cache with these options, which are freed; NULL for the defaults. */
cachette *open_cache(cachette_options *options);

/* The same, for the in-memory backend. */
cachette *open_memory(cachette_options *options);

/* A clock that the test moves: `data` is an int64_t, in milliseconds. */
int64_t moved_clock(void *data);

/* The machine's monotonic clock, in milliseconds. */
int64_t machine_ms(void);

/* Runs an op on these items, which must succeed; returns its `number`. */
int64_t run_items(cachette *handle, enum cachette_verb verb, unsigned flags, cachette_item *items,
                  size_t count);

/* Adds to a counter, and sets `sum` to what it is then; returns the status of the item. */
int increment(cachette *handle, const char *key, int64_t amount, int64_t *sum,
              cachette_error *error);

/* The milliseconds that a key has left, or 0 for a miss. */
int64_t time_left(cachette *handle, const char *key);

/* Puts text under a key; whether the key holds that text; whether it holds anything. */
void put_text(cachette *handle, const char *key, const char *value, int64_t ttl_ms);
bool holds_text(cachette *handle, const char *key, const char *value);
bool holds(cachette *handle, const char *key);

cachette_stats stats_of(const cachette *handle);

/* The number of open descriptors of this process. */
int count_descriptors(void);

/* ---- An allocator that fails ---- */

/*
 * Replaces the allocators of the library and of libuv. Call it before anything else. libuv's
 * realloc never fails, for libuv aborts if its table of descriptors cannot grow.
 */
void failing_allocator_install(void);

/* Fails one allocation, after `countdown` more; a negative number fails none. */
void failing_allocator_arm(long countdown);

/* While paused, allocations succeed and are not counted down. */
void failing_allocator_pause(bool paused);

/* Whether an allocation has failed since it was armed. */
bool failing_allocator_fired(void);

/* Blocks that are allocated and not yet freed. */
long failing_allocator_live(void);

/* ---- Children ---- */

/*
 * Ends the child and reports where it failed. cmocka's own asserts would go on with the parent's
 * tests.
 */
#define child_assert(condition)                                   \
  do {                                                            \
    if (!(condition)) child_fail(#condition, __FILE__, __LINE__); \
  } while (0)

_Noreturn void child_fail(const char *condition, const char *file, int line);

/*
 * Runs `body` in a forked child. Checks that it returns in time, and that no child_assert() fails.
 */
void run_in_child(void (*body)(void *data), void *data);

#endif
