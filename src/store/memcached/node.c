/* SPDX-License-Identifier: MIT */
/* One server: the callbacks of its pipeline. */
#include "../../base/alloc.h"
#include "internal.h"

static cachette__mc_part *part_of(const cachette__request *request) {
  return ((const cachette__mc_request *)request)->part;
}

/* ---- Sending ---- */

static bool is_awaited(const cachette__request *request) {
  const cachette__mc_part *part = part_of(request);
  return part != NULL && part->fanout->op != NULL;
}

static bool is_idempotent(const cachette__request *request) {
  const cachette__mc_part *part = part_of(request);
  return part->clear == NULL &&
         cachette__is_idempotent(part->fanout->verb, part->fanout->op->flags);
}

static bool encode_part(cachette__mc_part *part) {
  if (part->clear != NULL) return cachette__mc_clear_encode(part->clear);
  if (part->round != CACHETTE__MC_FIRST) return cachette__mc_counter_encode(part);
  if (part->fanout->verb == CACHETTE_INCREMENT && !cachette__mc_counter_prepare(part)) return false;
  return part->node->protocol->encode(part);
}

static size_t count_replies(const cachette__mc_part *part) {
  return part->clear != NULL ? cachette__mc_clear_replies(part->clear) : cachette__mc_replies(part);
}

static size_t encode(void *owner, cachette__request *request, cachette__buffer *output) {
  cachette__mc_node *node = owner;
  cachette__mc_part *part = part_of(request);
  uint32_t number = node->next_command;
  (void)output; /* the encoders get it from the node, as they are used in handshakes too */
  if (encode_part(part)) return count_replies(part);
  node->next_command = number;
  return 0;
}

/* ---- Receiving ---- */

/* Returns whether a token has the number of the command that comes next. */
static bool is_in_order(cachette__mc_node *node, const cachette__mc_part *part,
                        const cachette__meta_token *token) {
  bool numbered = part->clear != NULL ? cachette__mc_clear_is_deleting(part->clear)
                                      : cachette__has_items(part->fanout->verb);
  if (!numbered || (token->type == CACHETTE__META_VALUE && token->line.data == NULL)) return true;
  uint32_t expected = node->next_reply++;
  if (token->type == CACHETTE__META_ERROR && !token->has_opaque) return true;
  return token->has_opaque && token->opaque == expected;
}

/* Returns false if the reply does not match what was sent. */
static bool take(cachette__mc_node *node, const cachette__meta_token *token) {
  bool complete;
  if (node->step != CACHETTE__MC_IDLE) {
    cachette__mc_handshake_take(node, token);
    return true;
  }
  const cachette__request *request = cachette__pipeline_head(&node->pipeline);
  if (request == NULL) return false;
  cachette__mc_part *part = part_of(request);
  if (!is_in_order(node, part, token)) return false;
  bool fits = part->clear != NULL
                  ? cachette__mc_clear_take(part->clear, token, &complete)
                  : cachette__mc_take(part, cachette__mc_replies(part) - request->replies, token,
                                      &complete);
  if (fits && complete) cachette__pipeline_replied(&node->pipeline);
  return fits;
}

static bool on_read(void *owner, cachette_slice input, size_t *used, const char **reason) {
  cachette__mc_node *node = owner;
  const void *stream = node->pipeline.link.stream;
  const char *bytes = input.data;
  while (node->pipeline.link.stream == stream) {
    cachette__meta_token token;
    const cachette_slice rest = {bytes + *used, input.size - *used};
    size_t size;
    int code = node->protocol->read(node, rest, &size, &token, reason);
    *used += size;
    if (code == CACHETTE__META_MORE) return true;
    if (code < 0 || !take(node, &token)) return false;
  }
  return true;
}

/* ---- What becomes of a request ---- */

static void on_completed(void *owner, cachette__request *request) {
  cachette__mc_part *part = part_of(request);
  (void)owner;
  if (part == NULL) return;
  cachette__mc_fanout *fanout = part->fanout;
  part->pending = false;
  if (part->clear != NULL)
    cachette__mc_clear_continue(part->clear);
  else if (fanout->verb == CACHETTE_TOUCH)
    cachette__mc_touch_continue(part);
  else if (fanout->verb == CACHETTE_INCREMENT)
    cachette__mc_counter_continue(part);
  cachette__mc_fanout_release(fanout);
}

static void on_failed(void *owner, cachette__request *request, int code, const char *message) {
  cachette__mc_part *part = part_of(request);
  (void)owner;
  if (part == NULL) return;
  cachette__mc_fanout *fanout = part->fanout;
  part->pending = false;
  if (part->clear != NULL)
    cachette__mc_clear_fail(part->clear, code, message);
  else if (part->round != CACHETTE__MC_FIRST)
    cachette__mc_counter_fail(part, code, message);
  else
    cachette__mc_fail_part(part, code, message);
  cachette__mc_fanout_release(fanout);
}

/* ---- Connections ---- */

static void on_opened(void *owner) {
  cachette__mc_node *node = owner;
  cachette__meta_init(&node->meta);
  cachette__binary_init(&node->binary);
  node->next_command = node->next_reply = 0;
  cachette__mc_handshake_start(node);
}

static bool on_lost(void *owner, bool was_ready, const cachette_error *error) {
  cachette__mc_node *node = owner;
  cachette__events *events = node->store->events;
  (void)error;
  if (was_ready) events->lost(events);
  cachette__mc_handshake_lost(node, was_ready);
  return was_ready;
}

/* Drops an incomplete value. */
static bool on_rewind(void *owner, cachette__request *request, bool was_sent) {
  cachette__mc_node *node = owner;
  (void)was_sent;
  if (request != cachette__pipeline_head(&node->pipeline)) return true;
  if (node->value != NULL) {
    cachette__item_drop(part_of(request)->fanout->op, node->item);
    node->item->status = CACHETTE_MISS;
  }
  node->item = NULL;
  node->value = NULL;
  return true;
}

static const cachette__protocol protocol = {
    .name = "memcached's protocol",
    .opened = on_opened,
    .read = on_read,
    .lost = on_lost,
    .is_awaited = is_awaited,
    .is_idempotent = is_idempotent,
    .encode = encode,
    .rewind = on_rewind,
    .completed = on_completed,
    .failed = on_failed,
};

/* ---- Creating ---- */

cachette__mc_node *cachette__mc_node_new(cachette__memcached *store,
                                         const cachette__memcached_host *host) {
  const cachette__memcached_settings *settings = store->settings;
  cachette__mc_node *node = cachette__calloc(1, sizeof *node);
  if (node == NULL) return NULL;
  node->store = store;
  node->protocol = settings->sasl ? &cachette__mc_binary_protocol : &cachette__mc_text_protocol;
  node->target = (cachette__target){
      .host = host->host,
      .port = host->port,
      .path = host->path,
      .tls = settings->tls,
      .plain_advice = "set \"memcached_tls\" to false.",
      .tls_advice = "set \"memcached_tls\" to true.",
      .connect_timeout_ms = settings->connect_timeout_ms,
  };
  return node;
}

void cachette__mc_node_start(cachette__mc_node *node) {
  cachette__pipeline_init(&node->pipeline, node->store->loop, &node->target, &protocol, node,
                          node->store->settings->timeout_ms);
}
