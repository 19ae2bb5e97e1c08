/* SPDX-License-Identifier: MIT */
/*
 * Requests that the server refused temporarily, as it is no longer the primary or is still loading
 * its data. A refused command was not executed, so it is safe to resend, even an increment.
 *
 *     refused --> waits (back-off with jitter) --> is resent --> its reply
 *                    '--> the next try is after its deadline: it fails with the reason
 *
 * After a failover the host name often resolves to another server. So the next try opens a new
 * connection, which resolves the name again, and drains the old one. One timer serves all waiting
 * requests. The back-off grows up to the time-out of an op, so a server that is a replica for good
 * gets few connections. After LOADING, BUSY and the like, any command shows when the server has
 * recovered: if that takes longer than the time-out, ops fail at once.
 */
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/clock.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "internal.h"

/* ---- Failing ---- */

/* An increment may process its items one by one; then all from the current one on are resent. */
static bool needs_resend(const cachette__redis_request *request, size_t item) {
  const cachette_op *op = request->op;
  if (op->verb == CACHETTE_INCREMENT)
    return item >= cachette__redis_counter_first_undone(request) &&
           cachette__redis_includes(request, item);
  return op->items[item].status == CACHETTE__REDIS_RESEND;
}

static void fail_items(const cachette__redis_request *request, const cachette_error *reason) {
  cachette_op *op = request->op;
  char subject[64];
  for (size_t i = 0; i < op->count; i++) {
    if (!needs_resend(request, i)) continue;
    cachette__key_text(op->items[i].key, subject, sizeof subject);
    op->items[i].status = cachette__fail(op->error, reason->code, subject, "%s", reason->message);
  }
}

static void fail(const cachette__redis_request *request, const cachette_error *reason) {
  cachette_error copy = *reason; /* a completion callback may change the original */
  cachette_op *op = request->op;
  if (request->job != NULL) {
    request->job->type->failed(request->job, copy.code, copy.message);
  } else if (op != NULL && cachette__has_items(op->verb)) {
    fail_items(request, &copy);
    cachette__redis_complete(op, CACHETTE_OK);
  } else if (op != NULL) {
    cachette__op_fail(op, copy.code, NULL, "%s", copy.message);
  }
}

/* ---- Resending ---- */

/* Prepares a request to be resent. Returns false if out of memory. */
static bool prepare(cachette__redis_request *request) {
  cachette_op *op = request->op;
  cachette__redis_job *job = request->job;
  if (op != NULL && op->verb == CACHETTE_INCREMENT)
    cachette__redis_counter_rewind(request);
  else if (op != NULL)
    request->partial = cachette__has_items(op->verb);
  if (job != NULL && job->postponed && !job->type->restart(job)) return false;
  request->was_postponed |= request->postponed || (job != NULL && job->postponed);
  request->refused = request->postponed = request->in_multi = false;
  request->code = CACHETTE_OK;
  request->base = (cachette__request){.resent = request->base.resent};
  return true;
}

int cachette__redis_resend(cachette__redis_node *node, const cachette__redis_request *request) {
  cachette__redis_request next = *request, *slot;
  const char *reason;
  size_t bytes = request->base.bytes;
  if (!prepare(&next)) return CACHETTE_ENOMEM;
  int code = cachette__pipeline_reserve(&node->pipeline, bytes, (void **)&slot, &reason);
  if (code < 0) return code;
  *slot = next;
  if (next.op != NULL) next.op->priv.below = (uintptr_t)cachette__pipeline_number(&node->pipeline);
  cachette__pipeline_push(&node->pipeline, bytes);
  return CACHETTE_OK;
}

/* ---- Waiting ---- */

static bool append(cachette__redis_retry *retry, const cachette__redis_request *request) {
  if (retry->end - retry->begin >= CACHETTE__PIPELINE_REQUESTS) return false;
  if (retry->end == retry->size) {
    size_t size = retry->size > 0 ? 2 * retry->size : 16;
    cachette__redis_request *waiting = cachette__realloc(retry->waiting, size * sizeof *waiting);
    if (waiting == NULL) return false;
    retry->waiting = waiting;
    retry->size = size;
  }
  if (request->op != NULL) request->op->priv.below = (uintptr_t)retry->end;
  retry->waiting[retry->end++] = *request;
  return true;
}

static void on_timer(uv_timer_t *timer);

/* Schedules the next try, unless one is scheduled. */
static void schedule(cachette__redis_node *node, int64_t now) {
  cachette__redis_retry *retry = &node->retry;
  if (retry->due_ms != 0) return;
  int64_t pause = cachette__link_backoff(++retry->tries, node->settings->timeout_ms);
  retry->due_ms = now + pause;
  uv_update_time(retry->timer.loop);
  uv_timer_start(&retry->timer, on_timer, (uint64_t)pause, 0);
}

/* Returns whether the next try is before the deadline of the request. */
static bool may_wait(const cachette__redis_node *node, const cachette__redis_request *request,
                     int64_t now) {
  const cachette__redis_retry *retry = &node->retry;
  if (retry->fails_fast && now - retry->since_ms > node->settings->timeout_ms) return false;
  int64_t deadline_ms =
      request->job != NULL ? request->job->deadline_ms : request->op->priv.deadline_ms;
  return deadline_ms > retry->due_ms;
}

void cachette__redis_retry_add(cachette__redis_node *node, cachette__redis_request *request) {
  cachette__redis_retry *retry = &node->retry;
  int64_t now = cachette__machine_now();
  if (!cachette__redis_is_awaited(request)) {
    fail(request, &retry->reason); /* the job may free itself */
    return;
  }
  if (request->op != NULL && request->op->verb == CACHETTE_INCREMENT)
    cachette__redis_counter_rewind(request);
  if (retry->since_ms == 0 || now - retry->last_ms > 2 * node->settings->timeout_ms) {
    retry->since_ms = now;
    retry->tries = 0;
  }
  retry->last_ms = now;
  if (node->pipeline.draining && cachette__redis_resend(node, request) == CACHETTE_OK) return;
  schedule(node, now);
  if (!may_wait(node, request, now) || !append(retry, request)) fail(request, &retry->reason);
}

void cachette__redis_retry_reset(cachette__redis_node *node) {
  node->retry.tries = 0;
  node->retry.since_ms = 0;
}

/* Resends all waiting requests, or fails them with `reason`. May run completion callbacks. */
static void resend_all(cachette__redis_node *node, const cachette_error *reason) {
  cachette__redis_retry *retry = &node->retry;
  while (retry->begin < retry->end) {
    cachette__redis_request request = retry->waiting[retry->begin++];
    if (!cachette__redis_is_awaited(&request) || reason != NULL ||
        cachette__redis_resend(node, &request) < 0)
      fail(&request, reason != NULL ? reason : &retry->reason);
  }
  retry->begin = retry->end = 0;
}

static void on_timer(uv_timer_t *timer) {
  cachette__redis_node *node = timer->data;
  cachette__redis_retry *retry = &node->retry;
  const cachette_error *reason;
  cachette_error copy;
  bool is_down = false;
  retry->due_ms = 0;
  if (retry->reconnect) cachette__pipeline_drain(&node->pipeline, &retry->reason);
  retry->reconnect = false;
  if (retry->begin < retry->end)
    is_down = cachette__link_connect(&node->pipeline.link, &reason) < 0;
  if (is_down) copy = *reason;
  resend_all(node, is_down ? &copy : NULL);
}

/* ---- Init and close ---- */

void cachette__redis_retry_init(cachette__redis_node *node, uv_loop_t *loop) {
  uv_timer_init(loop, &node->retry.timer);
  node->retry.timer.data = node;
}

static bool is_waiting(const cachette__redis_retry *retry, const cachette_op *op) {
  size_t index = (size_t)op->priv.below;
  return index >= retry->begin && index < retry->end && retry->waiting[index].op == op;
}

const cachette_error *cachette__redis_retry_reason(const cachette__redis_node *node,
                                                   const cachette_op *op) {
  uintptr_t below = op->priv.below;
  if (is_waiting(&node->retry, op)) return &node->retry.reason;
  const cachette__redis_request *request = cachette__pipeline_at(&node->pipeline, below);
  return request->was_postponed ? &node->retry.reason : NULL;
}

bool cachette__redis_retry_detach(cachette__redis_node *node, cachette_op *op) {
  if (!is_waiting(&node->retry, op)) return false;
  node->retry.waiting[op->priv.below].op = NULL;
  cachette__redis_forget_resends(op);
  return true;
}

void cachette__redis_retry_close(cachette__redis_node *node) {
  cachette__redis_retry *retry = &node->retry;
  for (; retry->begin < retry->end; retry->begin++)
    fail(&retry->waiting[retry->begin], &retry->reason);
  cachette__free(retry->waiting);
  retry->waiting = NULL;
}
