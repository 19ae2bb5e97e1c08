/* SPDX-License-Identifier: MIT */
/*
 * What the server refuses for now: because it is no primary any more, still loads, or the like. A
 * command that is refused was not carried out, so all may be asked again, an increment too.
 *
 *     refused --> waits (a pause with jitter) --> asked again --> its answer
 *                    '--> its deadline is nearer than the next try: it fails, with the reason
 *
 * After a failover the name often stands for another server. So the next try goes over another
 * connection, for which the name is resolved anew: the old one takes nothing more, gives the
 * answers that are due, and ends. One timer serves all that waits; the pause grows up to the time
 * that a call may take, so a server that simply is a replica sees few connections, and yet each
 * call has its try. A server that loads or is busy shows by any command when that is over: once it
 * has been so for as long as a call may take, calls fail at once.
 */
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/clock.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "client.h"

static const cachette_op *op_of(const cachette__request *request) {
  return request->sweep != NULL ? cachette__sweep_op(request->sweep) : request->op;
}

/* ---- Failing ---- */

/* Of an increment those from its item on are due, for it may take them one by one. */
static bool is_due(const cachette__request *request, size_t item) {
  const cachette_op *op = request->op;
  if (op->verb == CACHETTE_INCREMENT)
    return item >= request->item && cachette__request_asks(request, item);
  return op->items[item].status == CACHETTE__REDIS_DUE;
}

static void fail_items(const cachette__request *request, const cachette_error *reason) {
  cachette_op *op = request->op;
  char subject[64];
  for (size_t i = 0; i < op->count; i++) {
    if (!is_due(request, i)) continue;
    cachette__key_text(op->items[i].key, subject, sizeof subject);
    op->items[i].status = cachette__fail(op->error, reason->code, subject, "%s", reason->message);
  }
}

static void fail(const cachette__request *request, const cachette_error *reason) {
  cachette_error told = *reason; /* for the caller's code may change it */
  cachette_op *op = request->op;
  if (request->sweep != NULL) {
    cachette__sweep_fail(request->sweep, told.code, told.message);
  } else if (op != NULL && cachette__has_items(op->verb)) {
    fail_items(request, &told);
    cachette__request_complete(op, CACHETTE_OK);
  } else if (op != NULL) {
    cachette__op_fail(op, told.code, NULL, "%s", told.message);
  }
}

/* ---- Waiting ---- */

static bool append(cachette__later *later, const cachette__request *request) {
  if (later->end - later->begin >= CACHETTE__REDIS_REQUESTS) return false;
  if (later->end == later->size) {
    size_t size = later->size > 0 ? 2 * later->size : 16;
    cachette__request *waiting = cachette__realloc(later->waiting, size * sizeof *waiting);
    if (waiting == NULL) return false;
    later->waiting = waiting;
    later->size = size;
  }
  if (request->op != NULL) request->op->priv.below = (uintptr_t)later->end;
  later->waiting[later->end++] = *request;
  return true;
}

static void on_timer(uv_timer_t *timer);

/* Plans the next try, unless one is planned. */
static void plan(cachette__redis *self, int64_t now) {
  cachette__later *later = &self->later;
  if (later->due_ms != 0) return;
  int64_t pause = cachette__link_pause(++later->tries, self->timeout_ms);
  later->due_ms = now + pause;
  uv_update_time(self->loop);
  uv_timer_start(&later->timer, on_timer, (uint64_t)pause, 0);
}

void cachette__later_note(cachette__redis *self, const char *command) {
  cachette__later *later = &self->later;
  char message[256];
  bool move;
  cachette__redis_fault_passes(self, &move);
  int code =
      cachette__redis_fault(self, command, (cachette_slice){NULL, 0}, message, sizeof message);
  cachette__fail(&later->reason, code, NULL, "%s", message);
  later->move |= move;
  later->fails_fast = !cachette__redis_fault_is(self, "READONLY");
}

/* Whether it has a chance before its deadline. */
static bool may_wait(const cachette__redis *self, const cachette__request *request, int64_t now) {
  const cachette__later *later = &self->later;
  if (later->fails_fast && now - later->since_ms > self->timeout_ms) return false;
  return op_of(request)->priv.deadline_ms > later->due_ms;
}

void cachette__later_put(cachette__redis *self, cachette__request *request) {
  cachette__later *later = &self->later;
  int64_t now = cachette__machine_now();
  if (!cachette__request_alive(request)) {
    fail(request, &later->reason); /* frees a sweep that was given up */
    return;
  }
  if (request->op != NULL && request->op->verb == CACHETTE_INCREMENT)
    cachette__counting_rewind(request);
  if (later->since_ms == 0 || now - later->last_ms > 2 * self->timeout_ms) {
    later->since_ms = now;
    later->tries = 0;
  }
  later->last_ms = now;
  if (self->moving && cachette__redis_push_again(self, request) == CACHETTE_OK) return;
  plan(self, now);
  if (!may_wait(self, request, now) || !append(later, request)) fail(request, &later->reason);
}

void cachette__later_settle(cachette__redis *self) {
  self->later.tries = 0;
  self->later.since_ms = 0;
}

/* ---- Asking again ---- */

/* The link is as it should be, or `reason` says why not. The callers' code may run in here. */
static void ask_again(cachette__redis *self, const cachette_error *reason) {
  cachette__later *later = &self->later;
  while (later->begin < later->end) {
    cachette__request request = later->waiting[later->begin++];
    if (!cachette__request_alive(&request) || reason != NULL ||
        cachette__redis_push_again(self, &request) < 0)
      fail(&request, reason != NULL ? reason : &later->reason);
  }
  later->begin = later->end = 0;
}

static void on_timer(uv_timer_t *timer) {
  cachette__redis *self = timer->data;
  cachette__later *later = &self->later;
  const cachette_error *reason = NULL;
  later->due_ms = 0;
  self->moving = later->move && self->link.state == CACHETTE__LINK_READY;
  later->move = false;
  bool has_some = later->begin < later->end;
  cachette_error told;
  if (has_some && cachette__link_want(&self->link, &reason) < 0)
    told = *reason;
  else
    reason = NULL;
  ask_again(self, reason != NULL ? &told : NULL);
  cachette__redis_look(self);
}

/* ---- Its life ---- */

void cachette__later_init(cachette__redis *self) {
  uv_timer_init(self->loop, &self->later.timer);
  self->later.timer.data = self;
}

static bool waits(const cachette__later *later, const cachette_op *op) {
  size_t place = (size_t)op->priv.below;
  return place >= later->begin && place < later->end && later->waiting[place].op == op;
}

const cachette_error *cachette__later_reason(const cachette__redis *self, const cachette_op *op) {
  bool was_put_off;
  if (cachette__redis_sweeps(self, op))
    was_put_off = cachette__sweep_is_off((const cachette__sweep *)op->priv.below);
  else
    was_put_off =
        waits(&self->later, op) || cachette__redis_request(self, op->priv.below)->was_put_off;
  return was_put_off ? &self->later.reason : NULL;
}

bool cachette__later_detach(cachette__redis *self, cachette_op *op) {
  if (!waits(&self->later, op)) return false;
  self->later.waiting[op->priv.below].op = NULL;
  cachette__redis_forget_due(op);
  return true;
}

void cachette__later_close(cachette__redis *self) {
  cachette__later *later = &self->later;
  for (; later->begin < later->end; later->begin++)
    fail(&later->waiting[later->begin], &later->reason);
  cachette__free(later->waiting);
  later->waiting = NULL;
}
