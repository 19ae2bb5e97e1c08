/* SPDX-License-Identifier: MIT */
/*
 * The internal header of a node of the Redis store, which is one server. What is above it, and
 * chooses the node of an op, is in router.h.
 *
 * An op becomes one request in the node's pipeline, with one reply for each of its commands. A
 * clear by pattern sends one command at a time, each as a separate request: a job (job.h).
 *
 * A file calls only those below it:
 *
 *     node.c       one server: its ops, and the callbacks of its pipeline
 *     replies.c    replies become results
 *     commands.c   an op becomes commands
 *     handshake.c  the first commands on a new connection
 *     retry.c      resends requests that the server refused temporarily
 *     counter.c    increments, with and without transactions
 *     request.c    which items a request includes, and how it completes
 *     errors.c     a server's error becomes ours
 *     settings.c   the options
 *     address_map.c  other addresses than those that nodes announce
 *     writer.c     encodes commands
 *     resp.c       parses replies
 */
#ifndef CACHETTE_REDIS_INTERNAL_H
#define CACHETTE_REDIS_INTERNAL_H

#include "../../net/pipeline.h"
#include "../../net/url.h"
#include "../store.h"
#include "address_map.h"
#include "cluster/topology.h"
#include "job.h"
#include "resp.h"
#include "sentinel/agreement.h"
#include "writer.h"

/* ---- settings.c ---- */

/* What the URL's hosts are; see router.h. */
enum cachette__redis_mode {
  CACHETTE__REDIS_PLAIN,   /* one server; it may turn out to be a node of a cluster */
  CACHETTE__REDIS_CLUSTER, /* nodes of a cluster, to start with */
  CACHETTE__REDIS_SENTINEL /* sentinels; the map has one shard, which owns all slots */
};

/* Where fetches and checks of existence go. */
enum cachette__redis_read_from {
  CACHETTE__REDIS_PRIMARY,
  CACHETTE__REDIS_REPLICA,
  CACHETTE__REDIS_PREFER_REPLICA /* to the primary if no replica serves them */
};

/* The options of the store. Immutable after creation, so threads and handles may share it. */
typedef struct cachette__redis_settings {
  cachette__settings base;
  cachette__url url; /* owns the strings of the addresses */
  enum cachette__redis_mode mode;
  bool is_secure;              /* TLS */
  const char *user, *password; /* of the servers; NULL: none */
  int database;                /* 0 in a cluster */
  cachette__tls *tls;          /* NULL: no TLS */
  cachette__target target;     /* the first server or sentinel of the URL */
  cachette__target *seeds;     /* all of them, at least one */
  size_t seed_count;
  enum cachette__redis_read_from read_from;
  cachette__redis_address_map address_map;
  const char *sentinel_name;               /* of the primary; NULL unless the mode is SENTINEL */
  char *sentinel_user, *sentinel_password; /* NULL: none */
  const char *url_option;                  /* the name of the option with the URL */
  struct cachette__redis_settings *of_sentinels; /* for connections to them. NULL: none */
  bool is_of_sentinels;                          /* these are they */
  cachette__redis_topology *topology;   /* what the handles know of their cluster; not immutable */
  cachette__redis_agreement *agreement; /* the same about their primary; NULL: no sentinels */
  char *key_prefix;                     /* NULL: none */
  cachette_slice prefix;                /* the same; empty: none */
  int64_t timeout_ms;
  char plain_advice[96], tls_advice[96]; /* what to do if only one side uses TLS */
} cachette__redis_settings;

/*
 * Reads the options. `url` is the option with the server's URL: redis://, rediss://, valkey:// or
 * valkeys://, each also with +cluster or +sentinel before the colon; or unix://. Errors: ECONFIG,
 * ENOMEM, and those of cachette__tls_new().
 */
int cachette__redis_settings_new(const cachette_options *options, enum cachette__option url,
                                 cachette__settings **settings, cachette_error *error);

/* Warn if a TLS file is given but not used. The vtable's `warn`. */
bool cachette__redis_warn(const cachette_options *options, cachette_error *warning);
bool cachette__valkey_warn(const cachette_options *options, cachette_error *warning);

/* ---- Structs ---- */

/*
 * The status of an item that needs another try. Callers never see it. Only RESEND stays within the
 * node; with the others the node gives the op back to the router.
 */
enum {
  CACHETTE__REDIS_RESEND = -1000,    /* with an older command, or to this server a little later */
  CACHETTE__REDIS_POSTPONED = -1001, /* a little later, maybe to another server */
  CACHETTE__REDIS_MOVED = -1002,     /* at once: the router knows now where */
  CACHETTE__REDIS_ASK = -1003,       /* at once, after ASKING, to place ASK - status */

  /* A counter that is incremented, but whose TTL is still to be set: COUNTED + one of the others,
   * as if the item were to be touched. */
  CACHETTE__REDIS_COUNTED = -100000
};

static inline bool cachette__redis_is_counted(int status) {
  return status < CACHETTE__REDIS_COUNTED;
}

/* Returns the status without COUNTED. */
static inline int cachette__redis_uncounted(int status) {
  return cachette__redis_is_counted(status) ? status - CACHETTE__REDIS_COUNTED : status;
}

typedef struct cachette__redis_node cachette__redis_node;

/* What a node tells the router above it. `owner` is the node's. The callbacks run inside the node's
 * own functions; only take_back() may complete ops or close nodes. */
typedef struct cachette__redis_upper {
  /* An error reply, in `node->error`: returns POSTPONED, MOVED or ASK - place for the item if it
   * was refused for a reason that the router can do something about; else 0. */
  int (*redirect)(void *owner, cachette__redis_node *node, const char *command);

  /* Takes back an op; its items without a result are marked. `was_sent`: it was sent, and the
   * connection was lost before all replies came. It is safe to resend once. */
  void (*take_back)(void *owner, cachette__redis_node *node, cachette_op *op, bool was_sent);

  /* The server says that it is a node of a cluster. */
  void (*joined)(void *owner, cachette__redis_node *node);

  /* The connection was lost, or could not be opened. */
  void (*lost)(void *owner, cachette__redis_node *node);

  /* The handshake of a new connection is done. Returns whether it may be used; else later, after
   * cachette__redis_node_admit(). NULL: it may. */
  bool (*admit)(void *owner, cachette__redis_node *node);

  /* A token of a push. NULL: pushes are ignored. */
  void (*pushed)(void *owner, cachette__redis_node *node, const cachette__resp_token *token);
} cachette__redis_upper;

/* A request in the pipeline: one or more commands. */
typedef struct cachette__redis_request {
  cachette__request base;
  cachette_op *op;          /* NULL: detached, or the request of a job */
  cachette__redis_job *job; /* NULL: the request of an op */
  size_t item;              /* the index of the item whose reply comes next */
  int64_t ttl_ms;           /* the remaining TTL of a counter before it was incremented */
  unsigned step;      /* the index of the next reply to the item, or to the op if it has no items */
  unsigned phase;     /* of an increment; see counter.c */
  int code;           /* 0, or the error of an op without items */
  bool partial;       /* it includes only the items with status RESEND */
  bool legacy;        /* encoded with the older commands: DEL, FLUSHDB without ASYNC */
  bool in_multi;      /* the server has started a transaction */
  bool may_lack_ttl;  /* INCRBY may have created the counter, without a TTL */
  bool refused;       /* a command was refused: resend with the older one */
  bool postponed;     /* a command was refused temporarily: resend later */
  bool was_postponed; /* it was postponed before */
  bool asking;        /* each command follows an ASKING */
  bool asked;         /* the ASKING before the next reply was answered */
  bool returns;       /* an item was redirected: give the op back to the router */
  bool is_part;       /* the op is a part of another one, for this server */
} cachette__redis_request;

/* Requests that the server refused temporarily; see retry.c. */
typedef struct cachette__redis_retry {
  uv_timer_t timer;
  cachette__redis_request *waiting; /* [begin..end) of `size` */
  size_t begin, end, size;
  unsigned tries;   /* consecutive tries that failed */
  int64_t since_ms; /* when the server started to refuse; 0: it does not */
  int64_t last_ms;  /* when it last refused a command */
  int64_t due_ms;   /* when the next try is due; 0: none is scheduled */
  bool reconnect;   /* open a new connection for the next try */
  bool fails_fast;  /* after this reason later calls may fail at once */
  cachette_error reason;
} cachette__redis_retry;

/* The form of the handshake; see handshake.c. */
enum cachette__redis_handshake {
  CACHETTE__REDIS_HELLO,
  CACHETTE__REDIS_RESP2,
  CACHETTE__REDIS_MINIMAL
};

/* Whether the server permits transactions; see counter.c. */
enum cachette__redis_multi {
  CACHETTE__MULTI_UNKNOWN,
  CACHETTE__MULTI_EXEC_PERMITTED, /* MULTI is still unknown */
  CACHETTE__MULTI_PERMITTED,
  CACHETTE__MULTI_REFUSED
};

/* One server. */
struct cachette__redis_node {
  const cachette__redis_settings *settings;
  const cachette__redis_upper *upper;
  void *router; /* the owner for `upper` */
  size_t place; /* the router's index of this server */
  bool routed;  /* the router knows other servers: refused and lost ops go back to it */
  cachette__events *events;
  cachette__pipeline pipeline;
  cachette__redis_retry retry;
  int open_handles;
  void (*closed)(void *owner);
  void *owner;

  bool unlink_refused;      /* use DEL instead of UNLINK */
  bool async_flush_refused; /* use FLUSHDB without ASYNC */
  enum cachette__redis_multi multi;

  enum cachette__redis_handshake handshake;
  int64_t minimal_until_ms; /* MINIMAL: when to try HELLO again */
  int steps[6]; /* of the handshake, in the order sent; their number, and how many are answered */
  int step_count, answered;
  bool restarts;   /* send the handshake again, in another form */
  bool omits_user; /* AUTH with the password only */
  char word[16];   /* the last word of the reply to HELLO, if it is short; NUL-terminated */
  bool is_mode;    /* the next word of it is the server's mode */
  bool is_held;    /* the handshake is done, but the connection may not be used yet */

  cachette__resp parser;
  char *value;     /* the buffer of the value being received, or NULL */
  char error[256]; /* the error reply, as far as received; NUL-terminated */
  size_t error_size;
};

/* ---- errors.c ---- */

/*
 * Explains the error reply in `node->error`. Returns our error code and writes a sentence to
 * `message`, of `size` bytes. `command` is the command that failed; `key` its key, or empty.
 */
int cachette__redis_explain_error(const cachette__redis_node *node, const char *command,
                                  cachette_slice key, char *message, size_t size);

/* Returns whether an increment failed because the value is not a number, or because the result
 * would overflow. */
bool cachette__redis_error_is_not_a_number(const cachette__redis_node *node);
bool cachette__redis_error_is_overflow(const cachette__redis_node *node);

/* Returns whether the error begins with this word or words. */
bool cachette__redis_error_is(const cachette__redis_node *node, const char *word);

/*
 * Returns whether the server does not know or permit the command. Proxies word this differently, so
 * every error without another known meaning counts.
 */
bool cachette__redis_error_is_refusal(const cachette__redis_node *node);

/* Returns whether the command was refused temporarily. If so, saves the reason for retry.c. */
bool cachette__redis_error_is_transient(cachette__redis_node *node, const char *command);

/* ---- request.c ---- */

/* Returns whether a caller waits for a request. */
static inline bool cachette__redis_is_awaited(const cachette__redis_request *request) {
  return request->job != NULL ? request->job->awaited : request->op != NULL;
}

/* Returns whether a request has commands for this item. */
static inline bool cachette__redis_includes(const cachette__redis_request *request, size_t item) {
  return !request->partial || request->op->items[item].status == CACHETTE__REDIS_RESEND;
}

/* Returns the number of replies for each item, or for an op without items. For an increment it is
 * the maximum. */
static inline size_t cachette__redis_item_replies(const cachette_op *op) {
  if (op->verb == CACHETTE_INCREMENT) return 4;
  if (op->verb == CACHETTE_FLUSH) return 2;
  return op->verb == CACHETTE_FETCH && (op->flags & CACHETTE_WITH_TTL) ? 2 : 1;
}

/* Resets the result of the item whose reply comes next. */
static inline void cachette__redis_reset_item(const cachette__redis_request *request) {
  cachette_op *op = request->op;
  if (request->item >= op->count) return;
  cachette_item *item = &op->items[request->item];
  if (op->verb == CACHETTE_FETCH) cachette__item_drop(op, item);
  item->status = CACHETTE_MISS;
}

/* Removes the internal statuses from the items of an op that fails. */
void cachette__redis_forget_resends(cachette_op *op);

/* How a request is sent. */
enum {
  CACHETTE__REDIS_ASKING = 1, /* send ASKING before each command */
  CACHETTE__REDIS_RESENT = 2, /* it was sent to another server before, and the reply was lost */
  CACHETTE__REDIS_PART = 4,   /* the op is a part of another one, for this server */
  CACHETTE__REDIS_WAITING = 8 /* the server is down; wait for the attempt to connect to it */
};

/* Appends a request for `op`, or for `job` (the other is NULL), to the pipeline. `bytes` is the
 * size of its keys and values. Errors, with `*reason`: as cachette__pipeline_reserve(). */
int cachette__redis_push(cachette__redis_node *node, cachette_op *op, cachette__redis_job *job,
                         unsigned flags, size_t bytes, const char **reason);

/* Completes an op after all of its replies. */
void cachette__redis_complete(cachette_op *op, int code);

/* Fails the whole op. */
void cachette__redis_fail(cachette_op *op, int code, const char *message);

/* Appends an ASKING if the request needs one before each command. Returns false if out of memory.
 */
static inline bool cachette__redis_ask(const cachette__redis_request *request,
                                       cachette__buffer *output) {
  return !request->asking || cachette__redis_head(output, 1, cachette_str("ASKING"));
}

/* Handles an error reply for an item: the item fails, or is marked to be resent. */
void cachette__redis_item_error(cachette__redis_node *node, cachette__redis_request *request,
                                cachette_item *item, const char *command);

/* Fills the op's error struct from the error reply. Returns the code. */
int cachette__redis_op_error(const cachette__redis_node *node, const cachette_op *op,
                             cachette_slice key, const char *command);

/* ---- counter.c ---- */

/* Encodes the next commands of an increment. Returns the number of replies; 0: out of memory. */
size_t cachette__redis_counter_encode(cachette__redis_node *node, cachette__redis_request *request,
                                      cachette__buffer *output);

/* Takes a token of a reply. Returns false if the reply does not match the command. */
bool cachette__redis_counter_take(cachette__redis_node *node, cachette__redis_request *request,
                                  const cachette__resp_token *token);

/* Handles an error reply. `depth` is 0, or more if it is inside the reply to EXEC. */
void cachette__redis_counter_error(cachette__redis_node *node, cachette__redis_request *request,
                                   unsigned depth);

/* Called after all replies. Returns whether there are more commands; then the request has been
 * updated to send them. */
bool cachette__redis_counter_continues(cachette__redis_request *request);

/* Prepares a request to be resent for the items that are not incremented yet. */
void cachette__redis_counter_rewind(cachette__redis_request *request);

/* Returns the index of the first item that is not incremented yet. */
size_t cachette__redis_counter_first_undone(const cachette__redis_request *request);

/* Returns whether the request is a transaction for each item. */
bool cachette__redis_counter_is_transaction(const cachette__redis_request *request);

/* Returns whether the request tests if the server permits transactions. */
bool cachette__redis_counter_is_probe(const cachette__redis_request *request);

/* Returns whether the current item exists and is being incremented without a transaction. */
bool cachette__redis_counter_is_adding(const cachette__redis_request *request);

/* Returns whether the current item is incremented, and its TTL is being set. */
bool cachette__redis_counter_is_expiring(const cachette__redis_request *request);

/* Return whether it is safe to resend the request, and whether all items are incremented. */
bool cachette__redis_counter_is_idempotent(const cachette__redis_request *request);
bool cachette__redis_counter_is_done(const cachette__redis_request *request);

/* ---- retry.c ---- */

void cachette__redis_retry_init(cachette__redis_node *node, uv_loop_t *loop);

/* Resends a request for its items with status RESEND. Errors: as cachette__pipeline_reserve(). */
int cachette__redis_resend(cachette__redis_node *node, const cachette__redis_request *request);

/* Adds a request that was refused temporarily. It waits for the next try, or fails. */
void cachette__redis_retry_add(cachette__redis_node *node, cachette__redis_request *request);

/* Resets the back-off: a request that was refused before has succeeded. */
void cachette__redis_retry_reset(cachette__redis_node *node);

/* Returns why the server refused a pending op of the node, or NULL if it did not. */
const cachette_error *cachette__redis_retry_reason(const cachette__redis_node *node,
                                                   const cachette_op *op);

/* Detaches an op. Returns false if it was not waiting for a retry. */
bool cachette__redis_retry_detach(cachette__redis_node *node, cachette_op *op);

/* Frees the waiting requests. Their ops must have been detached. The caller closes the timer. */
void cachette__redis_retry_close(cachette__redis_node *node);

/* ---- handshake.c ---- */

/* Starts the handshake on a connection that was opened. */
void cachette__redis_handshake_start(cachette__redis_node *node);

/* Takes a token of a reply. After the last one the pipeline is ready, or the connection fails. */
void cachette__redis_handshake_take(cachette__redis_node *node, const cachette__resp_token *token);

/* Called after the connection was lost. Returns whether to reconnect at once with another form of
 * the handshake. */
bool cachette__redis_handshake_lost(cachette__redis_node *node);

/* ---- commands.c ---- */

/* Encodes the commands of a request. Returns the number of their replies; 0: out of memory. */
size_t cachette__redis_encode(void *owner, cachette__request *request, cachette__buffer *output);

/* ---- replies.c ---- */

/* Takes a token of a reply to the first request of the pipeline. Returns false if the reply does
 * not match the command. */
bool cachette__redis_take(cachette__redis_node *node, const cachette__resp_token *token);

/* ---- node.c ---- */

/* Opens no connection. `node` is all zero, but for the fields from `settings` to `routed`. `target`
 * and `events` must outlive the node. */
void cachette__redis_node_init(cachette__redis_node *node, uv_loop_t *loop,
                               const cachette__target *target, cachette__events *events);

/* Closes a node. `closed(owner)` is called from the loop when its memory may be freed; if `forked`,
 * it is not called, and the memory may be freed at once. */
void cachette__redis_node_close(cachette__redis_node *node, bool forked,
                                void (*closed)(void *owner), void *owner);

/* Permits the use of a connection that is held. Does nothing if there is none. */
void cachette__redis_node_admit(cachette__redis_node *node);

/* Sends an op. It fails at once if the server is down. `flags`: as for cachette__redis_push(). */
void cachette__redis_node_submit(cachette__redis_node *node, cachette_op *op, unsigned flags);

/* Releases a pending op of the node; see cachette__store_vtable. Returns whether it was sent: then
 * items may have results, and the others have timed out. */
bool cachette__redis_node_detach(cachette__redis_node *node, cachette_op *op);

/* Returns why a pending op of the node has no result, or NULL if the reason is unknown. */
const cachette_error *cachette__redis_node_reason(cachette__redis_node *node,
                                                  const cachette_op *op);

/* Closes the connection if the server is silent. `op` was sent, and nobody awaits it any more. */
void cachette__redis_node_check_silence(cachette__redis_node *node, const cachette_op *op);

#endif
