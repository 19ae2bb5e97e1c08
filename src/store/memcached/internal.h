/* SPDX-License-Identifier: MIT */
/*
 * The inside of the memcached store, shared by the files of this folder.
 *
 * An op fans out to the nodes (the servers) that have its keys. The keys of one node are a part,
 * and a part has at most one request at a time in the pipeline of its node. Each reply carries back
 * the number of its command, so that none is ever taken for another's.
 *
 * A file calls only those below it:
 *
 *     memcached.c             the vtable: open, submit, detach, close
 *     node.c                  one server: the callbacks of its pipeline
 *     handshake.c             login, version and settings of a new connection
 *     replies.c               replies become results
 *     clear.c                 clearing by what `metadump` lists
 *     counter.c               increments that read the counter before they write it
 *     sasl.c                  a part becomes commands of the binary protocol
 *     commands.c              a part becomes commands of the text protocol
 *     touch.c                 the second round of a touch under SASL
 *     errors.c                a server's error becomes ours
 *     fanout.c                the parts of an op, and what failed of it
 *     settings.c              the options
 *     binary.c  meta.c        parsers of the two protocols
 *     key.c  hosts.c          keys as the server accepts them; which server has a key
 */
#ifndef CACHETTE_MEMCACHED_INTERNAL_H
#define CACHETTE_MEMCACHED_INTERNAL_H

#include "../../net/pipeline.h"
#include "../store.h"
#include "binary.h"
#include "hosts.h"
#include "key.h"
#include "meta.h"

typedef struct cachette__memcached cachette__memcached;
typedef struct cachette__mc_node cachette__mc_node;
typedef struct cachette__mc_fanout cachette__mc_fanout;
typedef struct cachette__mc_clear cachette__mc_clear;

/* ---- settings.c ---- */

/* What the store reads of the options. It does not change once it is made, so threads and handles
 * may share it. */
typedef struct cachette__memcached_settings {
  cachette__settings base;
  cachette__memcached_hosts hosts;
  cachette__tls *tls;        /* NULL: no TLS */
  char *username, *password; /* NULL: none */
  bool sasl;                 /* authenticate by SASL, and speak the binary protocol */
  char *key_prefix;
  cachette_slice prefix; /* the same; empty: none */
  int64_t timeout_ms, connect_timeout_ms;
} cachette__memcached_settings;

/* Errors: ECONFIG, ENOMEM, and those of reading the files of TLS. */
int cachette__memcached_settings_new(const cachette_options *options, cachette__settings **settings,
                                     cachette_error *error);

/* Warns of files for TLS that nothing uses; as `warn` of a store. */
bool cachette__memcached_warn(const cachette_options *options, cachette_error *warning);

/* ---- fanout.c ---- */

/* The rounds of an increment, and the state of one of its items; see counter.c. */
enum cachette__mc_round {
  CACHETTE__MC_FIRST,
  CACHETTE__MC_READ,
  CACHETTE__MC_WRITE,
  CACHETTE__MC_DONE
};

/* An item of an increment whose counter is read before it is written. */
typedef struct cachette__mc_counter {
  size_t index; /* in its part */
  enum cachette__mc_round state;
  uint64_t sum, version; /* as they were read */
  int64_t ttl;           /* seconds left when it was read; 0: it does not expire */
  uint64_t target;       /* the sum to write */
  bool is_number;        /* what was read so far is a number */
  bool overshot;         /* its amount was added already, and went beyond the limit */
  bool fails;            /* with a range error, once the target is written */
} cachette__mc_counter;

/* An item that was touched under SASL, until its flags are; see touch.c. */
typedef struct cachette__mc_touched {
  size_t index; /* in its part */
  uint64_t cas;
  char *data;
  size_t size;
} cachette__mc_touched;

/* The keys of an op that one node has. */
typedef struct cachette__mc_part {
  cachette__mc_fanout *fanout;
  cachette__mc_node *node;
  size_t *indexes; /* of its items, among the op's */
  size_t count;
  bool pending; /* it has a request in the node's pipeline */

  cachette__mc_clear *clear; /* NULL: it clears nothing by listing */

  cachette__mc_touched *touched; /* NULL: it touches nothing under SASL */
  size_t touched_count;
  bool storing; /* the second round of a touch */

  cachette__mc_counter *counters; /* of an increment: the items to read first */
  size_t counter_count;
  enum cachette__mc_round round;
  size_t cursor, step; /* the next reply: which of `counts`, and which of its commands */
} cachette__mc_part;

/* An op on its way to its nodes. It completes when the last reference to the fan-out goes: one for
 * each request, one for each clear, and one while the op is being submitted. */
struct cachette__mc_fanout {
  cachette__memcached *store;
  cachette_op *op; /* NULL: abandoned */
  enum cachette_verb verb;
  bool everywhere; /* the op goes to every node, whatever its items are */
  size_t references;
  int code;       /* an op that goes everywhere failed with it, or 0 */
  int part_code;  /* a whole part failed with it, or 0 */
  bool has_error; /* the op's error struct is filled */
  size_t part_count;
  cachette__mc_part parts[];
};

/* A part's commands, which wait for their replies. */
typedef struct cachette__mc_request {
  cachette__request base;
  cachette__mc_part *part; /* NULL: it has failed */
} cachette__mc_request;

_Static_assert(sizeof(cachette__mc_request) <= CACHETTE__PIPELINE_SLOT, "it fits into a slot");

/* Divides an op among the nodes, of which there is one for each host. NULL: out of memory. */
cachette__mc_fanout *cachette__mc_fanout_new(cachette__memcached *store, cachette_op *op,
                                             cachette__mc_node **nodes);

/* Gives up a reference; the last one completes the op. */
void cachette__mc_fanout_release(cachette__mc_fanout *fanout);

/* The op's error struct for its first failure; NULL for those that follow. */
cachette_error *cachette__mc_first_error(cachette__mc_fanout *fanout);

/* Fails one item, or with NULL the op. */
void cachette__mc_fail(cachette__mc_fanout *fanout, cachette_item *item, int code,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Fails a part as a whole, but for the items that have their result. */
void cachette__mc_fail_part(cachette__mc_part *part, int code, const char *message);

/* Whether the op goes to the part's node. */
static inline bool cachette__mc_part_is_used(const cachette__mc_part *part) {
  return part->fanout->everywhere || part->count > 0;
}

static inline cachette_item *cachette__mc_item(const cachette__mc_part *part, size_t index) {
  return &part->fanout->op->items[part->indexes[index]];
}

/*
 * Sends a request for a part, of `bytes` of keys and values, through its node's pipeline, which
 * encodes it. The link was asked for already. Errors as cachette__pipeline_reserve().
 */
int cachette__mc_push(cachette__mc_part *part, size_t bytes, const char **reason);

/* The bytes of a part's keys and values. */
size_t cachette__mc_part_bytes(const cachette__mc_part *part);

void cachette__mc_touched_free(cachette__mc_part *part);

/* ---- errors.c ---- */

/* The code and the sentence for a server's error line. */
int cachette__mc_explain_error(const cachette__mc_node *node, cachette_slice line, char *message,
                               size_t size);

/* Whether the line says that an increment found no number. */
bool cachette__mc_error_is_not_a_number(cachette_slice line);

/* A server's error fails an item of the part, or with NULL the op. */
void cachette__mc_take_error(cachette__mc_part *part, cachette_item *item, cachette_slice line);

/* ---- touch.c ---- */

/* Before the first round is encoded. False: out of memory. */
bool cachette__mc_touch_prepare(cachette__mc_part *part);

/* Stores a part of the value of a touched item. False: it does not belong here. */
bool cachette__mc_touch_take(cachette__mc_part *part, size_t index,
                             const cachette__meta_token *token);

/* The item of one of those that were touched. */
cachette_item *cachette__mc_touch_item(const cachette__mc_part *part, size_t index);

/* All replies of a round came. Begins the second round, if there is one. */
void cachette__mc_touch_continue(cachette__mc_part *part);

/* ---- commands.c and sasl.c ---- */

enum cachette__mc_step {
  CACHETTE__MC_IDLE, /* no handshake is in progress */
  CACHETTE__MC_LOGIN,
  CACHETTE__MC_VERSION,
  CACHETTE__MC_SETTINGS
};

/* A protocol that a server speaks. The encoders append to the pipeline's output; false: out of
 * memory. */
typedef struct cachette__mc_protocol {
  /* Reads one token of a reply, as cachette__meta_read(). */
  int (*read)(cachette__mc_node *node, cachette_slice input, size_t *used,
              cachette__meta_token *token, const char **reason);

  bool (*encode_login)(cachette__mc_node *node);

  /* What follows the login, and the step that takes the first reply to it. */
  bool (*encode_setup)(cachette__mc_node *node);
  enum cachette__mc_step after_login;

  /* A part's commands, but those of the rounds that follow in an increment. */
  bool (*encode)(cachette__mc_part *part);

  /* Reads a counter, after creating it if it does not exist; writes one that was read. */
  bool (*encode_read)(cachette__mc_node *node, const cachette_item *item, bool create);
  bool (*encode_write)(cachette__mc_node *node, const cachette_item *item,
                       const cachette__mc_counter *counter);
} cachette__mc_protocol;

extern const cachette__mc_protocol cachette__mc_text_protocol, cachette__mc_binary_protocol;

/* A time to live as the server takes it. */
int64_t cachette__mc_seconds(int64_t ttl_ms);

/* Append a line of the text protocol, and a delete. */
bool cachette__mc_encode_line(cachette__mc_node *node, const char *line);
bool cachette__mc_encode_delete(cachette__mc_node *node, const cachette__memcached_key *key);

/* The time to live that an item's flags tell in the binary protocol; 0: another writer's flags. */
int64_t cachette__mc_flags_ttl(uint32_t flags);

/* ---- counter.c ---- */

/* From here on an amount is added only to a counter that was read. */
#define CACHETTE__MC_LARGE (INT64_C(1) << 32)

static inline bool cachette__mc_counter_is_large(const cachette_item *item) {
  return item->amount >= CACHETTE__MC_LARGE || item->amount <= -CACHETTE__MC_LARGE;
}

/* Whether a number is beyond our range, in which case the server may not read it. */
static inline bool cachette__mc_counter_is_out_of_range(const cachette__mc_counter *counter) {
  return counter->sum > INT64_MAX;
}

/* Before the first round is encoded. False: out of memory. */
bool cachette__mc_counter_prepare(cachette__mc_part *part);

/* The server refused a small amount, as it finds no number there. */
void cachette__mc_counter_refused(cachette__mc_part *part, size_t index,
                                  const cachette__meta_token *token);

/* A part of the sum after a small amount was added. False: it is no number. */
bool cachette__mc_counter_take(cachette__mc_part *part, size_t index,
                               const cachette__meta_token *token);

/* A token of a reply about a counter that is read first. False: it does not belong here. */
bool cachette__mc_counter_step(cachette__mc_part *part, const cachette__meta_token *token);

/* The rounds after the first one. */
size_t cachette__mc_counter_replies(const cachette__mc_part *part);
bool cachette__mc_counter_encode(cachette__mc_part *part);

/* Such a round failed: fails its items. */
void cachette__mc_counter_fail(cachette__mc_part *part, int code, const char *message);

/* All replies of a round came. Begins the next round, if there is one. */
void cachette__mc_counter_continue(cachette__mc_part *part);

/* ---- clear.c ---- */

/* Whether an op clears what a listing shows. */
bool cachette__mc_clears(const cachette__memcached *store, const cachette_op *op);

/* Completes an op that no listing can serve, with an error. False: it can be served. */
bool cachette__mc_clear_refuse(const cachette__memcached *store, cachette_op *op);

/* Begins to clear the part's node, which serves clears alone; its link was asked for. */
void cachette__mc_clear_start(cachette__mc_part *part);

size_t cachette__mc_clear_replies(const cachette__mc_clear *clear);
bool cachette__mc_clear_encode(cachette__mc_clear *clear);

/* As cachette__mc_take(). */
bool cachette__mc_clear_take(cachette__mc_clear *clear, const cachette__meta_token *token,
                             bool *complete);

/* All replies to its commands came: goes on, or ends. */
void cachette__mc_clear_continue(cachette__mc_clear *clear);

/* Ends it with an error; it has no request. */
void cachette__mc_clear_fail(cachette__mc_clear *clear, int code, const char *message);

/* Ends all that wait for a busy server. */
void cachette__mc_clear_close(cachette__memcached *store);

/* ---- replies.c ---- */

/* How many replies the commands of a part have. */
size_t cachette__mc_replies(const cachette__mc_part *part);

/*
 * Takes a token of the reply number `done` to a part's commands. `*complete`: it was the reply's
 * last. False: the reply does not fit the command.
 */
bool cachette__mc_take(cachette__mc_part *part, size_t done, const cachette__meta_token *token,
                       bool *complete);

/* The op of a part that waits is being detached: items without a result have timed out. */
void cachette__mc_mark_timed_out(cachette__mc_part *part);

/* ---- handshake.c ---- */

void cachette__mc_handshake_start(cachette__mc_node *node);
void cachette__mc_handshake_take(cachette__mc_node *node, const cachette__meta_token *token);

/* The connection was lost. Adds to its error why a server may not have answered. */
void cachette__mc_handshake_lost(cachette__mc_node *node, bool was_ready);

/* ---- node.c ---- */

struct cachette__mc_node {
  cachette__memcached *store;
  const cachette__mc_protocol *protocol;
  cachette__target target;

  uint32_t next_command, next_reply; /* their numbers, over this connection */
  enum cachette__mc_step step;       /* of the handshake */
  int64_t item_size_max;             /* bytes, from the server's settings; 0: not known */

  cachette__meta meta; /* the parsers, of which one is used */
  cachette__binary binary;
  cachette_item *item; /* whose value is being read, or NULL */
  char *value;         /* its buffer; NULL: the value is dropped */
  uint64_t sum;        /* the digits so far of a counter that is being read */

  cachette__pipeline pipeline;
};

/* NULL: out of memory. Nothing of it is on the loop until it is started. */
cachette__mc_node *cachette__mc_node_new(cachette__memcached *store,
                                         const cachette__memcached_host *host);
void cachette__mc_node_start(cachette__mc_node *node);

/* ---- memcached.c ---- */

struct cachette__memcached {
  cachette__store base;
  uv_loop_t *loop;
  cachette__events *events;
  const cachette__memcached_settings *settings;
  cachette__mc_node **nodes; /* one for each host, then one more for each, for clears */
  char name[160];            /* of the servers, in messages */
  uv_timer_t timer;          /* runs while clears wait for a busy server */
  cachette__mc_clear *waiting;
  size_t open_handles;
};

#endif
