/* SPDX-License-Identifier: MIT */
/* Which ops are accepted, how they complete, and what is counted, on immediate and slow stores. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slow_store.h"
#include "support.h"

/* Many tests run on an immediate store and on a slow one. */
static cachette *open_either(bool immediate) {
  return immediate ? open_memory(NULL) : slow_open(NULL);
}

#define for_either_store(handle)                                    \
  for (int turn = 0; turn < 2; turn++)                              \
    for (cachette *handle = open_either(turn == 0); handle != NULL; \
         cachette_close(handle), handle = NULL)

static void a_handle_knows_whether_its_store_is_immediate(void **state) {
  (void)state;
  for_either_store(handle) assert_int_equal(cachette_immediate(handle), turn == 0);
}

static void an_op_completes_once(void **state) {
  (void)state;
  static const enum cachette_verb verbs[] = {
      CACHETTE_FETCH,           CACHETTE_PUT,   CACHETTE_CLEAR,
      CACHETTE_CLEAR_NAMESPACE, CACHETTE_FLUSH, CACHETTE_FLUSH_EXPIRED,
      CACHETTE_EXISTS,          CACHETTE_TOUCH, CACHETTE_PING};
  for_either_store(handle) {
    for (size_t i = 0; i < LENGTH(verbs); i++) {
      struct probe probe;
      probe_init(&probe, verbs[i], "key");
      assert_false(cachette_op_pending(&probe.op));
      probe_submit(handle, &probe);
      assert_int_equal(cachette_op_pending(&probe.op), turn != 0);
      assert_int_equal(probe_wait(handle, &probe), CACHETTE_OK);
      probe_expect(&probe, CACHETTE_OK);
      cachette_op_deinit(&probe.op);
    }
  }
}

static void an_op_without_done_is_allowed(void **state) {
  (void)state;
  for_either_store(handle) {
    struct probe probe;
    probe_init(&probe, CACHETTE_CLEAR, "key");
    probe.op.done = NULL;
    probe.op.error = NULL;
    assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
    assert_int_equal(probe.done, 0);
  }
}

static void an_op_without_items_completes_at_once(void **state) {
  (void)state;
  static const enum cachette_verb verbs[] = {
      CACHETTE_FETCH,     CACHETTE_PUT,   CACHETTE_EXISTS,         CACHETTE_TOUCH,
      CACHETTE_INCREMENT, CACHETTE_CLEAR, CACHETTE_CLEAR_NAMESPACE};
  for_either_store(handle) {
    for (size_t i = 0; i < LENGTH(verbs); i++) {
      struct probe probe;
      probe_init(&probe, verbs[i], "key");
      probe.op.items = NULL;
      probe.op.count = 0;
      probe_submit(handle, &probe);
      probe_expect(&probe, CACHETTE_OK);
      assert_int_equal(probe.op.number, 0);
    }
  }
  assert_int_equal(slow_seen.submitted, 0);
}

static void verbs_without_items_ignore_them(void **state) {
  (void)state;
  for_either_store(handle) {
    struct probe probe;
    probe_init(&probe, CACHETTE_FLUSH, "");
    assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
    probe.op.verb = CACHETTE_FLUSH_EXPIRED;
    probe.op.items = NULL;
    probe.op.count = 0;
    assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
  }
}

/* ---- Ops that are refused ---- */

static void refuse(cachette *handle, struct probe *probe, const char *message) {
  cachette_stats before = stats_of(handle);
  probe_submit(handle, probe);
  probe_expect(probe, CACHETTE_EINVAL);
  if (message != NULL) assert_string_equal(probe->error.message, message);
  cachette_op_deinit(&probe->op);
  cachette_stats after = stats_of(handle);
  assert_int_equal(after.errors, before.errors + 1);
  assert_int_equal(after.pending, 0);
}

static void verbs_out_of_range_are_refused(void **state) {
  (void)state;
  static const int verbs[] = {0, -1, CACHETTE_PING + 1, 1000};
  for_either_store(handle) {
    for (size_t i = 0; i < LENGTH(verbs); i++) {
      struct probe probe;
      probe_init(&probe, (enum cachette_verb)verbs[i], "key");
      refuse(handle, &probe, cachette_strerror(CACHETTE_EINVAL));
    }
  }
}

static void a_negative_timeout_is_refused(void **state) {
  (void)state;
  for_either_store(handle) {
    struct probe probe;
    probe_init(&probe, CACHETTE_FETCH, "key");
    probe.op.timeout_ms = -1;
    refuse(handle, &probe, NULL);
  }
}

static void empty_keys_are_refused(void **state) {
  (void)state;
  for (int verb = CACHETTE_FETCH; verb <= CACHETTE_CLEAR_NAMESPACE; verb++)
    for_either_store(handle) {
      struct probe probe;
      probe_init(&probe, (enum cachette_verb)verb, "");
      refuse(handle, &probe, "A key must not be empty.");
    }
}

static void keys_have_a_maximum_size(void **state) {
  (void)state;
  char *key = malloc(CACHETTE_KEY_MAX + 2);
  memset(key, 'k', CACHETTE_KEY_MAX + 1);
  key[CACHETTE_KEY_MAX + 1] = '\0';
  for (int verb = CACHETTE_FETCH; verb <= CACHETTE_CLEAR_NAMESPACE; verb++)
    for_either_store(handle) {
      struct probe probe;
      probe_init(&probe, (enum cachette_verb)verb, key);
      refuse(handle, &probe,
             "A key must have at most 65536 bytes; \"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\" has 65537.");
      assert_int_equal(strlen(probe.error.subject), 31);
      probe.item.key.size = CACHETTE_KEY_MAX;
      probe.done = 0;
      assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
    }
  free(key);
}

static void a_ttl_has_a_range(void **state) {
  (void)state;
  static const int64_t bad[] = {-1, INT64_MIN, CACHETTE_TTL_MAX + 1, INT64_MAX};
  static const int64_t good[] = {0, 1, CACHETTE_TTL_MAX};
  for_either_store(handle) {
    struct probe probe;
    for (size_t i = 0; i < LENGTH(bad); i++) {
      probe_init(&probe, CACHETTE_PUT, "key\n");
      probe.item.ttl_ms = bad[i];
      refuse(handle, &probe,
             "The time to live of \"key?\" must be between 1 ms and a hundred years.");
      assert_string_equal(probe.error.subject, "key?");
    }
    for (size_t i = 0; i < LENGTH(good); i++) {
      probe_init(&probe, CACHETTE_PUT, "key");
      probe.item.ttl_ms = good[i];
      assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
    }
  }
}

static void an_op_with_one_bad_item_is_refused(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  cachette_item items[] = {{.key = cachette_str("a"), .value = cachette_str("1")},
                           {.key = cachette_str(""), .value = cachette_str("2")}};
  cachette_op op = {.verb = CACHETTE_PUT, .items = items, .count = 2};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_EINVAL);
  assert_false(has_key(handle, "a"));
  cachette_close(handle);
}

/* The caller may reuse the items of a put, whose values belong to the caller. */
static void a_refused_fetch_leaves_nothing_to_free(void **state) {
  (void)state;
  for_either_store(handle) {
    cachette_item items[] = {{.key = cachette_str("a"), .value = cachette_str("static")},
                             {.key = cachette_str(""), .value = cachette_str("static")},
                             {.key = cachette_str("c"), .value = cachette_str("static")}};
    cachette_op op = {.verb = CACHETTE_FETCH, .items = items, .count = LENGTH(items)};
    assert_int_equal(cachette_run(handle, &op), CACHETTE_EINVAL);
    for (size_t i = 0; i < LENGTH(items); i++) assert_null(items[i].value.data);
    cachette_op_deinit(&op);
  }
}

/* ---- Outputs ---- */

static void simple_calls_set_outputs_only_on_a_hit(void **state) {
  (void)state;
  for_either_store(handle) {
    cachette_slice value = {"old", 3};
    int64_t ttl_ms = 42;
    cachette_error error = {.code = 7};
    assert_int_equal(cachette_fetch(handle, cachette_str("miss"), &value, &ttl_ms, &error), 0);
    assert_int_equal(error.code, 7);
    assert_int_equal(cachette_fetch(handle, cachette_str(""), &value, &ttl_ms, &error),
                     CACHETTE_EINVAL);
    assert_int_equal(error.code, CACHETTE_EINVAL);
    assert_slice(value, "old");
    assert_int_equal(ttl_ms, 42);
    assert_int_equal(cachette_fetch(handle, cachette_str(""), &value, NULL, NULL), CACHETTE_EINVAL);
    assert_int_equal(cachette_put(handle, cachette_str(""), value, 0, &error), CACHETTE_EINVAL);
    assert_int_equal(cachette_put(handle, cachette_str("k"), value, -5, NULL), CACHETTE_EINVAL);
    assert_int_equal(cachette_clear(handle, cachette_str(""), &error), CACHETTE_EINVAL);
  }
}

static void a_failing_store_fails_its_ops(void **state) {
  (void)state;
  static const enum slow_mode modes[] = {SLOW_BY_TIMER, SLOW_BY_WIRE, SLOW_IN_SUBMIT};
  cachette *handle = slow_open(NULL);
  for (size_t i = 0; i < LENGTH(modes); i++) {
    slow_settings.mode = modes[i];
    slow_settings.failure = CACHETTE_EUNAVAILABLE;
    struct probe probe;
    assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "hit"), CACHETTE_EUNAVAILABLE);
    probe_expect(&probe, CACHETTE_EUNAVAILABLE);
    assert_string_equal(probe.error.subject, "slow");
    assert_string_equal(probe.error.message, "The slow store is set to fail.");
    cachette_slice value = {NULL, 0};
    assert_int_equal(cachette_fetch(handle, cachette_str("hit"), &value, NULL, NULL),
                     CACHETTE_EUNAVAILABLE);
    assert_null(value.data);
  }
  assert_int_equal(stats_of(handle).errors, 6);
  cachette_close(handle);
}

static void each_op_gets_its_own_answer(void **state) {
  (void)state;
  enum { OPS = 100 };
  static const enum slow_mode modes[] = {SLOW_BY_TIMER, SLOW_BY_WIRE, SLOW_IN_SUBMIT};
  cachette *handle = slow_open(NULL);
  for (size_t mode = 0; mode < LENGTH(modes); mode++) {
    slow_settings.mode = modes[mode];
    static struct probe probes[OPS];
    static char keys[OPS][8];
    for (int i = 0; i < OPS; i++) {
      snprintf(keys[i], sizeof keys[i], "%c%d", i % 3 == 0 ? 'm' : 'h', i);
      probe_init(&probes[i], CACHETTE_FETCH, keys[i]);
      probe_submit(handle, &probes[i]);
    }
    /* The answers to cancelled ops must not go to later ops. */
    for (int i = 0; i < OPS && modes[mode] != SLOW_IN_SUBMIT; i += 5)
      assert_int_equal(cachette_cancel(handle, &probes[i].op), CACHETTE_OK);
    assert_int_equal(probe_wait(handle, &probes[OPS - 1]), CACHETTE_OK);
    for (int i = 0; i < OPS; i++) {
      bool cancelled = i % 5 == 0 && modes[mode] != SLOW_IN_SUBMIT;
      probe_expect(&probes[i], cancelled ? CACHETTE_ECANCELED : CACHETTE_OK);
      assert_int_equal(probes[i].item.status, !cancelled && i % 3 != 0);
      if (probes[i].item.status == CACHETTE_HIT) assert_slice(probes[i].item.value, keys[i]);
      cachette_op_deinit(&probes[i].op);
    }
  }
  cachette_close(handle);
}

/* ---- Cancelling ---- */

static void a_cancelled_op_completes_at_once(void **state) {
  (void)state;
  cachette *handle = slow_open(NULL);
  slow_settings.delay_ms = SLOW_NEVER;
  struct probe probe;
  probe_init(&probe, CACHETTE_FETCH, "hit");
  probe_submit(handle, &probe);
  assert_int_equal(stats_of(handle).pending, 1);
  assert_int_equal(cachette_cancel(handle, &probe.op), CACHETTE_OK);
  probe_expect(&probe, CACHETTE_ECANCELED);
  assert_int_equal(slow_seen.detached, 1);
  assert_int_equal(stats_of(handle).pending, 0);
  assert_int_equal(stats_of(handle).errors, 1);
  cachette_close(handle);
}

static void the_late_answer_of_a_cancelled_op_is_dropped(void **state) {
  (void)state;
  cachette *handle = slow_open(NULL);
  slow_settings.mode = SLOW_BY_WIRE;
  struct probe first, second;
  probe_init(&first, CACHETTE_FETCH, "h1");
  probe_submit(handle, &first);
  assert_int_equal(cachette_cancel(handle, &first.op), CACHETTE_OK);
  assert_int_equal(probe_run(handle, &second, CACHETTE_FETCH, "h2"), CACHETTE_OK);
  assert_int_equal(slow_seen.late, 1);
  probe_expect(&first, CACHETTE_ECANCELED);
  assert_slice(second.item.value, "h2");
  cachette_op_deinit(&second.op);
  cachette_close(handle);
}

static void an_op_that_is_not_pending_cannot_be_cancelled(void **state) {
  (void)state;
  for_either_store(handle) {
    struct probe probe;
    probe_init(&probe, CACHETTE_FETCH, "key");
    assert_int_equal(cachette_cancel(handle, &probe.op), CACHETTE_EINVAL);
    assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
    assert_int_equal(cachette_cancel(handle, &probe.op), CACHETTE_EINVAL);
    probe_expect(&probe, CACHETTE_OK);
  }
}

static void an_op_can_only_be_cancelled_on_its_handle(void **state) {
  (void)state;
  cachette *one = slow_open(NULL), *other = slow_open(NULL);
  struct probe probe;
  probe_init(&probe, CACHETTE_FETCH, "hit");
  probe_submit(one, &probe);
  assert_int_equal(cachette_cancel(other, &probe.op), CACHETTE_EINVAL);
  assert_int_equal(cachette_run(one, &probe.op), CACHETTE_OK);
  cachette_op_deinit(&probe.op);
  cachette_close(one);
  cachette_close(other);
}

static cachette *the_handle;
static struct probe another;

static void cancel_another(struct probe *probe) {
  probe->order = cachette_cancel(the_handle, &another.op);
}

static void done_may_cancel_other_ops_but_not_its_own(void **state) {
  (void)state;
  the_handle = slow_open(NULL);
  struct probe probe;
  probe_init(&another, CACHETTE_FETCH, "h2");
  probe_init(&probe, CACHETTE_FETCH, "h1");
  probe.then = cancel_another;
  probe_submit(the_handle, &probe);
  probe_submit(the_handle, &another);
  assert_int_equal(cachette_run(the_handle, &probe.op), CACHETTE_OK);
  assert_int_equal(probe.order, CACHETTE_OK);
  probe_expect(&another, CACHETTE_ECANCELED);
  cachette_op_deinit(&probe.op);
  cachette_close(the_handle);
}

/* The store has answered the other op, whose `done` is called after this one returns. */
static void submit_and_cancel_another(struct probe *probe) {
  probe_submit(the_handle, &another);
  assert_true(cachette_op_pending(&another.op));
  assert_int_equal(another.done, 0);
  probe->order = cachette_cancel(the_handle, &another.op);
}

static void an_answered_op_cannot_be_cancelled(void **state) {
  (void)state;
  the_handle = open_memory(NULL);
  struct probe probe;
  probe_init(&another, CACHETTE_CLEAR, "b");
  probe_init(&probe, CACHETTE_CLEAR, "a");
  probe.then = submit_and_cancel_another;
  probe_submit(the_handle, &probe);
  assert_int_equal(probe.order, CACHETTE_EINVAL);
  probe_expect(&another, CACHETTE_OK);
  cachette_close(the_handle);
}

/* ---- Chains ---- */

enum { CHAIN = 100000 };

static uintptr_t lowest, highest; /* addresses of stack frames in next_link() */

static void next_link(struct probe *probe) {
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  if (here < lowest) lowest = here;
  if (here > highest) highest = here;
  if (probe->done < CHAIN) probe_submit(the_handle, probe);
}

static void chain(cachette *handle) {
  the_handle = handle;
  struct probe probe;
  probe_init(&probe, CACHETTE_CLEAR, "key");
  probe.then = next_link;
  lowest = UINTPTR_MAX, highest = 0;
  assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
  assert_int_equal(probe.done, CHAIN);
  assert_true(highest - lowest < 16384);
  cachette_close(handle);
}

static void a_long_chain_needs_little_stack_on_an_immediate_store(void **state) {
  (void)state;
  chain(open_memory(NULL));
}

static void a_long_chain_needs_little_stack_on_a_slow_store(void **state) {
  (void)state;
  static const enum slow_mode modes[] = {SLOW_BY_TIMER, SLOW_BY_WIRE, SLOW_IN_SUBMIT};
  for (size_t i = 0; i < LENGTH(modes); i++) {
    slow_settings.mode = modes[i];
    chain(slow_open(NULL));
  }
}

/* Each link cancels the next one inside its `done`. */
static void cancel_next(struct probe *probe) {
  next_link(probe);
  if (cachette_op_pending(&probe->op)) cachette_cancel(the_handle, &probe->op);
}

static void a_long_chain_of_cancellations_needs_little_stack(void **state) {
  (void)state;
  the_handle = slow_open(NULL);
  slow_settings.delay_ms = SLOW_NEVER;
  slow_settings.leaves_no_tombstone = true;
  struct probe probe;
  probe_init(&probe, CACHETTE_CLEAR, "key");
  probe.then = cancel_next;
  lowest = UINTPTR_MAX, highest = 0;
  probe_submit(the_handle, &probe);
  assert_int_equal(cachette_cancel(the_handle, &probe.op), CACHETTE_OK);
  assert_int_equal(probe.done, CHAIN);
  assert_int_equal(probe.op.status, CACHETTE_ECANCELED);
  assert_true(highest - lowest < 16384);
  cachette_close(the_handle);
}

static int depth, deepest;
static struct probe children[50];

static void submit_children(struct probe *probe) {
  depth++;
  if (depth > deepest) deepest = depth;
  for (size_t i = 0; probe->data == NULL && i < LENGTH(children); i++)
    probe_submit(the_handle, &children[i]);
  depth--;
}

static void done_is_never_called_inside_another_done(void **state) {
  (void)state;
  the_handle = open_memory(NULL);
  depth = deepest = 0;
  struct probe parent;
  probe_init(&parent, CACHETTE_CLEAR, "parent");
  parent.then = submit_children;
  for (size_t i = 0; i < LENGTH(children); i++) {
    probe_init(&children[i], CACHETTE_CLEAR, "child");
    children[i].then = submit_children;
    children[i].data = &parent;
  }
  cachette_submit(the_handle, &parent.op);
  assert_int_equal(deepest, 1);
  for (size_t i = 0; i < LENGTH(children); i++) {
    probe_expect(&children[i], CACHETTE_OK);
    assert_int_equal(children[i].order, i + 2); /* in the order of the answers */
  }
  cachette_close(the_handle);
}

static void free_self(cachette_op *op) {
  ++*(int *)op->data;
  free(op->items);
  free(op);
}

static void done_may_free_its_op(void **state) {
  (void)state;
  for_either_store(handle) {
    int freed = 0;
    for (int i = 0; i < 10; i++) {
      cachette_op *op = calloc(1, sizeof *op);
      *op = (cachette_op){.verb = CACHETTE_CLEAR, .count = 1, .done = free_self, .data = &freed};
      op->items = calloc(1, sizeof *op->items);
      op->items->key = cachette_str("key");
      cachette_submit(handle, op);
    }
    while (cachette_process(handle) > 0) continue;
    assert_int_equal(freed, 10);
  }
}

/* ---- Statistics ---- */

static void statistics_add_up(void **state) {
  (void)state;
  cachette *handle = open_memory(NULL);
  cachette_item items[] = {{.key = cachette_str("a"), .value = cachette_str("1")},
                           {.key = cachette_str("b"), .value = cachette_str("2")},
                           {.key = cachette_str("ns:c"), .value = cachette_str("3")}};
  cachette_op op = {.verb = CACHETTE_PUT, .items = items, .count = 3};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, 3);
  assert_true(has_key(handle, "a"));
  assert_false(has_key(handle, "x"));
  assert_false(has_key(handle, "y"));
  assert_int_equal(cachette_clear(handle, cachette_str("a"), NULL), 1);
  assert_int_equal(cachette_clear(handle, cachette_str("a"), NULL), 0);
  assert_int_equal(cachette_clear(handle, cachette_str(""), NULL), CACHETTE_EINVAL);
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "ns"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH, "-"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);

  cachette_stats stats = stats_of(handle);
  assert_int_equal(stats.puts, 3);
  assert_int_equal(stats.hits, 1);
  assert_int_equal(stats.misses, 2);
  assert_int_equal(stats.clears, 3);
  assert_int_equal(stats.errors, 1);
  assert_int_equal(stats.pending, 0);
  assert_int_equal(stats.entries, 0);
  assert_int_equal(stats.evictions, 0);
  cachette_close(handle);
}

static void unknown_statistics_are_minus_one(void **state) {
  (void)state;
  cachette *handle = slow_open(NULL);
  cachette_stats stats = stats_of(handle);
  assert_int_equal(stats.entries, 7);
  assert_true(stats.bytes == -1 && stats.limit == -1);
  assert_true(stats.evictions == -1 && stats.expirations == -1);
  cachette_close(handle);
}

/* The struct has a different size in programs built for older or newer versions. */
static void statistics_have_the_size_that_the_caller_passes(void **state) {
  (void)state;
  enum { MORE = 3 };
  int64_t figures[sizeof(cachette_stats) / sizeof(int64_t) + MORE];
  cachette *handle = slow_open(NULL);
  put_text(handle, "key", "value", 0);
  assert_false(has_key(handle, "key"));
  cachette_stats known = stats_of(handle);
  assert_int_equal(known.misses, 1);
  for (size_t count = 0; count <= LENGTH(figures); count++) {
    memset(figures, 0xa5, sizeof figures);
    assert_int_equal(cachette_get_stats(handle, (cachette_stats *)figures, count * sizeof *figures),
                     CACHETTE_OK);
    for (size_t i = 0; i < LENGTH(figures); i++) {
      int64_t expected = (int64_t)0xa5a5a5a5a5a5a5a5;
      if (i < count) expected = 0;
      if (i < count && i < LENGTH(figures) - MORE) expected = ((const int64_t *)&known)[i];
      assert_int_equal(figures[i], expected);
    }
  }
  cachette_close(handle);
}

#define test(name) cmocka_unit_test_setup(name, slow_reset)

static void elapsed_time_is_counted(void **state) {
  (void)state;
  for_either_store(handle) {
    assert_int_equal(stats_of(handle).spent_us, 0);
    for (int i = 0; i < 100000; i++) put_text(handle, "key", "value", 0);
    assert_true(stats_of(handle).spent_us > 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(elapsed_time_is_counted),
      test(a_handle_knows_whether_its_store_is_immediate),
      test(an_op_completes_once),
      test(an_op_without_done_is_allowed),
      test(an_op_without_items_completes_at_once),
      test(verbs_without_items_ignore_them),
      test(verbs_out_of_range_are_refused),
      test(a_negative_timeout_is_refused),
      test(empty_keys_are_refused),
      test(keys_have_a_maximum_size),
      test(a_ttl_has_a_range),
      test(an_op_with_one_bad_item_is_refused),
      test(a_refused_fetch_leaves_nothing_to_free),
      test(simple_calls_set_outputs_only_on_a_hit),
      test(a_failing_store_fails_its_ops),
      test(each_op_gets_its_own_answer),
      test(a_cancelled_op_completes_at_once),
      test(the_late_answer_of_a_cancelled_op_is_dropped),
      test(an_op_that_is_not_pending_cannot_be_cancelled),
      test(an_op_can_only_be_cancelled_on_its_handle),
      test(done_may_cancel_other_ops_but_not_its_own),
      test(an_answered_op_cannot_be_cancelled),
      test(a_long_chain_needs_little_stack_on_an_immediate_store),
      test(a_long_chain_needs_little_stack_on_a_slow_store),
      test(a_long_chain_of_cancellations_needs_little_stack),
      test(done_is_never_called_inside_another_done),
      test(done_may_free_its_op),
      test(statistics_add_up),
      test(unknown_statistics_are_minus_one),
      test(statistics_have_the_size_that_the_caller_passes),
  };
  return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
