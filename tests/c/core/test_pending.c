/* SPDX-License-Identifier: MIT */
/* The heap of pending ops, compared with a linear search. */
#include "core/pending.h"

#include "support.h"

enum { OPS = 500, STEPS = 20000 };

static cachette_op ops[OPS];
static bool inside[OPS];

static int64_t earliest(void) {
  int64_t min = INT64_MAX;
  for (int i = 0; i < OPS; i++)
    if (inside[i] && ops[i].priv.deadline_ms < min) min = ops[i].priv.deadline_ms;
  return min;
}

static void the_first_op_has_the_earliest_deadline(void **state) {
  (void)state;
  cachette__pending pending = {NULL, 0, 0};
  unsigned random = 1;
  for (int step = 0; step < STEPS; step++) {
    random = random * 1103515245 + 12345;
    int i = (int)(random >> 16) % OPS;
    if (inside[i]) {
      cachette__pending_remove(&pending, &ops[i]);
    } else {
      ops[i].priv.deadline_ms = (random >> 8) % 100;
      assert_int_equal(cachette__pending_add(&pending, &ops[i]), CACHETTE_OK);
    }
    inside[i] = !inside[i];
    if (pending.count > 0) assert_true(pending.ops[0]->priv.deadline_ms == earliest());
  }
  while (pending.count > 0) {
    assert_true(pending.ops[0]->priv.deadline_ms == earliest());
    inside[pending.ops[0] - ops] = false;
    cachette__pending_remove(&pending, pending.ops[0]);
  }
  assert_true(earliest() == INT64_MAX);
  cachette__pending_deinit(&pending);
}

static void each_op_knows_its_index(void **state) {
  (void)state;
  cachette__pending pending = {NULL, 0, 0};
  for (int i = 0; i < OPS; i++) {
    ops[i].priv.deadline_ms = (i * 37) % OPS;
    assert_int_equal(cachette__pending_add(&pending, &ops[i]), CACHETTE_OK);
  }
  for (size_t i = 0; i < pending.count; i++) assert_int_equal(pending.ops[i]->priv.place, i);
  cachette__pending_deinit(&pending);
  assert_int_equal(pending.count, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_op_has_the_earliest_deadline),
      cmocka_unit_test(each_op_knows_its_index),
  };
  return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
