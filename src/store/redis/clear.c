/* SPDX-License-Identifier: MIT */
/*
 * Clears by pattern: SCAN, then UNLINK of the keys found, one batch after another, so that other
 * clients do not wait long. Only one request of a clear is in flight; other ops run in between.
 *
 *     SCAN cursor -> keys? -> UNLINK keys -> cursor 0? -> next pattern -> next primary, or done
 *
 * SCAN finds all keys that exist from its first command to its last. A key that is put during the
 * clear may or may not be removed. https://redis.io/docs/latest/commands/scan/
 *
 * In a cluster, the primaries are scanned one after another. A command must not name keys of
 * several slots, so there is one UNLINK a key, all in one write. A node may list keys of slots that
 * it no longer has, or does not have yet. It redirects their UNLINK; the router deletes them where
 * they live, with a child op. If slots have moved meanwhile, the nodes that gained some are scanned
 * again.
 */
#include "clear.h"

#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "batch.h"

enum { NO_NODE = CACHETTE__REDIS_NO_NODE, MAX_PASSES = 5 };

typedef struct clear {
  cachette__redis_job job; /* must be first */
  cachette__redis_router *router;
  cachette__redis_node *node; /* the server being scanned */
  cachette_op *op;            /* NULL: detached */

  cachette__redis_map *map; /* that this pass is based on; NULL: one server */
  bool *todo;               /* which of its nodes are still to be scanned */
  unsigned map_node;        /* its node that is being scanned */
  unsigned passes;

  cachette__frame frame; /* of the child op */
  cachette_op child;     /* waits for the map or for servers, or deletes foreign keys */
  cachette_item *child_items;
  cachette_error child_error;
  bool child_pending;

  size_t item; /* the index of the namespace being cleared */
  cachette__redis_batch batch;
} clear;

static clear *clear_of(cachette__redis_job *job) { return (clear *)job; }

/* Starts with the pattern of the current namespace, or of all keys with the prefix. */
static bool begin_item(clear *self) {
  const cachette_op *op = self->op;
  const cachette_slice none = {"", 0};
  bool one = op->verb == CACHETTE_CLEAR_NAMESPACE;
  return cachette__redis_batch_start(&self->batch, self->router->settings->prefix,
                                     one ? op->items[self->item].key : none,
                                     one ? cachette_str(":") : none);
}

static void free_clear(clear *self) {
  cachette__redis_batch_deinit(&self->batch);
  cachette__redis_map_release(self->map);
  cachette__free(self->todo);
  cachette__free(self->child_items);
  cachette__free(self);
}

/* A cursor is valid on one server only, so the current namespace is scanned again. */
static bool on_restart(cachette__redis_job *job) {
  clear *self = clear_of(job);
  self->batch.refused = false;
  return self->op == NULL || begin_item(self);
}

/* ---- The op ---- */

void cachette__redis_clear_detach(cachette_op *op) {
  clear *self = (clear *)op->priv.below;
  self->op = NULL;
  if (self->child_pending) {
    cachette__redis_fanout_detach(&self->child);
    free_clear(self);
    return;
  }
  self->job.awaited = false;
  cachette__redis_node_check_silence(self->node, op);
}

const cachette_error *cachette__redis_clear_reason(const cachette_op *op) {
  const clear *self = (const clear *)op->priv.below;
  if (self->child_pending) return cachette__redis_fanout_reason(&self->child);
  if (self->job.postponed) return &self->node->retry.reason;
  return cachette__link_hint(&self->node->pipeline.link);
}

const char *cachette__redis_clear_server(const cachette_op *op) {
  const clear *self = (const clear *)op->priv.below;
  if (self->child_pending) return cachette__redis_fanout_server(&self->child);
  return self->node->pipeline.name;
}

/* Fails the op, unless it was detached, and frees the clear, which has no request in flight. */
static void fail(clear *self, int code, const char *message) {
  if (self->op != NULL) cachette__op_fail(self->op, code, NULL, "%s", message);
  free_clear(self); /* last, since `message` may point into it */
}

static void fail_memory(clear *self) {
  fail(self, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
}

static void wait(clear *self);

/* If a SCAN was lost, nothing was. The lost reply to an UNLINK would be missing in the count. */
static void on_failed(cachette__redis_job *job, int code, const char *message) {
  clear *self = clear_of(job);
  bool is_down = code == CACHETTE_EUNAVAILABLE && self->map != NULL;
  if (self->op != NULL && is_down && !self->batch.unlinking)
    wait(self);
  else
    fail(self, code, message);
}

static void finish(clear *self) {
  cachette_op *op = self->op;
  free_clear(self);
  if (op != NULL) cachette__op_complete(op, CACHETTE_OK);
}

/* ---- Commands ---- */

/* Sends the next command. Its request owns the clear while it is in the pipeline. */
static void push(clear *self) {
  const char *reason;
  int code =
      cachette__redis_push(self->node, NULL, &self->job, 0, self->batch.pattern.end, &reason);
  if (code < 0) fail(self, code, reason);
}

static size_t on_encode(cachette__redis_job *job, cachette__redis_node *node,
                        cachette__buffer *output) {
  clear *self = clear_of(job);
  bool each = self->router->mode == CACHETTE__REDIS_CLUSTER;
  return cachette__redis_batch_encode(&self->batch, node, output, each);
}

/* ---- Replies ---- */

static void count(clear *self, int64_t number) {
  cachette_op *op = self->op;
  if (op == NULL || number <= 0) return;
  op->number += number;
  if (op->verb == CACHETTE_CLEAR_NAMESPACE) op->items[self->item].status = CACHETTE_HIT;
}

static void take_error(clear *self, cachette__redis_node *node) {
  const char *command = !self->batch.unlinking ? "SCAN" : self->batch.legacy ? "DEL" : "UNLINK";
  char message[256];
  if (self->batch.unlinking && cachette__redis_error_is(node, "CROSSSLOT"))
    node->upper->joined(self->router, node); /* a server that does not know HELLO */
  bool is_routed = self->router->mode != CACHETTE__REDIS_PLAIN;
  if (self->batch.unlinking && is_routed &&
      (cachette__redis_error_is(node, "CROSSSLOT") ||
       cachette__redis_redirect(self->router, node, command) < 0)) {
    cachette__redis_batch_note_foreign(&self->batch);
    return;
  }
  if (cachette__redis_error_is_transient(node, command)) {
    self->job.postponed = true;
    return;
  }
  self->job.idempotent = false;
  if (self->batch.unlinking && !self->batch.legacy && cachette__redis_error_is_refusal(node)) {
    self->batch.refused = node->unlink_refused = true;
    return;
  }
  int code = cachette__redis_explain_error(node, command, (cachette_slice){NULL, 0}, message,
                                           sizeof message);
  cachette__redis_batch_fail(&self->batch, code, message);
}

static bool on_take(cachette__redis_job *job, cachette__redis_node *node,
                    const cachette__resp_token *token) {
  clear *self = clear_of(job);
  job->postponed = false;
  if (token->type == CACHETTE__RESP_ERROR) {
    if (token->end) take_error(self, node);
    if (token->end) self->batch.replied++;
    return true;
  }
  job->idempotent = false; /* the server replied, so a resent clear would count too little */
  bool is_valid = cachette__redis_batch_take(&self->batch, token);
  count(self, self->batch.removed);
  self->batch.removed = 0;
  return is_valid;
}

/* ---- The child op ---- */

static void proceed(clear *self);
static void begin_pass(clear *self);
static void scan_next(clear *self);

static void on_child_done(cachette__frame *frame, cachette_op *child) {
  clear *self = (clear *)((char *)frame - offsetof(clear, frame));
  bool was_ping = child->verb == CACHETTE_PING;
  self->child_pending = false;
  bool failed = child->status < 0;
  for (size_t i = 0; !was_ping && i < child->count; i++) failed |= child->items[i].status < 0;
  if (failed) {
    fail(self, self->child_error.code, self->child_error.message);
  } else if (was_ping && self->map != NULL) {
    scan_next(self);
  } else if (was_ping) {
    begin_pass(self);
  } else {
    count(self, child->number);
    cachette__redis_batch_begin(&self->batch);
    proceed(self);
  }
}

static void submit_child(clear *self, enum cachette_verb verb, unsigned flags, size_t items) {
  self->child = (cachette_op){.verb = verb,
                              .flags = flags,
                              .items = self->child_items,
                              .count = items,
                              .timeout_ms = self->op->timeout_ms,
                              .error = &self->child_error};
  self->frame.done = on_child_done;
  self->child.priv.frame = &self->frame;
  self->child.priv.now_ms = self->op->priv.now_ms;
  self->child.priv.deadline_ms = self->op->priv.deadline_ms;
  self->child_pending = true;
  cachette__redis_fanout_start(self->router, &self->child);
}

/* The server is down: scans it again when all primaries answer, or the one that takes over. */
static void wait(clear *self) {
  self->todo[self->map_node] = true;
  submit_child(self, CACHETTE_PING, CACHETTE__REDIS_PATIENT, 0);
}

/* Deletes the keys that the server has redirected. */
static void delete_foreign(clear *self) {
  size_t foreign = cachette__redis_batch_count_foreign(&self->batch);
  cachette__free(self->child_items);
  self->child_items = cachette__calloc(foreign, sizeof *self->child_items);
  if (self->child_items == NULL) {
    fail_memory(self);
    return;
  }
  cachette__redis_batch_list_foreign(&self->batch, self->child_items,
                                     self->router->settings->prefix.size);
  submit_child(self, CACHETTE_CLEAR, 0, foreign);
}

/* ---- Servers ---- */

static void scan(clear *self, cachette__redis_node *node) {
  const cachette_error *reason;
  int code = cachette__link_connect(&node->pipeline.link, &reason);
  self->node = node;
  self->item = 0;
  if (code < 0 && self->map != NULL) {
    self->router->reason = *reason;
    wait(self);
  } else if (code < 0)
    fail(self, code, reason->message);
  else if (begin_item(self))
    push(self);
  else
    fail_memory(self);
}

/* Returns whether a node of the router's map has a slot that another one had in the map of this
 * pass. */
static bool has_gained(const clear *self, unsigned node) {
  const cachette__redis_map *now = self->router->map, *then = self->map;
  const cachette__redis_map_node *found = &now->nodes[node];
  unsigned old = cachette__redis_map_find(then, cachette_str(found->host), found->port);
  for (unsigned slot = 0; slot < CACHETTE__REDIS_SLOTS; slot++)
    if (now->owner[slot] == node && (old == NO_NODE || then->owner[slot] != old)) return true;
  return false;
}

/* Chooses the primaries to scan: in the first pass all, then those that have gained slots. Returns
 * how many there are; -1: out of memory. */
static int choose_primaries(clear *self) {
  cachette__redis_map *map = self->router->map;
  bool *todo = cachette__calloc(map->node_count + 1u, sizeof *todo);
  int chosen = 0;
  if (todo == NULL) return -1;
  for (unsigned i = 0; i < map->node_count; i++) {
    todo[i] = cachette__redis_map_is_primary(map, i) && (self->map == NULL || has_gained(self, i));
    chosen += todo[i];
  }
  cachette__free(self->todo);
  self->todo = todo;
  cachette__redis_map_release(self->map);
  self->map = cachette__redis_map_retain(map);
  return chosen;
}

static void begin_pass(clear *self) {
  int chosen = self->map == self->router->map ? 0 : choose_primaries(self);
  if (chosen < 0)
    fail_memory(self);
  else if (chosen == 0 || ++self->passes > MAX_PASSES)
    finish(self);
  else
    scan_next(self);
}

/* Returns whether a node of this pass is to be scanned. If another one has taken over from it, that
 * one has gained slots, so the next pass scans it. */
static bool is_todo(const clear *self, unsigned node) {
  const cachette__redis_map *now = self->router->map;
  const cachette__redis_map_node *then = &self->map->nodes[node];
  if (!self->todo[node] || now == self->map) return self->todo[node];
  unsigned found = cachette__redis_map_find(now, cachette_str(then->host), then->port);
  return found != NO_NODE && cachette__redis_map_is_primary(now, found);
}

/* Scans the next primary of this pass. */
static void scan_next(clear *self) {
  cachette__redis_router *router = self->router;
  unsigned next = 0;
  while (next < self->map->node_count && !is_todo(self, next)) next++;
  if (next == self->map->node_count) {
    begin_pass(self);
    return;
  }
  self->todo[next] = false;
  self->map_node = next;
  const cachette__redis_map_node *node = &self->map->nodes[next];
  size_t place = cachette__redis_place_at(router, node->host, node->port, node->tls_name);
  cachette__redis_node *found =
      place != CACHETTE__REDIS_NO_PLACE ? cachette__redis_place_open(router, place) : NULL;
  if (found != NULL)
    scan(self, found);
  else
    fail_memory(self);
}

/* Starts with the servers that the router knows, as soon as it does. */
static void begin(clear *self) {
  if (self->router->mode == CACHETTE__REDIS_PLAIN)
    scan(self, self->router->plain);
  else if (self->router->has_map)
    begin_pass(self);
  else
    submit_child(self, CACHETTE_PING, 0, 0);
}

/* ---- The next command ---- */

/* Moves on to the next batch or namespace. Returns false after the last one. */
static bool advance(clear *self) {
  if (!cachette__redis_batch_is_last(&self->batch)) {
    cachette__redis_batch_begin(&self->batch);
    return true;
  }
  size_t items = self->op->verb == CACHETTE_CLEAR_NAMESPACE ? self->op->count : 1;
  if (++self->item == items) return false;
  if (!begin_item(self))
    cachette__redis_batch_fail(&self->batch, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
  return true;
}

/* Sends the next command, or completes the op. */
static void proceed(clear *self) {
  bool more = true;
  if (self->batch.refused)
    self->batch.refused = false; /* resends the same keys with DEL */
  else if (!self->batch.unlinking && self->batch.key_count > 0)
    self->batch.unlinking = true;
  else
    more = advance(self);
  if (self->batch.code < 0)
    fail(self, self->batch.code, self->batch.message);
  else if (more)
    push(self);
  else if (self->map != NULL)
    scan_next(self);
  else
    finish(self);
}

static void on_completed(cachette__redis_job *job, cachette__redis_node *node,
                         cachette__redis_request *request) {
  clear *self = clear_of(job);
  if (job->postponed) {
    cachette__redis_retry_add(node, request);
    return;
  }
  if (request->was_postponed) cachette__redis_retry_reset(node);
  if (self->op == NULL || self->batch.code < 0)
    fail(self, self->batch.code, self->batch.message);
  else if (self->map == NULL && self->router->mode != CACHETTE__REDIS_PLAIN)
    begin(self); /* the server has turned out to be one of several */
  else if (!self->batch.refused && cachette__redis_batch_count_foreign(&self->batch) > 0)
    delete_foreign(self);
  else
    proceed(self);
}

static const cachette__redis_job_type clear_type = {
    .encode = on_encode,
    .take = on_take,
    .restart = on_restart,
    .completed = on_completed,
    .failed = on_failed,
};

void cachette__redis_clear_start(cachette__redis_router *router, cachette_op *op) {
  clear *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  self->job = (cachette__redis_job){.type = &clear_type,
                                    .deadline_ms = op->priv.deadline_ms,
                                    .awaited = true,
                                    .idempotent = true};
  self->router = router;
  self->op = op;
  op->priv.node = NULL;
  op->priv.below = (uintptr_t)self;
  begin(self);
}
