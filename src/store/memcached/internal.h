/* SPDX-License-Identifier: MIT */
/*
 * The inside of the memcached store, shared by the files of this folder.
 *
 *     memcached.c  the store: opens, submits, detaches, closes; an op's way over the nodes
 *     node.c       one server: the ring of what waits for an answer, over one link
 *     command.c    what an op asks            reply.c   what the answers say to it
 *     sweep.c      clearing by what `metadump` lists
 *     sasl.c       what an op asks, and the greeting, in the binary protocol
 *     counting.c   increments that compare before they count
 *     meta.c       the protocol               binary.c  the protocol that SASL wants
 *     hosts.c      which server has which key key.c     keys as the server takes them
 *
 * An op is a travel over the nodes that have its keys: a request in the ring of each. Requests are
 * answered in the order in which they were sent; one whose op was given up keeps its place, and
 * each reply carries back the number of its command, so that none is ever taken for another's.
 */
#ifndef CACHETTE_MEMCACHED_INTERNAL_H
#define CACHETTE_MEMCACHED_INTERNAL_H

#include "../../net/link.h"
#include "../store.h"
#include "binary.h"
#include "hosts.h"
#include "key.h"
#include "meta.h"

enum {
  CACHETTE__MEMCACHED_INPUT = 1 << 16,    /* bytes of replies read at once */
  CACHETTE__MEMCACHED_REQUESTS = 1 << 16, /* that may wait at a time, for each node */
  CACHETTE__MEMCACHED_BYTES = 1 << 26     /* of keys and values, but for one request alone */
};

typedef struct cachette__memcached cachette__memcached;
typedef struct cachette__mc_node cachette__mc_node;
typedef struct cachette__mc_sweep cachette__mc_sweep;
typedef struct cachette__mc_kept cachette__mc_kept;

/* The rounds of an increment, and how far one of its items is; see counting.c. */
enum cachette__mc_round {
  CACHETTE__MC_FIRST,
  CACHETTE__MC_READ,
  CACHETTE__MC_WRITE,
  CACHETTE__MC_DONE
};

/* An item of an increment that is compared before it is counted. */
typedef struct cachette__mc_count {
  size_t place; /* in its part */
  enum cachette__mc_round state;
  uint64_t sum, version; /* what stood there when it was read */
  int64_t left;          /* and the seconds that it had left; 0: it does not expire */
  uint64_t target;       /* what is to stand there */
  bool is_number;        /* so far, while it is read */
  bool overshot;         /* its amount was added already, and that was too far */
  bool fails;            /* once the target stands */
} cachette__mc_count;

/* The keys of an op that one node has. */
typedef struct cachette__mc_part {
  cachette__mc_node *node;
  size_t begin, count;     /* of `order` */
  cachette__mc_kept *kept; /* under SASL: values that are being touched, until the part ends */
  size_t kept_count;
  bool again; /* those are sent back */

  cachette__mc_count *counts; /* of an increment: the items that are compared */
  size_t count_count;
  enum cachette__mc_round round;
  size_t cursor, step; /* whose answer comes next: which of `counts`, and of its commands */

  bool waits; /* a request or sweep of it is in the node's ring */
} cachette__mc_part;

/* An op on its way over the nodes. */
typedef struct cachette__mc_travel {
  cachette__memcached *store;
  cachette_op *op; /* NULL: given up */
  enum cachette_verb verb;
  size_t open; /* requests and sweeps that have not ended */
  int code;    /* with which an op without items, or that clears namespaces, failed, or 0 */
  int lost;    /* with which a whole part failed, or 0 */
  bool told;   /* the op's error has its reason */
  size_t part_count;
  size_t *order; /* the items' places, part after part */
  cachette__mc_part parts[];
} cachette__mc_travel;

/* Commands for one part of a travel, that wait for their replies. */
typedef struct cachette__mc_request {
  cachette__mc_travel *travel; /* NULL: ended */
  cachette__mc_sweep *sweep;   /* NULL: the commands are the op's own */
  size_t part;
  uint64_t position; /* of its first byte in what is sent over this connection */
  size_t bytes;      /* of its keys and values */
  size_t replies;    /* to come; 0 too if it is not encoded yet */
  bool retried;      /* it was sent before, over a connection that broke */
  bool doomed;       /* it will fail; others may have to be told before */
} cachette__mc_request;

struct cachette__mc_node {
  cachette__memcached *store;
  cachette__target target;
  char name[128]; /* in messages */
  cachette__link link;

  cachette__mc_request *ring; /* of `ring_size`, a power of two; addressed by growing numbers */
  size_t ring_size;
  uint64_t head, unsent, tail;
  size_t bytes; /* of all in the ring */

  uint32_t asked, answered; /* commands with a number, over this connection */
  size_t batch, last_batch; /* replies in this read batch, and in the last one */
  size_t unflushed;         /* requests encoded since output was last sent */
  bool in_batch, flush_due;
  bool suspect; /* an op ran out of time, and nothing at all was heard meanwhile */
  int64_t heard_ms;
  uint64_t suspect_sent;
  enum {
    CACHETTE__MC_SILENT, /* none is under way */
    CACHETTE__MC_AUTH,
    CACHETTE__MC_VERSION,
    CACHETTE__MC_SETTINGS
  } greeting;        /* its step */
  int64_t item_most; /* bytes of an item, as the server's settings tell; 0: they did not */

  cachette__meta parser;
  cachette__binary binary_parser; /* its place under SASL */
  cachette_item *filling;         /* whose value is coming in, or NULL */
  char *place;                    /* of it */
  uint64_t sum;                   /* the same of a counter */
  size_t input_begin, input_end;
  char input[CACHETTE__MEMCACHED_INPUT];
};

/* What the store reads of the options. It does not change once it is made, so threads and handles
 * may share it. */
typedef struct cachette__memcached_settings {
  cachette__memcached_hosts hosts;
  cachette__tls *tls;        /* NULL: no TLS */
  char *username, *password; /* NULL: none */
  bool sasl;                 /* authenticate by SASL, and speak the binary protocol */
  char *key_prefix;
  cachette_slice prefix; /* the same; empty: none */
  int64_t timeout_ms, connect_timeout_ms;
} cachette__memcached_settings;

struct cachette__memcached {
  cachette__store base;
  uv_loop_t *loop;
  cachette__events *events;
  cachette__memcached_settings *settings;
  cachette__mc_node **nodes; /* one for each host, then one more for each, that lists its keys */
  char name[160];            /* of the servers, in messages */
  uv_idle_t idle;            /* while something is to be done in the next turn of the loop */
  uv_timer_t timer;          /* while sweeps wait for a busy server */
  cachette__mc_sweep *waiting;
  size_t open_handles;
};

/* ---- settings.c ---- */

/* Errors: ECONFIG, ENOMEM, and those of reading the files of TLS. */
int cachette__memcached_settings_new(const cachette_options *options,
                                     cachette__memcached_settings **settings,
                                     cachette_error *error);

/* NULL is allowed. */
void cachette__memcached_settings_free(cachette__memcached_settings *self);

/* ---- memcached.c ---- */

/* Something is to be done in the next turn of the loop. */
void cachette__mc_do_later(cachette__memcached *self);

/* A request or sweep of a travel has ended; the last one completes the op. */
void cachette__mc_travel_end(cachette__mc_travel *travel);

/* Where the reason of the first failure of an op goes; NULL for those that follow. */
cachette_error *cachette__mc_error(cachette__mc_travel *travel);

/* Fails one item, or with NULL the op. */
void cachette__mc_fail(cachette__mc_travel *travel, cachette_item *item, int code,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The op's item of a part, by its place in it. */
static inline cachette_item *cachette__mc_item(const cachette__mc_travel *travel, size_t part,
                                               size_t place) {
  return &travel->op->items[travel->order[travel->parts[part].begin + place]];
}

/* ---- node.c ---- */

/* NULL: out of memory. Nothing of it is on the loop until it is started. */
cachette__mc_node *cachette__mc_node_new(cachette__memcached *store,
                                         const cachette__memcached_host *host);
void cachette__mc_node_start(cachette__mc_node *node);
void cachette__mc_node_free(cachette__mc_node *node);

static inline cachette__mc_request *cachette__mc_request_at(const cachette__mc_node *node,
                                                            uint64_t number) {
  return &node->ring[number & (node->ring_size - 1)];
}

/*
 * Appends a request and encodes it if the link is ready; the link is wanted already. Errors:
 * ENOMEM; EUNAVAILABLE: too much waits already. Then it is not in the ring.
 */
int cachette__mc_push(cachette__mc_node *node, cachette__mc_travel *travel,
                      cachette__mc_sweep *sweep, size_t part, size_t bytes);

/* Ends what is at the head and has all its replies. */
void cachette__mc_trim(cachette__mc_node *node);

/* What is due in a turn of the loop: to send, or to give a silent server up. */
void cachette__mc_node_turn(cachette__mc_node *node);

/* An op that had a request in this ring ran out of time. */
void cachette__mc_look_at_silence(cachette__mc_node *node, const cachette_op *op);

/* ---- command.c ---- */

/* A time to live as the server takes it. */
int64_t cachette__mc_seconds(int64_t ttl_ms);

size_t cachette__mc_replies(const cachette__mc_travel *travel, size_t part);

/* Encodes the part's commands. False: out of memory. */
bool cachette__mc_encode(cachette__mc_node *node, cachette__mc_travel *travel, size_t part);

/* Append what reads a counter, after what makes it if it is to be made, and what sets one that has
 * been read. False: out of memory. */
bool cachette__mc_encode_read(cachette__mc_node *node, const cachette_item *item, bool make);
bool cachette__mc_encode_write(cachette__mc_node *node, const cachette_item *item,
                               const cachette__mc_count *count);

/* Appends a delete with a number. */
bool cachette__mc_encode_delete(cachette__mc_node *node, const cachette__memcached_key *key);

/* Appends a line as it is. */
bool cachette__mc_encode_line(cachette__mc_node *node, const char *line);

/* ---- reply.c ---- */

/*
 * A token of the request's reply, the first of which is its `done`-th. False: it is not what was
 * asked.
 */
bool cachette__mc_take(cachette__mc_node *node, cachette__mc_request *request, size_t done,
                       const cachette__meta_token *token);

/* Whether a fault's line says that an increment found no number. */
bool cachette__mc_is_no_number(cachette_slice line);

/* A fault of one item, or with NULL of the op. */
void cachette__mc_take_fault(cachette__mc_node *node, cachette__mc_travel *travel,
                             cachette_item *item, cachette_slice line);

/* What a fault's line means: a code, and a sentence. */
int cachette__mc_fault(const cachette__mc_node *node, cachette_slice line, char *message,
                       size_t size);

/* ---- sasl.c ---- */

/* These encode: the user name and the password, asking for the settings, a part's commands. False:
 * out of memory. */
bool cachette__mc_sasl_greet(cachette__mc_node *node);
bool cachette__mc_sasl_ask_settings(cachette__mc_node *node);
bool cachette__mc_sasl_encode(cachette__mc_node *node, cachette__mc_travel *travel, size_t part);
bool cachette__mc_sasl_encode_read(cachette__mc_node *node, const cachette_item *item, bool make);
bool cachette__mc_sasl_encode_write(cachette__mc_node *node, const cachette_item *item,
                                    const cachette__mc_count *count);

/* The time left that an item's flags tell; 0: they are another writer's. */
int64_t cachette__mc_flags_ttl(uint32_t flags);

/* Keeps a touched item's value, as it comes. False: it is none. */
bool cachette__mc_keep(cachette__mc_travel *travel, size_t part, size_t place,
                       const cachette__meta_token *token);

/* The item of a kept value. */
cachette_item *cachette__mc_kept_item(const cachette__mc_travel *travel, size_t part, size_t place);

/* A part's commands are answered; begins the second round, if there is one. */
void cachette__mc_touch_next(cachette__mc_node *node, cachette__mc_travel *travel, size_t part);

void cachette__mc_kept_free(cachette__mc_part *part);

/* ---- counting.c ---- */

/* Whether an amount is so large that the sum has to be known before. */
bool cachette__mc_count_is_large(const cachette_item *item);

/* Before the first round is encoded. False: out of memory. */
bool cachette__mc_count_prepare(cachette__mc_travel *travel, size_t part);

/* The server refused a small amount, for what stands there is no number to it. */
void cachette__mc_count_refused(cachette__mc_node *node, cachette__mc_travel *travel, size_t part,
                                size_t place, const cachette__meta_token *token);

/* Whether a number is beyond our range, in which case the server may not read it. */
static inline bool cachette__mc_count_is_beyond(const cachette__mc_count *count) {
  return count->sum > INT64_MAX;
}

/* A part of the sum that a small amount has made. False: it is no number. */
bool cachette__mc_count_take(cachette__mc_node *node, cachette__mc_travel *travel, size_t part,
                             size_t place, const cachette__meta_token *token);

/* A token of an answer to what is compared. False: it is not what was asked. */
bool cachette__mc_count_step(cachette__mc_node *node, cachette__mc_travel *travel, size_t part,
                             const cachette__meta_token *token);

/* The rounds after the first one. */
size_t cachette__mc_count_replies(const cachette__mc_part *part);
bool cachette__mc_count_encode(cachette__mc_node *node, cachette__mc_travel *travel, size_t part);

/* Such a round failed: so do its items. */
void cachette__mc_count_fail(cachette__mc_travel *travel, size_t part, int code,
                             const char *message);

/* A part's commands are answered; begins the next round, if there is one. */
void cachette__mc_count_next(cachette__mc_node *node, cachette__mc_travel *travel, size_t part);

/* ---- sweep.c ---- */

/* Whether the op is one that clears by listing. */
bool cachette__mc_sweeps(const cachette__memcached *self, const cachette_op *op);

/* Begins the sweep of a part's node, which serves sweeps alone. Errors as cachette__mc_push(). */
int cachette__mc_sweep_begin(cachette__mc_node *node, cachette__mc_travel *travel, size_t part);

size_t cachette__mc_sweep_replies(const cachette__mc_sweep *sweep);
bool cachette__mc_sweep_encode(cachette__mc_node *node, cachette__mc_sweep *sweep);

/* As cachette__mc_take(). */
bool cachette__mc_sweep_take(cachette__mc_node *node, cachette__mc_sweep *sweep,
                             const cachette__meta_token *token, bool *complete);

/* All its replies are there: goes on, or ends. */
void cachette__mc_sweep_next(cachette__mc_node *node, cachette__mc_sweep *sweep);

/* Ends it, with what failed; it is in no ring. */
void cachette__mc_sweep_fail(cachette__mc_sweep *sweep, int code, const char *message);

/* Asks again on behalf of those that found a server busy. */
void cachette__mc_sweep_retry(cachette__memcached *self);

/* Frees all that wait. */
void cachette__mc_sweep_close(cachette__memcached *self);

#endif
