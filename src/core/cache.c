/* SPDX-License-Identifier: MIT */
/*
 * The handle: checks each op, stamps it, sends it down, and counts what comes back.
 *
 * An op is in one of three states. IDLE: the caller's. SENT: below, and, if it has not come back
 * before submit returned, in `pending` with a deadline. ANSWERED: its result stands, but `done`
 * waits because another `done` of this handle is running; the outermost one then runs the queue, so
 * that a chain of ops that submit each other needs no deeper stack.
 *
 * `depth` counts the calls into the handle that are on the stack. A handle closed from inside
 * one is freed when the last of them returns.
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

enum state { IDLE, SENT, ENDING, ANSWERED };

/* An op that goes down, or comes up with a time-out: whether it is back is seen here, for then it
 * may be freed. */
typedef struct watched {
  const cachette_op *op; /* NULL: it is back */
  struct watched *outer; /* the one in whose call this one is made */
} watched;

/* Before anything was done: what only a store tells is not known. */
static const cachette_stats unknown = {
#define HANDLE 0
#define STORE -1
#define UNKNOWN(name, owner, text) .name = owner,
    CACHETTE_STATS(UNKNOWN)
#undef HANDLE
#undef STORE
#undef UNKNOWN
};

enum {
  SAMPLE = 64, /* of ops that are answered at once, one in so many is timed */
  NOTICE = 512 /* bytes that are kept of one */
};

#define NOT_PENDING SIZE_MAX /* the place of an op that is not in the heap */

struct cachette {
  cachette__store *store; /* the top layer, or the store itself */
  cachette_options *options;
  cachette__clock clock;
  int64_t ttl_ms, timeout_ms; /* of ops that say nothing */
  cachette__store_context context;
  cachette__frame bottom;        /* of every op that the callers submit */
  cachette__events events;       /* of the store */
  cachette__deadlines deadlines; /* of layers' own ops, which are in `pending`, too, */
  size_t background;             /* and so many */
  watched *watched;              /* the innermost, or NULL */
  uv_loop_t loop;
  uv_timer_t timer;  /* for the earliest deadline */
  int64_t timer_due; /* or INT64_MAX while it is not started */
  cachette__pending pending;
  cachette_op *answered, **answered_tail;
  const cachette_op *awaited; /* by cachette_run(), while it is in the loop */
  cachette_stats stats;
  uint64_t spent_ns;
  unsigned untimed; /* ops since the last that was timed */
  unsigned fork_generation;
  unsigned depth;
  bool immediate, answering, closing;
  bool notice_due; /* that one was not taken yet */
  char notice[NOTICE];
};

/* The handle of a part of it. */
#define HANDLE_OF(part, member) ((cachette *)((char *)(part)-offsetof(cachette, member)))

const char *cachette_version(void) { return CACHETTE_VERSION; }

/* Whether something may be put, and so needs a time to live. */
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
    handle->spent_ns += (uv_hrtime() - op->priv.begin_ns) * (handle->immediate ? SAMPLE : 1);
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

static void forget_deadline(cachette *handle, cachette_op *op) {
  if (op->priv.place == NOT_PENDING) return;
  cachette__pending_remove(&handle->pending, op);
  op->priv.place = NOT_PENDING;
}

static void begin_watch(cachette *handle, watched *entry, const cachette_op *op) {
  *entry = (watched){op, handle->watched};
  handle->watched = entry;
}

/* Whether the op is still under way. */
static bool end_watch(cachette *handle, const watched *entry) {
  handle->watched = entry->outer;
  return entry->op != NULL;
}

static void see_back(cachette *handle, const cachette_op *op) {
  for (watched *each = handle->watched; each != NULL; each = each->outer)
    if (each->op == op) each->op = NULL;
}

/* The op is back: count it and call `done`, or queue it behind the one that runs. */
static void on_bottom(cachette__frame *frame, cachette_op *op) {
  cachette *handle = HANDLE_OF(frame, bottom);
  if (!handle->immediate) {
    see_back(handle, op);
    forget_deadline(handle, op);
  }
  count_result(handle, op);
  if (handle->answering) {
    op->priv.state = ANSWERED;
    op->priv.next = NULL;
    *handle->answered_tail = op;
    handle->answered_tail = &op->priv.next;
    return;
  }
  handle->answering = true;
  run_done(handle, op);
  while ((op = handle->answered) != NULL) {
    handle->answered = op->priv.next;
    if (handle->answered == NULL) handle->answered_tail = &handle->answered;
    run_done(handle, op);
  }
  handle->answering = false;
}

/* How long an op may take. */
static int64_t patience(const cachette *handle, const cachette_op *op) {
  return op->timeout_ms > 0 ? op->timeout_ms : handle->timeout_ms;
}

/* Writes down that an op's time is over. `server`: that it waited for, or NULL. */
static int tell_late(const cachette *handle, const cachette_op *op, const char *server,
                     const cachette_error *reason) {
  bool is_advice = reason->code == CACHETTE_ETIMEDOUT;
  if (reason->code < 0 && !is_advice)
    return cachette__fail(op->error, reason->code, NULL, "%s", reason->message);
  if (server == NULL) return cachette__fail(op->error, CACHETTE_ETIMEDOUT, NULL, NULL);
  return cachette__fail(op->error, CACHETTE_ETIMEDOUT, NULL, "%s did not answer within %g s.%s%s",
                        server, (double)patience(handle, op) / 1000, is_advice ? " " : "",
                        is_advice ? reason->message : "");
}

/* Whether some items of an op whose time is over have their answers; then sums those up. */
static bool has_answers(cachette_op *op) {
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

/* Ends an op that was cancelled, or whose handle is closed: no layer may answer it. */
static void end_op(cachette *handle, cachette_op *op, int code) {
  cachette__store *holder = op->priv.holder;
  forget_deadline(handle, op);
  holder->vtable->detach(holder, op);
  cachette__op_drop_frames(op);
  cachette__op_fail(op, code, NULL, NULL);
}

static bool watch(cachette *handle, cachette_op *op) {
  if (cachette__pending_add(&handle->pending, op) == CACHETTE_OK) return true;
  op->priv.place = NOT_PENDING;
  return false;
}

/* Has the deadline of an op watched that is under way; if that cannot be, it ends. */
static void keep(cachette *handle, cachette_op *op) {
  if (handle->closing)
    end_op(handle, op, CACHETTE_ECLOSED);
  else if (!watch(handle, op))
    end_op(handle, op, CACHETTE_ENOMEM);
}

/*
 * Its time is over: it comes back with that, through the layers, one of which may answer it; if
 * later, then without a deadline.
 */
static void time_out(cachette *handle, cachette_op *op) {
  cachette__store *holder = op->priv.holder;
  const cachette__store_vtable *vtable = holder->vtable;
  const char *server = vtable->server != NULL ? vtable->server(holder, op) : NULL;
  const cachette_error *reason = vtable->reason != NULL ? vtable->reason(holder, op) : NULL;
  const cachette_error none = {.code = CACHETTE_OK};
  int code = tell_late(handle, op, server, reason != NULL ? reason : &none);
  forget_deadline(handle, op);
  vtable->detach(holder, op);
  watched entry;
  begin_watch(handle, &entry, op);
  op->priv.state = ENDING; /* it cannot be cancelled: nobody holds it */
  cachette__op_complete(op, has_answers(op) ? CACHETTE_OK : code);
  if (!end_watch(handle, &entry)) return;
  op->priv.state = SENT;
  op->priv.deadline_ms = INT64_MAX;
  keep(handle, op);
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
  int64_t timeout_ms = patience(handle, op);
  op->priv.deadline_ms = timeout_ms < INT64_MAX - now ? now + timeout_ms : INT64_MAX;
}

static int64_t entry_now(const cachette *handle, int64_t machine_now) {
  return handle->clock.now != NULL ? handle->clock.now(handle->clock.data) : machine_now;
}

static bool add_deadline(cachette__deadlines *deadlines, cachette_op *op) {
  cachette *handle = HANDLE_OF(deadlines, deadlines);
  int64_t now = cachette__machine_now();
  op->priv.now_ms = entry_now(handle, now);
  set_deadline(handle, op, now);
  if (handle->closing || !watch(handle, op)) return false;
  handle->background++;
  arm_timer(handle);
  return true;
}

static void remove_deadline(cachette__deadlines *deadlines, cachette_op *op) {
  cachette *handle = HANDLE_OF(deadlines, deadlines);
  see_back(handle, op);
  forget_deadline(handle, op);
  handle->background--;
}

/* ---- What is told without having been asked ---- */

static void on_notice(cachette__events *events, const char *message) {
  cachette *handle = HANDLE_OF(events, events);
  snprintf(handle->notice, sizeof handle->notice, "%s", message);
  handle->notice_due = true;
}

/* Only layers have a use for these. */
static void on_invalidated(cachette__events *events, cachette_slice key) {
  (void)events;
  (void)key;
}

static void on_lost(cachette__events *events) { (void)events; }

bool cachette_take_notice(cachette *handle, char *message, size_t size) {
  if (!handle->notice_due || forked(handle)) return false;
  handle->notice_due = false;
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

/* Runs the loop until everything on it is closed. */
static void close_loop(cachette *handle) {
  uv_close((uv_handle_t *)&handle->timer, NULL);
  while (uv_loop_close(&handle->loop) == UV_EBUSY) uv_run(&handle->loop, UV_RUN_ONCE);
}

/* Takes from the options what ops need, and a copy for the store. The caller's own are checked, so
 * that what is read of them serves the next handle, too. */
static int read_options(cachette *handle, const cachette_options *options, cachette_error *error) {
  cachette_error fault = {.code = CACHETTE_OK};
  if (cachette_options_check(options, &fault, 1) > 0)
    return cachette__fail(error, fault.code, fault.subject, "%s", fault.message);
  handle->options = cachette__options_copy(options);
  if (handle->options == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  handle->clock = cachette__options_clock(options);
  handle->ttl_ms = cachette__options_number(options, CACHETTE__OPTION_ttl);
  handle->timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout);
  return CACHETTE_OK;
}

/* The same with every option at its default, if there are none. */
static int read_given(cachette *handle, const cachette_options *options, cachette_error *error) {
  if (options != NULL) return read_options(handle, options, error);
  cachette_options *defaults = cachette_options_new();
  if (defaults == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  int code = read_options(handle, defaults, error);
  cachette_options_free(defaults);
  return code;
}

int cachette__open_with(const cachette_options *options, cachette__open_store *open_store,
                        cachette **opened, cachette_error *error) {
  int code = cachette__fork_watch();
  if (code < 0) return cachette__fail(error, code, NULL, NULL);
  cachette *handle = cachette__calloc(1, sizeof *handle);
  if (handle == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  handle->answered_tail = &handle->answered;
  handle->fork_generation = cachette__fork_generation;
  handle->bottom = (cachette__frame){.done = on_bottom};
  handle->stats = unknown;
  handle->events = (cachette__events){on_notice, on_invalidated, on_lost};
  handle->deadlines = (cachette__deadlines){add_deadline, remove_deadline};

  code = read_given(handle, options, error);
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
    close(uv_backend_fd(&handle->loop)); /* the rest of the loop is shared with the parent */
  else
    close_loop(handle);
  cachette__pending_deinit(&handle->pending);
  cachette_options_free(handle->options);
  cachette__free(handle);
}

/* Every call that may run a `done` stands between these two. */
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

static int refuse(cachette *handle, cachette_op *op) {
  cachette__op_reset_items(op); /* so that a refused one tells nothing */
  if (forked(handle)) return cachette__fail(op->error, CACHETTE_EFORK, NULL, NULL);
  if (handle->closing) return cachette__fail(op->error, CACHETTE_ECLOSED, NULL, NULL);
  return check_op(handle, op);
}

/* Gives the op its time. */
static void stamp(cachette *handle, cachette_op *op) {
  int64_t now = cachette__machine_now();
  op->priv.now_ms = entry_now(handle, now);
  if (handle->immediate && ++handle->untimed < SAMPLE) return;
  handle->untimed = 0;
  op->priv.begin_ns = uv_hrtime();
  if (!handle->immediate) set_deadline(handle, op, now);
}

/* Sends an op down, and if it is not back at once has its deadline watched. */
static void send_down(cachette *handle, cachette_op *op) {
  if (handle->immediate) {
    cachette__store_submit(handle->store, op);
    return;
  }
  watched entry;
  begin_watch(handle, &entry, op);
  cachette__store_submit(handle->store, op);
  if (end_watch(handle, &entry)) keep(handle, op);
  arm_timer(handle);
}

void cachette_submit(cachette *handle, cachette_op *op) {
  assert(op->priv.state == IDLE);
  op->priv.handle = handle;
  op->priv.frame = &handle->bottom; /* with none above it */
  op->priv.place = NOT_PENDING;
  op->priv.begin_ns = 0;
  op->priv.state = SENT;
  op->status = CACHETTE_OK;
  op->number = 0;

  enter(handle);
  int code = refuse(handle, op);
  if (code < 0 || (cachette__has_items(op->verb) && op->count == 0)) {
    cachette__op_complete(op, code);
  } else {
    stamp(handle, op);
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
  /* One that failed at once has waited for nothing, but what looks for the server has to go on. */
  if (!cachette_op_pending(op) && !handle->immediate) uv_run(&handle->loop, UV_RUN_NOWAIT);
  /* The loop is stopped when the op is done, or it would go on to wait for what comes next. */
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
  if (!uv_loop_alive(&handle->loop)) return -1; /* of such a loop libuv says 0 */
  uv_update_time((uv_loop_t *)&handle->loop);
  return uv_backend_timeout(&handle->loop);
}

/* Ops of the callers'; one of a layer's own that is just ending is in the heap no more. */
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
