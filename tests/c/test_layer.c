/* SPDX-License-Identifier: MIT */
/*
 * The seam for layers: a layer of the test's own between the cache and a store, alone and two deep.
 *
 * It is written as a layer should be. For each op on its way it keeps a call, whose frame
 * stands on the op; a call is below until the op has come back, and then may be held for a while
 * before it goes up. Detach takes the same way down as submit did: first the store beneath, so that
 * the frames above this one's are gone, then the own frame.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "slow_store.h"
#include "store/memory/memory.h"
#include "support.h"

typedef struct call {
  cachette__frame frame; /* first, so that a frame is its call */
  struct call *next;
  struct layer *layer;
  cachette_op *op;
  bool below; /* else it is held here, on its way up */
} call;

typedef struct layer {
  cachette__store store;
  cachette__store *beneath;
  uv_timer_t timer; /* for what is held */
  call *calls;
  const char *name;
} layer;

/* What layers do, by the test's will. */
static struct {
  const char *answers; /* the key that a layer answers itself, or NULL */
  const char *holds;   /* the name of the layer that holds ops for a turn of the loop, or NULL */
  uint64_t hold_ms;
} manner;

static char trail[256]; /* where ops went, as "A> B> B< A< " */

static void note(const layer *self, const char *what) {
  size_t used = strlen(trail);
  snprintf(trail + used, sizeof trail - used, "%s%s ", self->name, what);
}

static void forget(call *gone) {
  call **link = &gone->layer->calls;
  while (*link != gone) link = &(*link)->next;
  *link = gone->next;
  cachette__free(gone);
}

static void pass_up(call *held) {
  cachette_op *op = held->op;
  note(held->layer, "<");
  forget(held);
  cachette__op_complete(op, op->status);
}

static void on_held(uv_timer_t *timer) {
  layer *self = timer->data;
  while (self->calls != NULL && !self->calls->below) pass_up(self->calls);
}

static void on_back(cachette__frame *frame, cachette_op *op) {
  call *back = (call *)frame;
  assert(back->op == op && back->below);
  (void)op;
  back->below = false;
  layer *self = back->layer;
  if (manner.holds != NULL && strcmp(manner.holds, self->name) == 0)
    uv_timer_start(&self->timer, on_held, manner.hold_ms, 0);
  else
    pass_up(back);
}

static void submit(cachette__store *store, cachette_op *op) {
  layer *self = (layer *)store;
  const char *answers = manner.answers;
  if (answers != NULL && op->items[0].key.size == strlen(answers) &&
      memcmp(op->items[0].key.data, answers, strlen(answers)) == 0) {
    note(self, "!");
    cachette__op_complete(op, CACHETTE_OK);
    return;
  }
  call *fresh = cachette__calloc(1, sizeof *fresh);
  if (fresh == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  *fresh = (call){.frame = {.done = on_back}, .layer = self, .op = op, .below = true};
  fresh->next = self->calls;
  self->calls = fresh;
  note(self, ">");
  cachette__op_push(op, &fresh->frame);
  self->beneath->vtable->submit(self->beneath, op);
}

static void detach(cachette__store *store, cachette_op *op) {
  layer *self = (layer *)store;
  call *found = self->calls;
  while (found->op != op) found = found->next;
  if (found->below) {
    self->beneath->vtable->detach(self->beneath, op);
    assert(op->priv.frame == &found->frame);
    op->priv.frame = found->frame.above;
  }
  note(self, "x");
  forget(found);
}

static void stats(cachette__store *store, cachette_stats *stats) {
  layer *self = (layer *)store;
  self->beneath->vtable->stats(self->beneath, stats);
}

static void on_closed(uv_handle_t *timer) { cachette__free(timer->data); }

static void close_layer(cachette__store *store, bool forked) {
  layer *self = (layer *)store;
  assert(self->calls == NULL);
  self->beneath->vtable->close(self->beneath, forked);
  if (forked)
    cachette__free(self);
  else
    uv_close((uv_handle_t *)&self->timer, on_closed);
}

static const cachette__store_vtable layer_vtable = {
    .name = "layer", .submit = submit, .detach = detach, .stats = stats, .close = close_layer};

static const cachette__store_vtable immediate_layer_vtable = {
    .name = "layer", .immediate = true, .submit = submit, .stats = stats, .close = close_layer};

static int put_over(const char *name, cachette__store *beneath,
                    const cachette__store_context *context, cachette__store **store) {
  layer *self = cachette__calloc(1, sizeof *self);
  assert_non_null(self);
  self->store.vtable = beneath->vtable->immediate ? &immediate_layer_vtable : &layer_vtable;
  self->beneath = beneath;
  self->name = name;
  uv_timer_init(context->loop, &self->timer);
  self->timer.data = self;
  *store = &self->store;
  return CACHETTE_OK;
}

/* ---- Handles with layers ---- */

static int open_one(const cachette__store_context *context, cachette__store **store,
                    cachette_error *error) {
  cachette__store *beneath;
  int code = slow_store.open(context, &beneath, error);
  return code < 0 ? code : put_over("A", beneath, context, store);
}

static int open_two(const cachette__store_context *context, cachette__store **store,
                    cachette_error *error) {
  cachette__store *slow, *beneath;
  int code = slow_store.open(context, &slow, error);
  if (code < 0) return code;
  put_over("B", slow, context, &beneath);
  return put_over("A", beneath, context, store);
}

static int open_two_over_memory(const cachette__store_context *context, cachette__store **store,
                                cachette_error *error) {
  cachette__store *memory, *beneath;
  int code = cachette__memory_store.open(context, &memory, error);
  if (code < 0) return code;
  put_over("B", memory, context, &beneath);
  return put_over("A", beneath, context, store);
}

static cachette *open_layers(cachette__open_store *open_store) {
  cachette *handle = NULL;
  assert_int_equal(cachette__open_with(NULL, open_store, &handle, NULL), CACHETTE_OK);
  return handle;
}

static int reset(void **state) {
  memset(&manner, 0, sizeof manner);
  trail[0] = '\0';
  return slow_reset(state);
}

/* ---- Tests ---- */

static void an_op_passes_a_layer_both_ways(void **state) {
  (void)state;
  cachette *handle = open_layers(open_one);
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "hit"), CACHETTE_OK);
  probe_expect(&probe, CACHETTE_OK);
  assert_slice(probe.item.value, "hit");
  assert_string_equal(trail, "A> A< ");
  assert_int_equal(stats_of(handle).entries, 7);
  cachette_op_deinit(&probe.op);
  cachette_close(handle);
  assert_int_equal(slow_seen.closed, 1);
}

static void an_op_passes_two_layers_in_order(void **state) {
  (void)state;
  static const enum slow_manner manners[] = {SLOW_BY_TIMER, SLOW_BY_WIRE, SLOW_IN_SUBMIT};
  for (size_t i = 0; i < LENGTH(manners); i++) {
    slow_settings.manner = manners[i];
    trail[0] = '\0';
    cachette *handle = open_layers(open_two);
    struct probe probe;
    assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "hit"), CACHETTE_OK);
    assert_string_equal(trail, "A> B> B< A< ");
    cachette_op_deinit(&probe.op);
    cachette_close(handle);
  }
}

static void layers_over_an_immediate_store_are_immediate(void **state) {
  (void)state;
  cachette *handle = open_layers(open_two_over_memory);
  assert_true(cachette_immediate(handle));
  put_text(handle, "key", "value", 0);
  assert_true(holds_text(handle, "key", "value"));
  assert_string_equal(trail, "A> B> B< A< A> B> B< A< ");
  assert_int_equal(stats_of(handle).entries, 1);
  cachette_close(handle);
}

static void a_failure_passes_layers_with_its_reason(void **state) {
  (void)state;
  slow_settings.failure = CACHETTE_EBACKEND;
  cachette *handle = open_layers(open_two);
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "hit"), CACHETTE_EBACKEND);
  probe_expect(&probe, CACHETTE_EBACKEND);
  assert_string_equal(probe.error.message, "The slow store was told to fail.");
  assert_string_equal(trail, "A> B> B< A< ");
  assert_int_equal(stats_of(handle).errors, 1);
  cachette_close(handle);
}

static void a_layer_may_answer_itself(void **state) {
  (void)state;
  manner.answers = "near";
  cachette *handle = open_layers(open_two);
  struct probe probe;
  probe_init(&probe, CACHETTE_FETCH, "near");
  probe_submit(handle, &probe);
  probe_expect(&probe, CACHETTE_OK);
  assert_string_equal(trail, "A! ");
  assert_int_equal(slow_seen.submitted, 0);
  assert_int_equal(stats_of(handle).pending, 0);
  cachette_close(handle);
}

static void a_layer_may_answer_later(void **state) {
  (void)state;
  static const char *const names[] = {"A", "B"};
  for (size_t i = 0; i < LENGTH(names); i++) {
    manner.holds = names[i];
    trail[0] = '\0';
    cachette *handle = open_layers(open_two);
    struct probe probe;
    assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "hit"), CACHETTE_OK);
    probe_expect(&probe, CACHETTE_OK);
    assert_string_equal(trail, "A> B> B< A< ");
    cachette_op_deinit(&probe.op);
    cachette_close(handle);
  }
}

static void a_cancelled_op_is_detached_all_the_way_down(void **state) {
  (void)state;
  slow_settings.manner = SLOW_BY_WIRE;
  cachette *handle = open_layers(open_two);
  struct probe first, second;
  probe_init(&first, CACHETTE_FETCH, "h1");
  probe_submit(handle, &first);
  assert_int_equal(cachette_cancel(handle, &first.op), CACHETTE_OK);
  probe_expect(&first, CACHETTE_ECANCELED);
  assert_string_equal(trail, "A> B> Bx Ax ");
  assert_int_equal(slow_seen.detached, 1);
  assert_int_equal(probe_run(handle, &second, CACHETTE_FETCH, "h2"), CACHETTE_OK);
  assert_slice(second.item.value, "h2");
  assert_int_equal(slow_seen.late, 1);
  cachette_op_deinit(&second.op);
  cachette_close(handle);
}

static void a_timed_out_op_is_detached_all_the_way_down(void **state) {
  (void)state;
  slow_settings.delay_ms = SLOW_NEVER;
  cachette *handle = open_layers(open_two);
  struct probe probe;
  probe_init(&probe, CACHETTE_FETCH, "hit");
  probe.op.timeout_ms = 10;
  probe_submit(handle, &probe);
  assert_int_equal(probe_wait(handle, &probe), CACHETTE_ETIMEDOUT);
  assert_string_equal(trail, "A> B> Bx Ax ");
  assert_int_equal(slow_seen.detached, 1);
  cachette_close(handle);
}

static void closing_detaches_all_the_way_down(void **state) {
  (void)state;
  slow_settings.delay_ms = SLOW_NEVER;
  cachette *handle = open_layers(open_two);
  struct probe probes[3];
  for (size_t i = 0; i < LENGTH(probes); i++) {
    probe_init(&probes[i], CACHETTE_FETCH, "hit");
    probe_submit(handle, &probes[i]);
  }
  cachette_close(handle);
  for (size_t i = 0; i < LENGTH(probes); i++) probe_expect(&probes[i], CACHETTE_ECLOSED);
  assert_int_equal(slow_seen.detached, LENGTH(probes));
  assert_int_equal(slow_seen.closed, 1);
}

/* The store has answered, so it must hear nothing of the op any more. */
static void what_a_layer_holds_is_detached_no_further(void **state) {
  (void)state;
  static const struct {
    const char *holder, *trail;
  } cases[] = {{"A", "A> B> B< Ax "}, {"B", "A> B> Bx Ax "}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    manner.holds = cases[i].holder;
    manner.hold_ms = 600000;
    trail[0] = '\0';
    slow_reset(NULL);
    cachette *handle = open_layers(open_two);
    struct probe probe;
    probe_init(&probe, CACHETTE_FETCH, "hit");
    probe_submit(handle, &probe);
    while (slow_seen.answered == 0) assert_int_equal(cachette_process(handle), 1);
    assert_true(cachette_op_pending(&probe.op));
    assert_int_equal(cachette_cancel(handle, &probe.op), CACHETTE_OK);
    probe_expect(&probe, CACHETTE_ECANCELED);
    assert_string_equal(trail, cases[i].trail);
    assert_int_equal(slow_seen.detached, 0);
    cachette_op_deinit(&probe.op);
    cachette_close(handle);
  }
}

#define test(name) cmocka_unit_test_setup(name, reset)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(an_op_passes_a_layer_both_ways),
      test(an_op_passes_two_layers_in_order),
      test(layers_over_an_immediate_store_are_immediate),
      test(a_failure_passes_layers_with_its_reason),
      test(a_layer_may_answer_itself),
      test(a_layer_may_answer_later),
      test(a_cancelled_op_is_detached_all_the_way_down),
      test(a_timed_out_op_is_detached_all_the_way_down),
      test(closing_detaches_all_the_way_down),
      test(what_a_layer_holds_is_detached_no_further),
  };
  return cmocka_run_group_tests_name("layer", tests, NULL, NULL);
}
