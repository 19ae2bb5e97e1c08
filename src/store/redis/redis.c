/* SPDX-License-Identifier: MIT */
/* The store: ops become requests of its node. */
#include "redis.h"

#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "internal.h"

/* The store of a handle. */
typedef struct cachette__redis {
  cachette__store base;
  cachette__redis_node node;
} cachette__redis;

/* ---- Ops ---- */

static size_t count_bytes(const cachette_op *op) {
  size_t bytes = 0;
  for (size_t i = 0; cachette__has_items(op->verb) && i < op->count; i++)
    bytes += op->items[i].key.size + (op->verb == CACHETTE_PUT ? op->items[i].value.size : 0);
  return bytes;
}

static void redis_submit(cachette__store *store, cachette_op *op) {
  cachette__redis_node *node = &((cachette__redis *)store)->node;
  if (op->verb == CACHETTE_FLUSH_EXPIRED) { /* the server removes expired entries itself */
    cachette__op_complete(op, CACHETTE_OK);
    return;
  }
  const cachette_error *reason;
  int code = cachette__link_connect(&node->pipeline.link, &reason);
  if (code < 0) {
    cachette__op_fail(op, code, NULL, "%s", reason->message);
    return;
  }
  if (cachette__redis_clears(node, op)) {
    cachette__redis_clear_start(node, op);
    return;
  }
  const char *refusal;
  code = cachette__redis_push(node, op, NULL, count_bytes(op), &refusal);
  if (code < 0) cachette__op_fail(op, code, NULL, "%s", refusal);
}

/* Returns whether an item has no result: it is the one whose reply comes next, a later one that the
 * request includes, or one to be resent. */
static bool is_pending(const cachette__redis_request *request, const cachette_op *op, size_t item) {
  if (op->items[item].status == CACHETTE__REDIS_RESEND || item == request->item) return true;
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

/* Closes the connection if the server is silent. */
static void check_silence(cachette__redis_node *node, const cachette_op *op) {
  int64_t waited = op->timeout_ms > 0 ? op->timeout_ms : node->settings->timeout_ms;
  cachette__pipeline_abandoned(&node->pipeline, op->priv.deadline_ms, waited);
}

static void redis_detach(cachette__store *store, cachette_op *op) {
  cachette__redis_node *node = &((cachette__redis *)store)->node;
  if (cachette__redis_retry_detach(node, op)) return;
  if (cachette__redis_clears(node, op)) {
    cachette__redis_clear_detach(op);
    check_silence(node, op);
    return;
  }
  cachette__redis_request *request = cachette__pipeline_at(&node->pipeline, op->priv.below);
  if (request == cachette__pipeline_head(&node->pipeline)) node->value = NULL;
  bool was_sent = request->base.replies > 0;
  request->op = NULL;
  if (was_sent) mark_timed_out(request, op);
  cachette__redis_forget_resends(op);
  if (was_sent || node->pipeline.draining) check_silence(node, op);
}

static const cachette_error *redis_reason(cachette__store *store, const cachette_op *op) {
  cachette__redis_node *node = &((cachette__redis *)store)->node;
  const cachette_error *reason = cachette__redis_retry_reason(node, op);
  return reason != NULL ? reason : cachette__link_hint(&node->pipeline.link);
}

static void redis_stats(cachette__store *store, cachette_stats *stats) {
  (void)store;
  (void)stats; /* a server's statistics need a command, and they count all its clients */
}

static const char *redis_server(const cachette__store *store, const cachette_op *op) {
  (void)op;
  return ((const cachette__redis *)store)->node.pipeline.name;
}

/* ---- Open and close ---- */

static void redis_close(cachette__store *store, bool forked) {
  cachette__redis *self = (cachette__redis *)store;
  cachette__redis_node_close(&self->node, forked, cachette__free, self);
  if (forked) cachette__free(self);
}

static int redis_settings(const cachette_options *options, cachette__settings **settings,
                          cachette_error *error) {
  return cachette__redis_settings_new(options, CACHETTE__OPTION_redis_url, settings, error);
}

static int valkey_settings(const cachette_options *options, cachette__settings **settings,
                           cachette_error *error) {
  return cachette__redis_settings_new(options, CACHETTE__OPTION_valkey_url, settings, error);
}

static int open_store(const cachette__store_context *context, const cachette__store_vtable *vtable,
                      cachette__store **store, cachette_error *error) {
  cachette__redis *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.vtable = vtable;
  cachette__redis_node_init(&self->node, context->loop,
                            (const cachette__redis_settings *)context->settings, context->events);
  *store = &self->base;
  return CACHETTE_OK;
}

static int redis_open(const cachette__store_context *context, cachette__store **store,
                      cachette_error *error) {
  return open_store(context, &cachette__redis_store, store, error);
}

static int valkey_open(const cachette__store_context *context, cachette__store **store,
                       cachette_error *error) {
  return open_store(context, &cachette__valkey_store, store, error);
}

const cachette__store_vtable cachette__redis_store = {
    .settings = redis_settings,
    .warn = cachette__redis_warn,
    .open = redis_open,
    .submit = redis_submit,
    .detach = redis_detach,
    .reason = redis_reason,
    .stats = redis_stats,
    .server = redis_server,
    .close = redis_close,
};

const cachette__store_vtable cachette__valkey_store = {
    .settings = valkey_settings,
    .warn = cachette__valkey_warn,
    .open = valkey_open,
    .submit = redis_submit,
    .detach = redis_detach,
    .reason = redis_reason,
    .stats = redis_stats,
    .server = redis_server,
    .close = redis_close,
};
