/* SPDX-License-Identifier: MIT */
#include "link.h"

#include "../clock.h"
#include "../error.h"

enum { LEAST_PAUSE = 50, MOST_PAUSE = 5000 }; /* ms */

/*
 * How long to leave a server alone after so many failures: anything up to a bound that doubles, so
 * that the many that lost the same server do not come back to it all at once.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
static int64_t pause_after(unsigned failures) {
  uint32_t random;
  if (uv_random(NULL, NULL, &random, sizeof random, 0, NULL) != 0) random = (uint32_t)uv_hrtime();
  unsigned doublings = failures - 1 < 7 ? failures - 1 : 7;
  uint32_t bound = (uint32_t)LEAST_PAUSE << doublings;
  if (bound > MOST_PAUSE) bound = MOST_PAUSE;
  return random % bound + 1;
}

void cachette__link_init(cachette__link *link, uv_loop_t *loop, const cachette__target *target,
                         const cachette__link_events *events, void *owner) {
  *link = (cachette__link){.loop = loop, .target = target, .events = events, .owner = owner};
  uv_timer_init(loop, &link->timer);
  link->timer.data = link;
}

/* The stream is gone; tells the owner. */
static void lose(cachette__link *link, bool down, const cachette_error *error) {
  bool was_ready = link->state == CACHETTE__LINK_READY;
  link->stream = NULL;
  link->state = CACHETTE__LINK_IDLE;
  link->reason = *error;
  uv_timer_stop(&link->timer);
  if (down || !was_ready)
    link->down_until = cachette__machine_now() + pause_after(++link->failures);
  link->events->lost(link->owner, was_ready && !down, &link->reason);
}

static void on_opened(void *data) {
  cachette__link *link = data;
  link->events->opened(link->owner);
}

static char *on_room(void *data, size_t *size) {
  cachette__link *link = data;
  return link->events->room(link->owner, size);
}

static void on_received(void *data, size_t size) {
  cachette__link *link = data;
  link->events->received(link->owner, size);
}

static void on_paused(void *data) {
  cachette__link *link = data;
  link->events->paused(link->owner);
}

static void on_closed(void *data, bool was_open, const cachette_error *error) {
  (void)was_open;
  cachette__link *link = data;
  link->sent = cachette__stream_sent(link->stream);
  lose(link, false, error);
}

static const cachette__stream_events stream_events = {
    .opened = on_opened,
    .room = on_room,
    .received = on_received,
    .paused = on_paused,
    .closed = on_closed,
};

/* The stream may be open, but the server has not answered the greeting. */
static void on_timer(uv_timer_t *timer) {
  cachette__link *link = timer->data;
  char name[128];
  cachette__target_text(link->target, name, sizeof name);
  cachette__link_fail(link, true, CACHETTE_EUNAVAILABLE,
                      "%s does not answer: no greeting within %g s.", name,
                      (double)link->target->connect_timeout_ms / 1000);
}

static int begin(cachette__link *link) {
  int code = cachette__stream_open(link->loop, link->target, &stream_events, link, &link->stream,
                                   &link->reason);
  if (code < 0) return code;
  link->state = CACHETTE__LINK_OPENING;
  link->probation = link->down_until != 0;
  /* Later than the stream's own time-out, which knows better what it was that took so long. */
  uv_update_time(link->loop);
  uv_timer_start(&link->timer, on_timer, (uint64_t)link->target->connect_timeout_ms + 10, 0);
  return 0;
}

int cachette__link_want(cachette__link *link, const cachette_error **reason) {
  *reason = &link->reason;
  if (link->state == CACHETTE__LINK_READY) return 1;
  if (link->state == CACHETTE__LINK_OPENING) return link->probation ? link->reason.code : 0;
  if (link->down_until != 0 && cachette__machine_now() < link->down_until) return link->reason.code;
  return begin(link);
}

void cachette__link_ready(cachette__link *link) {
  uv_timer_stop(&link->timer);
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
