/* SPDX-License-Identifier: MIT */
/* One server: the callbacks of its pipeline. */
#include <string.h>

#include "../../base/error.h"
#include "internal.h"

/* If at least this many bytes of a value are missing, they are read directly into its buffer. */
enum { DIRECT = 4096 };

static const cachette__redis_request *request_of(const cachette__request *base) {
  return (const cachette__redis_request *)base;
}

/* ---- The connection ---- */

static void on_opened(void *owner) {
  cachette__redis_node *node = owner;
  cachette__resp_init(&node->parser);
  cachette__redis_handshake_start(node);
}

/* Collects the text of an error reply, which may arrive in parts. */
static void gather_error(cachette__redis_node *node, const cachette__resp_token *token) {
  if (token->offset == 0) node->error_size = 0;
  size_t left = sizeof node->error - 1 - node->error_size;
  size_t size = token->bytes.size < left ? token->bytes.size : left;
  if (size > 0) memcpy(node->error + node->error_size, token->bytes.data, size);
  node->error_size += size;
  node->error[node->error_size] = '\0';
}

/* Returns false if the reply does not match what was sent. */
static bool take(cachette__redis_node *node, const cachette__resp_token *token) {
  if (token->type == CACHETTE__RESP_ERROR) gather_error(node, token);
  if (token->push && node->upper->pushed != NULL) node->upper->pushed(node->router, node, token);
  if (token->push || token->attribute) return true;
  if (node->pipeline.link.state != CACHETTE__LINK_OPENING) return cachette__redis_take(node, token);
  cachette__redis_handshake_take(node, token);
  return true;
}

static bool on_read(void *owner, cachette_slice input, size_t *used, const char **reason) {
  cachette__redis_node *node = owner;
  const void *stream = node->pipeline.link.stream;
  const char *bytes = input.data;
  while (node->pipeline.link.stream == stream) {
    cachette__resp_token token;
    size_t size = 0;
    int code = cachette__resp_read(
        &node->parser, (cachette_slice){bytes + *used, input.size - *used}, &size, &token, reason);
    *used += size;
    if (code == CACHETTE__RESP_MORE) return true;
    if (code < 0 || !take(node, &token)) return false;
  }
  return true;
}

static char *on_direct_buffer(void *owner, size_t *size) {
  cachette__redis_node *node = owner;
  if (node->value == NULL) return NULL;
  *size = cachette__resp_bulk_left(&node->parser);
  return *size >= DIRECT ? node->value + node->parser.bulk_offset : NULL;
}

static void on_direct_received(void *owner, size_t size) {
  cachette__redis_node *node = owner;
  cachette__resp_bulk_skip(&node->parser, size);
}

static bool on_lost(void *owner, bool was_ready, const cachette_error *error) {
  cachette__redis_node *node = owner;
  (void)error;
  if (was_ready) node->events->lost(node->events);
  node->upper->lost(node->router, node);
  node->value = NULL;
  node->is_held = false;
  bool again = cachette__redis_handshake_lost(node);
  if (again) cachette__link_forgive(&node->pipeline.link);
  node->multi = CACHETTE__MULTI_UNKNOWN;
  return was_ready || again;
}

/* ---- Requests ---- */

static bool is_awaited(const cachette__request *base) {
  return cachette__redis_is_awaited(request_of(base));
}

static bool is_idempotent(const cachette__request *base) {
  const cachette__redis_request *request = request_of(base);
  const cachette_op *op = request->op;
  if (request->job != NULL) return request->job->idempotent;
  if (op->verb == CACHETTE_INCREMENT) return cachette__redis_counter_is_idempotent(request);
  return cachette__is_idempotent(op->verb, op->flags);
}

/* Resets a request to be resent. Items that it does not include retain their results. */
static bool on_rewind(void *owner, cachette__request *base, bool was_sent) {
  cachette__redis_node *node = owner;
  cachette__redis_request *request = (cachette__redis_request *)base;
  cachette_op *op = request->op;
  bool counts = op != NULL && op->verb == CACHETTE_INCREMENT;
  if (counts && was_sent && cachette__redis_counter_is_probe(request))
    node->multi = CACHETTE__MULTI_REFUSED;
  if (op != NULL && request->partial && base->replies > 0 &&
      !cachette__redis_counter_is_adding(request))
    op->items[request->item].status = CACHETTE__REDIS_RESEND; /* its reply was incomplete */
  request->refused = request->postponed = request->in_multi = request->asked = false;
  request->code = CACHETTE_OK;
  cachette__redis_job *job = request->job;
  return job == NULL || (was_sent && !job->idempotent) || job->type->restart(job);
}

/* Marks the items that need another try as POSTPONED. `lost`: the connection was lost, so that
 * those that the request includes have no result. */
static void mark_postponed(const cachette__redis_request *request, bool lost) {
  cachette_op *op = request->op;
  bool counts = op->verb == CACHETTE_INCREMENT;
  size_t first = counts ? cachette__redis_counter_first_undone(request) : 0;
  for (size_t i = first; cachette__has_items(op->verb) && i < op->count; i++) {
    cachette_item *item = &op->items[i];
    bool includes = cachette__redis_includes(request, i) && item->status > CACHETTE__REDIS_RESEND;
    if (item->status == CACHETTE__REDIS_RESEND || (includes && (lost || counts))) {
      if (op->verb == CACHETTE_FETCH) cachette__item_drop(op, item);
      item->status = CACHETTE__REDIS_POSTPONED;
    }
  }
  if (counts && cachette__redis_counter_is_expiring(request) && request->item < op->count)
    op->items[request->item].status = CACHETTE__REDIS_COUNTED + CACHETTE__REDIS_POSTPONED;
}

static void take_back(cachette__redis_node *node, const cachette__redis_request *request,
                      bool lost) {
  mark_postponed(request, lost);
  node->upper->take_back(node->router, node, request->op, lost && request->base.resent);
}

/* Returns whether the router has to send the op to another server, too. An op without items is for
 * all servers; this one may have turned out to be one of several. */
static bool must_return(const cachette__redis_node *node, const cachette__redis_request *request) {
  if (request->returns) return true;
  return node->routed && !request->is_part && !cachette__has_items(request->op->verb) &&
         request->code == CACHETTE_OK;
}

static void complete_op(cachette__redis_node *node, cachette__redis_request *request) {
  cachette_op *op = request->op;
  int code = CACHETTE_OK;
  bool counts = op->verb == CACHETTE_INCREMENT;
  if (counts ? cachette__redis_counter_continues(request) : request->refused)
    code = cachette__redis_resend(node, request);
  else if (must_return(node, request))
    take_back(node, request, false);
  else
    cachette__redis_complete(op, request->code);
  if (code < 0) cachette__redis_fail(op, code, cachette_strerror(code));
}

static void on_completed(void *owner, cachette__request *base) {
  cachette__redis_node *node = owner;
  cachette__redis_request *request = (cachette__redis_request *)base;
  if (request->job != NULL) {
    request->job->type->completed(request->job, node, request);
  } else if (request->postponed && (request->op == NULL || !node->routed)) {
    cachette__redis_retry_add(node, request);
  } else if (request->postponed) {
    take_back(node, request, false);
  } else {
    if (request->was_postponed) cachette__redis_retry_reset(node);
    if (request->op != NULL) complete_op(node, request);
  }
}

/* Returns whether the router may send a failed request to another server, or later. */
static bool may_return(const cachette__redis_node *node, const cachette__request *base, int code) {
  return node->routed && base->resendable && code == CACHETTE_EUNAVAILABLE;
}

static void on_failed(void *owner, cachette__request *base, int code, const char *message) {
  cachette__redis_node *node = owner;
  const cachette__redis_request *request = request_of(base);
  cachette_op *op = request->op;
  if (request->job != NULL)
    request->job->type->failed(request->job, code, message);
  else if (op != NULL && may_return(node, base, code))
    take_back(node, request, true);
  else if (op != NULL && op->verb == CACHETTE_INCREMENT && cachette__redis_counter_is_done(request))
    cachette__redis_complete(op, CACHETTE_OK); /* only setting the last TTL failed */
  else if (op != NULL)
    cachette__redis_fail(op, code, message);
}

static const cachette__protocol protocol = {
    .name = "the Redis protocol",
    .opened = on_opened,
    .read = on_read,
    .direct_buffer = on_direct_buffer,
    .direct_received = on_direct_received,
    .lost = on_lost,
    .is_awaited = is_awaited,
    .is_idempotent = is_idempotent,
    .encode = cachette__redis_encode,
    .rewind = on_rewind,
    .completed = on_completed,
    .failed = on_failed,
};

void cachette__redis_node_admit(cachette__redis_node *node) {
  if (!node->is_held) return;
  node->is_held = false;
  cachette__pipeline_resume(&node->pipeline);
}

/* ---- Ops ---- */

static size_t count_bytes(const cachette_op *op) {
  size_t bytes = 0;
  for (size_t i = 0; cachette__has_items(op->verb) && i < op->count; i++)
    bytes += op->items[i].key.size + (op->verb == CACHETTE_PUT ? op->items[i].value.size : 0);
  return bytes;
}

void cachette__redis_node_submit(cachette__redis_node *node, cachette_op *op, unsigned flags) {
  const cachette_error *reason;
  const char *refusal;
  int code =
      flags & CACHETTE__REDIS_WAITING ? 0 : cachette__link_connect(&node->pipeline.link, &reason);
  if (code < 0) {
    cachette__op_fail(op, code, NULL, "%s", reason->message);
    return;
  }
  code = cachette__redis_push(node, op, NULL, flags, count_bytes(op), &refusal);
  if (code < 0) cachette__op_fail(op, code, NULL, "%s", refusal);
}

/* Returns whether an item has no result: it is the one whose reply comes next, a later one that the
 * request includes, or one to be resent. */
static bool is_pending(const cachette__redis_request *request, const cachette_op *op, size_t item) {
  if (op->items[item].status <= CACHETTE__REDIS_RESEND || item == request->item) return true;
  return item > request->item && !request->partial;
}

static void mark_timed_out(const cachette__redis_request *request, cachette_op *op) {
  if (!cachette__has_items(op->verb) || op->verb == CACHETTE_INCREMENT) return;
  for (size_t i = 0; i < op->count; i++) {
    if (!is_pending(request, op, i)) continue;
    if (op->verb == CACHETTE_FETCH) cachette__item_drop(op, &op->items[i]);
    op->items[i].status = CACHETTE_ETIMEDOUT;
  }
}

void cachette__redis_node_check_silence(cachette__redis_node *node, const cachette_op *op) {
  int64_t waited = op->timeout_ms > 0 ? op->timeout_ms : node->settings->timeout_ms;
  cachette__pipeline_abandoned(&node->pipeline, op->priv.deadline_ms, waited);
}

bool cachette__redis_node_detach(cachette__redis_node *node, cachette_op *op) {
  if (cachette__redis_retry_detach(node, op)) return false;
  cachette__redis_request *request = cachette__pipeline_at(&node->pipeline, op->priv.below);
  if (request == cachette__pipeline_head(&node->pipeline)) node->value = NULL;
  bool was_sent = request->base.replies > 0;
  request->op = NULL;
  if (was_sent) mark_timed_out(request, op);
  cachette__redis_forget_resends(op);
  if (was_sent || node->pipeline.draining) cachette__redis_node_check_silence(node, op);
  return was_sent;
}

const cachette_error *cachette__redis_node_reason(cachette__redis_node *node,
                                                  const cachette_op *op) {
  const cachette_error *reason = cachette__redis_retry_reason(node, op);
  return reason != NULL ? reason : cachette__link_hint(&node->pipeline.link);
}

/* ---- Init and close ---- */

void cachette__redis_node_init(cachette__redis_node *node, uv_loop_t *loop,
                               const cachette__target *target, cachette__events *events) {
  node->events = events;
  cachette__pipeline_init(&node->pipeline, loop, target, &protocol, node,
                          node->settings->timeout_ms);
  cachette__redis_retry_init(node, loop);
  node->open_handles = 2; /* the pipeline's and the timer */
}

static void on_part_closed(void *owner) {
  cachette__redis_node *node = owner;
  if (--node->open_handles == 0) node->closed(node->owner);
}

static void on_timer_closed(uv_handle_t *handle) { on_part_closed(handle->data); }

void cachette__redis_node_close(cachette__redis_node *node, bool forked,
                                void (*closed)(void *owner), void *owner) {
  node->closed = closed;
  node->owner = owner;
  cachette__redis_retry_close(node);
  cachette__pipeline_close(&node->pipeline, forked, on_part_closed);
  if (!forked) uv_close((uv_handle_t *)&node->retry.timer, on_timer_closed);
}
