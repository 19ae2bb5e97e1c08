/* SPDX-License-Identifier: MIT */
#include "slow_store.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "support.h"

/* A slot of the queue. Without an op it is a tombstone. */
typedef struct slot {
  struct slot *next;
  cachette_op *op;
  uint64_t due_ms;
  int failure;
} slot;

typedef struct slow {
  cachette__store store;
  uv_loop_t *loop;
  uv_timer_t timer; /* for the first slot */
  uv_poll_t wire;
  int pipe[2];
  int open_handles; /* libuv handles to close before the store can be freed */
  slot *first, **last;
} slow;

struct slow_settings slow_settings;
struct slow_seen slow_seen;

int slow_reset(void **state) {
  memset(&slow_settings, 0, sizeof slow_settings);
  memset(&slow_seen, 0, sizeof slow_seen);
  return probe_reset(state);
}

cachette *slow_open(const cachette_options *options) {
  cachette *handle = NULL;
  assert_int_equal(cachette__open_with(options, slow_store.open, &handle, NULL), CACHETTE_OK);
  return handle;
}

/* ---- Answering ---- */

static void answer_fetch(cachette_op *op) {
  for (size_t i = 0; i < op->count; i++) {
    cachette_item *item = &op->items[i];
    if (*(const char *)item->key.data != 'h') continue;
    void *buffer = cachette__item_alloc(op, item, item->key.size);
    if (buffer == NULL) continue;
    memcpy(buffer, item->key.data, item->key.size);
    item->ttl_ms = CACHETTE_TTL_NEVER;
    item->status = CACHETTE_HIT;
    op->number++;
  }
}

static void answer(cachette_op *op, int failure) {
  slow_seen.answered++;
  if (failure < 0) {
    cachette__op_fail(op, failure, "slow", "The slow store is set to fail.");
    return;
  }
  if (op->verb == CACHETTE_FETCH)
    answer_fetch(op);
  else if (op->verb == CACHETTE_PUT || op->verb == CACHETTE_CLEAR)
    op->number = (int64_t)op->count;
  cachette__op_complete(op, CACHETTE_OK);
}

static void remove_slot(slow *self, slot **link) {
  slot *removed = *link;
  *link = removed->next;
  if (*link == NULL) self->last = link;
  cachette__free(removed);
}

/* Removes the first slot, and answers its op unless it is a tombstone. */
static void answer_first(slow *self) {
  cachette_op *op = self->first->op;
  int failure = self->first->failure;
  remove_slot(self, &self->first);
  if (op != NULL)
    answer(op, failure);
  else
    slow_seen.late++;
}

static void on_timer(uv_timer_t *timer);

static void arm(slow *self) {
  if (self->first == NULL || self->first->due_ms == SLOW_NEVER) return;
  uint64_t now = uv_now(self->loop);
  uint64_t due = self->first->due_ms;
  uv_timer_start(&self->timer, on_timer, due > now ? due - now : 0, 0);
}

static void on_timer(uv_timer_t *timer) {
  slow *self = timer->data;
  uint64_t now = uv_now(self->loop);
  while (self->first != NULL && self->first->due_ms <= now) answer_first(self);
  arm(self);
}

static void on_wire(uv_poll_t *wire, int status, int events) {
  slow *self = wire->data;
  char bytes[64];
  (void)events;
  assert(status == 0);
  ssize_t count = read(self->pipe[0], bytes, sizeof bytes);
  for (ssize_t i = 0; i < count; i++) answer_first(self);
  if (self->first == NULL) uv_poll_stop(&self->wire);
}

static cachette__events *latest_events;

void slow_send_notice(const char *notice) { latest_events->notice(latest_events, notice); }

void slow_invalidate_key(const char *key) {
  latest_events->invalidated(latest_events, cachette_str(key));
}

void slow_lose_connection(void) { latest_events->lost(latest_events); }

static int latest_wire;

void slow_release(int count) {
  while (count-- > 0) {
    ssize_t sent = write(latest_wire, "x", 1);
    assert(sent == 1);
    (void)sent;
  }
}

/* ---- The vtable ---- */

static int open_slow(const cachette__store_context *context, cachette__store **store,
                     cachette_error *error) {
  if (slow_settings.open_fails < 0)
    return cachette__fail(error, slow_settings.open_fails, NULL, NULL);
  slow *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->store.vtable = &slow_store;
  self->loop = context->loop;
  latest_events = context->events;
  self->last = &self->first;
  if (pipe(self->pipe) < 0) {
    cachette__free(self);
    return cachette__fail(error, CACHETTE_EBACKEND, NULL, NULL);
  }
  uv_timer_init(self->loop, &self->timer);
  self->timer.data = self;
  int code = uv_poll_init(self->loop, &self->wire, self->pipe[0]);
  assert(code == 0);
  (void)code;
  self->wire.data = self;
  self->open_handles = 2;
  *store = &self->store;
  slow_seen.opened++;
  return CACHETTE_OK;
}

static void submit(cachette__store *store, cachette_op *op) {
  slow *self = (slow *)store;
  slow_seen.submitted++;
  if (slow_settings.mode == SLOW_IN_SUBMIT) {
    answer(op, slow_settings.failure);
    return;
  }
  slot *added = cachette__calloc(1, sizeof *added);
  if (added == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  added->op = op;
  added->failure = slow_settings.failure;
  added->due_ms = SLOW_NEVER;
  bool was_empty = self->first == NULL;
  *self->last = added;
  self->last = &added->next;
  if (slow_settings.mode == SLOW_BY_WIRE) {
    latest_wire = self->pipe[1];
    if (slow_settings.delay_ms != SLOW_NEVER) slow_release(1);
    if (was_empty) uv_poll_start(&self->wire, UV_READABLE, on_wire);
  } else if (slow_settings.delay_ms != SLOW_NEVER) {
    uv_update_time(self->loop);
    added->due_ms = uv_now(self->loop) + slow_settings.delay_ms;
    if (was_empty) arm(self);
  }
}

static void detach(cachette__store *store, cachette_op *op) {
  slow *self = (slow *)store;
  slow_seen.detached++;
  slot **link = &self->first;
  while ((*link)->op != op) link = &(*link)->next;
  if (slow_settings.leaves_no_tombstone)
    remove_slot(self, link);
  else
    (*link)->op = NULL;
}

static void stats(cachette__store *store, cachette_stats *stats) {
  (void)store;
  stats->entries = 7;
}

static void free_slow(slow *self) {
  for (slot *each = self->first, *next; each != NULL; each = next) {
    next = each->next;
    assert(each->op == NULL);
    cachette__free(each);
  }
  close(self->pipe[0]);
  close(self->pipe[1]);
  cachette__free(self);
}

static void on_closed(uv_handle_t *handle) {
  slow *self = handle->data;
  if (--self->open_handles == 0) free_slow(self);
}

static void close_slow(cachette__store *store, bool forked) {
  slow *self = (slow *)store;
  if (forked) {
    slow_seen.closed_forked++;
    free_slow(self);
    return;
  }
  slow_seen.closed++;
  uv_close((uv_handle_t *)&self->timer, on_closed);
  uv_close((uv_handle_t *)&self->wire, on_closed);
}

const cachette__store_vtable slow_store = {
    .immediate = false,
    .open = open_slow,
    .submit = submit,
    .detach = detach,
    .stats = stats,
    .close = close_slow,
};
