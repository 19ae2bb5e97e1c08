/* SPDX-License-Identifier: MIT */
/*
 * One connection to one server, multiplexed: it carries the requests of many callers, and the
 * server answers them in the order in which they were sent.
 *
 * The pipeline keeps the requests in a ring and counts the replies that each still expects. A
 * protocol (a table of callbacks) encodes the commands and parses the replies.
 *
 *     head                unsent             tail
 *      | sent, being answered | not sent yet  |     (until the connection is ready, head == unsent)
 *
 * A request that no caller awaits any longer keeps its slot, and its replies are dropped. So no
 * caller ever receives another's reply.
 *
 * Writes are batched. The first request on a quiet connection is sent at once. Those that follow in
 * the same turn of the loop are sent at its end, or when 32 of them are pending.
 *
 * When the connection is lost, unsent requests wait for the next one. So do sent ones that are safe
 * to resend, once each. All others fail.
 *
 * A pipeline is used on the thread of its loop. Callbacks may run callers' code, which may push
 * requests or close the pipeline.
 */
#ifndef CACHETTE_NET_PIPELINE_H
#define CACHETTE_NET_PIPELINE_H

#include "link.h"

enum {
  CACHETTE__PIPELINE_INPUT = 1 << 16,    /* bytes of the input buffer */
  CACHETTE__PIPELINE_REQUESTS = 1 << 16, /* max requests in the ring */
  CACHETTE__PIPELINE_BYTES = 1 << 26, /* max bytes of their keys and values, but for a single one */
  CACHETTE__PIPELINE_SLOT = 128       /* max bytes of a protocol's request struct */
};

/* The first member of each protocol's request struct. In a request that is all zero, no caller
 * waits. */
typedef struct cachette__request {
  uint64_t position; /* of its first byte in the output of this connection */
  size_t bytes;      /* of its keys and values */
  size_t replies;    /* still expected; also 0 while it is unsent */
  bool resent;       /* it was sent before, over a connection that was lost */
  bool will_fail;    /* set when the connection is lost: the request fails and is not resent */
  bool resendable;   /* set when the connection is lost: it is safe to send it elsewhere */
} cachette__request;

typedef union cachette__request_slot {
  cachette__request request;
  char bytes[CACHETTE__PIPELINE_SLOT];
} cachette__request_slot;

/* The callbacks of a protocol. `owner` is the pipeline's owner. */
typedef struct cachette__protocol {
  const char *name; /* as in "HOST does not speak NAME as expected" */

  /* The connection is open. Start the handshake; end it with cachette__pipeline_ready() or
   * cachette__link_fail(). */
  void (*opened)(void *owner);

  /*
   * Parses replies until the rest is incomplete or the connection is closed. Sets `*used` to the
   * number of bytes parsed. Returns false if the input violates the protocol; it may then set
   * `*reason` to the end of a sentence.
   */
  bool (*read)(void *owner, cachette_slice input, size_t *used, const char **reason);

  /*
   * Optional; both may be NULL. `direct_buffer` returns where the next bytes are to be read
   * directly, and sets `*size`; or it returns NULL to have them in `read`. `direct_received`
   * reports how many came.
   */
  char *(*direct_buffer)(void *owner, size_t *size);
  void (*direct_received)(void *owner, size_t size);

  /* The connection is lost. Returns whether requests may be resent over the next one. */
  bool (*lost)(void *owner, bool was_ready, const cachette_error *error);

  /* ---- Requests ---- */

  /* Whether a caller still waits for the request. */
  bool (*is_awaited)(const cachette__request *request);

  /* Whether the request is safe to resend. */
  bool (*is_idempotent)(const cachette__request *request);

  /* Appends the commands to the output. Returns the number of their replies; 0: out of memory. */
  size_t (*encode)(void *owner, cachette__request *request, cachette__buffer *output);

  /* The connection is lost: resets the request to the state before its first reply. Returns false
   * if it cannot be resent, for lack of memory. */
  bool (*rewind)(void *owner, cachette__request *request, bool was_sent);

  /* All replies came. `request` is a copy; its slot is free already. */
  void (*completed)(void *owner, cachette__request *request);

  /* The request failed. `request` is a copy, and may be all zero. */
  void (*failed)(void *owner, cachette__request *request, int code, const char *message);
} cachette__protocol;

typedef struct cachette__pipeline {
  const cachette__protocol *protocol;
  void *owner;
  int64_t timeout_ms;
  char name[128]; /* of the server, in messages */
  cachette__link link;
  uv_idle_t idle; /* active while on_idle() is to run in the next turn of the loop */
  int open_handles;
  void (*closed)(void *owner);

  cachette__request_slot *ring; /* indexed by the low bits of a request's number */
  size_t ring_size;             /* in slots; a power of two */
  uint64_t head, unsent, tail;
  size_t bytes;      /* of all requests in the ring */
  char refusal[256]; /* the message when cachette__pipeline_reserve() fails */

  size_t batch, last_batch; /* replies in this batch of input, and in the one before */
  size_t unflushed;         /* requests encoded since the last send */
  bool in_batch, flush_due;
  bool silent;           /* the server sent nothing for too long */
  int64_t received_ms;   /* when the server last sent something */
  int64_t unanswered_ms; /* if later: a request has waited for a reply since then */
  uint64_t silent_sent;  /* bytes sent when the silence was last checked */

  bool draining;        /* send nothing more, and close the connection */
  cachette_error drain; /* with this reason once all that was sent is answered */

  size_t input_end;
  char input[CACHETTE__PIPELINE_INPUT];
} cachette__pipeline;

/* Initializes a pipeline, without connecting. `target` and `protocol` must outlive it.
 * `timeout_ms`: how long the server may stay silent while requests wait. */
void cachette__pipeline_init(cachette__pipeline *self, uv_loop_t *loop,
                             const cachette__target *target, const cachette__protocol *protocol,
                             void *owner, int64_t timeout_ms);

/*
 * Closes the pipeline for good. Requests in the ring fail with ECLOSED before it returns. Its
 * memory must stay valid until `closed` is called, from inside the loop. `forked` means the same as
 * for a stream: `closed` is not called, and the memory may be freed on return.
 */
void cachette__pipeline_close(cachette__pipeline *self, bool forked, void (*closed)(void *owner));

/* ---- Sending ---- */

/*
 * Returns the next free slot in `*slot`, for a request whose keys and values have `bytes` bytes.
 * Call cachette__link_connect() first. Fill the slot with the protocol's request struct, then call
 * cachette__pipeline_push() before anything else. Errors: ENOMEM; EUNAVAILABLE if too many requests
 * or bytes are waiting. On an error `*reason` is the message, a sentence valid until the next call.
 */
int cachette__pipeline_reserve(cachette__pipeline *self, size_t bytes, void **slot,
                               const char **reason);

/* The number that the request in the reserved slot will get. */
static inline uint64_t cachette__pipeline_number(const cachette__pipeline *self) {
  return self->tail;
}

/* Appends the request in the reserved slot, and sends it if the connection is ready. */
void cachette__pipeline_push(cachette__pipeline *self, size_t bytes);

/* A request in the ring, by its number. */
static inline void *cachette__pipeline_at(const cachette__pipeline *self, uint64_t number) {
  return &self->ring[number & (self->ring_size - 1)];
}

/* The request that the next reply belongs to; NULL: no reply is expected. */
static inline void *cachette__pipeline_head(const cachette__pipeline *self) {
  return self->head < self->unsent ? cachette__pipeline_at(self, self->head) : NULL;
}

/* The output of the connection, and its flush, for the protocol's handshake. */
cachette__buffer *cachette__pipeline_output(cachette__pipeline *self);
void cachette__pipeline_flush(cachette__pipeline *self);

/* ---- Receiving ---- */

/* Ends the handshake: requests may be sent. */
static inline void cachette__pipeline_ready(cachette__pipeline *self) {
  cachette__link_ready(&self->link);
}

/* The same outside the callbacks of the protocol: also sends the requests that wait. */
void cachette__pipeline_resume(cachette__pipeline *self);

/* Reports that a reply to the request at the head is complete. */
void cachette__pipeline_replied(cachette__pipeline *self);

/* ---- Giving up ---- */

/*
 * Reports that no caller awaits a sent request any longer: it timed out or was cancelled.
 * `deadline_ms` is its deadline, `waited_ms` after it was pushed. If the server has sent nothing
 * for `timeout_ms` while a request waited, and has accepted no output either, the connection is
 * closed in the next turn of the loop.
 */
void cachette__pipeline_abandoned(cachette__pipeline *self, int64_t deadline_ms, int64_t waited_ms);

/*
 * Sends nothing more over this connection, and closes it with `reason` once all that was sent is
 * answered. Requests that are pushed meanwhile wait for the next connection. Does nothing if the
 * connection is not ready.
 */
void cachette__pipeline_drain(cachette__pipeline *self, const cachette_error *reason);

#endif
