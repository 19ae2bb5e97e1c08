/* SPDX-License-Identifier: MIT */
/*
 * One multiplexed connection to one server: many callers' requests, answered in the order in which
 * they were sent.
 *
 * The pipeline keeps the requests in a ring and knows how many replies each still expects; a
 * protocol (its callbacks) writes the commands and reads the replies.
 *
 *     head                unsent             tail
 *      | sent, being answered | not sent yet  |     (until the connection is ready, head == unsent)
 *
 * A request that nobody awaits any more keeps its slot, and its replies are dropped, so that no
 * caller ever gets another's reply.
 *
 * Writes are batched. The first request of a quiet connection is sent at once; those that follow in
 * the same turn of the loop are sent at its end, or each time that 32 have gathered.
 *
 * When the connection is lost, requests that were not sent, and those that are safe to resend (once
 * each), wait for the next one. The others fail.
 *
 * A pipeline is used on the thread of its loop. Callbacks may run the callers' code, which may push
 * requests or close the pipeline.
 */
#ifndef CACHETTE_NET_PIPELINE_H
#define CACHETTE_NET_PIPELINE_H

#include "link.h"

enum {
  CACHETTE__PIPELINE_INPUT = 1 << 16,    /* bytes of replies read at once */
  CACHETTE__PIPELINE_REQUESTS = 1 << 16, /* that may wait at a time */
  CACHETTE__PIPELINE_BYTES = 1 << 26,    /* of their keys and values, but for a lone request */
  CACHETTE__PIPELINE_SLOT = 128          /* bytes that a protocol's request may have */
};

/* The head of each protocol's own request struct. A request that is all zero awaits nothing. */
typedef struct cachette__request {
  uint64_t position; /* of its first byte in what is sent over this connection */
  size_t bytes;      /* of its keys and values */
  size_t replies;    /* still to come; 0 too while it has not been sent */
  bool resent;       /* it was sent before, over a connection that was lost */
  bool doomed;       /* it will fail once all that shall be kept is known */
} cachette__request;

typedef union cachette__request_slot {
  cachette__request request;
  char bytes[CACHETTE__PIPELINE_SLOT];
} cachette__request_slot;

/* What a protocol does; `owner` is the pipeline's. */
typedef struct cachette__protocol {
  const char *name; /* as in "HOST does not speak NAME as expected" */

  /* The connection is open: starts the handshake, which ends with cachette__pipeline_ready() or
   * with cachette__link_fail(). */
  void (*opened)(void *owner);

  /*
   * Reads replies, until what is left needs more bytes or the connection was given up. Says how
   * many bytes it used. Returns false if this is not the protocol; then it may set `*reason`, the
   * end of a sentence.
   */
  bool (*read)(void *owner, cachette_slice input, size_t *used, const char **reason);

  /* Where the bytes that come next belong, if they can be read there directly; else NULL. `placed`
   * tells how many came. Both NULL: the protocol never does so. */
  char *(*direct_buffer)(void *owner, size_t *size);
  void (*direct_received)(void *owner, size_t size);

  /* The connection is gone. Returns whether the requests that may be sent again should be. */
  bool (*lost)(void *owner, bool was_ready, const cachette_error *error);

  /* ---- Requests ---- */

  /* Whether a caller still waits for it. */
  bool (*is_awaited)(const cachette__request *request);

  /* Whether it is safe to send twice. */
  bool (*is_idempotent)(const cachette__request *request);

  /* Appends the commands to the output. Returns how many replies they have; 0: out of memory. */
  size_t (*encode)(void *owner, cachette__request *request, cachette__buffer *output);

  /* The connection was lost: forgets what came of its replies. Returns false if it cannot be sent
   * again for want of memory. */
  bool (*rewind)(void *owner, cachette__request *request, bool was_sent);

  /* All replies came. The request is a copy; its slot is free. */
  void (*completed)(void *owner, cachette__request *request);

  /* It failed. The request is a copy, and may be all zero. */
  void (*failed)(void *owner, cachette__request *request, int code, const char *message);
} cachette__protocol;

typedef struct cachette__pipeline {
  const cachette__protocol *protocol;
  void *owner;
  int64_t timeout_ms;
  char name[128]; /* of the server, in messages */
  cachette__link link;
  uv_idle_t idle; /* runs while something is due in the next turn of the loop */
  int open_handles;
  void (*closed)(void *owner);

  cachette__request_slot *ring; /* of `ring_size`, a power of two; indexed by growing numbers */
  size_t ring_size;
  uint64_t head, unsent, tail;
  size_t bytes;      /* of all requests in the ring */
  char refusal[256]; /* why no more is taken */

  size_t batch, last_batch; /* replies in this batch of input, and in the one before */
  size_t unflushed;         /* requests encoded since output was last sent */
  bool in_batch, flush_due;
  bool silent; /* a request ran out of time, and the server sent nothing meanwhile */
  int64_t heard_ms;
  uint64_t silent_sent; /* bytes that had been sent when it was last found silent */

  bool draining;        /* nothing more is sent over this connection, */
  cachette_error drain; /* which ends with this once all that was sent is answered */

  size_t input_end;
  char input[CACHETTE__PIPELINE_INPUT];
} cachette__pipeline;

/*
 * `target` and `protocol` stay in place until it is closed. `timeout_ms`: how long a server may
 * stay silent while requests wait. Opens no connection yet.
 */
void cachette__pipeline_init(cachette__pipeline *self, uv_loop_t *loop,
                             const cachette__target *target, const cachette__protocol *protocol,
                             void *owner, int64_t timeout_ms);

/*
 * Closes it for good. Requests that are left fail with ECLOSED, within the call. Its memory must
 * stay until `closed` was called, from inside the loop. `forked` as of a stream: then nothing is
 * called later, and the memory is free at once.
 */
void cachette__pipeline_close(cachette__pipeline *self, bool forked, void (*closed)(void *owner));

/* ---- Sending ---- */

/*
 * The next free slot, for a request of `bytes` of keys and values. The caller fills it (a whole
 * struct of the protocol's) and calls cachette__pipeline_push() before anything else. The
 * connection must have been asked for by cachette__link_connect(). Errors: ENOMEM; EUNAVAILABLE:
 * too much waits already. Then `*reason` says so in a sentence, until the next call.
 */
int cachette__pipeline_reserve(cachette__pipeline *self, size_t bytes, void **slot,
                               const char **reason);

/* The number that the request in the reserved slot will have. */
static inline uint64_t cachette__pipeline_number(const cachette__pipeline *self) {
  return self->tail;
}

/* Appends the request in the reserved slot, and sends it if the connection is ready. */
void cachette__pipeline_push(cachette__pipeline *self, size_t bytes);

/* A request that is in the ring, by its number. */
static inline void *cachette__pipeline_at(const cachette__pipeline *self, uint64_t number) {
  return &self->ring[number & (self->ring_size - 1)];
}

/* The request that the next reply belongs to; NULL: no reply is due. */
static inline void *cachette__pipeline_head(const cachette__pipeline *self) {
  return self->head < self->unsent ? cachette__pipeline_at(self, self->head) : NULL;
}

/* Where a handshake appends what it says, and sends it. */
cachette__buffer *cachette__pipeline_output(cachette__pipeline *self);
void cachette__pipeline_flush(cachette__pipeline *self);

/* ---- Receiving ---- */

/* The handshake is over: requests may be sent. */
static inline void cachette__pipeline_ready(cachette__pipeline *self) {
  cachette__link_ready(&self->link);
}

/* A reply to the request at the head is complete. */
void cachette__pipeline_replied(cachette__pipeline *self);

/* ---- Giving up ---- */

/*
 * A request that was sent ran out of time, `waited_ms` after it was made. If the server has sent
 * nothing for as long as it may stay silent, and takes nothing either, the connection is given up
 * in the next turn of the loop.
 */
void cachette__pipeline_timed_out(cachette__pipeline *self, int64_t deadline_ms, int64_t waited_ms);

/*
 * Sends nothing more over this connection. It ends, with `reason`, once all that was sent is
 * answered; what is pushed meanwhile waits for the next one.
 */
void cachette__pipeline_drain(cachette__pipeline *self, const cachette_error *reason);

#endif
