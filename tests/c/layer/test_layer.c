/* SPDX-License-Identifier: MIT */
/*
 * The interface of layers, with two layers of the test: one records where ops pass and can hold
 * them, and one uses only what layer.h offers, as a new layer would.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "slow_store.h"
#include "store/memory/memory.h"
#include "support.h"

/* ---- A layer that notes, and holds ---- */

typedef struct call {
  cachette__frame frame; /* first, so that a frame is its call */
  struct call *next;     /* the next held call */
  struct tracer *layer;
  cachette_op *op;
} call;

typedef struct tracer {
  cachette__layer layer;
  const char *name;
  uv_timer_t timer; /* for what is held */
  call *held;
} tracer;

/* What the tracers are to do. */
static struct {
  const char *answers; /* the key that a layer answers itself, or NULL */
  const char *holds;   /* the name of the layer that holds ops on their way up, or NULL */
  uint64_t hold_ms;
  const char *rescues; /* the name of the layer that turns a time-out into a miss, or NULL */
} manner;

static char trail[256]; /* where ops went, as "A> B> B< A< " */

static void note(const tracer *self, const char *what) {
  size_t used = strlen(trail);
  snprintf(trail + used, sizeof trail - used, "%s%s ", self->name, what);
}

static bool is_told(const char *name, const tracer *self) {
  return name != NULL && strcmp(name, self->name) == 0;
}

static void pass_up(tracer *self, cachette_op *op) {
  bool rescued = is_told(manner.rescues, self) && op->status == CACHETTE_ETIMEDOUT;
  note(self, "<");
  cachette__op_complete(op, rescued ? CACHETTE_OK : op->status);
}

static void on_held(uv_timer_t *timer) {
  tracer *self = timer->data;
  while (self->held != NULL) {
    call *first = self->held;
    cachette_op *op = first->op;
    self->held = first->next;
    cachette__layer_give(&self->layer, first);
    pass_up(self, op);
  }
}

static void on_back(cachette__frame *frame, cachette_op *op) {
  call *back = (call *)frame;
  tracer *self = back->layer;
  if (is_told(manner.holds, self)) {
    cachette__layer_hold(&self->layer, op);
    back->next = self->held;
    self->held = back;
    uv_timer_start(&self->timer, on_held, manner.hold_ms, 0);
  } else {
    cachette__layer_give(&self->layer, back);
    pass_up(self, op);
  }
}

static void on_drop(cachette__frame *frame, cachette_op *op) {
  call *dropped = (call *)frame;
  (void)op;
  note(dropped->layer, "x");
  cachette__layer_give(&dropped->layer->layer, dropped);
}

static void trace_submit(cachette__store *store, cachette_op *op) {
  tracer *self = (tracer *)store;
  const char *answers = manner.answers;
  if (answers != NULL && op->items[0].key.size == strlen(answers) &&
      memcmp(op->items[0].key.data, answers, strlen(answers)) == 0) {
    note(self, "!");
    cachette__op_complete(op, CACHETTE_OK);
    return;
  }
  call *fresh = cachette__layer_take(&self->layer);
  if (fresh == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  *fresh = (call){.frame = {.done = on_back, .drop = on_drop}, .layer = self, .op = op};
  note(self, ">");
  cachette__op_push(op, &fresh->frame);
  cachette__layer_pass(&self->layer, op);
}

/* It is called only for ops that the layer holds. */
static void trace_detach(cachette__store *store, cachette_op *op) {
  tracer *self = (tracer *)store;
  call **link = &self->held;
  while ((*link)->op != op) link = &(*link)->next;
  call *gone = *link;
  *link = gone->next;
  note(self, "-");
  cachette__layer_give(&self->layer, gone);
}

static void on_closed(uv_handle_t *timer) { cachette__layer_free(timer->data); }

static void trace_close(cachette__store *store, bool forked) {
  tracer *self = (tracer *)store;
  self->layer.beneath->vtable->close(self->layer.beneath, forked);
  self->timer.data = self;
  uv_close((uv_handle_t *)&self->timer, on_closed);
}

static int trace_init(cachette__layer *layer, const char *name) {
  tracer *self = (tracer *)layer;
  self->name = name;
  uv_timer_init(layer->context.loop, &self->timer);
  self->timer.data = self;
  return CACHETTE_OK;
}

static int init_a(cachette__layer *layer, cachette_error *error) {
  (void)error;
  return trace_init(layer, "A");
}

static int init_b(cachette__layer *layer, cachette_error *error) {
  (void)error;
  return trace_init(layer, "B");
}

static bool is_wanted(const cachette_options *options) {
  (void)options;
  return true;
}

#define TRACER(init_, detach_)                                                             \
  {                                                                                        \
    .vtable = {.submit = trace_submit, .detach = detach_, .close = trace_close},           \
    .size = sizeof(tracer), .frame_size = sizeof(call), .wanted = is_wanted, .init = init_ \
  }

static const cachette__layer_kind layer_a = TRACER(init_a, trace_detach),
                                  layer_b = TRACER(init_b, trace_detach),
                                  quick_a = TRACER(init_a, NULL), quick_b = TRACER(init_b, NULL);

/* ---- Handles with layers ---- */

static const cachette__layer_kind *const *opened_kinds;
static size_t opened_count;
static cachette__open_store *opened_store;

static int open_stack(const cachette__store_context *context, cachette__store **store,
                      cachette_error *error) {
  return cachette__layers_open_over(opened_kinds, opened_count, opened_store, context, store,
                                    error);
}

static cachette *open_layers(const cachette__layer_kind *const *kinds, size_t count,
                             cachette__open_store *open_store) {
  cachette *handle = NULL;
  opened_kinds = kinds;
  opened_count = count;
  opened_store = open_store;
  assert_int_equal(cachette__open_with(NULL, open_stack, &handle, NULL), CACHETTE_OK);
  return handle;
}

static const cachette__layer_kind *const both[] = {&layer_a, &layer_b};
static const cachette__layer_kind *const both_quick[] = {&quick_a, &quick_b};

static cachette *open_one(void) { return open_layers(both, 1, slow_store.open); }

static cachette *open_two(void) { return open_layers(both, 2, slow_store.open); }

static int reset(void **state) {
  memset(&manner, 0, sizeof manner);
  trail[0] = '\0';
  return slow_reset(state);
}

static void layers_are_freed_if_the_store_cannot_be_opened(void **state) {
  (void)state;
  cachette *handle;
  cachette_error error;
  slow_settings.open_fails = CACHETTE_EBACKEND;
  opened_kinds = both;
  opened_count = 2;
  opened_store = slow_store.open;
  assert_int_equal(cachette__open_with(NULL, open_stack, &handle, &error), CACHETTE_EBACKEND);
  slow_settings.open_fails = 0;
  cachette_close(open_two());
}

/* ---- Both ways ---- */

static void an_op_passes_a_layer_down_and_up(void **state) {
  (void)state;
  cachette *handle = open_one();
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
  static const enum slow_mode manners[] = {SLOW_BY_TIMER, SLOW_BY_WIRE, SLOW_IN_SUBMIT};
  for (size_t i = 0; i < LENGTH(manners); i++) {
    slow_settings.mode = manners[i];
    trail[0] = '\0';
    cachette *handle = open_two();
    struct probe probe;
    assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "hit"), CACHETTE_OK);
    assert_string_equal(trail, "A> B> B< A< ");
    cachette_op_deinit(&probe.op);
    cachette_close(handle);
  }
}

static void layers_over_an_immediate_store_are_immediate(void **state) {
  (void)state;
  cachette *handle = open_layers(both_quick, 2, cachette__memory_store.open);
  assert_true(cachette_immediate(handle));
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  assert_string_equal(trail, "A> B> B< A< A> B> B< A< ");
  assert_int_equal(stats_of(handle).entries, 1);
  cachette_close(handle);
}

static void a_layer_that_may_hold_an_op_is_not_immediate(void **state) {
  (void)state;
  manner.holds = "B";
  cachette *handle = open_layers(both, 2, cachette__memory_store.open);
  assert_false(cachette_immediate(handle));
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
}

static void a_failure_passes_layers_with_its_reason(void **state) {
  (void)state;
  slow_settings.failure = CACHETTE_EBACKEND;
  cachette *handle = open_two();
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
  cachette *handle = open_two();
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
    cachette *handle = open_two();
    struct probe probe;
    assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "hit"), CACHETTE_OK);
    probe_expect(&probe, CACHETTE_OK);
    assert_string_equal(trail, "A> B> B< A< ");
    cachette_op_deinit(&probe.op);
    cachette_close(handle);
  }
}

/* ---- Ends from above ---- */

static void a_cancelled_op_is_dropped_by_each_layer(void **state) {
  (void)state;
  slow_settings.mode = SLOW_BY_WIRE;
  cachette *handle = open_two();
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

static void submit_brief(cachette *handle, struct probe *probe, int64_t timeout_ms) {
  probe_init(probe, CACHETTE_FETCH, "hit");
  probe->op.timeout_ms = timeout_ms;
  probe_submit(handle, probe);
}

static void a_timed_out_op_comes_back_through_the_layers(void **state) {
  (void)state;
  slow_settings.delay_ms = SLOW_NEVER;
  cachette *handle = open_two();
  struct probe probe;
  submit_brief(handle, &probe, 10);
  assert_int_equal(probe_wait(handle, &probe), CACHETTE_ETIMEDOUT);
  probe_expect(&probe, CACHETTE_ETIMEDOUT);
  assert_string_equal(trail, "A> B> B< A< ");
  assert_int_equal(slow_seen.detached, 1);
  cachette_close(handle);
}

static void a_layer_may_answer_a_time_out(void **state) {
  (void)state;
  static const char *const holders[] = {NULL, "A", "B"}; /* at once, or later */
  slow_settings.delay_ms = SLOW_NEVER;
  for (size_t i = 0; i < LENGTH(holders); i++) {
    trail[0] = '\0';
    manner.rescues = "B";
    manner.holds = holders[i];
    manner.hold_ms = 20;
    cachette *handle = open_two();
    struct probe probe;
    submit_brief(handle, &probe, 10);
    assert_int_equal(probe_wait(handle, &probe), CACHETTE_OK);
    probe_expect(&probe, CACHETTE_OK);
    assert_int_equal(probe.item.status, CACHETTE_MISS);
    assert_string_equal(trail, "A> B> B< A< ");
    assert_int_equal(stats_of(handle).errors, 0);
    cachette_close(handle);
  }
}

/* An op held past its deadline has no deadline any more, but a close ends it. */
static void an_op_held_past_its_deadline_ends_with_the_handle(void **state) {
  (void)state;
  slow_settings.delay_ms = SLOW_NEVER;
  manner.holds = "B";
  manner.hold_ms = 600000;
  cachette *handle = open_two();
  struct probe probe;
  submit_brief(handle, &probe, 10);
  while (slow_seen.detached == 0) assert_int_equal(cachette_process(handle), 1);
  assert_int_equal(cachette_process(handle), 1);
  assert_true(cachette_op_pending(&probe.op));
  cachette_close(handle);
  probe_expect(&probe, CACHETTE_ECLOSED);
  assert_string_equal(trail, "A> B> B- Ax ");
}

static void closing_drops_ops_on_their_way_up(void **state) {
  (void)state;
  slow_settings.delay_ms = SLOW_NEVER;
  cachette *handle = open_two();
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
static void only_the_holder_of_an_op_hears_that_it_ends(void **state) {
  (void)state;
  static const struct {
    const char *holder, *trail;
  } cases[] = {{"A", "A> B> B< A- "}, {"B", "A> B> B- Ax "}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    manner.holds = cases[i].holder;
    manner.hold_ms = 600000;
    trail[0] = '\0';
    slow_reset(NULL);
    cachette *handle = open_two();
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

/* ---- A layer as a stranger would write it ---- */

/*
 * "both" is answered with the values of "h1" and "h2", which are fetched for it; a time-out of
 * "hold" is answered with an older value; after each put "h3" is fetched in the background.
 */
typedef struct pair pair;

typedef struct stranger {
  cachette__layer layer;
  pair *waiting; /* NULL: nobody asks for "both" */
} stranger;

struct pair {
  cachette__frame frame;
  stranger *layer;
  cachette_op *op; /* the op that fetches "both"; NULL if the frame is another's */
  cachette__child children[2];
  cachette_item items[2];
  cachette_error error;
  int open;
};

static int refreshed, refresh_status;

static bool fetches_key(const cachette_op *op, const char *key) {
  return op->verb == CACHETTE_FETCH && op->items[0].key.size == strlen(key) &&
         memcmp(op->items[0].key.data, key, strlen(key)) == 0;
}

static void give_value(cachette_op *op, const char *text) {
  char *buffer = cachette__item_alloc(op, &op->items[0], strlen(text));
  if (buffer == NULL) return;
  memcpy(buffer, text, strlen(text));
  op->items[0].status = CACHETTE_HIT;
  op->number = 1;
}

static void on_child(cachette__child *child) {
  stranger *self = (stranger *)child->layer;
  pair *both_of = self->waiting;
  if (--both_of->open > 0) return;
  cachette_op *op = both_of->op;
  char text[32] = "";
  int status = CACHETTE_OK;
  for (int i = 0; i < 2; i++) {
    const cachette_item *item = &both_of->items[i];
    if (both_of->children[i].op.status < 0) status = both_of->children[i].op.status;
    if (item->status == CACHETTE_HIT) strncat(text, item->value.data, item->value.size);
    cachette_op_deinit(&both_of->children[i].op);
  }
  if (status == CACHETTE_OK) give_value(op, text);
  cachette_error told = both_of->error;
  self->waiting = NULL;
  cachette__layer_give(&self->layer, both_of);
  if (status < 0)
    cachette__op_fail(op, status, NULL, "%s", told.message);
  else
    cachette__op_complete(op, CACHETTE_OK);
}

static void fetch_both(stranger *self, cachette_op *op) {
  static const char *const keys[] = {"h1", "h2"};
  pair *fresh = self->waiting = cachette__layer_take(&self->layer);
  *fresh = (pair){.layer = self, .op = op, .open = 2};
  for (int i = 0; i < 2; i++) {
    fresh->items[i].key = cachette_str(keys[i]);
    fresh->children[i].done = on_child;
    fresh->children[i].op = (cachette_op){
        .verb = CACHETTE_FETCH, .items = &fresh->items[i], .count = 1, .error = &fresh->error};
  }
  for (int i = 0; i < 2; i++) cachette__child_submit(&self->layer, &fresh->children[i], op);
}

static void on_stale(cachette__frame *frame, cachette_op *op) {
  pair *back = (pair *)frame;
  cachette__layer_give(&back->layer->layer, back);
  if (op->status == CACHETTE_ETIMEDOUT) {
    give_value(op, "older");
    op->status = CACHETTE_OK;
  }
  cachette__op_complete(op, op->status);
}

static void drop_stale(cachette__frame *frame, cachette_op *op) {
  (void)op;
  cachette__layer_give(&((pair *)frame)->layer->layer, frame);
}

typedef struct refresh {
  cachette__child child;
  cachette_item item;
} refresh;

static void on_refreshed(cachette__child *child) {
  refreshed++;
  refresh_status = child->op.status;
  cachette_op_deinit(&child->op);
  cachette__free(child);
}

static void send_refresh(stranger *self) {
  refresh *fresh = cachette__calloc(1, sizeof *fresh);
  fresh->item.key = cachette_str("h3");
  fresh->child.op =
      (cachette_op){.verb = CACHETTE_FETCH, .items = &fresh->item, .count = 1, .timeout_ms = 30};
  fresh->child.done = on_refreshed;
  if (!cachette__child_send(&self->layer, &fresh->child)) cachette__free(fresh);
}

static void stranger_submit(cachette__store *store, cachette_op *op) {
  stranger *self = (stranger *)store;
  if (fetches_key(op, "greeting")) {
    give_value(op, "hello");
    cachette__op_complete(op, CACHETTE_OK);
  } else if (fetches_key(op, "both")) {
    fetch_both(self, op);
  } else if (fetches_key(op, "hold")) {
    pair *fresh = cachette__layer_take(&self->layer);
    *fresh = (pair){.frame = {.done = on_stale, .drop = drop_stale}, .layer = self};
    cachette__op_push(op, &fresh->frame);
    cachette__layer_pass(&self->layer, op);
  } else {
    if (op->verb == CACHETTE_PUT) send_refresh(self);
    cachette__layer_pass(&self->layer, op);
  }
}

static void stranger_detach(cachette__store *store, cachette_op *op) {
  stranger *self = (stranger *)store;
  pair *gone = self->waiting;
  (void)op;
  for (int i = 0; i < 2; i++) {
    if (cachette__child_is_pending(&gone->children[i])) cachette__child_drop(&gone->children[i]);
    cachette_op_deinit(&gone->children[i].op);
  }
  self->waiting = NULL;
  cachette__layer_give(&self->layer, gone);
}

static const cachette__layer_kind stranger_layer = {
    .vtable = {.submit = stranger_submit, .detach = stranger_detach},
    .size = sizeof(stranger),
    .frame_size = sizeof(pair),
    .wanted = is_wanted,
};

static const cachette__layer_kind *const with_stranger[] = {&layer_a, &stranger_layer, &layer_b};

static cachette *open_stranger(void) { return open_layers(with_stranger, 3, slow_store.open); }

static void expect_fetched(cachette *handle, const char *key, const char *value) {
  struct probe probe;
  probe_init(&probe, CACHETTE_FETCH, key);
  probe.op.timeout_ms = 20;
  assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
  probe_expect(&probe, CACHETTE_OK);
  assert_slice(probe.item.value, value);
  cachette_op_deinit(&probe.op);
}

static void a_layer_answers_and_starts_ops_of_its_own(void **state) {
  (void)state;
  cachette *handle = open_stranger();
  expect_fetched(handle, "greeting", "hello");
  expect_fetched(handle, "both", "h1h2");
  assert_string_equal(trail, "A> A< A> B> B> B< B< A< ");
  slow_settings.delay_ms = SLOW_NEVER;
  expect_fetched(handle, "hold", "older");
  cachette_close(handle);
}

static void ops_of_a_layer_end_with_the_one_they_are_for(void **state) {
  (void)state;
  slow_settings.delay_ms = SLOW_NEVER;
  for (int ending = 0; ending < 3; ending++) {
    static const int codes[] = {CACHETTE_ETIMEDOUT, CACHETTE_ECANCELED, CACHETTE_ECLOSED};
    trail[0] = '\0';
    slow_seen.detached = 0;
    cachette *handle = open_stranger();
    struct probe probe;
    probe_init(&probe, CACHETTE_FETCH, "both");
    probe.op.timeout_ms = ending == 0 ? 10 : 60000;
    probe_submit(handle, &probe);
    assert_int_equal(stats_of(handle).pending, 1);
    if (ending == 0) probe_wait(handle, &probe);
    if (ending == 1) assert_int_equal(cachette_cancel(handle, &probe.op), CACHETTE_OK);
    if (ending == 2) cachette_close(handle);
    probe_expect(&probe, codes[ending]);
    assert_int_equal(slow_seen.detached, 2);
    assert_string_equal(trail, ending == 0 ? "A> B> B> Bx Bx A< " : "A> B> B> Bx Bx Ax ");
    if (ending < 2) cachette_close(handle);
  }
}

static void a_failure_of_a_layers_own_op_is_the_callers(void **state) {
  (void)state;
  slow_settings.failure = CACHETTE_EBACKEND;
  cachette *handle = open_stranger();
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "both"), CACHETTE_EBACKEND);
  assert_string_equal(probe.error.message, "The slow store was told to fail.");
  cachette_close(handle);
}

static void an_op_in_the_background_has_a_deadline_and_ends_with_the_handle(void **state) {
  (void)state;
  slow_settings.mode = SLOW_BY_WIRE;
  cachette *handle = open_stranger();
  for (int ending = 0; ending < 3; ending++) {
    refreshed = 0;
    struct probe probe;
    slow_settings.delay_ms = ending == 0 ? 0 : SLOW_NEVER;
    probe_init(&probe, CACHETTE_PUT, "key");
    probe_submit(handle, &probe);
    assert_int_equal(stats_of(handle).pending, 1); /* the caller's own */
    if (ending > 0) assert_int_equal(cachette_cancel(handle, &probe.op), CACHETTE_OK);
    if (ending > 0) assert_int_equal(cachette_process(handle), 0);
    if (ending == 2) cachette_close(handle);
    for (int i = 0; ending < 2 && refreshed == 0 && i < 2000; i++) {
      cachette_process(handle);
      poll(NULL, 0, 5);
    }
    static const int codes[] = {CACHETTE_OK, CACHETTE_ETIMEDOUT, CACHETTE_ECLOSED};
    assert_int_equal(refreshed, 1);
    assert_int_equal(refresh_status, codes[ending]);
    if (ending == 0) probe_wait(handle, &probe);
  }
}

/* ---- Events ---- */

static void events_of_a_store_pass_the_layers(void **state) {
  (void)state;
  char notice[128];
  cachette *handle = open_two();
  assert_false(cachette_take_notice(handle, notice, sizeof notice));
  slow_send_notice("Something happened.");
  assert_true(cachette_take_notice(handle, notice, sizeof notice));
  assert_string_equal(notice, "Something happened.");
  assert_false(cachette_take_notice(handle, notice, sizeof notice));
  cachette_close(handle);
}

/* A layer that takes what it hears for itself. */
static char heard[64];

static void hear_invalidated(cachette__events *events, cachette_slice key) {
  (void)events;
  snprintf(heard, sizeof heard, "not %.*s", (int)key.size, (const char *)key.data);
}

static void hear_lost(cachette__events *events) {
  (void)events;
  snprintf(heard, sizeof heard, "lost");
}

static int listen_to(cachette__layer *layer, cachette_error *error) {
  (void)error;
  layer->events.invalidated = hear_invalidated;
  layer->events.lost = hear_lost;
  return CACHETTE_OK;
}

static const cachette__layer_kind listener = {
    .size = sizeof(cachette__layer), .wanted = is_wanted, .init = listen_to};

static void a_layer_hears_the_events_from_below(void **state) {
  static const cachette__layer_kind *const kinds[] = {&listener, &layer_b};
  (void)state;
  char notice[64];
  cachette *handle = open_layers(kinds, 2, slow_store.open);
  slow_invalidate_key("key");
  assert_string_equal(heard, "not key");
  slow_lose_connection();
  assert_string_equal(heard, "lost");
  slow_send_notice("Something happened."); /* which it leaves to the one above */
  assert_true(cachette_take_notice(handle, notice, sizeof notice));
  cachette_close(handle);
  handle = open_two(); /* with nobody who listens */
  slow_invalidate_key("key");
  slow_lose_connection();
  cachette_close(handle);
}

#define test(name) cmocka_unit_test_setup(name, reset)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(layers_are_freed_if_the_store_cannot_be_opened),
      test(an_op_passes_a_layer_down_and_up),
      test(an_op_passes_two_layers_in_order),
      test(layers_over_an_immediate_store_are_immediate),
      test(a_layer_that_may_hold_an_op_is_not_immediate),
      test(a_failure_passes_layers_with_its_reason),
      test(a_layer_may_answer_itself),
      test(a_layer_may_answer_later),
      test(a_cancelled_op_is_dropped_by_each_layer),
      test(a_timed_out_op_comes_back_through_the_layers),
      test(a_layer_may_answer_a_time_out),
      test(an_op_held_past_its_deadline_ends_with_the_handle),
      test(closing_drops_ops_on_their_way_up),
      test(only_the_holder_of_an_op_hears_that_it_ends),
      test(a_layer_answers_and_starts_ops_of_its_own),
      test(ops_of_a_layer_end_with_the_one_they_are_for),
      test(a_failure_of_a_layers_own_op_is_the_callers),
      test(an_op_in_the_background_has_a_deadline_and_ends_with_the_handle),
      test(events_of_a_store_pass_the_layers),
      test(a_layer_hears_the_events_from_below),
  };
  return cmocka_run_group_tests_name("layer", tests, NULL, NULL);
}
