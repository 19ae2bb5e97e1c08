/* SPDX-License-Identifier: MIT */
/*
 * The inside of the Redis store, shared by the files of this folder.
 *
 *     redis.c      the store: opens, submits, detaches, closes; what the link tells
 *     requests.c   the ring of what waits for an answer
 *     replies.c    which reply is whose, and what it means
 *     counting.c   increments, with transactions and without
 *     sweep.c      ops that take command after command: clearing by SCAN
 *     later.c      what the server refused for now, and will be asked again
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

/* The status of an item that has to be asked again. It never leaves the store. */
enum { CACHETTE__REDIS_DUE = -1000 };

typedef struct cachette__sweep cachette__sweep;

/* A command, or as many as its op has, that wait for their replies. */
typedef struct cachette__request {
  cachette_op *op;        /* NULL: given up, or a sweep's */
  cachette__sweep *sweep; /* NULL: an op's own */
  uint64_t position;      /* of its first byte in what is sent over this connection */
  size_t bytes;           /* of its keys and values */
  size_t replies;         /* to come; 0 too if it is not encoded yet */
  size_t item;            /* of the op: the one whose reply comes next */
  unsigned step;          /* which of that item's replies, or of the op's if it has no items */
  unsigned phase;         /* of an increment; see counting.c */
  int64_t ttl_ms;         /* of the counter, before it was counted */
  int code;               /* with which an op without items failed, or 0 */
  bool partly;            /* it asks for those items only that were due when it was encoded */
  bool plain;             /* it was encoded with the older commands: DEL, FLUSHDB without ASYNC */
  bool in_multi;          /* the server has begun a transaction */
  bool fresh;             /* the counter may have been made without a time to live */
  bool retried;           /* it was sent before, over a connection that broke */
  bool again;             /* a command was refused; to be asked once more, with another one */
  bool put_off;           /* a command was refused for now; to be asked once more, later */
  bool was_put_off;       /* that was so before */
  bool doomed;            /* it will fail; others may have to be told before */
} cachette__request;

/* What the server refused for now waits here until it is asked again; see later.c. */
typedef struct cachette__later {
  uv_timer_t timer;
  cachette__request *waiting; /* [begin..end) of `size` */
  size_t begin, end, size;
  unsigned tries;   /* one after another that were of no use */
  int64_t since_ms; /* since when it refuses; 0: it does not */
  int64_t last_ms;  /* when it last refused something */
  int64_t due_ms;   /* when it is asked again; 0: nothing is planned */
  bool move;        /* it is asked over another connection, maybe to another server */
  bool fails_fast;  /* what it refused last */
  cachette_error reason;
} cachette__later;

/* How a server wants to be greeted; see greeting.c. */
enum cachette__redis_manner { CACHETTE__REDIS_HELLO, CACHETTE__REDIS_PLAIN, CACHETTE__REDIS_BARE };

/* Whether a server has transactions; see counting.c. */
enum cachette__redis_multi {
  CACHETTE__MULTI_UNKNOWN,
  CACHETTE__MULTI_HALF_KNOWN, /* EXEC is permitted */
  CACHETTE__MULTI_FINE,
  CACHETTE__MULTI_REFUSED
};

typedef struct cachette__redis {
  cachette__store base;
  uv_loop_t *loop;
  cachette__events *events;
  cachette__redis_address address;
  cachette__tls *tls;
  cachette__target target;
  char *key_prefix;
  cachette_slice prefix;
  char name[128];                        /* of the server, in messages */
  char plain_advice[64], tls_advice[64]; /* what to do if it does not speak TLS, or does */
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
  bool suspect;     /* an op ran out of time, and nothing at all was heard meanwhile */
  bool moving;      /* nothing more is sent over this connection, which ends with its last reply */
  bool old;         /* the server permits no UNLINK */
  bool plain_flush; /* or no FLUSHDB with ASYNC */
  int64_t heard_ms;
  uint64_t suspect_sent;
  enum cachette__redis_multi multi;
  cachette__later later;

  enum cachette__redis_manner manner;
  int64_t bare_until; /* BARE: when HELLO is tried again */
  int said[4];        /* the steps of the handshake that were said, and how many were answered */
  int said_count, answered;
  bool go_round; /* they come to nothing; the handshake goes on with another manner */
  bool no_user;  /* AUTH takes the password alone */

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

/* Looks in the next turn of the loop whether the connection is to be given up. */
void cachette__redis_look(cachette__redis *self);

/* ---- requests.c ---- */

static inline cachette__request *cachette__redis_request(const cachette__redis *self,
                                                         uint64_t number) {
  return &self->ring[number & (self->ring_size - 1)];
}

/* Replies to each item of an op, or to one that has none. */
size_t cachette__redis_replies(const cachette_op *op);

/* Whether a request asks for an item. */
static inline bool cachette__request_asks(const cachette__request *request, size_t item) {
  return !request->partly || request->op->items[item].status == CACHETTE__REDIS_DUE;
}

/* The replies to come are for its item, of which nothing is known yet. */
void cachette__request_begin_item(const cachette__request *request);

/* The op fails as a whole: none of its items is due any more. */
void cachette__redis_forget_due(cachette_op *op);

/* Whether somebody waits for it. */
bool cachette__request_alive(const cachette__request *request);

/*
 * Appends a request of an op's own or of a sweep, and encodes it if the link is ready. Errors:
 * ENOMEM; EUNAVAILABLE: too much waits already.
 */
int cachette__redis_push(cachette__redis *self, cachette_op *op, cachette__sweep *sweep,
                         size_t bytes);

/* The same for one that was in the ring before, to be asked again for what is due of it. */
int cachette__redis_push_again(cachette__redis *self, const cachette__request *request);

/* Encodes what is not encoded; the link is ready. */
void cachette__redis_encode(cachette__redis *self);

/* Takes out what is at the head and has all its replies; completes its op. */
void cachette__redis_trim(cachette__redis *self);

/* The connection is gone: what may go over the next one waits for it, the rest fails. */
void cachette__redis_break(cachette__redis *self, bool retry, const cachette_error *error);

/* Ends the op of a request that is in the ring no more: all its items have their answers. */
void cachette__request_complete(cachette_op *op, int code);

/* ---- replies.c ---- */

/* An error reply to a command that was for an item: its error, or a reason to ask again. */
void cachette__request_item_fault(cachette__redis *self, cachette__request *request,
                                  cachette_item *item, const char *command);

/* Reads what is in the input. */
void cachette__redis_read(cachette__redis *self);

/* ---- counting.c ---- */

/* Encodes the next commands of an increment. Returns how many replies they have; 0: no memory. */
size_t cachette__counting_encode(cachette__redis *self, cachette__buffer *output,
                                 cachette__request *request);

/* A token of a reply. False: it is not what such a command is answered with. */
bool cachette__counting_take(cachette__redis *self, cachette__request *request,
                             const cachette__resp_token *token);

/* An error reply, `depth` deep. */
void cachette__counting_fault(cachette__redis *self, cachette__request *request, unsigned depth);

/* All replies are there. Whether more is to be asked; the request then says what. */
bool cachette__counting_goes_on(cachette__request *request);

/* Makes it ready to be asked again for what is due of it. */
void cachette__counting_rewind(cachette__request *request);

/* Whether it asks for its items one after the other, so that each reply moves on to the next. */
bool cachette__counting_is_transaction(const cachette__request *request);

/* Whether a request for a transaction is on its way that the server may hang up on. */
bool cachette__counting_probes(const cachette__request *request);

/* Whether its item was there, and is not asked for from the start. */
bool cachette__counting_adds(const cachette__request *request);

/* Whether what was sent may be sent again; and whether all that counts has been counted. */
bool cachette__counting_is_idempotent(const cachette__request *request);
bool cachette__counting_is_over(const cachette__request *request);

/* ---- later.c ---- */

void cachette__later_init(cachette__redis *self);

/* Notes what the error reply that was read says, which is that it will not be so for ever. */
void cachette__later_note(cachette__redis *self, const char *command);

/* Takes a request that was put off; it waits, or it fails with what was noted last. */
void cachette__later_put(cachette__redis *self, cachette__request *request);

/* Why an op was put off that has no answer yet; NULL: it was not. */
const cachette_error *cachette__later_reason(const cachette__redis *self, const cachette_op *op);

/* One that was put off before has its answer. */
void cachette__later_settle(cachette__redis *self);

/* An op ends from above. Whether it waited here. */
bool cachette__later_detach(cachette__redis *self, cachette_op *op);

/* Frees what waits, whose ops have all been detached. */
void cachette__later_close(cachette__redis *self);

/* ---- greeting.c ---- */

void cachette__redis_greet(cachette__redis *self);

/* The connection ended before the link was ready. Whether another one is worth a try at once. */
bool cachette__redis_hung_up(cachette__redis *self);

/* A token of the answer to the greeting, at whose end the link is ready, or fails. */
void cachette__redis_greeted(cachette__redis *self, const cachette__resp_token *token);

/* ---- sweep.c ---- */

/* Carries out an op that clears by pattern. */
void cachette__redis_sweep(cachette__redis *self, cachette_op *op);

/* Whether an op is one of those. */
bool cachette__redis_sweeps(const cachette__redis *self, const cachette_op *op);

/* Encodes the sweep's next command. Returns how many replies it has; 0: out of memory. */
size_t cachette__sweep_encode(cachette__redis *self, cachette__sweep *sweep);

/* A token of the reply to it. False: it is not what such a command is answered with. */
bool cachette__sweep_read(cachette__redis *self, cachette__sweep *sweep,
                          const cachette__resp_token *token);

/* The reply is complete: goes on, or ends. */
void cachette__sweep_next(cachette__redis *self, cachette__sweep *sweep);

/* Whether it has done nothing yet, and may begin once more. */
bool cachette__sweep_is_fresh(const cachette__sweep *sweep);

bool cachette__sweep_alive(const cachette__sweep *sweep);

/* NULL if it was given up. */
const cachette_op *cachette__sweep_op(const cachette__sweep *sweep);

/* Notes, and tells, whether the server refused it for now and has not answered since. */
void cachette__sweep_put_off(cachette__sweep *sweep, bool is_off);
bool cachette__sweep_is_off(const cachette__sweep *sweep);

/* Begins anew with the namespace it is at, for cursors are a server's own. False: no memory. */
bool cachette__sweep_restart(cachette__sweep *sweep);

/* The op ends from above: nobody waits any more. */
void cachette__sweep_detach(cachette_op *op);

/* Fails the op, if it is there, and frees the sweep, which is in the ring no more. */
void cachette__sweep_fail(cachette__sweep *sweep, int code, const char *message);

/* ---- fault.c ---- */

/*
 * What the error reply that was read means: a code, and a sentence in `message`. `command`: which
 * was answered so. `key`: whose it was, or empty.
 */
int cachette__redis_fault(const cachette__redis *self, const char *command, cachette_slice key,
                          char *message, size_t size);

/* Whether it says that the value is no number, or that the sum would be too large for one. */
bool cachette__redis_fault_is_no_number(const cachette__redis *self);
bool cachette__redis_fault_is_overflow(const cachette__redis *self);

/* Whether it begins with a word. */
bool cachette__redis_fault_is(const cachette__redis *self, const char *word);

/*
 * Whether the server does not know or does not permit the command. There are as many words for that
 * as there are proxies, so it is every error that has no other meaning.
 */
bool cachette__redis_fault_is_refusal(const cachette__redis *self);

/*
 * Whether it will pass: nothing was carried out, and the same may be asked again later. `*move`:
 * rather of another server, for this one is no primary or will be none for long.
 */
bool cachette__redis_fault_passes(const cachette__redis *self, bool *move);

#endif
