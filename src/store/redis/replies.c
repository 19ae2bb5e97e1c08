/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "../../counter.h"
#include "../../error.h"
#include "../../slice.h"
#include "client.h"

/* ---- What a reply says to an op ---- */

static bool is_text(enum cachette__resp_type type) {
  return type == CACHETTE__RESP_BULK || type == CACHETTE__RESP_VERBATIM;
}

/* A part of a value goes to its place, which is found with the first. */
static void take_value(cachette__redis *self, cachette_op *op, cachette_item *item,
                       const cachette__resp_token *token) {
  if (token->offset == 0 && self->place == NULL) {
    self->place = cachette__item_place(op, item, token->size);
    item->status = self->place != NULL ? CACHETTE_HIT : CACHETTE_ENOMEM;
  }
  if (self->place != NULL && token->bytes.size > 0)
    memcpy(self->place + token->offset, token->bytes.data, token->bytes.size);
  if (token->end) self->place = NULL;
}

static void take_ttl(const cachette_op *op, cachette_item *item, int64_t left) {
  if (item->status != CACHETTE_HIT) return;
  if (left < -1) { /* it went between the two commands */
    cachette__item_drop(op, item);
    item->status = CACHETTE_MISS;
  } else {
    item->ttl_ms = left < 0 ? CACHETTE_TTL_NEVER : left;
  }
}

static bool take_fetched(cachette__redis *self, cachette_op *op, cachette_item *item, size_t step,
                         const cachette__resp_token *token) {
  if (step == 1) {
    if (token->type != CACHETTE__RESP_INTEGER) return false;
    take_ttl(op, item, token->number);
    return true;
  }
  if (is_text(token->type))
    take_value(self, op, item, token);
  else
    return token->type == CACHETTE__RESP_NULL; /* the item says MISS from the start */
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

/* Of what EXEC answers with, that to SET tells whether the counter stood, that to INCRBY its sum.
 */
static bool take_counter(cachette_item *item, size_t step, const cachette__resp_token *token) {
  if (step < 3) return token->type == CACHETTE__RESP_SIMPLE && token->depth == 0;
  switch (token->type) {
    case CACHETTE__RESP_ARRAY:
      return token->depth == 0 && token->number == 2;
    case CACHETTE__RESP_NULL:
      item->status = CACHETTE_HIT;
      return token->depth == 1;
    case CACHETTE__RESP_SIMPLE:
      return token->depth == 1;
    default:
      item->amount = token->number;
      return token->type == CACHETTE__RESP_INTEGER && token->depth == 1;
  }
}

/* The replies to DBSIZE and FLUSHDB. */
static bool take_flushed(cachette_op *op, size_t done, const cachette__resp_token *token) {
  if (done == 1) return token->type == CACHETTE__RESP_SIMPLE;
  op->number = token->number;
  return token->type == CACHETTE__RESP_INTEGER;
}

static bool take(cachette__redis *self, const cachette__request *request, size_t done,
                 const cachette__resp_token *token) {
  cachette_op *op = request->op;
  if (token->depth > 0 && op->verb != CACHETTE_INCREMENT) return false;
  if (op->verb == CACHETTE_PING) return token->type == CACHETTE__RESP_SIMPLE;
  if (op->verb == CACHETTE_FLUSH) return take_flushed(op, done, token);
  size_t each = cachette__redis_item_replies(op);
  cachette_item *item = &op->items[done / each];
  switch (op->verb) {
    case CACHETTE_FETCH:
      return take_fetched(self, op, item, done % each, token);
    case CACHETTE_PUT:
      return take_put(op, item, token);
    case CACHETTE_INCREMENT:
      return take_counter(item, done % each, token);
    default:
      return take_count(item, token);
  }
}

/* ---- Errors ---- */

/* Whether the server refused a command that is too new for it, and the old one is to be tried. */
static bool take_unknown(cachette__redis *self, cachette__request *request) {
  enum cachette_verb verb = request->op->verb;
  bool is_unknown = (verb == CACHETTE_FLUSH && strncmp(self->fault, "ERR syntax", 10) == 0) ||
                    (verb == CACHETTE_CLEAR && cachette__redis_fault_is_unknown(self));
  if (is_unknown && !self->old) {
    self->old = true;
    request->again = true;
  }
  return request->again;
}

static int tell_fault(const cachette__redis *self, const cachette_op *op, cachette_slice key) {
  char message[256], subject[64];
  if (op->verb == CACHETTE_INCREMENT && cachette__redis_fault_is_no_number(self))
    return cachette__counter_fail_value(key, op->error);
  if (op->verb == CACHETTE_INCREMENT && cachette__redis_fault_is_overflow(self))
    return cachette__counter_fail_range(key, op->error);
  int code = cachette__redis_fault(self, key, message, sizeof message);
  cachette__key_text(key, subject, sizeof subject);
  return cachette__fail(op->error, code, subject, "%s", message);
}

/* An error reply came, whole: it is its item's, or the op's if that has no items. */
static void take_fault(cachette__redis *self, cachette__request *request, size_t done) {
  cachette_op *op = request->op;
  if (take_unknown(self, request)) return;
  if (!cachette__has_items(op->verb)) {
    request->code = tell_fault(self, op, (cachette_slice){NULL, 0});
    return;
  }
  cachette_item *item = &op->items[done / cachette__redis_item_replies(op)];
  if (item->status < 0) return; /* the first reason stands */
  if (item->status == CACHETTE_HIT && op->verb == CACHETTE_FETCH) cachette__item_drop(op, item);
  item->status = tell_fault(self, op, item->key);
}

/* Gathers an error's text, which may come in parts. */
static void gather_fault(cachette__redis *self, const cachette__resp_token *token) {
  if (token->offset == 0) self->fault_size = 0;
  size_t room = sizeof self->fault - 1 - self->fault_size;
  size_t size = token->bytes.size < room ? token->bytes.size : room;
  if (size > 0) memcpy(self->fault + self->fault_size, token->bytes.data, size);
  self->fault_size += size;
  self->fault[self->fault_size] = '\0';
}

/* ---- Whose reply it is ---- */

static bool read_sweep(cachette__redis *self, cachette__request *request,
                       const cachette__resp_token *token) {
  return cachette__sweep_read(self, request->sweep, token);
}

static bool read_op(cachette__redis *self, cachette__request *request,
                    const cachette__resp_token *token) {
  size_t done = cachette__redis_replies(request->op) - request->replies;
  if (token->type != CACHETTE__RESP_ERROR)
    return request->again || take(self, request, done, token);
  if (token->end) take_fault(self, request, done);
  return token->depth == 0 || request->op->verb == CACHETTE_INCREMENT;
}

/* A token of a reply. False: the server and we do not understand each other. */
static bool read_token(cachette__redis *self, const cachette__resp_token *token) {
  if (token->type == CACHETTE__RESP_ERROR) gather_fault(self, token);
  if (token->push || token->attribute) return true;
  if (self->link.state == CACHETTE__LINK_OPENING) {
    cachette__redis_greeted(self, token);
    return true;
  }
  if (self->head == self->unsent) return false; /* nothing was asked */
  cachette__request *request = cachette__redis_request(self, self->head);
  bool fine = true;
  if (request->sweep != NULL)
    fine = read_sweep(self, request, token);
  else if (request->op != NULL)
    fine = read_op(self, request, token);
  if (!fine || !token->last) return fine;
  self->batch++;
  if (--request->replies == 0) cachette__redis_trim(self);
  return true;
}

static void fail(cachette__redis *self, const char *reason) {
  cachette__link_fail(&self->link, false, CACHETTE_EBACKEND,
                      "%s does not speak the Redis protocol as expected: %s.", self->name, reason);
}

void cachette__redis_read(cachette__redis *self) {
  for (;;) {
    cachette_slice bytes = {self->input + self->input_begin, self->input_end - self->input_begin};
    size_t used = 0;
    cachette__resp_token token;
    const char *reason = "an answer that does not fit what was asked";
    const void *stream = self->link.stream;
    int code = cachette__resp_read(&self->parser, bytes, &used, &token, &reason);
    self->input_begin += used;
    if (code == CACHETTE__RESP_MORE) break;
    if (code < 0 || !read_token(self, &token)) {
      fail(self, reason);
      return;
    }
    if (self->link.stream != stream) return; /* it was given up meanwhile */
  }
  size_t left = self->input_end - self->input_begin;
  if (left > 0 && self->input_begin > 0)
    memmove(self->input, self->input + self->input_begin, left);
  self->input_begin = 0;
  self->input_end = left;
}
