/* SPDX-License-Identifier: MIT */
/*
 * A link to one server: a stream that opens on demand, and opens again after it was lost.
 *
 *     IDLE --connect--> OPENING --opened, handshake done--> READY --lost--> IDLE
 *                          '--failed--> DOWN --back-off elapsed--> IDLE, probing
 *
 * While the server is known to be down, callers get the error of the last attempt at once. After a
 * back-off (full jitter, 50 ms to 5 s) one caller may wait for a new attempt, the probe. The others
 * keep getting the error until the probe succeeds.
 *
 * A link is used on the thread of its loop.
 */
#ifndef CACHETTE_NET_LINK_H
#define CACHETTE_NET_LINK_H

#include "stream.h"

typedef struct cachette__link_events {
  /* The stream is open. Start the handshake; end it with cachette__link_ready() or
   * cachette__link_fail(). */
  void (*opened)(void *owner);

  /* The same as the events of a stream. */
  char *(*buffer)(void *owner, size_t *size);
  void (*received)(void *owner, size_t size);
  void (*paused)(void *owner);

  /*
   * The stream that was opening or open is gone. Called from inside the loop or from
   * cachette__link_fail(). Fail the waiting requests with `error`, or connect once more:
   * `was_ready` tells whether that is likely to succeed.
   */
  void (*lost)(void *owner, bool was_ready, const cachette_error *error);
} cachette__link_events;

typedef struct cachette__link {
  uv_loop_t *loop;
  const cachette__target *target;
  const cachette__link_events *events;
  void *owner;
  cachette__stream *stream; /* NULL when idle or down */
  uv_timer_t timer;         /* limits the time until the link is ready */
  enum { CACHETTE__LINK_IDLE, CACHETTE__LINK_OPENING, CACHETTE__LINK_READY } state;
  bool probation;        /* OPENING after a failed attempt */
  unsigned failures;     /* failed attempts in a row */
  int64_t down_until;    /* no attempt before this time; 0: the server is not known to be down */
  bool opened, received; /* of this stream: it was opened; it received bytes */
  bool was_ever_ready;   /* the server was ready before, so the TLS setting is right */
  char *buffer;          /* the destination of the next bytes */
  bool disconnected;     /* the last stream was open, and the server or the network closed it */
  uint64_t sent;         /* bytes that the last stream had sent when it was lost */
  cachette_error reason; /* of the last failure */
  cachette_error hint;
  void (*closed)(void *owner);
} cachette__link;

/* Initializes a link, without connecting. `target` and `events` must outlive it. `owner` is passed
 * to each event. */
void cachette__link_init(cachette__link *link, uv_loop_t *loop, const cachette__target *target,
                         const cachette__link_events *events, void *owner);

/*
 * Returns 1 if the link is ready. Otherwise starts to connect, unless it is connecting already, and
 * returns 0: the handshake or `lost` follows. Returns a negative code if the server is down: then
 * `*reason` is set to the error, which the link owns.
 */
static inline int cachette__link_connect(cachette__link *link, const cachette_error **reason);
int cachette__link_connect_slow(cachette__link *link,
                                const cachette_error **reason); /* slow path of the above */

/*
 * Returns a random back-off in ms after `failures` failed attempts, at least 1. The upper bound
 * starts at 50 ms, doubles with each failure, and is at most `max_ms` and 5000. The jitter keeps
 * clients that lost the same server from reconnecting all at once.
 */
int64_t cachette__link_backoff(unsigned failures, int64_t max_ms);

/* Makes the attempt that just failed not count, so that the link may connect again at once. Only
 * from inside `lost`, with `was_ready` false. */
void cachette__link_forgive(cachette__link *link);

/*
 * Returns a hint why the server does not answer, or NULL. While the link is opening, it tells if
 * one side may speak TLS and the other not. The link owns the hint, which is valid until the next
 * call.
 */
const cachette_error *cachette__link_hint(cachette__link *link);

/* Marks the link as ready: the handshake succeeded. */
void cachette__link_ready(cachette__link *link);

/*
 * Closes the stream because of a bad or missing answer, and calls `lost` before it returns. The
 * message is a whole sentence. `down`: treat the server as down, even if the link was ready. Does
 * nothing if there is no stream.
 */
void cachette__link_fail(cachette__link *link, bool down, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * Closes the link for good. No other event follows. Its memory must stay valid until `closed` is
 * called, from inside the loop. `forked` means the same as for a stream: `closed` is not called,
 * and the memory may be freed on return.
 */
void cachette__link_close(cachette__link *link, bool forked, void (*closed)(void *owner));

static inline int cachette__link_connect(cachette__link *link, const cachette_error **reason) {
  return link->state == CACHETTE__LINK_READY ? 1 : cachette__link_connect_slow(link, reason);
}

#endif
