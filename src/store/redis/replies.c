/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "../../base/counter.h"
#include "../../base/error.h"
#include "../../base/slice.h"
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

/* The replies to DBSIZE and FLUSHDB. */
static bool take_flushed(cachette__request *request, const cachette__resp_token *token) {
  if (request->step == 1) {
    request->put_off = false; /* only the counting was */
    return token->type == CACHETTE__RESP_SIMPLE;
  }
  request->op->number = token->number;
  return token->type == CACHETTE__RESP_INTEGER;
}

static bool take(cachette__redis *self, cachette__request *request,
                 const cachette__resp_token *token) {
  cachette_op *op = request->op;
  if (op->verb == CACHETTE_INCREMENT) return cachette__counting_take(self, request, token);
  if (token->depth > 0) return false;
  if (op->verb == CACHETTE_PING) return token->type == CACHETTE__RESP_SIMPLE;
  if (op->verb == CACHETTE_FLUSH) return take_flushed(request, token);
  cachette_item *item = &op->items[request->item];
  switch (op->verb) {
    case CACHETTE_FETCH:
      return take_fetched(self, op, item, request->step, token);
    case CACHETTE_PUT:
      return take_put(op, item, token);
    default:
      return take_count(item, token);
  }
}

/* ---- Errors ---- */

static int tell_fault(const cachette__redis *self, const cachette_op *op, cachette_slice key,
                      const char *command) {
  char message[256], subject[64];
  if (op->verb == CACHETTE_INCREMENT && cachette__redis_fault_is_no_number(self))
    return cachette__counter_fail_value(key, op->error);
  if (op->verb == CACHETTE_INCREMENT && cachette__redis_fault_is_overflow(self))
    return cachette__counter_fail_range(key, op->error);
  int code = cachette__redis_fault(self, command, key, message, sizeof message);
  cachette__key_text(key, subject, sizeof subject);
  return cachette__fail(op->error, code, subject, "%s", message);
}

void cachette__request_item_fault(cachette__redis *self, cachette__request *request,
                                  cachette_item *item, const char *command) {
  cachette_op *op = request->op;
  bool move;
  if (item->status < 0) return; /* the first reason stands */
  if (op->verb == CACHETTE_FETCH) cachette__item_drop(op, item);
  if (cachette__redis_fault_passes(self, &move)) {
    cachette__later_note(self, command);
    request->put_off = true;
    item->status = CACHETTE__REDIS_DUE;
  } else if (op->verb == CACHETTE_CLEAR && !request->plain &&
             cachette__redis_fault_is_refusal(self)) {
    self->old = request->again = true;
    item->status = CACHETTE__REDIS_DUE;
  } else {
    item->status = tell_fault(self, op, item->key, command);
  }
}

/* A server that answers, if only that it permits no PING, is one that is there. */
static void take_ping_fault(cachette__redis *self, cachette__request *request) {
  bool answers = cachette__redis_fault_is(self, "NOPERM") ||
                 cachette__redis_fault_is(self, "ERR unknown command");
  if (!answers) request->code = tell_fault(self, request->op, (cachette_slice){NULL, 0}, "PING");
}

/* How many keys there were is not known if DBSIZE is refused; FLUSHDB is what counts. */
static void take_flush_fault(cachette__redis *self, cachette__request *request) {
  if (request->step == 0) return;
  if (!request->plain && cachette__redis_fault_is_refusal(self))
    self->plain_flush = request->again = true;
  else
    request->code = tell_fault(self, request->op, (cachette_slice){NULL, 0}, "FLUSHDB");
}

static const char *command_of(const cachette__request *request) {
  switch (request->op->verb) {
    case CACHETTE_FETCH:
      return request->step == 0 ? "GET" : "PTTL";
    case CACHETTE_PUT:
      return "SET";
    case CACHETTE_EXISTS:
      return "EXISTS";
    case CACHETTE_TOUCH:
      return "PEXPIRE";
    case CACHETTE_FLUSH:
      return request->step == 0 ? "DBSIZE" : "FLUSHDB";
    case CACHETTE_PING:
      return "PING";
    default:
      return request->plain ? "DEL" : "UNLINK";
  }
}

/* An error reply came, whole. */
static void take_fault(cachette__redis *self, cachette__request *request, unsigned depth) {
  cachette_op *op = request->op;
  bool move;
  if (op->verb == CACHETTE_INCREMENT) {
    cachette__counting_fault(self, request, depth);
  } else if (cachette__has_items(op->verb)) {
    cachette__request_item_fault(self, request, &op->items[request->item], command_of(request));
  } else if (cachette__redis_fault_passes(self, &move)) {
    cachette__later_note(self, command_of(request));
    request->put_off = true;
  } else if (op->verb == CACHETTE_PING) {
    take_ping_fault(self, request);
  } else {
    take_flush_fault(self, request);
  }
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
  bool move;
  if (token->type == CACHETTE__RESP_ERROR && token->end &&
      cachette__redis_fault_passes(self, &move)) {
    cachette__later_note(self, "SCAN");
    request->put_off = true;
    return true;
  }
  return cachette__sweep_read(self, request->sweep, token);
}

static bool read_op(cachette__redis *self, cachette__request *request,
                    const cachette__resp_token *token) {
  bool counts = request->op->verb == CACHETTE_INCREMENT;
  if (token->type != CACHETTE__RESP_ERROR) return take(self, request, token);
  if (token->end) take_fault(self, request, token->depth);
  return token->depth == 0 || counts;
}

/* A reply is complete: the next one is for the same item, or for the next one that was asked for.
 */
static void advance(cachette__request *request) {
  const cachette_op *op = request->op;
  request->step++;
  if (!cachette__has_items(op->verb) || request->step < cachette__redis_replies(op)) return;
  if (op->verb == CACHETTE_INCREMENT && !cachette__counting_is_transaction(request)) return;
  request->step = 0;
  do {
    request->item++;
  } while (request->item < op->count && !cachette__request_asks(request, request->item));
  cachette__request_begin_item(request);
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
  const void *stream = self->link.stream;
  bool fine = true;
  if (request->sweep != NULL)
    fine = read_sweep(self, request, token);
  else if (request->op != NULL)
    fine = read_op(self, request, token);
  if (self->link.stream != stream) return true; /* it was given up, and the ring is another */
  if (!fine || !token->last) return fine;
  self->batch++;
  if (request->op != NULL) advance(request);
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
