/* SPDX-License-Identifier: MIT */
#include "nomem.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

/* Waits, because the threads of a closed store may exit later. */
static void expect_no_leak(long blocks, int descriptors) {
  enum { TIMEOUT_MS = 20000, PAUSE_MS = 10 };
  for (int ms = 0; ms < TIMEOUT_MS; ms += PAUSE_MS) {
    if (failing_allocator_live() == blocks && count_descriptors() == descriptors) return;
    usleep(PAUSE_MS * 1000);
  }
  assert_int_equal(failing_allocator_live(), blocks);
  assert_int_equal(count_descriptors(), descriptors);
}

/* Does the work while one allocation fails after `countdown` others. Returns whether it failed. */
static bool fail_one(nomem_work *work, void *data, long countdown, bool needed) {
  failing_allocator_arm(countdown);
  int code = work(data);
  bool fired = failing_allocator_fired();
  failing_allocator_arm(-1);
  if (!fired) assert_int_equal(code, 0);
  if (fired && needed) assert_int_not_equal(code, 0);
  return fired;
}

/* What there is before the first failure must be there after each. Between two, a thread may still
 * have a file open. */
static long fail_in_turn(nomem_work *work, void *data, long all, long step, bool needed) {
  long blocks = failing_allocator_live(), countdown = 0;
  int descriptors = count_descriptors();
  while (fail_one(work, data, countdown, needed)) {
    expect_no_leak(blocks, descriptors);
    countdown += countdown < all ? 1 : step;
  }
  expect_no_leak(blocks, descriptors);
  return countdown;
}

long nomem_each(nomem_work *work, void *data) {
  return fail_in_turn(work, data, LONG_MAX, 1, false);
}

long nomem_each_needed(nomem_work *work, void *data) {
  return fail_in_turn(work, data, LONG_MAX, 1, true);
}

long nomem_some(nomem_work *work, void *data, long all, long step) {
  return fail_in_turn(work, data, all, step, false);
}

/* ---- Stores ---- */

/* Returns 1 for a failure, 0 for a success. Checks that the code is allowed and has a message. */
static int count_failure(const struct nomem_store *self, int code, const cachette_error *error) {
  if (code >= 0) return 0;
  bool allowed = code == CACHETTE_ENOMEM;
  for (size_t i = 0; i < LENGTH(self->allowed); i++) allowed |= code == self->allowed[i];
  if (!allowed) fail_msg("%d: %s", code, error->message);
  assert_true(strlen(error->message) > 0);
  return 1;
}

static int make_call(const struct nomem_store *self, cachette *handle,
                     const struct nomem_call *call) {
  cachette_item items[LENGTH(call->keys)] = {{.amount = 0}};
  cachette_error error = {.code = 0};
  cachette_op op = {.verb = call->verb, .flags = call->flags, .items = items, .error = &error};
  for (; op.count < LENGTH(items) && call->keys[op.count] != NULL; op.count++) {
    cachette_item *item = &items[op.count];
    item->key = cachette_str(call->keys[op.count]);
    item->amount = call->amount;
    if (op.verb == CACHETTE_PUT)
      item->value = cachette_str(call->value != NULL ? call->value : NOMEM_VALUE);
  }
  int failed = count_failure(self, cachette_run(handle, &op), &error);
  for (size_t i = 0; i < op.count; i++) {
    failed += op.status >= 0 && items[i].status < 0; /* else the op counts alone */
    if (op.verb == CACHETTE_FETCH && op.status == CACHETTE_OK && items[i].status == CACHETTE_HIT)
      assert_slice(items[i].value, NOMEM_VALUE);
  }
  cachette_op_deinit(&op);
  return failed - call->refused;
}

int nomem_use_store(void *store) {
  const struct nomem_store *self = store;
  cachette *handle;
  cachette_error error = {.code = 0};
  int code = cachette_open(self->options, &handle, &error);
  cachette_options_set_clock(self->options, NULL,
                             NULL); /* makes the next open read the options again */
  if (code < 0) return count_failure(self, code, &error);
  int failed = 0;
  for (size_t i = 0; i < self->count; i++) failed += make_call(self, handle, &self->calls[i]);
  cachette_close(handle);
  return failed;
}
