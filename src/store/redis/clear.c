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
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "internal.h"

bool cachette__redis_clears(const cachette__redis_node *node, const cachette_op *op) {
  return op->verb == CACHETTE_CLEAR_NAMESPACE ||
         (op->verb == CACHETTE_FLUSH && node->settings->prefix.size > 0);
}

static void begin_batch(cachette__redis_clear *clear) {
  clear->unlinking = false;
  clear->keys.begin = clear->keys.end = 0;
  clear->key_count = 0;
  clear->in_keys = clear->in_key = false;
}

/* Starts with the pattern of the current namespace, or of all keys with the prefix. */
static bool begin_item(cachette__redis_clear *clear) {
  const cachette_op *op = clear->op;
  const cachette_slice none = {"", 0};
  begin_batch(clear);
  clear->cursor[0] = '0';
  clear->cursor_size = 1;
  clear->pattern.begin = clear->pattern.end = 0;
  bool one = op->verb == CACHETTE_CLEAR_NAMESPACE;
  return cachette__redis_pattern(&clear->pattern, clear->node->settings->prefix,
                                 one ? op->items[clear->item].key : none,
                                 one ? cachette_str(":") : none);
}

static void free_clear(cachette__redis_clear *clear) {
  cachette__buffer_deinit(&clear->pattern);
  cachette__buffer_deinit(&clear->keys);
  cachette__free(clear);
}

bool cachette__redis_clear_restart(cachette__redis_clear *clear) {
  clear->refused = false;
  return clear->op == NULL || begin_item(clear);
}

void cachette__redis_clear_detach(cachette_op *op) {
  cachette__redis_clear *clear = (cachette__redis_clear *)op->priv.below;
  clear->op = NULL;
}

void cachette__redis_clear_fail(cachette__redis_clear *clear, int code, const char *message) {
  if (clear->op != NULL) cachette__op_fail(clear->op, code, NULL, "%s", message);
  free_clear(clear); /* last, since `message` may point into it */
}

static void finish(cachette__redis_clear *clear) {
  cachette_op *op = clear->op;
  free_clear(clear);
  if (op != NULL) cachette__op_complete(op, CACHETTE_OK);
}

/* Sends the next command. Its request owns the clear while it is in the pipeline. */
static void push(cachette__redis_node *node, cachette__redis_clear *clear) {
  const char *reason;
  int code = cachette__redis_push(node, NULL, clear, clear->pattern.end, &reason);
  if (code < 0) cachette__redis_clear_fail(clear, code, reason);
}

void cachette__redis_clear_start(cachette__redis_node *node, cachette_op *op) {
  cachette__redis_clear *clear = cachette__calloc(1, sizeof *clear);
  if (clear == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  clear->node = node;
  clear->op = op;
  op->priv.below = (uintptr_t)clear;
  if (begin_item(clear))
    push(node, clear);
  else
    cachette__redis_clear_fail(clear, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
}

size_t cachette__redis_clear_encode(cachette__redis_node *node, cachette__redis_clear *clear,
                                    cachette__buffer *output) {
  cachette_slice pattern = {clear->pattern.data + clear->pattern.begin,
                            cachette__buffer_size(&clear->pattern)};
  cachette_slice cursor = {clear->cursor, clear->cursor_size};
  if (!clear->unlinking) return cachette__redis_scan(output, cursor, pattern) ? 1 : 0;
  size_t size = cachette__buffer_size(&clear->keys);
  clear->legacy = node->unlink_refused;
  if (!cachette__redis_head(output, clear->key_count + 1,
                            cachette_str(node->unlink_refused ? "DEL" : "UNLINK")))
    return 0;
  char *at = cachette__buffer_reserve(output, size);
  if (at == NULL) return 0;
  memcpy(at, clear->keys.data + clear->keys.begin, size);
  output->end += size;
  return 1;
}

/* ---- Replies ---- */

static void fail_later(cachette__redis_clear *clear, int code, const char *message) {
  clear->code = code;
  memcpy(clear->message, message, strnlen(message, sizeof clear->message - 1));
}

static bool take_cursor(cachette__redis_clear *clear, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_BULK || token->size > sizeof clear->cursor || token->size == 0)
    return false;
  memcpy(clear->cursor + token->offset, token->bytes.data, token->bytes.size);
  if (token->end) {
    clear->cursor_size = token->size;
    clear->in_keys = true;
  }
  return true;
}

/* Appends a key as a bulk string of the next UNLINK. */
static bool take_key(cachette__redis_clear *clear, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_BULK) return false;
  if (clear->code < 0) return true;
  cachette__buffer *keys = &clear->keys;
  if (!clear->in_key) {
    /* Reserves space for the whole key; its bytes are copied as they arrive. */
    char *at = cachette__buffer_reserve(keys, token->size + 32);
    if (at == NULL) {
      fail_later(clear, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
      return true;
    }
    at = cachette__redis_bulk_head(at, token->size);
    keys->end = (size_t)(at - keys->data) + token->size + 2;
    clear->key_start = (size_t)(at - keys->data) - keys->begin;
    memcpy(at + token->size, "\r\n", 2);
    clear->key_count++;
    clear->in_key = true;
  }
  if (token->bytes.size > 0)
    memcpy(keys->data + keys->begin + clear->key_start + token->offset, token->bytes.data,
           token->bytes.size);
  if (token->end) clear->in_key = false;
  return true;
}

static bool take_scanned(cachette__redis_clear *clear, const cachette__resp_token *token) {
  if (token->type == CACHETTE__RESP_ARRAY)
    return (token->depth == 0 && token->number == 2) || (token->depth == 1 && clear->in_keys);
  if (token->depth == 1) return !clear->in_keys && take_cursor(clear, token);
  return token->depth == 2 && take_key(clear, token);
}

static bool take_unlinked(cachette__redis_clear *clear, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_INTEGER) return false;
  cachette_op *op = clear->op;
  if (op == NULL || token->number <= 0) return true;
  op->number += token->number;
  if (op->verb == CACHETTE_CLEAR_NAMESPACE) op->items[clear->item].status = CACHETTE_HIT;
  return true;
}

static void take_error(cachette__redis_node *node, cachette__redis_request *request) {
  cachette__redis_clear *clear = request->clear;
  char message[256];
  if (cachette__redis_error_is_transient(node, "SCAN")) {
    request->postponed = true;
    return;
  }
  clear->answered = true;
  clear->refused = clear->unlinking && !clear->legacy && cachette__redis_error_is_refusal(node);
  if (clear->refused) {
    node->unlink_refused = true;
    return;
  }
  const char *command = !clear->unlinking ? "SCAN" : clear->legacy ? "DEL" : "UNLINK";
  int code = cachette__redis_explain_error(node, command, (cachette_slice){NULL, 0}, message,
                                           sizeof message);
  fail_later(clear, code, message);
}

bool cachette__redis_clear_take(cachette__redis_node *node, cachette__redis_request *request,
                                const cachette__resp_token *token) {
  cachette__redis_clear *clear = request->clear;
  if (token->type == CACHETTE__RESP_ERROR) {
    if (token->end) take_error(node, request);
    return true;
  }
  clear->answered = true;
  return clear->unlinking ? take_unlinked(clear, token) : take_scanned(clear, token);
}

/* Moves on to the next batch or namespace. Returns false after the last one. */
static bool advance(cachette__redis_clear *clear) {
  bool scanned = clear->cursor_size == 1 && clear->cursor[0] == '0';
  if (!scanned) {
    begin_batch(clear);
    return true;
  }
  size_t items = clear->op->verb == CACHETTE_CLEAR_NAMESPACE ? clear->op->count : 1;
  if (++clear->item == items) return false;
  if (!begin_item(clear)) fail_later(clear, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
  return true;
}

void cachette__redis_clear_continue(cachette__redis_node *node, cachette__redis_clear *clear) {
  bool more = true;
  if (clear->op == NULL || clear->code < 0) {
    cachette__redis_clear_fail(clear, clear->code, clear->message);
    return;
  }
  if (clear->refused)
    clear->refused = false; /* resends the same keys with DEL */
  else if (!clear->unlinking && clear->key_count > 0)
    clear->unlinking = true;
  else
    more = advance(clear);
  if (!more)
    finish(clear);
  else if (clear->code < 0)
    cachette__redis_clear_fail(clear, clear->code, clear->message);
  else
    push(node, clear);
}
