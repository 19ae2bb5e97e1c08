/* SPDX-License-Identifier: MIT */
/*
 * Clears by pattern: SCAN, then UNLINK of the keys found, one batch after another, so that other
 * clients do not wait long. Only one command of a clear is in flight; other ops run in between.
 *
 *     SCAN cursor -> keys? -> UNLINK keys -> cursor 0? -> next pattern, or done
 *
 * SCAN finds all keys that exist from its first command to its last. A key that is put during the
 * clear may or may not be removed. https://redis.io/docs/latest/commands/scan/
 */
#include "clear.h"

#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"

typedef struct clear {
  cachette__redis_job job; /* must be first */
  cachette__redis_node *node;
  cachette_op *op; /* NULL: detached */
  size_t item;     /* the index of the namespace being cleared */
  bool unlinking;  /* the command in flight is UNLINK; else SCAN */
  bool legacy;     /* DEL instead of UNLINK */
  bool refused;    /* the server refused UNLINK: resend the same keys with DEL */
  bool in_keys;    /* parsing the reply to SCAN: after the cursor */
  bool in_key;     /* and within a key */
  char cursor[24];
  size_t cursor_size;
  cachette__buffer pattern, keys; /* keys: as bulk strings, ready to send */
  size_t key_count;
  size_t key_start; /* the offset in `keys` of the key being received */
  int code;         /* 0, or the error to fail with when the reply is complete */
  char message[256];
} clear;

static clear *clear_of(cachette__redis_job *job) { return (clear *)job; }

bool cachette__redis_clears(const cachette__redis_settings *settings, const cachette_op *op) {
  return op->verb == CACHETTE_CLEAR_NAMESPACE ||
         (op->verb == CACHETTE_FLUSH && settings->prefix.size > 0);
}

static void begin_batch(clear *self) {
  self->unlinking = false;
  self->keys.begin = self->keys.end = 0;
  self->key_count = 0;
  self->in_keys = self->in_key = false;
}

/* Starts with the pattern of the current namespace, or of all keys with the prefix. */
static bool begin_item(clear *self) {
  const cachette_op *op = self->op;
  const cachette_slice none = {"", 0};
  begin_batch(self);
  self->cursor[0] = '0';
  self->cursor_size = 1;
  self->pattern.begin = self->pattern.end = 0;
  bool one = op->verb == CACHETTE_CLEAR_NAMESPACE;
  return cachette__redis_pattern(&self->pattern, self->node->settings->prefix,
                                 one ? op->items[self->item].key : none,
                                 one ? cachette_str(":") : none);
}

static void free_clear(clear *self) {
  cachette__buffer_deinit(&self->pattern);
  cachette__buffer_deinit(&self->keys);
  cachette__free(self);
}

/* A cursor is valid on one server only, so the current namespace is scanned again. */
static bool on_restart(cachette__redis_job *job) {
  clear *self = clear_of(job);
  self->refused = false;
  return self->op == NULL || begin_item(self);
}

void cachette__redis_clear_detach(cachette_op *op) {
  clear *self = (clear *)op->priv.below;
  self->op = NULL;
  self->job.awaited = false;
  cachette__redis_node_check_silence(self->node, op);
}

const cachette_error *cachette__redis_clear_reason(const cachette_op *op) {
  const clear *self = (const clear *)op->priv.below;
  if (self->job.postponed) return &self->node->retry.reason;
  return cachette__link_hint(&self->node->pipeline.link);
}

/* Fails the op, unless it was detached, and frees the clear, which has no request in flight. */
static void fail(clear *self, int code, const char *message) {
  if (self->op != NULL) cachette__op_fail(self->op, code, NULL, "%s", message);
  free_clear(self); /* last, since `message` may point into it */
}

static void on_failed(cachette__redis_job *job, int code, const char *message) {
  fail(clear_of(job), code, message);
}

static void finish(clear *self) {
  cachette_op *op = self->op;
  free_clear(self);
  if (op != NULL) cachette__op_complete(op, CACHETTE_OK);
}

/* Sends the next command. Its request owns the clear while it is in the pipeline. */
static void push(clear *self) {
  const char *reason;
  int code = cachette__redis_push(self->node, NULL, &self->job, self->pattern.end, &reason);
  if (code < 0) fail(self, code, reason);
}

static size_t on_encode(cachette__redis_job *job, cachette__redis_node *node,
                        cachette__buffer *output) {
  clear *self = clear_of(job);
  cachette_slice pattern = {self->pattern.data + self->pattern.begin,
                            cachette__buffer_size(&self->pattern)};
  cachette_slice cursor = {self->cursor, self->cursor_size};
  if (!self->unlinking) return cachette__redis_scan(output, cursor, pattern) ? 1 : 0;
  size_t size = cachette__buffer_size(&self->keys);
  self->legacy = node->unlink_refused;
  if (!cachette__redis_head(output, self->key_count + 1,
                            cachette_str(node->unlink_refused ? "DEL" : "UNLINK")))
    return 0;
  char *at = cachette__buffer_reserve(output, size);
  if (at == NULL) return 0;
  memcpy(at, self->keys.data + self->keys.begin, size);
  output->end += size;
  return 1;
}

/* ---- Replies ---- */

static void fail_later(clear *self, int code, const char *message) {
  self->code = code;
  memcpy(self->message, message, strnlen(message, sizeof self->message - 1));
}

static bool take_cursor(clear *self, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_BULK || token->size > sizeof self->cursor || token->size == 0)
    return false;
  memcpy(self->cursor + token->offset, token->bytes.data, token->bytes.size);
  if (token->end) {
    self->cursor_size = token->size;
    self->in_keys = true;
  }
  return true;
}

/* Appends a key as a bulk string of the next UNLINK. */
static bool take_key(clear *self, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_BULK) return false;
  if (self->code < 0) return true;
  cachette__buffer *keys = &self->keys;
  if (!self->in_key) {
    /* Reserves space for the whole key; its bytes are copied as they arrive. */
    char *at = cachette__buffer_reserve(keys, token->size + 32);
    if (at == NULL) {
      fail_later(self, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
      return true;
    }
    at = cachette__redis_bulk_head(at, token->size);
    keys->end = (size_t)(at - keys->data) + token->size + 2;
    self->key_start = (size_t)(at - keys->data) - keys->begin;
    memcpy(at + token->size, "\r\n", 2);
    self->key_count++;
    self->in_key = true;
  }
  if (token->bytes.size > 0)
    memcpy(keys->data + keys->begin + self->key_start + token->offset, token->bytes.data,
           token->bytes.size);
  if (token->end) self->in_key = false;
  return true;
}

static bool take_scanned(clear *self, const cachette__resp_token *token) {
  if (token->type == CACHETTE__RESP_ARRAY)
    return (token->depth == 0 && token->number == 2) || (token->depth == 1 && self->in_keys);
  if (token->depth == 1) return !self->in_keys && take_cursor(self, token);
  return token->depth == 2 && take_key(self, token);
}

static bool take_unlinked(clear *self, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_INTEGER) return false;
  cachette_op *op = self->op;
  if (op == NULL || token->number <= 0) return true;
  op->number += token->number;
  if (op->verb == CACHETTE_CLEAR_NAMESPACE) op->items[self->item].status = CACHETTE_HIT;
  return true;
}

static void take_error(clear *self, cachette__redis_node *node) {
  char message[256];
  if (cachette__redis_error_is_transient(node, "SCAN")) {
    self->job.postponed = true;
    return;
  }
  self->job.idempotent = false;
  self->refused = self->unlinking && !self->legacy && cachette__redis_error_is_refusal(node);
  if (self->refused) {
    node->unlink_refused = true;
    return;
  }
  const char *command = !self->unlinking ? "SCAN" : self->legacy ? "DEL" : "UNLINK";
  int code = cachette__redis_explain_error(node, command, (cachette_slice){NULL, 0}, message,
                                           sizeof message);
  fail_later(self, code, message);
}

static bool on_take(cachette__redis_job *job, cachette__redis_node *node,
                    const cachette__resp_token *token) {
  clear *self = clear_of(job);
  job->postponed = false;
  if (token->type == CACHETTE__RESP_ERROR) {
    if (token->end) take_error(self, node);
    return true;
  }
  job->idempotent = false; /* the server replied, so a resent clear would count too little */
  return self->unlinking ? take_unlinked(self, token) : take_scanned(self, token);
}

/* Moves on to the next batch or namespace. Returns false after the last one. */
static bool advance(clear *self) {
  bool scanned = self->cursor_size == 1 && self->cursor[0] == '0';
  if (!scanned) {
    begin_batch(self);
    return true;
  }
  size_t items = self->op->verb == CACHETTE_CLEAR_NAMESPACE ? self->op->count : 1;
  if (++self->item == items) return false;
  if (!begin_item(self)) fail_later(self, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
  return true;
}

/* Sends the next command, or completes the op. */
static void proceed(clear *self) {
  bool more = true;
  if (self->op == NULL || self->code < 0) {
    fail(self, self->code, self->message);
    return;
  }
  if (self->refused)
    self->refused = false; /* resends the same keys with DEL */
  else if (!self->unlinking && self->key_count > 0)
    self->unlinking = true;
  else
    more = advance(self);
  if (!more)
    finish(self);
  else if (self->code < 0)
    fail(self, self->code, self->message);
  else
    push(self);
}

static void on_completed(cachette__redis_job *job, cachette__redis_node *node,
                         cachette__redis_request *request) {
  if (job->postponed) {
    cachette__redis_retry_add(node, request);
    return;
  }
  if (request->was_postponed) cachette__redis_retry_reset(node);
  proceed(clear_of(job));
}

static const cachette__redis_job_type clear_type = {
    .encode = on_encode,
    .take = on_take,
    .restart = on_restart,
    .completed = on_completed,
    .failed = on_failed,
};

void cachette__redis_clear_start(cachette__redis_node *node, cachette_op *op) {
  const cachette_error *reason;
  int code = cachette__link_connect(&node->pipeline.link, &reason);
  if (code < 0) {
    cachette__op_fail(op, code, NULL, "%s", reason->message);
    return;
  }
  clear *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  self->job = (cachette__redis_job){.type = &clear_type,
                                    .deadline_ms = op->priv.deadline_ms,
                                    .awaited = true,
                                    .idempotent = true};
  self->node = node;
  self->op = op;
  op->priv.below = (uintptr_t)self;
  if (begin_item(self))
    push(self);
  else
    fail(self, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
}
