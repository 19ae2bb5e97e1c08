/* SPDX-License-Identifier: MIT */
/*
 * The inside of the Redis store, shared by the files of this folder.
 *
 *     redis.c      the store: opens, submits, detaches, closes; what the link tells
 *     requests.c   the ring of what waits for an answer
 *     replies.c    which reply is whose, and what it means
 *     sweep.c      ops that take command after command: clearing by SCAN
 *     greeting.c   the first words on a connection
 *     fault.c      a server's error as ours
 *
 * One connection carries the ops of all callers. Each op is a request in a ring, in the order of
 * the commands on the wire; replies come in that order, so the first request with replies to come
 * is the one that a reply belongs to. A request whose op was given up stays, and its replies are
 * dropped, so no reply is ever taken for another's.
 *
 *     head           unsent            tail
 *      | sent, waiting |  not encoded   |        (while the link is not ready, head == unsent)
 */
#ifndef CACHETTE_REDIS_CLIENT_H
#define CACHETTE_REDIS_CLIENT_H

#include "../../net/link.h"
#include "../store.h"
#include "address.h"
#include "command.h"
#include "resp.h"

enum {
  CACHETTE__REDIS_INPUT = 1 << 16,    /* bytes of replies read at once */
  CACHETTE__REDIS_REQUESTS = 1 << 16, /* that may wait at a time */
  CACHETTE__REDIS_BYTES = 1 << 26 /* of keys and values that may wait, but for one request alone */
};

typedef struct cachette__sweep cachette__sweep;

/* A command, or as many as its op has, that wait for their replies. */
typedef struct cachette__request {
  cachette_op *op;        /* NULL: given up, or a sweep's */
  cachette__sweep *sweep; /* NULL: an op's own */
  uint64_t position;      /* of its first byte in what is sent over this connection */
  size_t bytes;           /* of its keys and values */
  size_t replies;         /* to come; 0 too if it is not encoded yet */
  int code;               /* with which an op without items failed, or 0 */
  bool retried;           /* it was sent before, over a connection that broke */
  bool again;             /* a command was unknown; to be asked once more, with the old one */
  bool doomed;            /* it will fail; others may have to be told before */
} cachette__request;

typedef struct cachette__redis {
  cachette__store base;
  uv_loop_t *loop;
  cachette__redis_address address;
  cachette__tls *tls;
  cachette__target target;
  char *key_prefix;
  cachette_slice prefix;
  char name[128]; /* of the server, in messages */
  int64_t timeout_ms;
  cachette__link link;
  uv_idle_t idle; /* while something is to be done in the next turn of the loop */
  int open_handles;

  cachette__request *ring; /* of `ring_size`, a power of two; addressed by numbers that only grow */
  size_t ring_size;
  uint64_t head, unsent, tail;
  size_t bytes; /* of all in the ring */

  size_t batch, last_batch; /* replies in this read batch, and in the last one */
  size_t unflushed;         /* requests encoded since output was last sent */
  bool in_batch, flush_due;
  bool suspect; /* an op ran out of time, and nothing at all was heard meanwhile */
  bool old;     /* the server knows no UNLINK */
  int64_t heard_ms;
  uint64_t suspect_sent;
  int greeting; /* its step; see greeting.c */

  cachette__resp parser;
  char *place;     /* of the value that is coming in, while its bulk is under way; or NULL */
  char fault[256]; /* of an error reply, as far as it has come; NUL-terminated */
  size_t fault_size;
  size_t input_begin, input_end;
  char input[CACHETTE__REDIS_INPUT];
} cachette__redis;

/* ---- redis.c ---- */

/* Sends what was encoded, now or in time. `quiet`: nothing had been on its way before. */
void cachette__redis_flush(cachette__redis *self, bool quiet);

/* ---- requests.c ---- */

static inline cachette__request *cachette__redis_request(const cachette__redis *self,
                                                         uint64_t number) {
  return &self->ring[number & (self->ring_size - 1)];
}

/* Replies to an op that has not been answered at all, and to each of its items. */
size_t cachette__redis_replies(const cachette_op *op);
size_t cachette__redis_item_replies(const cachette_op *op);

/* Whether somebody waits for it. */
bool cachette__request_alive(const cachette__request *request);

/*
 * Appends a request of an op's own or of a sweep, and encodes it if the link is ready. Errors:
 * ENOMEM; EUNAVAILABLE: too much waits already.
 */
int cachette__redis_push(cachette__redis *self, cachette_op *op, cachette__sweep *sweep,
                         size_t bytes);

/* Encodes what is not encoded; the link is ready. */
void cachette__redis_encode(cachette__redis *self);

/* Takes out what is at the head and has all its replies; completes its op. */
void cachette__redis_trim(cachette__redis *self);

/* The connection is gone: what may go over the next one waits for it, the rest fails. */
void cachette__redis_break(cachette__redis *self, bool retry, const cachette_error *error);

/* ---- replies.c ---- */

/* Reads what is in the input. */
void cachette__redis_read(cachette__redis *self);

/* ---- greeting.c ---- */

void cachette__redis_greet(cachette__redis *self);

/* A token of the answer to the greeting, at whose end the link is ready, or fails. */
void cachette__redis_greeted(cachette__redis *self, const cachette__resp_token *token);

/* ---- sweep.c ---- */

/* Carries out an op that clears by pattern. */
void cachette__redis_sweep(cachette__redis *self, cachette_op *op);

/* Whether an op is one of those. */
bool cachette__redis_sweeps(const cachette__redis *self, const cachette_op *op);

/* Encodes the sweep's next command. False: out of memory. */
bool cachette__sweep_encode(cachette__redis *self, cachette__sweep *sweep);

/* A token of the reply to it. False: it is not what such a command is answered with. */
bool cachette__sweep_read(cachette__redis *self, cachette__sweep *sweep,
                          const cachette__resp_token *token);

/* The reply is complete: goes on, or ends. */
void cachette__sweep_next(cachette__redis *self, cachette__sweep *sweep);

/* Whether it has done nothing yet, and may begin once more. */
bool cachette__sweep_is_fresh(const cachette__sweep *sweep);

bool cachette__sweep_alive(const cachette__sweep *sweep);

/* The op ends from above: nobody waits any more. */
void cachette__sweep_detach(cachette_op *op);

/* Fails the op, if it is there, and frees the sweep, which is in the ring no more. */
void cachette__sweep_fail(cachette__sweep *sweep, int code, const char *message);

/* ---- fault.c ---- */

/*
 * What the error reply that was read means: a code, and a sentence in `message`. `key`: whose it
 * was, or empty.
 */
int cachette__redis_fault(const cachette__redis *self, cachette_slice key, char *message,
                          size_t size);

/* Whether it says that the value is no number, or that the sum would be too large for one. */
bool cachette__redis_fault_is_no_number(const cachette__redis *self);
bool cachette__redis_fault_is_overflow(const cachette__redis *self);

/* Whether it says that the server does not know the command. */
bool cachette__redis_fault_is_unknown(const cachette__redis *self);

#endif
