/* SPDX-License-Identifier: MIT */
/*
 * The handle: checks each op, sends it down with a deadline, and counts its result.
 *
 * The states of an op:
 *
 *     IDLE       the caller has it
 *     SENT       a layer or the store has it; if submit returned before it came back, it is in
 *                `pending`, ordered by deadline
 *     TIMED_OUT  its deadline passed, and it is on its way up through the layers
 *     ANSWERED   it has its result, and waits in `answered` because a `done` of this handle runs
 *
 * The outermost `done` runs the queue `answered`, so a chain of ops that submit each other does not
 * deepen the stack.
 *
 * `depth` counts the calls into the handle that are on the stack. A handle that is closed from
 * inside a call is freed when the outermost call returns.
 */
#include "cache.h"

#include <assert.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/slice.h"
#include "../layer/layers.h"
#include "pending.h"

enum state { IDLE, SENT, TIMED_OUT, ANSWERED };

/* When a call that passes an op down or up returns, the op may have come back and the caller may
 * have freed it. A guard on the stack of that call detects this. */
typedef struct guard {
  const cachette_op *op; /* NULL: it came back; do not touch it */
  struct guard *outer;   /* the guard of the enclosing call */
} guard;

/* The figures of a new handle. -1 means that the store does not report a figure. */
static const cachette_stats initial_stats = {
#define HANDLE 0
#define STORE -1
#define INITIAL(name, owner, text) .name = owner,
    CACHETTE_STATS(INITIAL)
#undef HANDLE
#undef STORE
#undef INITIAL
};

enum {
  SAMPLE_INTERVAL = 64, /* immediate handles measure the time of one op in 64 */
  NOTICE_SIZE = 512     /* bytes, including the NUL */
};

#define NOT_PENDING SIZE_MAX /* `priv.place` of an op that is not in `pending` */

struct cachette {
  cachette__store *store; /* the top layer, or the store if there are no layers */
  cachette_options *options;
  cachette__clock clock;
  int64_t ttl_ms, timeout_ms; /* for ops that set none */
  cachette__store_context context;
  cachette__frame bottom;        /* the bottom frame of every op that a caller submits */
  cachette__events events;       /* receives the events of the top layer or store */
  cachette__deadlines deadlines; /* for ops that layers start in the background */
  size_t background;             /* how many of the ops in `pending` those are */
  guard *guard;                  /* the innermost guard, or NULL */
  uv_loop_t loop;
  uv_timer_t timer;  /* for the earliest deadline */
  int64_t timer_due; /* when the timer fires; INT64_MAX: it is stopped */
  cachette__pending pending;
  cachette_op *answered, **answered_tail; /* a queue, linked by `priv.next` */
  const cachette_op *awaited; /* the op that cachette_run() waits for in the loop, or NULL */
  cachette_stats stats;
  uint64_t spent_ns;
  unsigned untimed; /* ops since the last one whose time was measured */
  unsigned fork_generation;
  unsigned depth;
  bool immediate, running_done, closing;
  bool has_notice; /* `notice` has not been taken yet */
  char notice[NOTICE_SIZE];
};

/* The handle that contains a member. */
#define HANDLE_OF(part, member) ((cachette *)((char *)(part)-offsetof(cachette, member)))

const char *cachette_version(void) { return CACHETTE_VERSION; }

/* Returns whether the items of a verb need a TTL. */
static bool takes_ttl(enum cachette_verb verb) {
  return verb == CACHETTE_PUT || verb == CACHETTE_TOUCH || verb == CACHETTE_INCREMENT;
}

static bool forked(const cachette *handle) {
  return handle->fork_generation != cachette__fork_generation;
}

/* ---- Coming back ---- */

static void count_result(cachette *handle, const cachette_op *op) {
  cachette_stats *stats = &handle->stats;
  if (op->priv.begin_ns != 0)
    handle->spent_ns +=
        (uv_hrtime() - op->priv.begin_ns) * (handle->immediate ? SAMPLE_INTERVAL : 1);
  if (op->status < 0) {
    stats->errors++;
    return;
  }
  for (size_t i = 0; cachette__has_items(op->verb) && i < op->count; i++) {
    stats->errors += op->items[i].status < 0;
    stats->misses += op->verb == CACHETTE_FETCH && op->items[i].status == CACHETTE_MISS;
  }
  switch (op->verb) {
    case CACHETTE_FETCH:
      stats->hits += op->number;
      break;
    case CACHETTE_PUT:
    case CACHETTE_INCREMENT:
      stats->puts += op->number;
      break;
    case CACHETTE_CLEAR:
    case CACHETTE_CLEAR_NAMESPACE:
    case CACHETTE_FLUSH:
    case CACHETTE_FLUSH_EXPIRED:
      stats->clears += op->number;
      break;
    case CACHETTE_EXISTS:
    case CACHETTE_TOUCH:
    case CACHETTE_PING:
      break;
  }
}

static void run_done(cachette *handle, cachette_op *op) {
  op->priv.state = IDLE;
  if (op == handle->awaited) uv_stop(&handle->loop);
  if (op->done != NULL) op->done(op);
}

/* Removes an op from `pending`, if it is there. */
static void unwatch(cachette *handle, cachette_op *op) {
  if (op->priv.place == NOT_PENDING) return;
  cachette__pending_remove(&handle->pending, op);
  op->priv.place = NOT_PENDING;
}

static void guard_begin(cachette *handle, guard *entry, const cachette_op *op) {
  *entry = (guard){op, handle->guard};
  handle->guard = entry;
}

/* Returns whether the op is still pending. */
static bool guard_end(cachette *handle, const guard *entry) {
  handle->guard = entry->outer;
  return entry->op != NULL;
}

/* The op came back: no enclosing call may touch it any more. */
static void guard_clear(cachette *handle, const cachette_op *op) {
  for (guard *each = handle->guard; each != NULL; each = each->outer)
    if (each->op == op) each->op = NULL;
}

/* An op came back: counts its result and calls its `done`, or queues it if a `done` runs. */
static void on_returned(cachette__frame *frame, cachette_op *op) {
  cachette *handle = HANDLE_OF(frame, bottom);
  if (!handle->immediate) {
    guard_clear(handle, op);
    unwatch(handle, op);
  }
  count_result(handle, op);
  if (handle->running_done) {
    op->priv.state = ANSWERED;
    op->priv.next = NULL;
    *handle->answered_tail = op;
    handle->answered_tail = &op->priv.next;
    return;
  }
  handle->running_done = true;
  run_done(handle, op);
  while ((op = handle->answered) != NULL) {
    handle->answered = op->priv.next;
    if (handle->answered == NULL) handle->answered_tail = &handle->answered;
    run_done(handle, op);
  }
  handle->running_done = false;
}

/* In milliseconds. */
static int64_t timeout_of(const cachette *handle, const cachette_op *op) {
  return op->timeout_ms > 0 ? op->timeout_ms : handle->timeout_ms;
}

/*
 * Fills the error of an op whose deadline passed, and returns its code.
 *   server  the name of the server that it waits for, or NULL
 *   reason  see store.h; a code of 0 means that there is none
 */
static int fail_late(const cachette *handle, const cachette_op *op, const char *server,
                     const cachette_error *reason) {
  bool is_advice = reason->code == CACHETTE_ETIMEDOUT;
  if (reason->code < 0 && !is_advice)
    return cachette__fail(op->error, reason->code, NULL, "%s", reason->message);
  if (server == NULL) return cachette__fail(op->error, CACHETTE_ETIMEDOUT, NULL, NULL);
  return cachette__fail(op->error, CACHETTE_ETIMEDOUT, NULL, "%s did not answer within %g s.%s%s",
                        server, (double)timeout_of(handle, op) / 1000, is_advice ? " " : "",
                        is_advice ? reason->message : "");
}

/* If an op timed out when some of its items had their answers, sets the op's `number` from those
 * and returns true. */
static bool sum_answers(cachette_op *op) {
  size_t late = 0;
  int64_t number = 0;
  if (!cachette__has_items(op->verb)) return false;
  for (size_t i = 0; i < op->count; i++) {
    late += op->items[i].status == CACHETTE_ETIMEDOUT;
    number += cachette__item_counts(op, &op->items[i]);
  }
  if (late == 0 || late == op->count) return false;
  op->number = number;
  return true;
}

/* Ends an op that was cancelled, or whose handle is being closed. No layer can answer it. */
static void end_op(cachette *handle, cachette_op *op, int code) {
  cachette__store *holder = op->priv.holder;
  unwatch(handle, op);
  holder->vtable->detach(holder, op);
  cachette__op_drop_frames(op);
  cachette__op_fail(op, code, NULL, NULL);
}

/* Adds an op to `pending`. Returns false if memory is out. */
static bool watch(cachette *handle, cachette_op *op) {
  if (cachette__pending_add(&handle->pending, op) == CACHETTE_OK) return true;
  op->priv.place = NOT_PENDING;
  return false;
}

/* Watches the deadline of an op that did not come back at once. Ends the op if that fails. */
static void watch_or_end(cachette *handle, cachette_op *op) {
  if (handle->closing)
    end_op(handle, op, CACHETTE_ECLOSED);
  else if (!watch(handle, op))
    end_op(handle, op, CACHETTE_ENOMEM);
}

/*
 * The deadline of an op passed: takes it from its holder, and sends it up through the layers with a
 * time-out. A layer may answer it instead, for example with a stale value. The op has no deadline
 * while a layer holds it for that.
 */
static void time_out(cachette *handle, cachette_op *op) {
  cachette__store *holder = op->priv.holder;
  const cachette__store_vtable *vtable = holder->vtable;
  const char *server = vtable->server != NULL ? vtable->server(holder, op) : NULL;
  const cachette_error *reason = vtable->reason != NULL ? vtable->reason(holder, op) : NULL;
  const cachette_error none = {.code = CACHETTE_OK};
  int code = fail_late(handle, op, server, reason != NULL ? reason : &none);
  unwatch(handle, op);
  vtable->detach(holder, op);
  guard entry;
  guard_begin(handle, &entry, op);
  op->priv.state = TIMED_OUT; /* it has no holder now, so cancel must refuse it */
  cachette__op_complete(op, sum_answers(op) ? CACHETTE_OK : code);
  if (!guard_end(handle, &entry)) return;
  op->priv.state = SENT;
  op->priv.deadline_ms = INT64_MAX;
  watch_or_end(handle, op);
}

/* ---- Deadlines ---- */

static void on_timer(uv_timer_t *timer);

static void arm_timer(cachette *handle) {
  if (handle->pending.count == 0) return;
  int64_t due = handle->pending.ops[0]->priv.deadline_ms;
  if (due >= handle->timer_due) return;
  int64_t delay = due - cachette__machine_now();
  uv_update_time(&handle->loop);
  uv_timer_start(&handle->timer, on_timer, delay > 0 ? (uint64_t)delay : 0, 0);
  handle->timer_due = due;
}

static void on_timer(uv_timer_t *timer) {
  cachette *handle = timer->data;
  handle->timer_due = INT64_MAX;
  int64_t now = cachette__machine_now();
  while (handle->pending.count > 0 && handle->pending.ops[0]->priv.deadline_ms <= now)
    time_out(handle, handle->pending.ops[0]);
  arm_timer(handle);
}

static void set_deadline(cachette *handle, cachette_op *op, int64_t now) {
  int64_t timeout_ms = timeout_of(handle, op);
  op->priv.deadline_ms = timeout_ms < INT64_MAX - now ? now + timeout_ms : INT64_MAX;
}

/* Returns the time that TTLs start from: the caller's clock if there is one. */
static int64_t ttl_now(const cachette *handle, int64_t machine_now) {
  return handle->clock.now != NULL ? handle->clock.now(handle->clock.data) : machine_now;
}

static bool add_deadline(cachette__deadlines *deadlines, cachette_op *op) {
  cachette *handle = HANDLE_OF(deadlines, deadlines);
  int64_t now = cachette__machine_now();
  op->priv.now_ms = ttl_now(handle, now);
  set_deadline(handle, op, now);
  if (handle->closing || !watch(handle, op)) return false;
  handle->background++;
  arm_timer(handle);
  return true;
}

static void remove_deadline(cachette__deadlines *deadlines, cachette_op *op) {
  cachette *handle = HANDLE_OF(deadlines, deadlines);
  guard_clear(handle, op);
  unwatch(handle, op);
  handle->background--;
}

/* ---- Events ---- */

static void on_notice(cachette__events *events, const char *message) {
  cachette *handle = HANDLE_OF(events, events);
  snprintf(handle->notice, sizeof handle->notice, "%s", message);
  handle->has_notice = true;
}

/* Only layers use these two events. */
static void on_invalidated(cachette__events *events, cachette_slice key) {
  (void)events;
  (void)key;
}

static void on_lost(cachette__events *events) { (void)events; }

bool cachette_take_notice(cachette *handle, char *message, size_t size) {
  if (!handle->has_notice || forked(handle)) return false;
  handle->has_notice = false;
  snprintf(message, size, "%s", handle->notice);
  return true;
}

/* ---- Open and close ---- */

static int open_loop(cachette *handle, cachette_error *error) {
  int code = uv_loop_init(&handle->loop);
  if (code < 0)
    return cachette__fail(error, code == UV_ENOMEM ? CACHETTE_ENOMEM : CACHETTE_EBACKEND, NULL,
                          "The event loop could not be opened: %s.", uv_strerror(code));
  uv_timer_init(&handle->loop, &handle->timer);
  handle->timer.data = handle;
  handle->timer_due = INT64_MAX;
  return CACHETTE_OK;
}

/* Closes the loop, after it has run until all its handles are closed. */
static void close_loop(cachette *handle) {
  uv_close((uv_handle_t *)&handle->timer, NULL);
  while (uv_loop_close(&handle->loop) == UV_EBUSY) uv_run(&handle->loop, UV_RUN_ONCE);
}

/* Checks the options, and copies them for the store. The check is made on the caller's object, so
 * that the settings it parses are saved there for the next handle. */
static int read_options(cachette *handle, const cachette_options *options, cachette_error *error) {
  cachette_error found = {.code = CACHETTE_OK};
  if (cachette_options_check(options, &found, 1) > 0)
    return cachette__fail(error, found.code, found.subject, "%s", found.message);
  handle->options = cachette_options_copy(options);
  if (handle->options == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  handle->clock = cachette__options_clock(options);
  handle->ttl_ms = cachette__options_number(options, CACHETTE__OPTION_ttl);
  handle->timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout);
  return CACHETTE_OK;
}

/* The same; `options` may be NULL. */
static int read_options_or_defaults(cachette *handle, const cachette_options *options,
                                    cachette_error *error) {
  if (options != NULL) return read_options(handle, options, error);
  cachette_options *defaults = cachette_options_new();
  if (defaults == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  int code = read_options(handle, defaults, error);
  cachette_options_free(defaults);
  return code;
}

static cachette *handle_new(void) {
  cachette *handle = cachette__calloc(1, sizeof *handle);
  if (handle == NULL) return NULL;
  handle->answered_tail = &handle->answered;
  handle->fork_generation = cachette__fork_generation;
  handle->bottom = (cachette__frame){.done = on_returned};
  handle->stats = initial_stats;
  handle->events = (cachette__events){on_notice, on_invalidated, on_lost};
  handle->deadlines = (cachette__deadlines){add_deadline, remove_deadline};
  return handle;
}

int cachette__open_with(const cachette_options *options, cachette__open_store *open_store,
                        cachette **opened, cachette_error *error) {
  int code = cachette__fork_watch();
  if (code < 0) return cachette__fail(error, code, NULL, NULL);
  cachette *handle = handle_new();
  if (handle == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  code = read_options_or_defaults(handle, options, error);
  if (code < 0) goto fail;
  code = open_loop(handle, error);
  if (code < 0) goto fail;
  handle->context = (cachette__store_context){
      .loop = &handle->loop,
      .options = handle->options,
      .settings = cachette__options_settings(handle->options),
      .events = &handle->events,
      .deadlines = &handle->deadlines,
  };
  code = open_store(&handle->context, &handle->store, error);
  if (code < 0) {
    close_loop(handle);
    goto fail;
  }
  handle->immediate = handle->store->vtable->immediate;
  *opened = handle;
  return CACHETTE_OK;

fail:
  cachette_options_free(handle->options);
  cachette__free(handle);
  return code;
}

int cachette_open(const cachette_options *options, cachette **handle, cachette_error *error) {
  return cachette__open_with(options, cachette__layers_open, handle, error);
}

static void free_handle(cachette *handle) {
  bool is_forked = forked(handle);
  handle->store->vtable->close(handle->store, is_forked);
  if (is_forked)
    close(uv_backend_fd(&handle->loop)); /* do not touch the rest: the parent uses it, too */
  else
    close_loop(handle);
  cachette__pending_deinit(&handle->pending);
  cachette_options_free(handle->options);
  cachette__free(handle);
}

/* Every call that may run a `done` begins with enter() and ends with leave(). */
static void enter(cachette *handle) { handle->depth++; }

static void leave(cachette *handle) {
  if (--handle->depth == 0 && handle->closing) free_handle(handle);
}

void cachette_close(cachette *handle) {
  if (handle == NULL || handle->closing) return;
  int code = forked(handle) ? CACHETTE_EFORK : CACHETTE_ECLOSED;
  enter(handle);
  handle->closing = true;
  while (handle->pending.count > 0) end_op(handle, handle->pending.ops[0], code);
  leave(handle);
}

/* ---- Going down ---- */

static int fail_key(cachette_op *op, cachette_slice key) {
  char text[32];
  cachette__key_text(key, text, sizeof text);
  if (key.size == 0)
    return cachette__fail(op->error, CACHETTE_EINVAL, NULL, "A key must not be empty.");
  return cachette__fail(op->error, CACHETTE_EINVAL, text,
                        "A key must have at most %d bytes; \"%s\" has %zu.", CACHETTE_KEY_MAX, text,
                        key.size);
}

static int fail_ttl(cachette_op *op, cachette_slice key) {
  char text[32];
  cachette__key_text(key, text, sizeof text);
  return cachette__fail(op->error, CACHETTE_EINVAL, text,
                        "The time to live of \"%s\" must be between 1 ms and a hundred years.",
                        text);
}

static int check_item(cachette_op *op, cachette_item *item, int64_t ttl_ms) {
  if (item->key.size == 0 || item->key.size > CACHETTE_KEY_MAX) return fail_key(op, item->key);
  if (!takes_ttl(op->verb)) return CACHETTE_OK;
  if (item->ttl_ms == 0) item->ttl_ms = ttl_ms;
  if (item->ttl_ms < 0 || item->ttl_ms > CACHETTE_TTL_MAX) return fail_ttl(op, item->key);
  return CACHETTE_OK;
}

static int check_op(cachette *handle, cachette_op *op) {
  if (op->verb < CACHETTE_FETCH || op->verb > CACHETTE_PING || op->timeout_ms < 0)
    return cachette__fail(op->error, CACHETTE_EINVAL, NULL, NULL);
  if (!cachette__has_items(op->verb)) return CACHETTE_OK;
  for (size_t i = 0; i < op->count; i++) {
    int code = check_item(op, &op->items[i], handle->ttl_ms);
    if (code < 0) return code;
  }
  return CACHETTE_OK;
}

static int check_submit(cachette *handle, cachette_op *op) {
  cachette__op_reset_items(op); /* so that an op that fails here has no stale results */
  if (forked(handle)) return cachette__fail(op->error, CACHETTE_EFORK, NULL, NULL);
  if (handle->closing) return cachette__fail(op->error, CACHETTE_ECLOSED, NULL, NULL);
  return check_op(handle, op);
}

/* Sets the time that TTLs start from, the start time and the deadline. Immediate handles need no
 * deadline, and measure the time of few ops. */
static void set_times(cachette *handle, cachette_op *op) {
  int64_t now = cachette__machine_now();
  op->priv.now_ms = ttl_now(handle, now);
  if (handle->immediate && ++handle->untimed < SAMPLE_INTERVAL) return;
  handle->untimed = 0;
  op->priv.begin_ns = uv_hrtime();
  if (!handle->immediate) set_deadline(handle, op, now);
}

/* Sends an op down, and watches its deadline if it does not come back at once. */
static void send_down(cachette *handle, cachette_op *op) {
  if (handle->immediate) {
    cachette__store_submit(handle->store, op);
    return;
  }
  guard entry;
  guard_begin(handle, &entry, op);
  cachette__store_submit(handle->store, op);
  if (guard_end(handle, &entry)) watch_or_end(handle, op);
  arm_timer(handle);
}

void cachette_submit(cachette *handle, cachette_op *op) {
  assert(op->priv.state == IDLE);
  op->priv.handle = handle;
  op->priv.frame = &handle->bottom;
  op->priv.place = NOT_PENDING;
  op->priv.begin_ns = 0;
  op->priv.state = SENT;
  op->status = CACHETTE_OK;
  op->number = 0;

  enter(handle);
  int code = check_submit(handle, op);
  if (code < 0 || (cachette__has_items(op->verb) && op->count == 0)) {
    cachette__op_complete(op, code);
  } else {
    set_times(handle, op);
    send_down(handle, op);
  }
  leave(handle);
}

bool cachette_op_pending(const cachette_op *op) { return op->priv.state != IDLE; }

int cachette_cancel(cachette *handle, cachette_op *op) {
  if (forked(handle)) return CACHETTE_EFORK;
  if (op->priv.state != SENT || op->priv.handle != handle) return CACHETTE_EINVAL;
  enter(handle);
  end_op(handle, op, CACHETTE_ECANCELED);
  leave(handle);
  return CACHETTE_OK;
}

/* ---- The loop ---- */

int cachette_run(cachette *handle, cachette_op *op) {
  if (forked(handle)) return cachette__fail(op->error, CACHETTE_EFORK, NULL, NULL);
  if (handle->depth > 0) return cachette__fail(op->error, CACHETTE_EBUSY, NULL, NULL);
  enter(handle);
  if (!cachette_op_pending(op)) cachette_submit(handle, op);
  /* If the op failed at once, the loop must still turn once, so that reconnecting goes on. */
  if (!cachette_op_pending(op) && !handle->immediate) uv_run(&handle->loop, UV_RUN_NOWAIT);
  /* run_done() stops the loop, because UV_RUN_ONCE could otherwise wait for another event. */
  handle->awaited = op;
  while (cachette_op_pending(op) && !forked(handle)) uv_run(&handle->loop, UV_RUN_ONCE);
  handle->awaited = NULL;
  int status = cachette_op_pending(op) ? CACHETTE_EFORK : op->status;
  leave(handle);
  return status;
}

int cachette_fd(const cachette *handle) {
  return forked(handle) ? CACHETTE_EFORK : uv_backend_fd(&handle->loop);
}

int cachette_timeout(const cachette *handle) {
  if (forked(handle)) return 0;
  if (!uv_loop_alive(&handle->loop)) return -1; /* libuv would return 0 */
  uv_update_time((uv_loop_t *)&handle->loop);
  return uv_backend_timeout(&handle->loop);
}

/* Counts the callers' pending ops. A background op that is just ending has left `pending`, but is
 * still counted in `background`. */
static size_t count_pending(const cachette *handle) {
  size_t count = handle->pending.count, background = handle->background;
  return count > background ? count - background : 0;
}

int cachette_process(cachette *handle) {
  if (forked(handle)) return CACHETTE_EFORK;
  if (handle->depth > 0) return CACHETTE_EBUSY;
  enter(handle);
  uv_run(&handle->loop, UV_RUN_NOWAIT);
  size_t pending = count_pending(handle);
  leave(handle);
  return pending < INT_MAX ? (int)pending : INT_MAX;
}

bool cachette_immediate(const cachette *handle) { return handle->immediate; }

int cachette_get_stats(const cachette *handle, cachette_stats *given, size_t size) {
  if (forked(handle)) return CACHETTE_EFORK;
  cachette_stats stats = handle->stats;
  stats.pending = (int64_t)count_pending(handle);
  stats.spent_us = (int64_t)(handle->spent_ns / 1000);
  handle->store->vtable->stats(handle->store, &stats);
  size_t known = size < sizeof stats ? size : sizeof stats;
  memcpy(given, &stats, known);
  memset((char *)given + known, 0, size - known);
  return CACHETTE_OK;
}
