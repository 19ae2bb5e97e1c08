/* SPDX-License-Identifier: MIT */
/*
 * The link to one server: a stream that is opened when it is needed, and opened again after
 * it broke.
 *
 *     IDLE --want--> OPENING --opened, greeted--> READY --broken--> IDLE
 *                       '--failed--> DOWN --its pause is over--> IDLE, on probation
 *
 * While the server is known to be down, whoever wants it is refused at once with the reason. After
 * a pause (full jitter, between 50 ms and 5 s at the most) one of them may wait for a new try; the
 * others are refused until it has succeeded.
 */
#ifndef CACHETTE_NET_LINK_H
#define CACHETTE_NET_LINK_H

#include "stream.h"

typedef struct cachette__link_events {
  /* The stream is open: greet the server, then say cachette__link_ready(). */
  void (*opened)(void *owner);

  /* As those of a stream. */
  char *(*buffer)(void *owner, size_t *size);
  void (*received)(void *owner, size_t size);
  void (*paused)(void *owner);

  /*
   * What was opening or open is gone, from inside the loop or from cachette__link_fail(). Whoever
   * waits is to be told `error`, or may want the link again (once: `was_ready` says whether that
   * has a prospect).
   */
  void (*lost)(void *owner, bool was_ready, const cachette_error *error);
} cachette__link_events;

typedef struct cachette__link {
  uv_loop_t *loop;
  const cachette__target *target;
  const cachette__link_events *events;
  void *owner;
  cachette__stream *stream; /* NULL in IDLE and DOWN */
  uv_timer_t timer;         /* for the greeting */
  enum { CACHETTE__LINK_IDLE, CACHETTE__LINK_OPENING, CACHETTE__LINK_READY } state;
  bool probation;        /* OPENING, and the last try failed */
  unsigned failures;     /* tries that failed, one after another */
  int64_t down_until;    /* no try before; 0: the server is not known to be down */
  bool opened, heard;    /* the stream was opened; something came */
  bool understood;       /* the server has been ready once, so TLS is as it should be */
  char *buffer;          /* where the next bytes go */
  bool disconnected;     /* the last stream had been open, and ended or broke by itself */
  uint64_t sent;         /* over the last stream: the bytes that had left when it was lost */
  cachette_error reason; /* of the last failure */
  cachette_error hint;
  void (*closed)(void *owner);
} cachette__link;

/* `target` and `events` stay in place. Opens nothing yet. */
void cachette__link_init(cachette__link *link, uv_loop_t *loop, const cachette__target *target,
                         const cachette__link_events *events, void *owner);

/*
 * Asks for the link, which begins to open if it has to. Returns 1: it is ready; 0: it is being
 * opened, wait for `lost` or for the own greeting's end; or a negative code: it is down, and
 * `*reason` says why.
 */
static inline int cachette__link_connect(cachette__link *link, const cachette_error **reason);
int cachette__link_connect_slow(cachette__link *link,
                                const cachette_error **reason); /* its slow path */

/*
 * How long to leave a server alone after so many failures: anything up to a bound that doubles, so
 * that the many that lost the same server do not come back to it all at once. `most`: ms.
 */
int64_t cachette__link_backoff(unsigned failures, int64_t most);

/*
 * From inside `lost`, of a stream that could not be made ready: that try does not count, and the
 * link may be wanted again at once.
 */
void cachette__link_forgive(cachette__link *link);

/*
 * What may be the matter with a server that lets us wait: while the link is being opened, whether
 * one of both sides speaks TLS alone. NULL: nothing. The error stands in the link.
 */
const cachette_error *cachette__link_hint(cachette__link *link);

/* The server was greeted and answers. */
void cachette__link_ready(cachette__link *link);

/*
 * Gives the stream up, because of what came on it or did not come; `lost` is called from
 * inside. The message is a whole sentence. `down`: the server is known to be down from now on, even
 * if the link had been ready.
 */
void cachette__link_fail(cachette__link *link, bool down, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * Closes it for good; no event follows. Its memory must stay until `closed` has been called, from
 * inside the loop. `forked` as of a stream: then nothing is called, and the memory is free at once.
 */
void cachette__link_close(cachette__link *link, bool forked, void (*closed)(void *owner));

static inline int cachette__link_connect(cachette__link *link, const cachette_error **reason) {
  return link->state == CACHETTE__LINK_READY ? 1 : cachette__link_connect_slow(link, reason);
}

#endif
