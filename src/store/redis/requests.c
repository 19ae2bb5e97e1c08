/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "client.h"

/* ---- What an op asks ---- */

/* Of an increment how many there are is known when it is encoded. */
size_t cachette__redis_replies(const cachette_op *op) {
  if (op->verb == CACHETTE_INCREMENT) return 4;
  if (op->verb == CACHETTE_FLUSH) return 2;
  return op->verb == CACHETTE_FETCH && (op->flags & CACHETTE_WITH_TTL) ? 2 : 1;
}

static bool encode_item(cachette__redis *self, cachette__buffer *output, const cachette_op *op,
                        const cachette_item *item) {
  cachette__redis_key key = {self->prefix, item->key};
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
      return cachette__redis_unlink(output, key, self->old);
  }
}

/* All keys go, and how many there were is asked before. */
static bool encode_flush(cachette__redis *self, cachette__buffer *output) {
  const cachette_slice size = cachette_str("DBSIZE");
  const cachette_slice flush[] = {cachette_str("FLUSHDB"), cachette_str("ASYNC")};
  return cachette__redis_words(output, &size, 1) &&
         cachette__redis_words(output, flush, self->plain_flush ? 1 : 2);
}

/* How many replies the items have that are asked for; 0: no memory. */
static size_t encode_items(cachette__redis *self, cachette__buffer *output,
                           cachette__request *request) {
  const cachette_op *op = request->op;
  size_t asked = 0;
  for (size_t i = op->count; i-- > 0;)
    if (cachette__request_asks(request, i)) request->item = i; /* the first */
  for (size_t i = request->item; i < op->count; i++) {
    if (!cachette__request_asks(request, i)) continue;
    if (!encode_item(self, output, op, &op->items[i])) return 0;
    asked++;
  }
  cachette__request_begin_item(request);
  return asked * cachette__redis_replies(op);
}

static size_t encode_op(cachette__redis *self, cachette__buffer *output,
                        cachette__request *request) {
  const cachette_op *op = request->op;
  request->step = 0;
  request->plain = op->verb == CACHETTE_FLUSH ? self->plain_flush : self->old;
  if (op->verb == CACHETTE_INCREMENT) return cachette__counting_encode(self, output, request);
  if (cachette__has_items(op->verb)) return encode_items(self, output, request);
  bool fine = op->verb == CACHETTE_FLUSH ? encode_flush(self, output)
                                         : cachette__redis_head(output, 1, cachette_str("PING"));
  return fine ? cachette__redis_replies(op) : 0;
}

static bool is_idempotent(const cachette__request *request) {
  const cachette_op *op = request->op;
  if (request->sweep != NULL) return cachette__sweep_is_fresh(request->sweep);
  if (op->verb == CACHETTE_INCREMENT) return cachette__counting_is_idempotent(request);
  return cachette__is_idempotent(op->verb, op->flags);
}

/* ---- The ring ---- */

void cachette__request_begin_item(const cachette__request *request) {
  cachette_op *op = request->op;
  if (request->item >= op->count) return;
  cachette_item *item = &op->items[request->item];
  if (op->verb == CACHETTE_FETCH) cachette__item_drop(op, item);
  item->status = CACHETTE_MISS;
}

void cachette__redis_forget_due(cachette_op *op) {
  for (size_t i = 0; cachette__has_items(op->verb) && i < op->count; i++)
    if (op->items[i].status == CACHETTE__REDIS_DUE) op->items[i].status = CACHETTE_MISS;
}

bool cachette__request_alive(const cachette__request *request) {
  return request->sweep != NULL ? cachette__sweep_alive(request->sweep) : request->op != NULL;
}

/* Makes place for one more. */
static int grow(cachette__redis *self) {
  size_t used = (size_t)(self->tail - self->head);
  if (used < self->ring_size) return CACHETTE_OK;
  size_t size = self->ring_size > 0 ? 2 * self->ring_size : 64;
  cachette__request *ring = cachette__malloc(size * sizeof *ring);
  if (ring == NULL) return CACHETTE_ENOMEM;
  for (uint64_t i = self->head; i < self->tail; i++)
    ring[i & (size - 1)] = *cachette__redis_request(self, i);
  cachette__free(self->ring);
  self->ring = ring;
  self->ring_size = size;
  return CACHETTE_OK;
}

static int push(cachette__redis *self, const cachette__request *request) {
  size_t bytes = request->bytes;
  cachette__redis_trim(self); /* of what nobody waits for */
  size_t used = (size_t)(self->tail - self->head);
  if (used >= CACHETTE__REDIS_REQUESTS || (used > 0 && self->bytes + bytes > CACHETTE__REDIS_BYTES))
    return CACHETTE_EUNAVAILABLE;
  int code = grow(self);
  if (code < 0) return code;
  bool quiet = used == 0 && self->last_batch <= 1;
  if (request->op != NULL) request->op->priv.below = (uintptr_t)self->tail;
  *cachette__redis_request(self, self->tail++) = *request;
  self->bytes += bytes;
  if (self->link.state == CACHETTE__LINK_READY) {
    cachette__redis_encode(self);
    cachette__redis_flush(self, quiet);
  }
  return CACHETTE_OK;
}

int cachette__redis_push(cachette__redis *self, cachette_op *op, cachette__sweep *sweep,
                         size_t bytes) {
  return push(self, &(cachette__request){.op = op, .sweep = sweep, .bytes = bytes});
}

int cachette__redis_push_again(cachette__redis *self, const cachette__request *request) {
  cachette__request next = *request;
  bool counts = next.op != NULL && next.op->verb == CACHETTE_INCREMENT;
  if (counts)
    cachette__counting_rewind(&next);
  else if (next.op != NULL)
    next.partly = cachette__has_items(next.op->verb);
  if (next.sweep != NULL && next.put_off && !cachette__sweep_restart(next.sweep))
    return CACHETTE_ENOMEM;
  next.was_put_off |= next.put_off;
  next.again = next.put_off = next.in_multi = false;
  next.code = CACHETTE_OK;
  return push(self, &next);
}

static void fail_op(cachette_op *op, int code, const char *message) {
  cachette__redis_forget_due(op);
  cachette__op_fail(op, code, NULL, "%s", message);
}

static void fail_request(cachette__redis *self, cachette__request *request, int code,
                         const char *message) {
  cachette_op *op = request->op;
  cachette__sweep *sweep = request->sweep;
  bool is_over = op != NULL && op->verb == CACHETTE_INCREMENT &&
                 cachette__counting_is_over(request); /* only its end was looked after */
  request->op = NULL;
  request->sweep = NULL;
  request->replies = 0;
  self->bytes -= request->bytes;
  request->bytes = 0;
  if (sweep != NULL)
    cachette__sweep_fail(sweep, code, message);
  else if (is_over)
    cachette__request_complete(op, CACHETTE_OK);
  else if (op != NULL)
    fail_op(op, code, message);
}

static bool encode_request(cachette__redis *self, cachette__request *request) {
  cachette__buffer *output = cachette__stream_output(self->link.stream);
  size_t before = cachette__buffer_size(output);
  request->position = cachette__stream_sent(self->link.stream) + before;
  request->replies = request->sweep != NULL ? cachette__sweep_encode(self, request->sweep)
                                            : encode_op(self, output, request);
  if (request->replies == 0) output->end = output->begin + before;
  return request->replies > 0;
}

void cachette__redis_encode(cachette__redis *self) {
  if (self->moving) return;
  while (self->unsent < self->tail) {
    cachette__request *request = cachette__redis_request(self, self->unsent++);
    if (cachette__request_alive(request) && !encode_request(self, request))
      fail_request(self, request, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
  }
  cachette__redis_trim(self); /* of what was given up, to which no reply will come */
}

/* ---- Ends ---- */

/* All replies are there: sums the items up, each of which says for itself how it fared. */
void cachette__request_complete(cachette_op *op, int code) {
  if (cachette__has_items(op->verb)) {
    op->number = 0;
    for (size_t i = 0; i < op->count; i++) op->number += cachette__item_counts(op, &op->items[i]);
  }
  cachette__op_complete(op, code);
}

static void end_request(cachette__redis *self, cachette__request *request) {
  cachette_op *op = request->op;
  if (request->put_off) {
    if (request->sweep != NULL) cachette__sweep_put_off(request->sweep, true);
    cachette__later_put(self, request);
    return;
  }
  if (request->was_put_off) cachette__later_settle(self);
  if (request->sweep != NULL) {
    cachette__sweep_put_off(request->sweep, false);
    cachette__sweep_next(self, request->sweep);
  } else if (op != NULL) {
    bool counts = op->verb == CACHETTE_INCREMENT;
    int code = CACHETTE_OK;
    if (!(counts ? cachette__counting_goes_on(request) : request->again))
      cachette__request_complete(op, request->code);
    else if ((code = cachette__redis_push_again(self, request)) < 0)
      fail_op(op, code, cachette_strerror(code));
  }
}

void cachette__redis_trim(cachette__redis *self) {
  while (self->head < self->unsent) {
    cachette__request request = *cachette__redis_request(self, self->head);
    if (request.replies > 0) return;
    self->head++;
    self->bytes -= request.bytes;
    end_request(self, &request);
  }
  if (self->moving) cachette__redis_look(self);
}

/* Takes out what nobody waits for, from the head on; nothing is on its way. */
static void drop_dead(cachette__redis *self) {
  for (; self->head < self->tail; self->head++) {
    cachette__request *request = cachette__redis_request(self, self->head);
    if (cachette__request_alive(request)) break;
    fail_request(self, request, CACHETTE_OK, ""); /* frees a sweep that was given up */
  }
  self->unsent = self->head;
}

static bool probes(const cachette__request *request) {
  return request->op != NULL && request->op->verb == CACHETTE_INCREMENT &&
         cachette__counting_probes(request);
}

/* What was answered of it counts no more, but for the items that it did not ask for. */
static void rewind_request(cachette__request *request, bool was_sent) {
  if (request->op != NULL && request->partly && request->replies > 0 &&
      !cachette__counting_adds(request))
    request->op->items[request->item].status = CACHETTE__REDIS_DUE; /* it had begun */
  request->retried |= was_sent;
  request->replies = 0;
  request->again = request->put_off = request->in_multi = false;
  request->code = CACHETTE_OK;
}

/* Decides which requests may go over the next connection, and how many those are. */
static size_t keep_some(cachette__redis *self, bool retry) {
  size_t kept = 0;
  for (uint64_t i = self->head; i < self->tail; i++) {
    cachette__request *request = cachette__redis_request(self, i);
    bool alive = cachette__request_alive(request);
    bool was_sent = i < self->unsent && request->position < self->link.sent;
    bool lost = alive && was_sent && (request->retried || !is_idempotent(request));
    if (alive && !was_sent && request->sweep != NULL && !cachette__sweep_restart(request->sweep))
      lost = true;
    request->doomed = !retry || lost;
    if (alive && was_sent && probes(request)) self->multi = CACHETTE__MULTI_REFUSED;
    rewind_request(request, was_sent);
    kept += alive && !request->doomed;
  }
  self->unsent = self->head;
  return kept;
}

void cachette__redis_break(cachette__redis *self, bool retry, const cachette_error *error) {
  cachette_error told = *error; /* for what follows may change it */
  uint64_t tail = self->tail;
  size_t kept = keep_some(self, retry);
  /* From here on the callers' code runs, and may push, but nothing leaves the ring. */
  for (uint64_t i = self->head; i < tail; i++)
    if (cachette__redis_request(self, i)->doomed)
      fail_request(self, cachette__redis_request(self, i), told.code, told.message);
  const cachette_error *reason;
  int code = kept > 0 ? cachette__link_want(&self->link, &reason) : 0;
  if (code < 0) {
    told = *reason;
    for (uint64_t i = self->head; i < tail; i++)
      fail_request(self, cachette__redis_request(self, i), code, told.message);
  }
  drop_dead(self);
}
