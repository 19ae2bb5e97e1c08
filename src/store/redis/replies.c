/* SPDX-License-Identifier: MIT */
/* Replies become the results of an op and its items. */
#include <string.h>

#include "internal.h"

/* ---- Results ---- */

static bool is_text(enum cachette__resp_type type) {
  return type == CACHETTE__RESP_BULK || type == CACHETTE__RESP_VERBATIM;
}

/* The first part of a value allocates the buffer; each part is copied there. */
static void take_value(cachette__redis_node *node, cachette_op *op, cachette_item *item,
                       const cachette__resp_token *token) {
  if (token->offset == 0 && node->value == NULL) {
    node->value = cachette__item_alloc(op, item, token->size);
    item->status = node->value != NULL ? CACHETTE_HIT : CACHETTE_ENOMEM;
  }
  if (node->value != NULL && token->bytes.size > 0)
    memcpy(node->value + token->offset, token->bytes.data, token->bytes.size);
  if (token->end) node->value = NULL;
}

static void take_ttl(const cachette_op *op, cachette_item *item, int64_t left) {
  if (item->status != CACHETTE_HIT) return;
  if (left < -1) { /* the entry expired or was removed between GET and PTTL */
    cachette__item_drop(op, item);
    item->status = CACHETTE_MISS;
  } else {
    item->ttl_ms = left < 0 ? CACHETTE_TTL_NEVER : left;
  }
}

static bool take_fetched(cachette__redis_node *node, cachette_op *op, cachette_item *item,
                         size_t step, const cachette__resp_token *token) {
  if (step == 1) {
    if (token->type != CACHETTE__RESP_INTEGER) return false;
    take_ttl(op, item, token->number);
    return true;
  }
  if (is_text(token->type))
    take_value(node, op, item, token);
  else
    return token->type == CACHETTE__RESP_NULL; /* the item was reset to MISS */
  return true;
}

static bool take_put(const cachette_op *op, cachette_item *item,
                     const cachette__resp_token *token) {
  if (token->type == CACHETTE__RESP_SIMPLE) return true;
  item->status = CACHETTE_HIT;
  return (op->flags & CACHETTE_IF_ABSENT) && token->type == CACHETTE__RESP_NULL;
}

static bool take_count(cachette_item *item, const cachette__resp_token *token) {
  item->status = token->number > 0 ? CACHETTE_HIT : CACHETTE_MISS;
  return token->type == CACHETTE__RESP_INTEGER;
}

/* Takes the replies to DBSIZE and FLUSHDB. */
static bool take_flushed(cachette__redis_request *request, const cachette__resp_token *token) {
  if (request->step == 1) {
    request->postponed = request->returns =
        false; /* if DBSIZE was refused, do not resend FLUSHDB */
    return token->type == CACHETTE__RESP_SIMPLE;
  }
  request->op->number = token->number;
  return token->type == CACHETTE__RESP_INTEGER;
}

static bool take(cachette__redis_node *node, cachette__redis_request *request,
                 const cachette__resp_token *token) {
  cachette_op *op = request->op;
  if (op->verb == CACHETTE_INCREMENT) return cachette__redis_counter_take(node, request, token);
  if (token->depth > 0) return false;
  if (op->verb == CACHETTE_PING) return token->type == CACHETTE__RESP_SIMPLE;
  if (op->verb == CACHETTE_FLUSH) return take_flushed(request, token);
  cachette_item *item = &op->items[request->item];
  switch (op->verb) {
    case CACHETTE_FETCH:
      return take_fetched(node, op, item, request->step, token);
    case CACHETTE_PUT:
      return take_put(op, item, token);
    default:
      return take_count(item, token);
  }
}

/* ---- Errors ---- */

/* A server that does not know or permit PING is available all the same. */
static void take_ping_error(cachette__redis_node *node, cachette__redis_request *request) {
  bool answers = cachette__redis_error_is(node, "NOPERM") ||
                 cachette__redis_error_is(node, "ERR unknown command");
  if (!answers)
    request->code = cachette__redis_op_error(node, request->op, (cachette_slice){NULL, 0}, "PING");
}

/* If DBSIZE is refused, the number of keys is unknown. Only FLUSHDB decides the result. */
static void take_flush_error(cachette__redis_node *node, cachette__redis_request *request) {
  if (request->step == 0) return;
  if (!request->legacy && cachette__redis_error_is_refusal(node))
    node->async_flush_refused = request->refused = true;
  else
    request->code =
        cachette__redis_op_error(node, request->op, (cachette_slice){NULL, 0}, "FLUSHDB");
}

static const char *command_of(const cachette__redis_request *request) {
  switch (request->op->verb) {
    case CACHETTE_FETCH:
      return request->step == 0 ? "GET" : "PTTL";
    case CACHETTE_PUT:
      return "SET";
    case CACHETTE_EXISTS:
      return "EXISTS";
    case CACHETTE_TOUCH:
      return "PEXPIRE";
    case CACHETTE_FLUSH:
      return request->step == 0 ? "DBSIZE" : "FLUSHDB";
    case CACHETTE_PING:
      return "PING";
    default:
      return request->legacy ? "DEL" : "UNLINK";
  }
}

/* Handles a complete error reply. */
static void take_error(cachette__redis_node *node, cachette__redis_request *request,
                       unsigned depth) {
  cachette_op *op = request->op;
  if (op->verb == CACHETTE_INCREMENT) {
    cachette__redis_counter_error(node, request, depth);
  } else if (cachette__has_items(op->verb)) {
    cachette__redis_item_error(node, request, &op->items[request->item], command_of(request));
  } else if (node->upper->redirect(node->router, node, command_of(request)) < 0) {
    request->returns = true;
  } else if (cachette__redis_error_is_transient(node, command_of(request))) {
    request->postponed = true;
  } else if (op->verb == CACHETTE_PING) {
    take_ping_error(node, request);
  } else {
    take_flush_error(node, request);
  }
}

/* ---- Dispatch ---- */

static bool take_op_reply(cachette__redis_node *node, cachette__redis_request *request,
                          const cachette__resp_token *token) {
  bool counts = request->op->verb == CACHETTE_INCREMENT;
  if (token->type != CACHETTE__RESP_ERROR) return take(node, request, token);
  if (token->end) take_error(node, request, token->depth);
  return token->depth == 0 || counts;
}

/* A reply is complete. Moves on to the next reply for the item, or to the next item. */
static void advance(cachette__redis_request *request) {
  const cachette_op *op = request->op;
  request->step++;
  request->asked = false;
  if (!cachette__has_items(op->verb) || request->step < cachette__redis_item_replies(op)) return;
  if (op->verb == CACHETTE_INCREMENT && !cachette__redis_counter_is_transaction(request)) return;
  request->step = 0;
  do {
    request->item++;
  } while (request->item < op->count && !cachette__redis_includes(request, request->item));
  cachette__redis_reset_item(request);
}

/* Returns whether the next reply to the item comes after that to an ASKING. */
static bool expects_asking(const cachette__redis_request *request) {
  if (!request->asking || request->asked || request->op == NULL) return false;
  if (request->op->verb != CACHETTE_INCREMENT) return true;
  if (cachette__redis_counter_is_probe(request)) return false;
  return request->step == 0 || !cachette__redis_counter_is_transaction(request);
}

/* Takes a token of the reply to an ASKING. An error does not matter: the command after it gets one,
 * too. */
static void take_asking(cachette__redis_request *request, const cachette__resp_token *token) {
  request->asked = token->last;
}

bool cachette__redis_take(cachette__redis_node *node, const cachette__resp_token *token) {
  cachette__pipeline *pipeline = &node->pipeline;
  const void *stream = pipeline->link.stream;
  cachette__redis_request *request = cachette__pipeline_head(pipeline);
  if (request == NULL) return false; /* no reply is expected */
  bool ok = true;
  bool is_asking = request->asking && expects_asking(request);
  if (is_asking)
    take_asking(request, token);
  else if (request->op != NULL)
    ok = take_op_reply(node, request, token);
  else if (request->job != NULL && request->job->awaited)
    ok = request->job->type->take(request->job, node, token);
  if (pipeline->link.stream != stream)
    return true; /* the connection was closed, so the request is gone */
  if (!ok || !token->last) return ok;
  if (request->op != NULL && !is_asking) advance(request);
  cachette__pipeline_replied(pipeline);
  return true;
}
