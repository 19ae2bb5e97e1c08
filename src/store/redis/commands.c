/* SPDX-License-Identifier: MIT */
/* An op becomes commands. */
#include "internal.h"

static bool encode_item(cachette__redis_node *node, cachette__buffer *output, const cachette_op *op,
                        const cachette_item *item) {
  cachette__redis_key key = {node->settings->prefix, item->key};
  switch (op->verb) {
    case CACHETTE_FETCH:
      return cachette__redis_get(output, key) &&
             (!(op->flags & CACHETTE_WITH_TTL) || cachette__redis_pttl(output, key));
    case CACHETTE_PUT:
      return cachette__redis_set(output, key, item->value, item->ttl_ms,
                                 op->flags & CACHETTE_IF_ABSENT);
    case CACHETTE_EXISTS:
      return cachette__redis_exists(output, key);
    case CACHETTE_TOUCH:
      return cachette__redis_pexpire(output, key, item->ttl_ms);
    default:
      return cachette__redis_unlink(output, key, node->unlink_refused);
  }
}

/* The same with an ASKING before each command. Not inlined, as it is rare. */
static __attribute__((noinline)) bool encode_asking_item(cachette__redis_node *node,
                                                         cachette__buffer *output,
                                                         const cachette__redis_request *request,
                                                         const cachette_item *item) {
  const cachette_op *op = request->op;
  cachette__redis_key key = {node->settings->prefix, item->key};
  if (!cachette__redis_ask(request, output)) return false;
  if (op->verb != CACHETTE_FETCH || !(op->flags & CACHETTE_WITH_TTL))
    return encode_item(node, output, op, item);
  return cachette__redis_get(output, key) && cachette__redis_ask(request, output) &&
         cachette__redis_pttl(output, key);
}

/* DBSIZE counts the keys, then FLUSHDB removes them. */
static bool encode_flush(const cachette__redis_node *node, cachette__buffer *output) {
  const cachette_slice size = cachette_str("DBSIZE");
  const cachette_slice flush[] = {cachette_str("FLUSHDB"), cachette_str("ASYNC")};
  return cachette__redis_words(output, &size, 1) &&
         cachette__redis_words(output, flush, node->async_flush_refused ? 1 : 2);
}

static size_t encode_items(cachette__redis_node *node, cachette__buffer *output,
                           cachette__redis_request *request) {
  const cachette_op *op = request->op;
  size_t count = 0;
  for (size_t i = op->count; i-- > 0;)
    if (cachette__redis_includes(request, i)) request->item = i; /* ends at the first one */
  for (size_t i = request->item; i < op->count; i++) {
    if (!cachette__redis_includes(request, i)) continue;
    const cachette_item *item = &op->items[i];
    if (!(request->asking ? encode_asking_item(node, output, request, item)
                          : encode_item(node, output, op, item)))
      return 0;
    count++;
  }
  cachette__redis_reset_item(request);
  if (request->asking) count *= 2;
  return count * cachette__redis_item_replies(op);
}

static size_t encode_op(cachette__redis_node *node, cachette__buffer *output,
                        cachette__redis_request *request) {
  const cachette_op *op = request->op;
  bool flush = op->verb == CACHETTE_FLUSH;
  request->step = 0;
  request->asked = false;
  request->legacy = flush ? node->async_flush_refused : node->unlink_refused;
  if (op->verb == CACHETTE_INCREMENT) return cachette__redis_counter_encode(node, request, output);
  if (cachette__has_items(op->verb)) return encode_items(node, output, request);
  bool ok =
      flush ? encode_flush(node, output) : cachette__redis_head(output, 1, cachette_str("PING"));
  return ok ? cachette__redis_item_replies(op) : 0;
}

size_t cachette__redis_encode(void *owner, cachette__request *base, cachette__buffer *output) {
  cachette__redis_request *request = (cachette__redis_request *)base;
  return request->job != NULL ? request->job->type->encode(request->job, owner, output)
                              : encode_op(owner, output, request);
}
