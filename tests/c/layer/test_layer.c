/* SPDX-License-Identifier: MIT */
/*
 * The interface of layers, with two test layers. A tracer records the path of ops and can delay
 * them. The other one uses only layer.h, as a new layer would.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "slow_store.h"
#include "store/memory/memory.h"
#include "support.h"

/* ---- The tracer ---- */

typedef struct call {
  cachette__frame frame; /* the first member, so that a frame can be cast to its call */
  struct call *next;     /* in `delayed` */
  struct tracer *layer;
  cachette_op *op;
} call;

typedef struct tracer {
  cachette__layer layer;
  const char *name;
  uv_timer_t timer; /* for delayed calls */
  call *delayed;
} tracer;

/* The behaviour of the tracers. */
static struct {
  const char *answered_key;   /* the key that a tracer answers itself, or NULL */
  const char *delaying_layer; /* the name of the tracer that delays completions, or NULL */
  uint64_t delay_ms;
  const char *rescuing_layer; /* the name of the tracer that turns time-outs into misses, or NULL */
} behaviour;

static char trail[256]; /* the path of ops, such as "A> B> B< A< " */

static void record(const tracer *self, const char *what) {
  size_t used = strlen(trail);
  snprintf(trail + used, sizeof trail - used, "%s%s ", self->name, what);
}

static bool is_named(const char *name, const tracer *self) {
  return name != NULL && strcmp(name, self->name) == 0;
}

static void pass_up(tracer *self, cachette_op *op) {
  bool rescued = is_named(behaviour.rescuing_layer, self) && op->status == CACHETTE_ETIMEDOUT;
  record(self, "<");
  cachette__op_complete(op, rescued ? CACHETTE_OK : op->status);
}

static void on_delay_over(uv_timer_t *timer) {
  tracer *self = timer->data;
  while (self->delayed != NULL) {
    call *first = self->delayed;
    cachette_op *op = first->op;
    self->delayed = first->next;
    cachette__layer_free_frame(&self->layer, first);
    pass_up(self, op);
  }
}

static void on_back(cachette__frame *frame, cachette_op *op) {
  call *returned = (call *)frame;
  tracer *self = returned->layer;
  if (is_named(behaviour.delaying_layer, self)) {
    cachette__layer_hold(&self->layer, op);
    returned->next = self->delayed;
    self->delayed = returned;
    uv_timer_start(&self->timer, on_delay_over, behaviour.delay_ms, 0);
  } else {
    cachette__layer_free_frame(&self->layer, returned);
    pass_up(self, op);
  }
}

static void on_drop(cachette__frame *frame, cachette_op *op) {
  call *dropped = (call *)frame;
  (void)op;
  record(dropped->layer, "x");
  cachette__layer_free_frame(&dropped->layer->layer, dropped);
}

static void trace_submit(cachette__store *store, cachette_op *op) {
  tracer *self = (tracer *)store;
  const char *answered = behaviour.answered_key;
  if (answered != NULL && op->items[0].key.size == strlen(answered) &&
      memcmp(op->items[0].key.data, answered, strlen(answered)) == 0) {
    record(self, "!");
    cachette__op_complete(op, CACHETTE_OK);
    return;
  }
  call *created = cachette__layer_alloc_frame(&self->layer);
  if (created == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  *created = (call){.frame = {.done = on_back, .drop = on_drop}, .layer = self, .op = op};
  record(self, ">");
  cachette__op_push(op, &created->frame);
  cachette__layer_pass(&self->layer, op);
}

/* The core calls it only for ops that the layer delays. */
static void trace_detach(cachette__store *store, cachette_op *op) {
  tracer *self = (tracer *)store;
  call **link = &self->delayed;
  while ((*link)->op != op) link = &(*link)->next;
  call *removed = *link;
  *link = removed->next;
  record(self, "-");
  cachette__layer_free_frame(&self->layer, removed);
}

static void on_closed(uv_handle_t *timer) { cachette__layer_free(timer->data); }

static void trace_close(cachette__store *store, bool forked) {
  tracer *self = (tracer *)store;
  self->layer.below->vtable->close(self->layer.below, forked);
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
                                  immediate_a = TRACER(init_a, NULL),
                                  immediate_b = TRACER(init_b, NULL);

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
static const cachette__layer_kind *const both_immediate[] = {&immediate_a, &immediate_b};

static cachette *open_one(void) { return open_layers(both, 1, slow_store.open); }

static cachette *open_two(void) { return open_layers(both, 2, slow_store.open); }

static int reset(void **state) {
  memset(&behaviour, 0, sizeof behaviour);
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

/* ---- Down and up ---- */

static void an_op_passes_through_a_layer_down_and_up(void **state) {
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

static void an_op_passes_through_two_layers_in_order(void **state) {
  (void)state;
  static const enum slow_mode modes[] = {SLOW_BY_TIMER, SLOW_BY_WIRE, SLOW_IN_SUBMIT};
  for (size_t i = 0; i < LENGTH(modes); i++) {
    slow_settings.mode = modes[i];
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
  cachette *handle = open_layers(both_immediate, 2, cachette__memory_store.open);
  assert_true(cachette_immediate(handle));
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  assert_string_equal(trail, "A> B> B< A< A> B> B< A< ");
  assert_int_equal(stats_of(handle).entries, 1);
  cachette_close(handle);
}

static void a_layer_with_detach_is_not_immediate(void **state) {
  (void)state;
  behaviour.delaying_layer = "B";
  cachette *handle = open_layers(both, 2, cachette__memory_store.open);
  assert_false(cachette_immediate(handle));
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
}

static void a_failure_passes_through_the_layers_with_its_reason(void **state) {
  (void)state;
  slow_settings.failure = CACHETTE_EBACKEND;
  cachette *handle = open_two();
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "hit"), CACHETTE_EBACKEND);
  probe_expect(&probe, CACHETTE_EBACKEND);
  assert_string_equal(probe.error.message, "The slow store is set to fail.");
  assert_string_equal(trail, "A> B> B< A< ");
  assert_int_equal(stats_of(handle).errors, 1);
  cachette_close(handle);
}

static void a_layer_may_answer_an_op_itself(void **state) {
  (void)state;
  behaviour.answered_key = "near";
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

static void a_layer_may_delay_an_answer(void **state) {
  (void)state;
  static const char *const names[] = {"A", "B"};
  for (size_t i = 0; i < LENGTH(names); i++) {
    behaviour.delaying_layer = names[i];
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

/* ---- Cancel, time-out, close ---- */

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

static void submit_with_timeout(cachette *handle, struct probe *probe, int64_t timeout_ms) {
  probe_init(probe, CACHETTE_FETCH, "hit");
  probe->op.timeout_ms = timeout_ms;
  probe_submit(handle, probe);
}

static void a_timed_out_op_returns_through_the_layers(void **state) {
  (void)state;
  slow_settings.delay_ms = SLOW_NEVER;
  cachette *handle = open_two();
  struct probe probe;
  submit_with_timeout(handle, &probe, 10);
  assert_int_equal(probe_wait(handle, &probe), CACHETTE_ETIMEDOUT);
  probe_expect(&probe, CACHETTE_ETIMEDOUT);
  assert_string_equal(trail, "A> B> B< A< ");
  assert_int_equal(slow_seen.detached, 1);
  cachette_close(handle);
}

static void a_layer_may_answer_a_time_out(void **state) {
  (void)state;
  static const char *const delaying[] = {NULL, "A", "B"}; /* NULL: at once */
  slow_settings.delay_ms = SLOW_NEVER;
  for (size_t i = 0; i < LENGTH(delaying); i++) {
    trail[0] = '\0';
    behaviour.rescuing_layer = "B";
    behaviour.delaying_layer = delaying[i];
    behaviour.delay_ms = 20;
    cachette *handle = open_two();
    struct probe probe;
    submit_with_timeout(handle, &probe, 10);
    assert_int_equal(probe_wait(handle, &probe), CACHETTE_OK);
    probe_expect(&probe, CACHETTE_OK);
    assert_int_equal(probe.item.status, CACHETTE_MISS);
    assert_string_equal(trail, "A> B> B< A< ");
    assert_int_equal(stats_of(handle).errors, 0);
    cachette_close(handle);
  }
}

/* The op has no deadline any more, but a close completes it. */
static void closing_completes_an_op_that_is_delayed_past_its_deadline(void **state) {
  (void)state;
  slow_settings.delay_ms = SLOW_NEVER;
  behaviour.delaying_layer = "B";
  behaviour.delay_ms = 600000;
  cachette *handle = open_two();
  struct probe probe;
  submit_with_timeout(handle, &probe, 10);
  while (slow_seen.detached == 0) assert_int_equal(cachette_process(handle), 1);
  assert_int_equal(cachette_process(handle), 1);
  assert_true(cachette_op_pending(&probe.op));
  cachette_close(handle);
  probe_expect(&probe, CACHETTE_ECLOSED);
  assert_string_equal(trail, "A> B> B- Ax ");
}

static void closing_drops_pending_ops(void **state) {
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

/* The store has answered, so its `detach` must not be called. */
static void only_the_layer_that_delays_an_op_is_asked_to_detach_it(void **state) {
  (void)state;
  static const struct {
    const char *delaying_layer, *trail;
  } cases[] = {{"A", "A> B> B< A- "}, {"B", "A> B> B- Ax "}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    behaviour.delaying_layer = cases[i].delaying_layer;
    behaviour.delay_ms = 600000;
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

/* ---- A layer that uses only layer.h ---- */

/*
 * A fetch of "both" fetches "h1" and "h2" and returns both values together. A time-out of "hold"
 * returns an older value. Each put starts a fetch of "h3" in the background.
 */
typedef struct pair pair;

typedef struct custom {
  cachette__layer layer;
  pair *waiting; /* the pending fetch of "both", or NULL */
} custom;

struct pair {
  cachette__frame frame;
  custom *layer;
  cachette_op *op; /* the op that fetches "both"; NULL in the frame of "hold" */
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

static void set_value(cachette_op *op, const char *text) {
  char *buffer = cachette__item_alloc(op, &op->items[0], strlen(text));
  if (buffer == NULL) return;
  memcpy(buffer, text, strlen(text));
  op->items[0].status = CACHETTE_HIT;
  op->number = 1;
}

static void on_child(cachette__child *child) {
  custom *self = (custom *)child->layer;
  pair *fetch = self->waiting;
  if (--fetch->open > 0) return;
  cachette_op *op = fetch->op;
  char text[32] = "";
  int status = CACHETTE_OK;
  for (int i = 0; i < 2; i++) {
    const cachette_item *item = &fetch->items[i];
    if (fetch->children[i].op.status < 0) status = fetch->children[i].op.status;
    if (item->status == CACHETTE_HIT) strncat(text, item->value.data, item->value.size);
    cachette_op_deinit(&fetch->children[i].op);
  }
  if (status == CACHETTE_OK) set_value(op, text);
  cachette_error error = fetch->error;
  self->waiting = NULL;
  cachette__layer_free_frame(&self->layer, fetch);
  if (status < 0)
    cachette__op_fail(op, status, NULL, "%s", error.message);
  else
    cachette__op_complete(op, CACHETTE_OK);
}

static void fetch_both(custom *self, cachette_op *op) {
  static const char *const keys[] = {"h1", "h2"};
  pair *created = self->waiting = cachette__layer_alloc_frame(&self->layer);
  *created = (pair){.layer = self, .op = op, .open = 2};
  for (int i = 0; i < 2; i++) {
    created->items[i].key = cachette_str(keys[i]);
    created->children[i].done = on_child;
    created->children[i].op = (cachette_op){
        .verb = CACHETTE_FETCH, .items = &created->items[i], .count = 1, .error = &created->error};
  }
  for (int i = 0; i < 2; i++) cachette__child_submit(&self->layer, &created->children[i], op);
}

static void on_stale(cachette__frame *frame, cachette_op *op) {
  pair *returned = (pair *)frame;
  cachette__layer_free_frame(&returned->layer->layer, returned);
  if (op->status == CACHETTE_ETIMEDOUT) {
    set_value(op, "older");
    op->status = CACHETTE_OK;
  }
  cachette__op_complete(op, op->status);
}

static void drop_stale(cachette__frame *frame, cachette_op *op) {
  (void)op;
  cachette__layer_free_frame(&((pair *)frame)->layer->layer, frame);
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

static void send_refresh(custom *self) {
  refresh *created = cachette__calloc(1, sizeof *created);
  created->item.key = cachette_str("h3");
  created->child.op =
      (cachette_op){.verb = CACHETTE_FETCH, .items = &created->item, .count = 1, .timeout_ms = 30};
  created->child.done = on_refreshed;
  if (!cachette__child_submit_background(&self->layer, &created->child)) cachette__free(created);
}

static void custom_submit(cachette__store *store, cachette_op *op) {
  custom *self = (custom *)store;
  if (fetches_key(op, "greeting")) {
    set_value(op, "hello");
    cachette__op_complete(op, CACHETTE_OK);
  } else if (fetches_key(op, "both")) {
    fetch_both(self, op);
  } else if (fetches_key(op, "hold")) {
    pair *created = cachette__layer_alloc_frame(&self->layer);
    *created = (pair){.frame = {.done = on_stale, .drop = drop_stale}, .layer = self};
    cachette__op_push(op, &created->frame);
    cachette__layer_pass(&self->layer, op);
  } else {
    if (op->verb == CACHETTE_PUT) send_refresh(self);
    cachette__layer_pass(&self->layer, op);
  }
}

static void custom_detach(cachette__store *store, cachette_op *op) {
  custom *self = (custom *)store;
  pair *removed = self->waiting;
  (void)op;
  for (int i = 0; i < 2; i++) {
    if (cachette__child_is_pending(&removed->children[i]))
      cachette__child_drop(&removed->children[i]);
    cachette_op_deinit(&removed->children[i].op);
  }
  self->waiting = NULL;
  cachette__layer_free_frame(&self->layer, removed);
}

static const cachette__layer_kind custom_layer = {
    .vtable = {.submit = custom_submit, .detach = custom_detach},
    .size = sizeof(custom),
    .frame_size = sizeof(pair),
    .wanted = is_wanted,
};

static const cachette__layer_kind *const with_custom[] = {&layer_a, &custom_layer, &layer_b};

static cachette *open_custom(void) { return open_layers(with_custom, 3, slow_store.open); }

static void expect_fetched(cachette *handle, const char *key, const char *value) {
  struct probe probe;
  probe_init(&probe, CACHETTE_FETCH, key);
  probe.op.timeout_ms = 20;
  assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
  probe_expect(&probe, CACHETTE_OK);
  assert_slice(probe.item.value, value);
  cachette_op_deinit(&probe.op);
}

static void a_layer_may_start_its_own_ops(void **state) {
  (void)state;
  cachette *handle = open_custom();
  expect_fetched(handle, "greeting", "hello");
  expect_fetched(handle, "both", "h1h2");
  assert_string_equal(trail, "A> A< A> B> B> B< B< A< ");
  slow_settings.delay_ms = SLOW_NEVER;
  expect_fetched(handle, "hold", "older");
  cachette_close(handle);
}

static void child_ops_end_with_their_parent(void **state) {
  (void)state;
  slow_settings.delay_ms = SLOW_NEVER;
  for (int ending = 0; ending < 3; ending++) {
    static const int codes[] = {CACHETTE_ETIMEDOUT, CACHETTE_ECANCELED, CACHETTE_ECLOSED};
    trail[0] = '\0';
    slow_seen.detached = 0;
    cachette *handle = open_custom();
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

static void a_failure_of_a_child_op_reaches_the_caller(void **state) {
  (void)state;
  slow_settings.failure = CACHETTE_EBACKEND;
  cachette *handle = open_custom();
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "both"), CACHETTE_EBACKEND);
  assert_string_equal(probe.error.message, "The slow store is set to fail.");
  cachette_close(handle);
}

static void a_background_op_has_a_deadline_and_ends_with_the_handle(void **state) {
  (void)state;
  slow_settings.mode = SLOW_BY_WIRE;
  cachette *handle = open_custom();
  for (int ending = 0; ending < 3; ending++) {
    refreshed = 0;
    struct probe probe;
    slow_settings.delay_ms = ending == 0 ? 0 : SLOW_NEVER;
    probe_init(&probe, CACHETTE_PUT, "key");
    probe_submit(handle, &probe);
    assert_int_equal(stats_of(handle).pending, 1); /* the caller's op */
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

static void a_notice_passes_through_the_layers(void **state) {
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

/* A layer that consumes events. */
static char last_event[64];

static void on_invalidated(cachette__events *events, cachette_slice key) {
  (void)events;
  snprintf(last_event, sizeof last_event, "not %.*s", (int)key.size, (const char *)key.data);
}

static void on_lost(cachette__events *events) {
  (void)events;
  snprintf(last_event, sizeof last_event, "lost");
}

static int listen_to(cachette__layer *layer, cachette_error *error) {
  (void)error;
  layer->events.invalidated = on_invalidated;
  layer->events.lost = on_lost;
  return CACHETTE_OK;
}

static const cachette__layer_kind listener = {
    .size = sizeof(cachette__layer), .wanted = is_wanted, .init = listen_to};

static void a_layer_receives_events_of_the_store(void **state) {
  static const cachette__layer_kind *const kinds[] = {&listener, &layer_b};
  (void)state;
  char notice[64];
  cachette *handle = open_layers(kinds, 2, slow_store.open);
  slow_invalidate_key("key");
  assert_string_equal(last_event, "not key");
  slow_lose_connection();
  assert_string_equal(last_event, "lost");
  slow_send_notice("Something happened."); /* it passes notices on */
  assert_true(cachette_take_notice(handle, notice, sizeof notice));
  cachette_close(handle);
  handle = open_two(); /* without a listener */
  slow_invalidate_key("key");
  slow_lose_connection();
  cachette_close(handle);
}

#define test(name) cmocka_unit_test_setup(name, reset)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(layers_are_freed_if_the_store_cannot_be_opened),
      test(an_op_passes_through_a_layer_down_and_up),
      test(an_op_passes_through_two_layers_in_order),
      test(layers_over_an_immediate_store_are_immediate),
      test(a_layer_with_detach_is_not_immediate),
      test(a_failure_passes_through_the_layers_with_its_reason),
      test(a_layer_may_answer_an_op_itself),
      test(a_layer_may_delay_an_answer),
      test(a_cancelled_op_is_dropped_by_each_layer),
      test(a_timed_out_op_returns_through_the_layers),
      test(a_layer_may_answer_a_time_out),
      test(closing_completes_an_op_that_is_delayed_past_its_deadline),
      test(closing_drops_pending_ops),
      test(only_the_layer_that_delays_an_op_is_asked_to_detach_it),
      test(a_layer_may_start_its_own_ops),
      test(child_ops_end_with_their_parent),
      test(a_failure_of_a_child_op_reaches_the_caller),
      test(a_background_op_has_a_deadline_and_ends_with_the_handle),
      test(a_notice_passes_through_the_layers),
      test(a_layer_receives_events_of_the_store),
  };
  return cmocka_run_group_tests_name("layer", tests, NULL, NULL);
}
