/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "../../alloc.h"
#include "../../error.h"
#include "client.h"

/* ---- What an op asks ---- */

size_t cachette__redis_item_replies(const cachette_op *op) {
  if (op->verb == CACHETTE_INCREMENT) return 4;
  return op->verb == CACHETTE_FETCH && (op->flags & CACHETTE_WITH_TTL) ? 2 : 1;
}

size_t cachette__redis_replies(const cachette_op *op) {
  if (op->verb == CACHETTE_FLUSH) return 2;
  if (op->verb == CACHETTE_PING) return 1;
  return op->count * cachette__redis_item_replies(op);
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
    case CACHETTE_INCREMENT:
      return cachette__redis_increment(output, key, item->amount, item->ttl_ms);
    default:
      return cachette__redis_unlink(output, key, self->old);
  }
}

/* All keys go, and how many there were is asked before. */
static bool encode_flush(cachette__redis *self, cachette__buffer *output) {
  const cachette_slice size = cachette_str("DBSIZE");
  const cachette_slice flush[] = {cachette_str("FLUSHDB"), cachette_str("ASYNC")};
  return cachette__redis_words(output, &size, 1) &&
         cachette__redis_words(output, flush, self->old ? 1 : 2);
}

static bool encode_op(cachette__redis *self, cachette__buffer *output, const cachette_op *op) {
  if (op->verb == CACHETTE_FLUSH) return encode_flush(self, output);
  if (op->verb == CACHETTE_PING) return cachette__redis_head(output, 1, cachette_str("PING"));
  for (size_t i = 0; i < op->count; i++)
    if (!encode_item(self, output, op, &op->items[i])) return false;
  return true;
}

/* Whether to do it twice is the same as to do it once: a clear would not know what it counted. */
static bool is_idempotent(const cachette__request *request) {
  if (request->sweep != NULL) return cachette__sweep_is_fresh(request->sweep);
  switch (request->op->verb) {
    case CACHETTE_FETCH:
    case CACHETTE_EXISTS:
    case CACHETTE_TOUCH:
    case CACHETTE_PING:
      return true;
    case CACHETTE_PUT:
      return !(request->op->flags & CACHETTE_IF_ABSENT);
    default:
      return false;
  }
}

/* ---- The ring ---- */

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

int cachette__redis_push(cachette__redis *self, cachette_op *op, cachette__sweep *sweep,
                         size_t bytes) {
  cachette__redis_trim(self); /* of what nobody waits for */
  size_t used = (size_t)(self->tail - self->head);
  if (used >= CACHETTE__REDIS_REQUESTS || (used > 0 && self->bytes + bytes > CACHETTE__REDIS_BYTES))
    return CACHETTE_EUNAVAILABLE;
  int code = grow(self);
  if (code < 0) return code;
  bool quiet = used == 0 && self->last_batch <= 1;
  if (op != NULL) op->priv.below = (uintptr_t)self->tail;
  *cachette__redis_request(self, self->tail++) =
      (cachette__request){.op = op, .sweep = sweep, .bytes = bytes};
  self->bytes += bytes;
  if (self->link.state == CACHETTE__LINK_READY) {
    cachette__redis_encode(self);
    cachette__redis_flush(self, quiet);
  }
  return CACHETTE_OK;
}

static void fail_request(cachette__redis *self, cachette__request *request, int code,
                         const char *message) {
  cachette_op *op = request->op;
  cachette__sweep *sweep = request->sweep;
  request->op = NULL;
  request->sweep = NULL;
  request->replies = 0;
  self->bytes -= request->bytes;
  request->bytes = 0;
  if (sweep != NULL)
    cachette__sweep_fail(sweep, code, message);
  else if (op != NULL)
    cachette__op_fail(op, code, NULL, "%s", message);
}

static bool encode_request(cachette__redis *self, cachette__request *request) {
  cachette__buffer *output = cachette__stream_output(self->link.stream);
  size_t before = cachette__buffer_size(output);
  request->position = cachette__stream_sent(self->link.stream) + before;
  bool fine = request->sweep != NULL ? cachette__sweep_encode(self, request->sweep)
                                     : encode_op(self, output, request->op);
  if (!fine) output->end = output->begin + before;
  request->replies = !fine ? 0 : request->sweep != NULL ? 1 : cachette__redis_replies(request->op);
  return fine;
}

void cachette__redis_encode(cachette__redis *self) {
  while (self->unsent < self->tail) {
    cachette__request *request = cachette__redis_request(self, self->unsent++);
    if (cachette__request_alive(request) && !encode_request(self, request))
      fail_request(self, request, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
  }
}

/* ---- Ends ---- */

/* All replies are there: sums the items up, each of which says for itself how it fared. */
static void complete(cachette_op *op, int code) {
  if (cachette__has_items(op->verb)) {
    op->number = 0;
    for (size_t i = 0; i < op->count; i++) op->number += cachette__item_counts(op, &op->items[i]);
  }
  cachette__op_complete(op, code);
}

static void end_request(cachette__redis *self, const cachette__request *request) {
  if (request->sweep != NULL) {
    cachette__sweep_next(self, request->sweep);
  } else if (request->op != NULL) {
    cachette_op *op = request->op;
    int code = CACHETTE_OK;
    if (!request->again)
      complete(op, request->code);
    else if ((code = cachette__redis_push(self, op, NULL, request->bytes)) < 0)
      cachette__op_fail(op, code, NULL, NULL);
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

/* Decides which requests may go over the next connection, and how many those are. */
static size_t keep_some(cachette__redis *self, bool retry) {
  size_t kept = 0;
  for (uint64_t i = self->head; i < self->tail; i++) {
    cachette__request *request = cachette__redis_request(self, i);
    bool alive = cachette__request_alive(request);
    bool was_sent = i < self->unsent && request->position < self->link.sent;
    bool lost = alive && was_sent && (request->retried || !is_idempotent(request));
    request->doomed = !retry || lost;
    request->retried |= was_sent;
    request->replies = 0;
    request->code = CACHETTE_OK;
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
