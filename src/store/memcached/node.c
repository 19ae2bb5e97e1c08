/* SPDX-License-Identifier: MIT */
/* One server: the callbacks of its pipeline. */
#include "../../base/alloc.h"
#include "internal.h"

static cachette__mc_part *part_of(const cachette__request *request) {
  return ((const cachette__mc_request *)request)->part;
}

static cachette__mc_question *question_of(const cachette__request *request) {
  return ((const cachette__mc_request *)request)->question;
}

/* ---- Sending ---- */

static bool is_awaited(const cachette__request *request) {
  const cachette__mc_part *part = part_of(request);
  return part != NULL ? part->fanout->op != NULL : question_of(request) != NULL;
}

static bool is_idempotent(const cachette__request *request) {
  const cachette__mc_part *part = part_of(request);
  if (part == NULL) return true; /* a question */
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
  if (part == NULL) return node->protocol->encode_config(node) ? 1 : 0;
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
  cachette__mc_question *question = question_of(request);
  if (question != NULL) {
    if (cachette__cluster_config_take(&question->config, token))
      cachette__pipeline_replied(&node->pipeline);
    return true;
  }
  cachette__mc_part *part = part_of(request);
  if (part == NULL || !is_in_order(node, part, token)) return false;
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
  if (question_of(request) != NULL) question_of(request)->answered(question_of(request));
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
  cachette__mc_question *question = question_of(request);
  (void)owner;
  if (question != NULL) question->failed(question, code, message);
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
  if (node->is_listed && node->store->node_lost != NULL)
    node->store->node_lost(node->store->discovery);
  return was_ready;
}

/* Drops an incomplete value. */
static bool on_rewind(void *owner, cachette__request *request, bool was_sent) {
  cachette__mc_node *node = owner;
  cachette__mc_question *question = question_of(request);
  (void)was_sent;
  if (question != NULL) {
    bool is_text = question->config.is_text;
    cachette__cluster_config_deinit(&question->config);
    cachette__cluster_config_init(&question->config, is_text);
  }
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

/* ---- Asking ---- */

int cachette__mc_node_ask(cachette__mc_node *node, cachette__mc_question *question,
                          const char **reason) {
  void *slot;
  int code = cachette__pipeline_reserve(&node->pipeline, 0, &slot, reason);
  if (code < 0) return code;
  cachette__cluster_config_init(&question->config, !node->store->settings->sasl);
  *(cachette__mc_request *)slot = (cachette__mc_request){.question = question};
  cachette__pipeline_push(&node->pipeline, 0);
  return CACHETTE_OK;
}

/* ---- Creating ---- */

cachette__mc_node *cachette__mc_node_new(cachette__memcached *store,
                                         cachette__memcached_hosts *hosts, size_t index) {
  const cachette__memcached_settings *settings = store->settings;
  const cachette__memcached_host *host = &hosts->list[index];
  cachette__mc_node *node = cachette__calloc(1, sizeof *node);
  if (node == NULL) return NULL;
  node->store = store;
  node->references = 1;
  node->hosts = cachette__memcached_hosts_retain(hosts);
  node->host = host;
  node->protocol = settings->sasl ? &cachette__mc_binary_protocol : &cachette__mc_text_protocol;
  node->target = (cachette__target){
      .host = host->address != NULL ? host->address : host->host,
      .port = host->port,
      .path = host->path,
      .tls = settings->tls,
      .tls_name = host->address != NULL ? host->host : NULL,
      .plain_advice = "set \"memcached_tls\" to false.",
      .tls_advice = "set \"memcached_tls\" to true.",
      .connect_timeout_ms = settings->connect_timeout_ms,
  };
  node->next = store->nodes;
  if (node->next != NULL) node->next->before = node;
  store->nodes = node;
  return node;
}

void cachette__mc_node_start(cachette__mc_node *node) {
  if (node->is_open) return;
  node->is_open = true;
  node->store->open_handles++;
  cachette__pipeline_init(&node->pipeline, node->store->loop, &node->target, &protocol, node,
                          node->store->settings->timeout_ms);
}
