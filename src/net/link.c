/* SPDX-License-Identifier: MIT */
#include "link.h"

#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/error.h"

enum { MIN_BACKOFF_MS = 50, MAX_BACKOFF_MS = 5000 };

enum { STREAM_GRACE_MS = 10 }; /* the timer of a link fires so much later than its stream's */

enum { TLS_ALERT = 0x15 }; /* first byte of a TLS alert */

/* https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
int64_t cachette__link_backoff(unsigned failures, int64_t max_ms) {
  uint32_t random;
  if (uv_random(NULL, NULL, &random, sizeof random, 0, NULL) != 0) random = (uint32_t)uv_hrtime();
  unsigned doublings = failures - 1 < 7 ? failures - 1 : 7;
  uint32_t bound = (uint32_t)MIN_BACKOFF_MS << doublings;
  if (max_ms > MAX_BACKOFF_MS) max_ms = MAX_BACKOFF_MS;
  if (bound > max_ms) bound = (uint32_t)max_ms;
  return random % bound + 1;
}

void cachette__link_init(cachette__link *link, uv_loop_t *loop, const cachette__target *target,
                         const cachette__link_events *events, void *owner) {
  *link = (cachette__link){.loop = loop, .target = target, .events = events, .owner = owner};
  uv_timer_init(loop, &link->timer);
  link->timer.data = link;
}

/* Whether the server may expect TLS: it has never answered to what we sent without TLS. */
static bool may_expect_tls(const cachette__link *link) {
  return link->opened && !link->received && !link->was_ever_ready && link->target->tls == NULL &&
         link->target->tls_advice != NULL;
}

static void add_advice(const cachette__link *link, cachette_error *error) {
  size_t size = strlen(error->message);
  snprintf(error->message + size, sizeof error->message - size, " If it expects TLS, %s",
           link->target->tls_advice);
}

/* Clears the stream, which is gone, and notifies the owner. */
static void lose(cachette__link *link, bool down, const cachette_error *error) {
  bool was_ready = link->state == CACHETTE__LINK_READY;
  link->stream = NULL;
  link->state = CACHETTE__LINK_IDLE;
  link->reason = *error;
  if (!was_ready && may_expect_tls(link)) add_advice(link, &link->reason);
  uv_timer_stop(&link->timer);
  if (down || !was_ready)
    link->down_until =
        cachette__machine_now() + cachette__link_backoff(++link->failures, MAX_BACKOFF_MS);
  link->events->lost(link->owner, was_ready && !down, &link->reason);
}

static void on_opened(void *data) {
  cachette__link *link = data;
  link->opened = true;
  link->events->opened(link->owner);
}

static char *on_buffer(void *data, size_t *size) {
  cachette__link *link = data;
  link->buffer = link->events->buffer(link->owner, size);
  return link->buffer;
}

static void on_received(void *data, size_t size) {
  cachette__link *link = data;
  if (may_expect_tls(link) && link->buffer[0] == TLS_ALERT) {
    char name[128];
    cachette__target_text(link->target, name, sizeof name);
    link->received = true;
    cachette__link_fail(link, true, CACHETTE_EUNAVAILABLE, "%s speaks TLS; %s", name,
                        link->target->tls_advice);
    return;
  }
  link->received = true;
  link->events->received(link->owner, size);
}

static void on_paused(void *data) {
  cachette__link *link = data;
  link->events->paused(link->owner);
}

static void on_closed(void *data, bool was_open, const cachette_error *error) {
  cachette__link *link = data;
  link->disconnected = was_open;
  link->sent = cachette__stream_sent(link->stream);
  lose(link, false, error);
}

static const cachette__stream_events stream_events = {
    .opened = on_opened,
    .buffer = on_buffer,
    .received = on_received,
    .paused = on_paused,
    .closed = on_closed,
};

/* The stream may be open, but the server has not answered the handshake. */
static void on_timeout(uv_timer_t *timer) {
  cachette__link *link = timer->data;
  if (!link->opened) { /* the stream is about to report its own time-out, with the reason */
    uv_timer_start(timer, on_timeout, STREAM_GRACE_MS, 0);
    return;
  }
  char name[128];
  cachette__target_text(link->target, name, sizeof name);
  cachette__link_fail(link, true, CACHETTE_EUNAVAILABLE,
                      "%s accepted the connection but did not answer within %g s.", name,
                      (double)link->target->connect_timeout_ms / 1000);
}

static int open_stream(cachette__link *link) {
  int code = cachette__stream_open(link->loop, link->target, &stream_events, link, &link->stream,
                                   &link->reason);
  if (code < 0) return code;
  link->state = CACHETTE__LINK_OPENING;
  link->opened = link->received = false;
  link->probation = link->down_until != 0;
  /* Fires after the stream's own timeout, whose message names the step that took too long. */
  uv_update_time(link->loop);
  uv_timer_start(&link->timer, on_timeout,
                 (uint64_t)link->target->connect_timeout_ms + STREAM_GRACE_MS, 0);
  return 0;
}

int cachette__link_connect_slow(cachette__link *link, const cachette_error **reason) {
  *reason = &link->reason;
  if (link->state == CACHETTE__LINK_OPENING) return link->probation ? link->reason.code : 0;
  if (link->down_until != 0 && cachette__machine_now() < link->down_until) return link->reason.code;
  return open_stream(link);
}

void cachette__link_forgive(cachette__link *link) {
  link->failures--;
  link->down_until = link->failures > 0 ? cachette__machine_now() : 0; /* probe next */
}

const cachette_error *cachette__link_hint(cachette__link *link) {
  if (link->state != CACHETTE__LINK_OPENING) return NULL;
  if (may_expect_tls(link))
    cachette__fail(&link->hint, CACHETTE_ETIMEDOUT, NULL, "If it expects TLS, %s",
                   link->target->tls_advice);
  else if (link->target->plain_advice != NULL && !link->was_ever_ready &&
           cachette__stream_waits_for_tls(link->stream))
    cachette__fail(&link->hint, CACHETTE_ETIMEDOUT, NULL, "If it does not speak TLS, %s",
                   link->target->plain_advice);
  else
    return NULL;
  return &link->hint;
}

void cachette__link_ready(cachette__link *link) {
  uv_timer_stop(&link->timer);
  link->was_ever_ready = true;
  link->state = CACHETTE__LINK_READY;
  link->failures = 0;
  link->down_until = 0;
  link->probation = false;
}

void cachette__link_fail(cachette__link *link, bool down, int code, const char *format, ...) {
  if (link->stream == NULL) return;
  cachette_error error;
  va_list arguments;
  va_start(arguments, format);
  cachette__vfail(&error, code, NULL, format, arguments);
  va_end(arguments);
  cachette__stream *stream = link->stream;
  link->sent = cachette__stream_sent(stream);
  link->disconnected = false;
  cachette__stream_close(stream, false);
  lose(link, down, &error);
}

static void on_timer_closed(uv_handle_t *handle) {
  cachette__link *link = handle->data;
  link->closed(link->owner);
}

void cachette__link_close(cachette__link *link, bool forked, void (*closed)(void *owner)) {
  if (link->stream != NULL) cachette__stream_close(link->stream, forked);
  link->stream = NULL;
  link->state = CACHETTE__LINK_IDLE;
  link->closed = closed;
  if (!forked) uv_close((uv_handle_t *)&link->timer, on_timer_closed);
}
