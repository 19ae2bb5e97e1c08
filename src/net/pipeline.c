/* SPDX-License-Identifier: MIT */
#include "pipeline.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../base/clock.h"

enum {
  BATCH = 32, /* send after so many requests, even if the loop's turn is not over */
  INITIAL_RING = 64,
  TIMER_SLACK_MS = 10 /* ms by which libuv may fire a timer early */
};

static cachette__request *request_at(const cachette__pipeline *self, uint64_t number) {
  return cachette__pipeline_at(self, number);
}

static bool is_ready(const cachette__pipeline *self) {
  return self->link.state == CACHETTE__LINK_READY;
}

/* ---- Sending ---- */

static void send_now(cachette__pipeline *self) {
  self->unflushed = 0;
  if (self->link.stream != NULL) cachette__stream_flush(self->link.stream);
}

static void on_idle(uv_idle_t *idle) {
  cachette__pipeline *self = idle->data;
  uv_idle_stop(idle);
  self->flush_due = false;
  if (self->silent) {
    self->silent = false;
    cachette__link_fail(&self->link, true, CACHETTE_EUNAVAILABLE,
                        "%s has not answered for %g s, so the connection was closed.", self->name,
                        (double)self->timeout_ms / 1000);
  } else if (self->draining && self->head == self->unsent) {
    cachette__link_fail(&self->link, false, self->drain.code, "%s", self->drain.message);
  } else {
    send_now(self);
  }
}

/* Runs on_idle() in the next turn of the loop; an active idle handle keeps it from blocking. */
static void wake_loop(cachette__pipeline *self) {
  if (self->closed == NULL) uv_idle_start(&self->idle, on_idle);
}

/* `quiet`: no other request is in flight. */
static void flush(cachette__pipeline *self, bool quiet) {
  if ((quiet && !self->in_batch) || ++self->unflushed >= BATCH) {
    send_now(self);
  } else if (!self->flush_due && !self->in_batch) {
    self->flush_due = true;
    wake_loop(self);
  }
}

cachette__buffer *cachette__pipeline_output(cachette__pipeline *self) {
  return cachette__stream_output(self->link.stream);
}

void cachette__pipeline_flush(cachette__pipeline *self) {
  cachette__stream_flush(self->link.stream);
}

/* ---- The ring ---- */

static int grow_ring(cachette__pipeline *self) {
  size_t used = (size_t)(self->tail - self->head);
  if (used < self->ring_size) return CACHETTE_OK;
  size_t size = self->ring_size > 0 ? 2 * self->ring_size : INITIAL_RING;
  cachette__request_slot *ring = cachette__malloc(size * sizeof *ring);
  if (ring == NULL) return CACHETTE_ENOMEM;
  for (uint64_t i = self->head; i < self->tail; i++)
    ring[i & (size - 1)] = self->ring[i & (self->ring_size - 1)];
  cachette__free(self->ring);
  self->ring = ring;
  self->ring_size = size;
  return CACHETTE_OK;
}

/* Its slot stays in the ring, all zero, until it reaches the head. Not inlined, as it is rare. */
static __attribute__((noinline)) void fail_request(cachette__pipeline *self, uint64_t number,
                                                   int code, const char *message) {
  cachette__request_slot *slot = cachette__pipeline_at(self, number);
  cachette__request_slot copy = *slot;
  memset(slot, 0, sizeof *slot);
  self->bytes -= copy.request.bytes;
  self->protocol->failed(self->owner, &copy.request, code, message);
}

/* Whether the request at the head has all its replies, or failed before it was sent. */
static bool is_head_finished(const cachette__pipeline *self) {
  return self->head < self->unsent && request_at(self, self->head)->replies == 0;
}

/* Removes finished requests from the head. Not inlined, so that the callers stay short. */
static __attribute__((noinline)) void remove_finished(cachette__pipeline *self) {
  while (is_head_finished(self)) {
    cachette__request_slot copy = *(cachette__request_slot *)request_at(self, self->head);
    self->head++;
    self->bytes -= copy.request.bytes;
    self->protocol->completed(self->owner, &copy.request);
  }
  if (self->draining) wake_loop(self);
}

static bool encode_request(cachette__pipeline *self, cachette__request *request) {
  cachette__buffer *output = cachette__pipeline_output(self);
  size_t before = cachette__buffer_size(output);
  request->position = cachette__stream_sent(self->link.stream) + before;
  request->replies = self->protocol->encode(self->owner, request, output);
  if (request->replies == 0) output->end = output->begin + before;
  return request->replies > 0;
}

static void encode_all(cachette__pipeline *self) {
  if (self->draining) return;
  while (self->unsent < self->tail) {
    uint64_t number = self->unsent++;
    cachette__request *request = request_at(self, number);
    if (self->protocol->is_awaited(request) && !encode_request(self, request))
      fail_request(self, number, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
  }
  if (is_head_finished(self)) remove_finished(self);
}

/* Closes the connection in the next turn if the server has sent nothing for `timeout_ms`, nor
 * accepted output. `since_ms`: when a request was sent that has no reply yet, if that is known. */
static void check_silence(cachette__pipeline *self, int64_t since_ms) {
  int64_t now = cachette__machine_now();
  if (self->unanswered_ms <= self->received_ms) self->unanswered_ms = now;
  if (since_ms > self->unanswered_ms) since_ms = self->unanswered_ms;
  if (now - since_ms < self->timeout_ms - TIMER_SLACK_MS) return;
  uint64_t sent = cachette__stream_sent(self->link.stream);
  bool sending = cachette__buffer_size(cachette__pipeline_output(self)) > 0;
  if (!sending || sent == self->silent_sent) {
    self->silent = true;
    wake_loop(self);
  } else {
    self->unanswered_ms = now;
  }
  self->silent_sent = sent;
}

int cachette__pipeline_reserve(cachette__pipeline *self, size_t bytes, void **slot,
                               const char **reason) {
  static const size_t max_requests = CACHETTE__PIPELINE_REQUESTS,
                      max_bytes = CACHETTE__PIPELINE_BYTES;
  if (is_head_finished(self)) remove_finished(self);
  size_t used = (size_t)(self->tail - self->head);
  if (used >= max_requests || (used > 0 && self->bytes + bytes > max_bytes)) {
    snprintf(self->refusal, sizeof self->refusal,
             "Too many operations are waiting for %s: %zu operations with %zu bytes.", self->name,
             used, self->bytes);
    *reason = self->refusal;
    if (is_ready(self)) check_silence(self, INT64_MAX);
    return CACHETTE_EUNAVAILABLE;
  }
  if (grow_ring(self) < 0) {
    *reason = cachette_strerror(CACHETTE_ENOMEM);
    return CACHETTE_ENOMEM;
  }
  *slot = cachette__pipeline_at(self, self->tail);
  return CACHETTE_OK;
}

void cachette__pipeline_push(cachette__pipeline *self, size_t bytes) {
  bool quiet = self->tail == self->head && self->last_batch <= 1;
  request_at(self, self->tail)->bytes = bytes;
  self->tail++;
  self->bytes += bytes;
  if (!is_ready(self)) return;
  encode_all(self);
  flush(self, quiet);
}

void cachette__pipeline_resume(cachette__pipeline *self) {
  cachette__pipeline_ready(self);
  encode_all(self);
  send_now(self);
}

/* ---- Receiving ---- */

void cachette__pipeline_replied(cachette__pipeline *self) {
  self->batch++;
  if (--request_at(self, self->head)->replies == 0) remove_finished(self);
}

static void on_opened(void *owner) {
  cachette__pipeline *self = owner;
  self->input_end = 0;
  self->protocol->opened(self->owner);
}

/* The protocol's buffer for the next bytes, if no unread input precedes them; or NULL. */
static char *direct_buffer(cachette__pipeline *self, size_t *size) {
  bool can = self->protocol->direct_buffer != NULL && self->input_end == 0;
  return can ? self->protocol->direct_buffer(self->owner, size) : NULL;
}

static char *on_buffer(void *owner, size_t *size) {
  cachette__pipeline *self = owner;
  char *direct = direct_buffer(self, size);
  if (direct != NULL) return direct;
  *size = sizeof self->input - self->input_end;
  return self->input + self->input_end;
}

static void parse_input(cachette__pipeline *self) {
  const void *stream = self->link.stream;
  const char *reason = "an answer that does not match the request";
  size_t used = 0;
  bool is_valid = self->protocol->read(self->owner, (cachette_slice){self->input, self->input_end},
                                       &used, &reason);
  if (self->link.stream != stream) return; /* the connection was closed meanwhile */
  if (!is_valid) {
    cachette__link_fail(&self->link, false, CACHETTE_EBACKEND,
                        "%s does not speak %s as expected: %s.", self->name, self->protocol->name,
                        reason);
    return;
  }
  self->input_end -= used;
  if (self->input_end > 0 && used > 0) memmove(self->input, self->input + used, self->input_end);
}

static void on_received(void *owner, size_t size) {
  cachette__pipeline *self = owner;
  size_t unused;
  self->in_batch = true;
  self->received_ms = cachette__machine_now();
  if (direct_buffer(self, &unused) != NULL) {
    self->protocol->direct_received(self->owner, size);
    return;
  }
  self->input_end += size;
  bool was_ready = is_ready(self);
  parse_input(self);
  if (!was_ready && is_ready(self)) encode_all(self);
}

static void on_paused(void *owner) {
  cachette__pipeline *self = owner;
  self->in_batch = false;
  self->last_batch = self->batch;
  self->batch = 0;
  send_now(self);
}

/* ---- A connection that was lost ---- */

/* Removes requests from the head that nobody awaits. None of them is in flight. */
static void drop_abandoned(cachette__pipeline *self) {
  while (self->head < self->tail && !self->protocol->is_awaited(request_at(self, self->head)))
    fail_request(self, self->head++, CACHETTE_ECANCELED, "");
  self->unsent = self->head;
}

/* Marks the requests that must fail, and resets the others to be sent over the next connection.
 * Returns the number of the latter that a caller still awaits. */
static size_t prepare_resend(cachette__pipeline *self, bool resend) {
  const cachette__protocol *protocol = self->protocol;
  size_t waiting = 0;
  for (uint64_t i = self->head; i < self->tail; i++) {
    cachette__request *request = request_at(self, i);
    bool is_awaited = protocol->is_awaited(request);
    bool was_sent = i < self->unsent && request->position < self->link.sent;
    bool may_send =
        !was_sent || (!request->resent && is_awaited && protocol->is_idempotent(request));
    bool rewound = protocol->rewind(self->owner, request, was_sent);
    request->resendable = is_awaited && may_send && rewound;
    request->will_fail = !resend || (is_awaited && (!may_send || !rewound));
    request->resent |= was_sent;
    request->replies = 0;
    waiting += is_awaited && !request->will_fail;
  }
  self->unsent = self->head;
  return waiting;
}

static void on_lost(void *owner, bool was_ready, const cachette_error *error) {
  cachette__pipeline *self = owner;
  self->in_batch = self->silent = self->draining = false;
  self->batch = self->last_batch = self->unflushed = 0;
  bool resend = self->protocol->lost(self->owner, was_ready, error);
  cachette_error failure = *error; /* a copy, because the link may overwrite its error */
  uint64_t tail = self->tail;
  size_t waiting = prepare_resend(self, resend);
  /* The callbacks run callers' code, which may push requests; but nothing leaves the ring below. */
  for (uint64_t i = self->head; i < tail; i++)
    if (request_at(self, i)->will_fail) fail_request(self, i, failure.code, failure.message);
  const cachette_error *reason;
  int code = waiting > 0 ? cachette__link_connect(&self->link, &reason) : 0;
  if (code < 0) {
    failure = *reason;
    for (uint64_t i = self->head; i < tail; i++) fail_request(self, i, code, failure.message);
  }
  drop_abandoned(self);
}

static const cachette__link_events events = {
    .opened = on_opened,
    .buffer = on_buffer,
    .received = on_received,
    .paused = on_paused,
    .lost = on_lost,
};

/* ---- Giving up ---- */

void cachette__pipeline_abandoned(cachette__pipeline *self, int64_t deadline_ms,
                                  int64_t waited_ms) {
  if (!is_ready(self)) return;
  int64_t since = deadline_ms - waited_ms;
  if (self->received_ms > since) since = self->received_ms;
  check_silence(self, deadline_ms > cachette__machine_now() ? INT64_MAX : since);
}

void cachette__pipeline_drain(cachette__pipeline *self, const cachette_error *reason) {
  if (!is_ready(self)) return;
  self->draining = true;
  self->drain = *reason;
  wake_loop(self);
}

/* ---- Life cycle ---- */

void cachette__pipeline_init(cachette__pipeline *self, uv_loop_t *loop,
                             const cachette__target *target, const cachette__protocol *protocol,
                             void *owner, int64_t timeout_ms) {
  self->protocol = protocol;
  self->owner = owner;
  self->timeout_ms = timeout_ms;
  cachette__target_text(target, self->name, sizeof self->name);
  cachette__link_init(&self->link, loop, target, &events, self);
  uv_idle_init(loop, &self->idle);
  self->idle.data = self;
  self->open_handles = 2; /* the link's timer and the idle handle */
}

static void on_handle_closed(void *owner) {
  cachette__pipeline *self = owner;
  if (--self->open_handles > 0) return;
  cachette__free(self->ring);
  self->closed(self->owner);
}

static void on_idle_closed(uv_handle_t *handle) { on_handle_closed(handle->data); }

void cachette__pipeline_close(cachette__pipeline *self, bool forked, void (*closed)(void *owner)) {
  self->closed = closed;
  while (self->head < self->tail) fail_request(self, self->head++, CACHETTE_ECLOSED, "");
  self->unsent = self->head;
  cachette__link_close(&self->link, forked, on_handle_closed);
  if (forked)
    cachette__free(self->ring);
  else
    uv_close((uv_handle_t *)&self->idle, on_idle_closed);
}
