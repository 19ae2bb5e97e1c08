/* SPDX-License-Identifier: MIT */
/*
 * Clearing by pattern: SCAN, and UNLINK of what it found, a slice at a time, so that neither the
 * server nor its other clients have to wait. One command is on its way at a time; other ops go
 * between.
 *
 *     SCAN cursor -> keys? -> UNLINK keys -> cursor 0? -> next pattern, or done
 *
 * A key that comes while the sweep is under way may stay or go; SCAN promises those that were there
 * from its first to its last command. https://redis.io/docs/latest/commands/scan/
 */
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "client.h"

struct cachette__sweep {
  cachette__redis *client;
  cachette_op *op; /* NULL: given up */
  size_t item;     /* of the op: the namespace that is being cleared */
  bool unlinking;  /* the command that is on its way: UNLINK, or SCAN */
  bool answered;   /* a command of it was */
  char cursor[24];
  size_t cursor_size;
  bool again;                     /* its command was refused: the same with the old one */
  bool is_off;                    /* the server refused it for now, and has not answered since */
  bool plain;                     /* that is the one which is on its way: DEL */
  bool in_keys;                   /* of the reply to SCAN: behind the cursor */
  bool in_key;                    /* and behind the first part of a key */
  cachette__buffer pattern, keys; /* keys: bulk strings, as they will be sent */
  size_t key_count;
  size_t key_begin; /* in `keys`: where the key that is coming in begins */
  int code;         /* with which it fails when the reply is complete, or 0 */
  char message[256];
};

bool cachette__redis_sweeps(const cachette__redis *self, const cachette_op *op) {
  return op->verb == CACHETTE_CLEAR_NAMESPACE ||
         (op->verb == CACHETTE_FLUSH && self->prefix.size > 0);
}

static void begin_slice(cachette__sweep *sweep) {
  sweep->unlinking = false;
  sweep->keys.begin = sweep->keys.end = 0;
  sweep->key_count = 0;
  sweep->in_keys = sweep->in_key = false;
}

/* The pattern of the next namespace, or of all keys of the prefix. */
static bool begin_item(cachette__sweep *sweep) {
  const cachette_op *op = sweep->op;
  const cachette_slice none = {"", 0};
  begin_slice(sweep);
  sweep->cursor[0] = '0';
  sweep->cursor_size = 1;
  sweep->pattern.begin = sweep->pattern.end = 0;
  bool one = op->verb == CACHETTE_CLEAR_NAMESPACE;
  return cachette__redis_pattern(&sweep->pattern, sweep->client->prefix,
                                 one ? op->items[sweep->item].key : none,
                                 one ? cachette_str(":") : none);
}

static void free_sweep(cachette__sweep *sweep) {
  cachette__buffer_deinit(&sweep->pattern);
  cachette__buffer_deinit(&sweep->keys);
  cachette__free(sweep);
}

bool cachette__sweep_alive(const cachette__sweep *sweep) { return sweep->op != NULL; }

const cachette_op *cachette__sweep_op(const cachette__sweep *sweep) { return sweep->op; }

bool cachette__sweep_restart(cachette__sweep *sweep) {
  sweep->again = false;
  return sweep->op == NULL || begin_item(sweep);
}

void cachette__sweep_put_off(cachette__sweep *sweep, bool is_off) { sweep->is_off = is_off; }

bool cachette__sweep_is_off(const cachette__sweep *sweep) { return sweep->is_off; }

bool cachette__sweep_is_fresh(const cachette__sweep *sweep) { return !sweep->answered; }

void cachette__sweep_detach(cachette_op *op) {
  cachette__sweep *sweep = (cachette__sweep *)op->priv.below;
  sweep->op = NULL;
}

void cachette__sweep_fail(cachette__sweep *sweep, int code, const char *message) {
  if (sweep->op != NULL) cachette__op_fail(sweep->op, code, NULL, "%s", message);
  free_sweep(sweep); /* only now, for the message may lie in it */
}

static void finish(cachette__sweep *sweep) {
  cachette_op *op = sweep->op;
  free_sweep(sweep);
  if (op != NULL) cachette__op_complete(op, CACHETTE_OK);
}

/* The next command goes into the ring; while it is there the sweep is the ring's. */
static void push(cachette__redis *self, cachette__sweep *sweep) {
  int code = cachette__redis_push(self, NULL, sweep, sweep->pattern.end);
  if (code < 0) cachette__sweep_fail(sweep, code, cachette_strerror(code));
}

void cachette__redis_sweep(cachette__redis *self, cachette_op *op) {
  cachette__sweep *sweep = cachette__calloc(1, sizeof *sweep);
  if (sweep == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  sweep->client = self;
  sweep->op = op;
  op->priv.below = (uintptr_t)sweep;
  if (begin_item(sweep))
    push(self, sweep);
  else
    cachette__sweep_fail(sweep, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
}

size_t cachette__sweep_encode(cachette__redis *self, cachette__sweep *sweep) {
  cachette__buffer *output = cachette__stream_output(self->link.stream);
  cachette_slice pattern = {sweep->pattern.data + sweep->pattern.begin,
                            cachette__buffer_size(&sweep->pattern)};
  cachette_slice cursor = {sweep->cursor, sweep->cursor_size};
  if (!sweep->unlinking) return cachette__redis_scan(output, cursor, pattern) ? 1 : 0;
  size_t size = cachette__buffer_size(&sweep->keys);
  sweep->plain = self->old;
  if (!cachette__redis_head(output, sweep->key_count + 1,
                            cachette_str(self->old ? "DEL" : "UNLINK")))
    return 0;
  char *at = cachette__buffer_room(output, size);
  if (at == NULL) return 0;
  memcpy(at, sweep->keys.data + sweep->keys.begin, size);
  output->end += size;
  return 1;
}

/* ---- Replies ---- */

static void fail_later(cachette__sweep *sweep, int code, const char *message) {
  sweep->code = code;
  memcpy(sweep->message, message, strnlen(message, sizeof sweep->message - 1));
}

static bool read_cursor(cachette__sweep *sweep, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_BULK || token->size > sizeof sweep->cursor || token->size == 0)
    return false;
  memcpy(sweep->cursor + token->offset, token->bytes.data, token->bytes.size);
  if (token->end) {
    sweep->cursor_size = token->size;
    sweep->in_keys = true;
  }
  return true;
}

/* A key, written down as a bulk string of the command to come. */
static bool read_key(cachette__sweep *sweep, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_BULK) return false;
  if (sweep->code < 0) return true;
  cachette__buffer *keys = &sweep->keys;
  if (!sweep->in_key) {
    /* As if the whole key were here, whose bytes then come in their turn. */
    char *at = cachette__buffer_room(keys, token->size + 32);
    if (at == NULL) {
      fail_later(sweep, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
      return true;
    }
    at = cachette__redis_bulk_head(at, token->size);
    keys->end = (size_t)(at - keys->data) + token->size + 2;
    sweep->key_begin = (size_t)(at - keys->data) - keys->begin;
    memcpy(at + token->size, "\r\n", 2);
    sweep->key_count++;
    sweep->in_key = true;
  }
  if (token->bytes.size > 0)
    memcpy(keys->data + keys->begin + sweep->key_begin + token->offset, token->bytes.data,
           token->bytes.size);
  if (token->end) sweep->in_key = false;
  return true;
}

static bool read_scanned(cachette__sweep *sweep, const cachette__resp_token *token) {
  if (token->type == CACHETTE__RESP_ARRAY)
    return (token->depth == 0 && token->number == 2) || (token->depth == 1 && sweep->in_keys);
  if (token->depth == 1) return !sweep->in_keys && read_cursor(sweep, token);
  return token->depth == 2 && read_key(sweep, token);
}

static bool read_unlinked(cachette__sweep *sweep, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_INTEGER) return false;
  cachette_op *op = sweep->op;
  if (op == NULL || token->number <= 0) return true;
  op->number += token->number;
  if (op->verb == CACHETTE_CLEAR_NAMESPACE) op->items[sweep->item].status = CACHETTE_HIT;
  return true;
}

static void read_fault(cachette__redis *self, cachette__sweep *sweep) {
  char message[256];
  sweep->again = sweep->unlinking && !sweep->plain && cachette__redis_fault_is_refusal(self);
  if (sweep->again) {
    self->old = true;
    return;
  }
  const char *command = !sweep->unlinking ? "SCAN" : sweep->plain ? "DEL" : "UNLINK";
  int code =
      cachette__redis_fault(self, command, (cachette_slice){NULL, 0}, message, sizeof message);
  fail_later(sweep, code, message);
}

bool cachette__sweep_read(cachette__redis *self, cachette__sweep *sweep,
                          const cachette__resp_token *token) {
  sweep->answered = true;
  if (token->type == CACHETTE__RESP_ERROR) {
    if (token->end) read_fault(self, sweep);
    return true;
  }
  return sweep->unlinking ? read_unlinked(sweep, token) : read_scanned(sweep, token);
}

/* Behind the last key of a slice: the next slice, or the next namespace. False: all is done. */
static bool advance(cachette__sweep *sweep) {
  bool scanned = sweep->cursor_size == 1 && sweep->cursor[0] == '0';
  if (!scanned) {
    begin_slice(sweep);
    return true;
  }
  size_t items = sweep->op->verb == CACHETTE_CLEAR_NAMESPACE ? sweep->op->count : 1;
  if (++sweep->item == items) return false;
  if (!begin_item(sweep)) fail_later(sweep, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
  return true;
}

void cachette__sweep_next(cachette__redis *self, cachette__sweep *sweep) {
  bool more = true;
  if (sweep->op == NULL || sweep->code < 0) {
    cachette__sweep_fail(sweep, sweep->code, sweep->message);
    return;
  }
  if (sweep->again)
    sweep->again = false; /* the same keys, with the old command */
  else if (!sweep->unlinking && sweep->key_count > 0)
    sweep->unlinking = true;
  else
    more = advance(sweep);
  if (!more)
    finish(sweep);
  else if (sweep->code < 0)
    cachette__sweep_fail(sweep, sweep->code, sweep->message);
  else
    push(self, sweep);
}
