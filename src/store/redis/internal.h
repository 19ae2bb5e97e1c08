/* SPDX-License-Identifier: MIT */
/*
 * The inside of the Redis store. Each file calls only those below it:
 *
 *     redis.c      the store: opens, submits, detaches, closes
 *     node.c       one server: what its pipeline asks of us; opens and closes
 *     replies.c    which reply belongs to which item, and what it means
 *     commands.c   an op becomes commands
 *     handshake.c  the first commands on a connection
 *     retry.c      requests that the server refused for now, and that are sent again later
 *     clear.c      clears by pattern: SCAN, then UNLINK, until the cursor is back at 0
 *     counter.c    increments, with transactions and without
 *     request.c    a request: which items it asks for, how it ends
 *     errors.c     a server's error reply becomes our error
 *     settings.c   the options            writer.c  commands as bytes            resp.c  replies
 *
 * An op becomes one request in the node's pipeline, with as many replies as it has commands. A
 * clear by pattern sends one command after another, each a request of its own.
 */
#ifndef CACHETTE_REDIS_INTERNAL_H
#define CACHETTE_REDIS_INTERNAL_H

#include "../../net/pipeline.h"
#include "../../net/url.h"
#include "../store.h"
#include "resp.h"
#include "writer.h"

/* ---- settings.c ---- */

typedef struct cachette__redis_settings {
  cachette__settings base;
  cachette__url url;           /* owns the texts of the address */
  const char *user, *password; /* NULL: none */
  int database;
  cachette__tls *tls; /* NULL: plain */
  cachette__target target;
  char *key_prefix; /* NULL: none */
  cachette_slice prefix;
  int64_t timeout_ms;
  char plain_advice[64], tls_advice[64]; /* what to do if the server speaks no TLS, or does */
} cachette__redis_settings;

/*
 * Reads the options. `url` is the option that has the server's URL: redis://, rediss://, valkey://,
 * valkeys:// or unix://. Errors: ECONFIG, ENOMEM, and those of cachette__tls_new().
 */
int cachette__redis_settings_new(const cachette_options *options, enum cachette__option url,
                                 cachette__settings **settings, cachette_error *error);

/* Warn of files for TLS that nothing uses; as `warn` of a store. */
bool cachette__redis_warn(const cachette_options *options, cachette_error *warning);
bool cachette__valkey_warn(const cachette_options *options, cachette_error *warning);

/* ---- request.c ---- */

/* The status of an item that has to be sent again. It never leaves the store. */
enum { CACHETTE__REDIS_RESEND = -1000 };

typedef struct cachette__redis_node cachette__redis_node;

/* An op that clears by pattern; see clear.c. */
typedef struct cachette__redis_clear {
  cachette__redis_node *node;
  cachette_op *op; /* NULL: given up */
  size_t item;     /* of the op: the namespace that is being cleared */
  bool unlinking;  /* the command in flight: UNLINK, else SCAN */
  bool legacy;     /* rather DEL than UNLINK */
  bool answered;   /* the server answered one of its commands */
  bool refused;    /* it refused UNLINK: send the same keys with DEL */
  bool postponed;  /* it refused a command for now */
  bool in_keys;    /* of the reply to SCAN: past the cursor */
  bool in_key;     /* and past the first bytes of a key */
  char cursor[24];
  size_t cursor_size;
  cachette__buffer pattern, keys; /* keys: bulk strings, as they will be sent */
  size_t key_count;
  size_t key_start; /* in `keys`: where the key that is being received begins */
  int code;         /* with which it fails once the reply is complete, or 0 */
  char message[256];
} cachette__redis_clear;

/* One or more commands that wait for their replies. */
typedef struct cachette__redis_request {
  cachette__request base;
  cachette_op *op;              /* NULL: given up, or a clear's */
  cachette__redis_clear *clear; /* NULL: an op's own */
  size_t item;                  /* of the op: the one whose reply comes next */
  int64_t ttl_ms;               /* of the counter, before it was incremented */
  unsigned step;                /* which of the item's replies, or of the op's if it has no items */
  unsigned phase;               /* of an increment; see counter.c */
  int code;                     /* with which an op without items failed, or 0 */
  bool partial;                 /* it asks only for the items that were due when it was encoded */
  bool legacy;                  /* it was encoded with the older commands: DEL, FLUSHDB */
  bool in_multi;                /* the server has begun a transaction */
  bool may_lack_ttl;            /* the counter may have been made without a time to live */
  bool refused;                 /* a command was refused: send again, with the older one */
  bool postponed;               /* a command was refused for now: send again later */
  bool was_postponed;           /* that was so before */
} cachette__redis_request;

/* Requests that the server refused for now; see retry.c. */
typedef struct cachette__redis_retry {
  uv_timer_t timer;
  cachette__redis_request *waiting; /* [begin..end) of `size` */
  size_t begin, end, size;
  unsigned tries;   /* in a row that failed */
  int64_t since_ms; /* since when the server refuses; 0: it does not */
  int64_t last_ms;  /* when it last refused something */
  int64_t due_ms;   /* when the next try is; 0: none is planned */
  bool reconnect;   /* the next try uses another connection, maybe to another server */
  bool fails_fast;  /* the last reason is one after which later calls may fail at once */
  cachette_error reason;
} cachette__redis_retry;

/* Which handshake a server understands; see handshake.c. */
enum cachette__redis_handshake {
  CACHETTE__REDIS_HELLO,
  CACHETTE__REDIS_RESP2,
  CACHETTE__REDIS_MINIMAL
};

/* Whether a server has transactions; see counter.c. */
enum cachette__redis_multi {
  CACHETTE__MULTI_UNKNOWN,
  CACHETTE__MULTI_EXEC_PERMITTED, /* EXEC is permitted */
  CACHETTE__MULTI_PERMITTED,
  CACHETTE__MULTI_REFUSED
};

/* One server. */
struct cachette__redis_node {
  const cachette__redis_settings *settings;
  cachette__events *events;
  cachette__pipeline pipeline;
  cachette__redis_retry retry;
  int open_handles;
  void (*closed)(void *owner);
  void *owner;

  bool unlink_refused;      /* the server refused UNLINK */
  bool async_flush_refused; /* it refused FLUSHDB with ASYNC */
  enum cachette__redis_multi multi;

  enum cachette__redis_handshake handshake;
  int64_t minimal_until_ms; /* BARE: when HELLO is tried again */
  int steps[4]; /* of the handshake, as they were sent; how many, and how many are answered */
  int step_count, answered;
  bool restarts;   /* the handshake is sent again, as another one */
  bool omits_user; /* AUTH takes the password alone */

  cachette__resp parser;
  char *value;     /* where the value that is being received goes, or NULL */
  char error[256]; /* text of an error reply, as far as it was received; NUL-terminated */
  size_t error_size;
};

/* ---- errors.c ---- */

/*
 * What the error reply that was read means: a code, and a sentence in `message`. `command`: which
 * was answered so. `key`: whose it was, or empty.
 */
int cachette__redis_explain_error(const cachette__redis_node *node, const char *command,
                                  cachette_slice key, char *message, size_t size);

/* Whether it says that the value is no number, or that the sum would be too large. */
bool cachette__redis_error_is_not_a_number(const cachette__redis_node *node);
bool cachette__redis_error_is_overflow(const cachette__redis_node *node);

/* Whether it begins with a word. */
bool cachette__redis_error_is(const cachette__redis_node *node, const char *word);

/*
 * Whether the server does not know or does not permit the command. Each proxy has its own words
 * for that, so it is every error that has no other meaning.
 */
bool cachette__redis_error_is_refusal(const cachette__redis_node *node);

/* Whether the command was refused only for now. Then it remembers why, for retry.c. */
bool cachette__redis_error_is_transient(cachette__redis_node *node, const char *command);

/* ---- request.c ---- */

/* The op that waits for a request; NULL: none does any more. */
static inline cachette_op *cachette__redis_op(const cachette__redis_request *request) {
  return request->clear != NULL ? request->clear->op : request->op;
}

/* Whether a request asks for an item. */
static inline bool cachette__redis_includes(const cachette__redis_request *request, size_t item) {
  return !request->partial || request->op->items[item].status == CACHETTE__REDIS_RESEND;
}

/* How many replies each item of an op has, or an op that has none. Of an increment: at most. */
static inline size_t cachette__redis_item_replies(const cachette_op *op) {
  if (op->verb == CACHETTE_INCREMENT) return 4;
  if (op->verb == CACHETTE_FLUSH) return 2;
  return op->verb == CACHETTE_FETCH && (op->flags & CACHETTE_WITH_TTL) ? 2 : 1;
}

/* Resets the item whose reply comes next. */
static inline void cachette__redis_reset_item(const cachette__redis_request *request) {
  cachette_op *op = request->op;
  if (request->item >= op->count) return;
  cachette_item *item = &op->items[request->item];
  if (op->verb == CACHETTE_FETCH) cachette__item_drop(op, item);
  item->status = CACHETTE_MISS;
}

/* The op fails as a whole, so none of its items is due any more. */
void cachette__redis_forget_resends(cachette_op *op);

/* Appends a request of an op's own, or of a clear. Errors, with `*reason`: as
 * cachette__pipeline_reserve(). */
int cachette__redis_push(cachette__redis_node *node, cachette_op *op, cachette__redis_clear *clear,
                         size_t bytes, const char **reason);

/* Completes an op all of whose items have their results. */
void cachette__redis_complete(cachette_op *op, int code);

/* Fails an op as a whole. */
void cachette__redis_fail(cachette_op *op, int code, const char *message);

/* An error reply to a command for an item: its error, or a reason to send it again. */
void cachette__redis_item_error(cachette__redis_node *node, cachette__redis_request *request,
                                cachette_item *item, const char *command);

/* Fills the op's error struct with what the error reply means; returns the code. */
int cachette__redis_op_error(const cachette__redis_node *node, const cachette_op *op,
                             cachette_slice key, const char *command);

/* ---- counter.c ---- */

/* Encodes the next commands of an increment. Returns how many replies they have; 0: no memory. */
size_t cachette__redis_counter_encode(cachette__redis_node *node, cachette__redis_request *request,
                                      cachette__buffer *output);

/* A token of a reply. False: such a command has no such reply. */
bool cachette__redis_counter_take(cachette__redis_node *node, cachette__redis_request *request,
                                  const cachette__resp_token *token);

/* An error reply, `depth` deep. */
void cachette__redis_counter_error(cachette__redis_node *node, cachette__redis_request *request,
                                   unsigned depth);

/* All replies are there. Returns whether more is to be sent; then the request says what. */
bool cachette__redis_counter_continues(cachette__redis_request *request);

/* Makes the request ready to be sent again for the items that are due. */
void cachette__redis_counter_rewind(cachette__redis_request *request);

/* Whether each reply belongs to the next item. */
bool cachette__redis_counter_is_transaction(const cachette__redis_request *request);

/* Whether it is finding out whether the server permits transactions. */
bool cachette__redis_counter_is_probe(const cachette__redis_request *request);

/* Whether its item was there, and is being incremented. */
bool cachette__redis_counter_is_adding(const cachette__redis_request *request);

/* Whether it is safe to resend; and whether all items have been incremented. */
bool cachette__redis_counter_is_idempotent(const cachette__redis_request *request);
bool cachette__redis_counter_is_done(const cachette__redis_request *request);

/* ---- clear.c ---- */

/* Carries out an op that clears by pattern. */
void cachette__redis_clear_start(cachette__redis_node *node, cachette_op *op);

/* Whether an op is one of those. */
bool cachette__redis_clears(const cachette__redis_node *node, const cachette_op *op);

/* Encodes its next command. Returns how many replies it has; 0: out of memory. */
size_t cachette__redis_clear_encode(cachette__redis_node *node, cachette__redis_clear *clear,
                                    cachette__buffer *output);

/* A token of the reply to it. False: such a command has no such reply. */
bool cachette__redis_clear_take(cachette__redis_node *node, cachette__redis_request *request,
                                const cachette__resp_token *token);

/* The reply is complete: sends the next command, or ends. */
void cachette__redis_clear_continue(cachette__redis_node *node, cachette__redis_clear *clear);

/* Starts the current namespace again, since cursors belong to one server. False: no memory. */
bool cachette__redis_clear_restart(cachette__redis_clear *clear);

/* The op ends from above. */
void cachette__redis_clear_detach(cachette_op *op);

/* Fails the op, if it is still there, and frees the clear, which has no request any more. */
void cachette__redis_clear_fail(cachette__redis_clear *clear, int code, const char *message);

/* ---- retry.c ---- */

void cachette__redis_retry_init(cachette__redis_node *node, uv_loop_t *loop);

/* Sends a request again for what is due of it. Errors: as cachette__pipeline_reserve(). */
int cachette__redis_resend(cachette__redis_node *node, const cachette__redis_request *request);

/* Takes a request that was refused for now: it waits, or fails with the reason. */
void cachette__redis_retry_add(cachette__redis_node *node, cachette__redis_request *request);

/* A request that was refused before has its reply. */
void cachette__redis_retry_reset(cachette__redis_node *node);

/* Why the server refused an op that has no result yet; NULL: it did not. */
const cachette_error *cachette__redis_retry_reason(const cachette__redis_node *node,
                                                   const cachette_op *op);

/* The op ends from above. Returns whether it waited here. */
bool cachette__redis_retry_detach(cachette__redis_node *node, cachette_op *op);

/* Frees what waits, whose ops have all been detached. The timer is the caller's to close. */
void cachette__redis_retry_close(cachette__redis_node *node);

/* ---- handshake.c ---- */

void cachette__redis_handshake_start(cachette__redis_node *node);

/* A token of a reply to it. At its end the pipeline is ready, or the connection fails. */
void cachette__redis_handshake_take(cachette__redis_node *node, const cachette__resp_token *token);

/* The connection was lost. Returns whether another handshake is worth a try at once. */
bool cachette__redis_handshake_lost(cachette__redis_node *node);

/* ---- commands.c ---- */

/* Encodes a request's commands. Returns how many replies they have; 0: out of memory. */
size_t cachette__redis_encode(void *owner, cachette__request *request, cachette__buffer *output);

/* ---- replies.c ---- */

/* A token of a reply to the request at the head. False: such a command has no such reply. */
bool cachette__redis_take(cachette__redis_node *node, const cachette__resp_token *token);

/* ---- node.c ---- */

/* Opens no connection yet. `settings` and `events` outlive it. */
void cachette__redis_node_init(cachette__redis_node *node, uv_loop_t *loop,
                               const cachette__redis_settings *settings, cachette__events *events);

/* As cachette__pipeline_close(). */
void cachette__redis_node_close(cachette__redis_node *node, bool forked,
                                void (*closed)(void *owner), void *owner);

#endif
