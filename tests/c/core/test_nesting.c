/* SPDX-License-Identifier: MIT */
/* A store that answers one op inside the submit of another. */
#include <string.h>

#include "core/cache.h"
#include "support.h"

enum { CAPACITY = 8 };

/* A store that queues ops. An op whose key begins with '!' makes it answer the oldest one. */
static struct {
  cachette__store store;
  cachette_op *queue[CAPACITY];
  size_t count;
  int closed_with; /* queued ops when it was closed; -1 while it is open */
} nested;

static cachette_op *take(size_t index) {
  cachette_op *op = nested.queue[index];
  nested.count--;
  memmove(&nested.queue[index], &nested.queue[index + 1],
          (nested.count - index) * sizeof *nested.queue);
  return op;
}

static void submit(cachette__store *store, cachette_op *op) {
  (void)store;
  assert_true(nested.count < CAPACITY);
  nested.queue[nested.count++] = op;
  if (*(const char *)op->items[0].key.data == '!') cachette__op_complete(take(0), CACHETTE_OK);
}

static void detach(cachette__store *store, cachette_op *op) {
  (void)store;
  for (size_t i = 0; i < nested.count; i++) {
    if (nested.queue[i] != op) continue;
    take(i);
    return;
  }
  fail_msg("an op ends that the store does not hold");
}

static void stats(cachette__store *store, cachette_stats *stats) {
  (void)store;
  (void)stats;
}

static void close_store(cachette__store *store, bool forked) {
  (void)store;
  (void)forked;
  nested.closed_with = (int)nested.count;
}

static const cachette__store_vtable vtable = {
    .submit = submit, .detach = detach, .stats = stats, .close = close_store};

static int open_nested(const cachette__store_context *context, cachette__store **store,
                       cachette_error *error) {
  (void)context;
  (void)error;
  nested.store.vtable = &vtable;
  nested.count = 0;
  nested.closed_with = -1;
  *store = &nested.store;
  return CACHETTE_OK;
}

static cachette *open_over_nested(void) {
  cachette *handle;
  assert_int_equal(cachette__open_with(NULL, open_nested, &handle, NULL), CACHETTE_OK);
  return handle;
}

/* ---- Tests ---- */

static cachette *the_handle;
static struct probe *next;

static void submit_next(struct probe *probe) {
  (void)probe;
  probe_submit(the_handle, next);
}

static void close_now(struct probe *probe) {
  (void)probe;
  cachette_close(the_handle);
}

/* The submit of A makes the store answer B. The `done` of B submits C, which makes it answer A. */
static void an_op_may_complete_before_its_submit_returns(void **state) {
  (void)state;
  struct probe a, b, c;
  the_handle = open_over_nested();
  next = &c;
  probe_init(&b, CACHETTE_FETCH, "b");
  b.then = submit_next;
  probe_init(&c, CACHETTE_FETCH, "!c");
  probe_init(&a, CACHETTE_FETCH, "!a");
  probe_submit(the_handle, &b);
  probe_submit(the_handle, &a);
  probe_expect(&a, CACHETTE_OK);
  probe_expect(&b, CACHETTE_OK);
  assert_int_equal(stats_of(the_handle).pending, 1);
  assert_true(cachette_op_pending(&c.op));
  cachette_close(the_handle);
  probe_expect(&c, CACHETTE_ECLOSED);
  assert_int_equal(a.done, 1);
  assert_int_equal(nested.closed_with, 0);
}

/* The submit of A makes the store answer B. The `done` of B closes the handle. */
static void closing_completes_an_op_that_is_being_submitted(void **state) {
  (void)state;
  struct probe a, b;
  the_handle = open_over_nested();
  probe_init(&b, CACHETTE_FETCH, "b");
  b.then = close_now;
  probe_init(&a, CACHETTE_FETCH, "!a");
  probe_submit(the_handle, &b);
  probe_submit(the_handle, &a);
  probe_expect(&b, CACHETTE_OK);
  probe_expect(&a, CACHETTE_ECLOSED);
  assert_int_equal(nested.closed_with, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_op_may_complete_before_its_submit_returns),
      cmocka_unit_test(closing_completes_an_op_that_is_being_submitted),
  };
  return cmocka_run_group_tests_name("nesting", tests, NULL, NULL);
}
