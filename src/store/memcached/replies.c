/* SPDX-License-Identifier: MIT */
/* Replies become the results of an op and its items. */
#include <stdlib.h>
#include <string.h>

#include "../../base/slice.h"
#include "internal.h"

/* ---- Values ---- */

/* The first part of a value allocates the buffer; each part is copied there. */
static void take_value(cachette__mc_node *node, cachette_op *op, cachette_item *item,
                       const cachette__meta_token *token) {
  if (token->offset == 0 && node->item == NULL) {
    node->value = cachette__item_alloc(op, item, token->size);
    node->item = item;
    item->status = node->value != NULL ? CACHETTE_HIT : CACHETTE_ENOMEM;
    if (token->has_flags && op->flags & CACHETTE_WITH_TTL)
      item->ttl_ms = cachette__mc_flags_ttl(token->flags);
    if (token->has_ttl) item->ttl_ms = token->ttl < 0 ? CACHETTE_TTL_NEVER : token->ttl * 1000;
  }
  if (node->value != NULL && token->bytes.size > 0)
    memcpy(node->value + token->offset, token->bytes.data, token->bytes.size);
  if (token->end) {
    node->item = NULL;
    node->value = NULL;
  }
}

/* ---- Items ---- */

/* Sets the status of an item. `is_hit`: success means that an entry was found. Returns false if the
 * reply does not match the command. */
static bool take_status(cachette_item *item, const cachette__meta_token *token, bool is_hit) {
  if (token->type == CACHETTE__META_VALUE) /* an exists under SASL; the value is dropped */
    item->status = CACHETTE_HIT;
  else if (token->type == CACHETTE__META_HEADER)
    item->status = is_hit ? CACHETTE_HIT : CACHETTE_MISS;
  else if (token->type == CACHETTE__META_MISS)
    item->status = CACHETTE_MISS;
  else if (token->type == CACHETTE__META_NOT_STORED)
    item->status = CACHETTE_HIT;
  else
    return false;
  return true;
}

/* An increment has two replies: whether the counter was created, and its new value. */
static bool take_count(cachette__mc_part *part, size_t done, const cachette__meta_token *token) {
  size_t index = done / 2;
  if (part->round != CACHETTE__MC_FIRST) return cachette__mc_counter_step(part, token);
  cachette_item *item = cachette__mc_item(part, index);
  if (cachette__mc_counter_is_large(item)) return cachette__mc_counter_step(part, token);
  if (token->type == CACHETTE__META_ERROR && done % 2 == 0)
    cachette__mc_take_error(part, item, token->line);
  else if (token->type == CACHETTE__META_ERROR)
    cachette__mc_counter_refused(part, index, token);
  else if (done % 2 == 0)
    return take_status(item, token, false);
  else if (item->status >= 0)
    return cachette__mc_counter_take(part, index, token);
  return true;
}

static bool take_item(cachette__mc_part *part, size_t done, const cachette__meta_token *token) {
  cachette_op *op = part->fanout->op;
  if (op->verb == CACHETTE_INCREMENT) return take_count(part, done, token);
  cachette_item *item =
      part->storing ? cachette__mc_touch_item(part, done) : cachette__mc_item(part, done);
  if (token->type == CACHETTE__META_ERROR) {
    cachette__mc_take_error(part, item, token->line);
    return true;
  }
  if (op->verb == CACHETTE_FETCH && token->type == CACHETTE__META_VALUE) {
    take_value(part->node, op, item, token);
    return true;
  }
  if (part->storing)
    return token->type != CACHETTE__META_VALUE; /* the item was touched in the first round */
  if (op->verb == CACHETTE_TOUCH && token->type == CACHETTE__META_VALUE)
    return cachette__mc_touch_take(part, done, token);
  return take_status(item, token, op->verb != CACHETTE_PUT);
}

/* ---- Ops ---- */

/* Reads `STAT curr_items 7`, a line of the reply to `stats`; END is its last line. */
static void take_flushed(cachette__mc_part *part, size_t done, const cachette__meta_token *token) {
  static const char items[] = "STAT curr_items ";
  char digits[64];
  if (token->type == CACHETTE__META_ERROR) {
    cachette__mc_take_error(part, NULL, token->line);
  } else if (done == 0 && token->line.size > sizeof items - 1 && token->line.size < sizeof digits &&
             cachette__begins(token->line, 0, cachette_str(items))) {
    memcpy(digits, token->line.data, token->line.size);
    digits[token->line.size] = '\0';
    part->fanout->op->number += strtoll(digits + sizeof items - 1, NULL, 10);
  }
}

size_t cachette__mc_replies(const cachette__mc_part *part) {
  switch (part->fanout->verb) {
    case CACHETTE_FLUSH:
      return 2;
    case CACHETTE_PING:
      return 1;
    case CACHETTE_INCREMENT:
      return part->round == CACHETTE__MC_FIRST ? 2 * part->count
                                               : cachette__mc_counter_replies(part);
    default:
      return part->storing ? part->touched_count : part->count;
  }
}

/* Returns whether a token is the last of its reply. */
static bool is_last(const cachette__mc_part *part, size_t done, const cachette__meta_token *token) {
  bool is_list = part->fanout->verb == CACHETTE_FLUSH && done == 0;
  if (!is_list || token->type == CACHETTE__META_ERROR) return token->end;
  return token->line.size == 3 && memcmp(token->line.data, "END", 3) == 0;
}

bool cachette__mc_take(cachette__mc_part *part, size_t done, const cachette__meta_token *token,
                       bool *complete) {
  const cachette__mc_fanout *fanout = part->fanout;
  *complete = is_last(part, done, token);
  if (fanout->op == NULL) return true;
  if (fanout->verb == CACHETTE_PING) return token->type == CACHETTE__META_NOOP;
  if (fanout->verb != CACHETTE_FLUSH) return take_item(part, done, token);
  take_flushed(part, done, token);
  return true;
}

/* ---- Detaching ---- */

/* Returns whether an item of a pending part has its result. */
static bool has_result(const cachette__mc_part *part, size_t index, const cachette_item *item) {
  enum cachette_verb verb = part->fanout->verb;
  if (verb == CACHETTE_FETCH) return item->status != CACHETTE_MISS && item != part->node->item;
  if (verb == CACHETTE_TOUCH && part->storing && item->status == CACHETTE_MISS) return true;
  if (verb != CACHETTE_INCREMENT || part->round == CACHETTE__MC_FIRST) return item->status < 0;
  for (size_t i = 0; i < part->counter_count; i++)
    if (part->counters[i].index == index) return part->counters[i].state == CACHETTE__MC_DONE;
  return true;
}

void cachette__mc_mark_timed_out(cachette__mc_part *part) {
  cachette__mc_node *node = part->node;
  const cachette__mc_request *head = cachette__pipeline_head(&node->pipeline);
  for (size_t i = 0; i < part->count; i++) {
    cachette_item *item = cachette__mc_item(part, i);
    if (has_result(part, i, item)) continue;
    if (part->fanout->verb == CACHETTE_FETCH) cachette__item_drop(part->fanout->op, item);
    item->status = CACHETTE_ETIMEDOUT;
  }
  if (head == NULL || head->part != part) return;
  node->item = NULL;
  node->value = NULL;
}
