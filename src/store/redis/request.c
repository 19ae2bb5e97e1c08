/* SPDX-License-Identifier: MIT */
/* Requests: pushing, completing and failing them. */
#include "../../base/counter.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "internal.h"

_Static_assert(sizeof(cachette__redis_request) <= CACHETTE__PIPELINE_SLOT, "it fits into a slot");

void cachette__redis_forget_resends(cachette_op *op) {
  for (size_t i = 0; cachette__has_items(op->verb) && i < op->count; i++)
    if (op->items[i].status <= CACHETTE__REDIS_RESEND) op->items[i].status = CACHETTE_MISS;
}

int cachette__redis_push(cachette__redis_node *node, cachette_op *op, cachette__redis_job *job,
                         unsigned flags, size_t bytes, const char **reason) {
  cachette__redis_request *slot;
  int code = cachette__pipeline_reserve(&node->pipeline, bytes, (void **)&slot, reason);
  if (code < 0) return code;
  *slot = (cachette__redis_request){.op = op, .job = job};
  if (flags != 0) {
    slot->base.resent = flags & CACHETTE__REDIS_RESENT;
    slot->asking = flags & CACHETTE__REDIS_ASKING;
    slot->is_part = flags & CACHETTE__REDIS_PART;
  }
  if (op != NULL) {
    op->priv.node = node;
    op->priv.below = (uintptr_t)cachette__pipeline_number(&node->pipeline);
  }
  cachette__pipeline_push(&node->pipeline, bytes);
  return CACHETTE_OK;
}

/* ---- Completing ---- */

void cachette__redis_complete(cachette_op *op, int code) {
  if (cachette__has_items(op->verb)) {
    op->number = 0;
    for (size_t i = 0; i < op->count; i++) op->number += cachette__item_counts(op, &op->items[i]);
  }
  cachette__op_complete(op, code);
}

void cachette__redis_fail(cachette_op *op, int code, const char *message) {
  cachette__redis_forget_resends(op);
  cachette__op_fail(op, code, NULL, "%s", message);
}

/* ---- Errors ---- */

int cachette__redis_op_error(const cachette__redis_node *node, const cachette_op *op,
                             cachette_slice key, const char *command) {
  char message[256], subject[64];
  bool counts = op->verb == CACHETTE_INCREMENT;
  if (counts && cachette__redis_error_is_not_a_number(node))
    return cachette__counter_fail_value(key, op->error);
  if (counts && cachette__redis_error_is_overflow(node))
    return cachette__counter_fail_range(key, op->error);
  int code = cachette__redis_explain_error(node, command, key, message, sizeof message);
  cachette__key_text(key, subject, sizeof subject);
  return cachette__fail(op->error, code, subject, "%s", message);
}

void cachette__redis_item_error(cachette__redis_node *node, cachette__redis_request *request,
                                cachette_item *item, const char *command) {
  cachette_op *op = request->op;
  if (item->status < 0) return; /* keep the first error */
  if (op->verb == CACHETTE_FETCH) cachette__item_drop(op, item);
  int status = node->upper->redirect(node->router, node, command);
  if (status < 0) {
    item->status = status;
    request->returns = true;
  } else if (cachette__redis_error_is_transient(node, command)) {
    request->postponed = true;
    item->status = CACHETTE__REDIS_RESEND;
  } else if (op->verb == CACHETTE_CLEAR && !request->legacy &&
             cachette__redis_error_is_refusal(node)) {
    node->unlink_refused = request->refused = true;
    item->status = CACHETTE__REDIS_RESEND;
  } else {
    item->status = cachette__redis_op_error(node, op, item->key, command);
  }
}
