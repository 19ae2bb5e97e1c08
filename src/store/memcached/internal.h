/* SPDX-License-Identifier: MIT */
/*
 * The internal header of the memcached store.
 *
 * An op fans out to the nodes (the servers) that have its keys. The keys of one node are a part,
 * and a part has at most one request at a time in the pipeline of its node. Each reply repeats the
 * number of its command, so a reply cannot be taken for another's.
 *
 * A file calls only those below it:
 *
 *     memcached.c             the vtable: open, submit, detach, close
 *     discovery.c             asks the endpoints for the servers; ops that wait for the first list
 *     nodes.c                 makes the nodes of a list of servers
 *     node.c                  one server: the callbacks of its pipeline
 *     handshake.c             the first commands on a new connection
 *     replies.c               replies become results
 *     clear.c                 clears the keys that `metadump` lists
 *     counter.c               increments that read the counter before they write it
 *     sasl.c                  a part becomes commands of the binary protocol
 *     commands.c              a part becomes commands of the text protocol
 *     touch.c                 the second round of a touch under SASL
 *     errors.c                a server's error becomes ours
 *     fanout.c                the parts of an op, and its failures
 *     list.c                  references to nodes, and their end
 *     settings.c              the options
 *     published.c             the list of servers that handles share
 *     cluster_config.c        the parser of a list of servers
 *     binary.c  meta.c        parsers of the two protocols
 *     key.c  hosts.c          keys on the wire; which server has a key
 */
#ifndef CACHETTE_MEMCACHED_INTERNAL_H
#define CACHETTE_MEMCACHED_INTERNAL_H

#include "../../net/pipeline.h"
#include "../store.h"
#include "binary.h"
#include "cluster_config.h"
#include "hosts.h"
#include "key.h"
#include "meta.h"
#include "published.h"

typedef struct cachette__memcached cachette__memcached;
typedef struct cachette__mc_node cachette__mc_node;
typedef struct cachette__mc_fanout cachette__mc_fanout;
typedef struct cachette__mc_clear cachette__mc_clear;
typedef struct cachette__mc_list cachette__mc_list;
typedef struct cachette__mc_discovery cachette__mc_discovery;

/* ---- settings.c ---- */

/* The options of the store. Immutable after creation, so threads and handles may share it. */
typedef struct cachette__memcached_settings {
  cachette__settings base;
  cachette__memcached_hosts *hosts;  /* the servers; or the endpoints, if `published` is not NULL */
  cachette__mc_published *published; /* the servers that were discovered; NULL: no discovery */
  cachette__tls *tls;                /* NULL: no TLS */
  char *username, *password;         /* NULL: none */
  bool sasl;                         /* authenticate by SASL, and speak the binary protocol */
  char *key_prefix;
  cachette_slice prefix; /* the same; empty: none */
  int64_t timeout_ms, connect_timeout_ms;
} cachette__memcached_settings;

/* Reads the options. Errors: ECONFIG, ENOMEM, and those of cachette__tls_new(). */
int cachette__memcached_settings_new(const cachette_options *options, cachette__settings **settings,
                                     cachette_error *error);

/* Warns if a TLS file is given but not used. The vtable's `warn`. */
bool cachette__memcached_warn(const cachette_options *options, cachette_error *warning);

/* ---- list.c ---- */

/* The nodes of a list of servers. Immutable, so that an op keeps its nodes while the store gets
 * others. A node closes when no list has it any more. */
struct cachette__mc_list {
  cachette__memcached *store;
  size_t references;
  cachette__memcached_hosts *hosts;
  cachette__mc_node *nodes[]; /* one for each host, then one more for each host, for clears */
};

/* Drops a reference to a list; the last one frees it, and drops its references to nodes. NULL is
 * allowed. */
void cachette__mc_list_release(cachette__mc_list *list);

/* Drops a reference to a node. The last one closes it: requests in its pipeline fail. */
void cachette__mc_node_release(cachette__mc_node *node);

/* Frees a node whose pipeline is closed, or was never started. */
void cachette__mc_node_free(cachette__mc_node *node);

/* Closes all nodes of a store that is being closed. */
void cachette__mc_nodes_close(cachette__memcached *store, bool forked);

/* A libuv handle, or a node, is closed. The last one frees the store. */
void cachette__mc_handle_closed(cachette__memcached *store);

/* Frees a store without open handles. */
void cachette__mc_store_free(cachette__memcached *store);

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
  uint64_t sum, version; /* when it was read */
  int64_t ttl;           /* remaining TTL in seconds when it was read; 0: none */
  uint64_t target;       /* the sum to write */
  bool is_number;        /* the digits read so far are a number */
  bool overshot;         /* the amount was added already, and the sum exceeded the limit */
  bool fails;            /* fail with a range error after the target is written */
} cachette__mc_counter;

/* An item that was touched under SASL and whose flags must be updated; see touch.c. */
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
  size_t *indexes; /* of its items in the op */
  size_t count;
  bool pending; /* it has a request in the node's pipeline */

  cachette__mc_clear *clear; /* NULL: not a clear by listing */

  cachette__mc_touched *touched; /* NULL: not a touch under SASL */
  size_t touched_count;
  bool storing; /* it is in the second round of a touch */

  cachette__mc_counter *counters; /* of an increment: the items whose counters are read first */
  size_t counter_count;
  enum cachette__mc_round round;
  size_t cursor, step; /* of the next reply: the index in `counters`, and the command */
} cachette__mc_part;

/* An op that fans out to its nodes. The op completes when the last reference is released: there is
 * one for each request, one for each clear, and one while the op is being submitted. */
struct cachette__mc_fanout {
  cachette__memcached *store;
  cachette__mc_list *list;
  cachette_op *op; /* NULL: detached */
  enum cachette_verb verb;
  bool everywhere; /* the op goes to every node, regardless of its keys */
  size_t references;
  int code;       /* 0, or the error of an op that goes to every node */
  int part_code;  /* 0, or the error of a part that failed as a whole */
  bool has_error; /* the op's error struct is filled */
  size_t part_count;
  cachette__mc_part parts[];
};

/* A `config get cluster`. It must stay valid until a callback is called, which may close the node.
 */
typedef struct cachette__mc_question cachette__mc_question;
struct cachette__mc_question {
  cachette__cluster_config config; /* the reply */
  void (*answered)(cachette__mc_question *question);
  void (*failed)(cachette__mc_question *question, int code, const char *message);
};

/* A request in the pipeline: the commands of a part, or a question. Both NULL: it has failed. */
typedef struct cachette__mc_request {
  cachette__request base;
  cachette__mc_part *part;
  cachette__mc_question *question;
} cachette__mc_request;

_Static_assert(sizeof(cachette__mc_request) <= CACHETTE__PIPELINE_SLOT, "it fits into a slot");

/* Creates the parts of an op. `clears`: it needs the nodes for clears. Returns NULL if out of
 * memory. */
cachette__mc_fanout *cachette__mc_fanout_new(cachette__memcached *store, cachette_op *op,
                                             bool clears);

/* Releases a reference. The last one completes the op and frees the fan-out. */
void cachette__mc_fanout_release(cachette__mc_fanout *fanout);

/* Returns the op's error struct for the first failure, and NULL for later ones. */
cachette_error *cachette__mc_first_error(cachette__mc_fanout *fanout);

/* Fails an item, or the op if `item` is NULL. */
void cachette__mc_fail(cachette__mc_fanout *fanout, cachette_item *item, int code,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Fails all items of a part that have no result yet. */
void cachette__mc_fail_part(cachette__mc_part *part, int code, const char *message);

/* Returns whether the op goes to the part's node. */
static inline bool cachette__mc_part_is_used(const cachette__mc_part *part) {
  return part->fanout->everywhere || part->count > 0;
}

static inline cachette_item *cachette__mc_item(const cachette__mc_part *part, size_t index) {
  return &part->fanout->op->items[part->indexes[index]];
}

/*
 * Appends a request for a part to its node's pipeline. `bytes` is the size of its keys and values.
 * Call cachette__link_connect() first. Errors, with `*reason`: as cachette__pipeline_reserve().
 */
int cachette__mc_push(cachette__mc_part *part, size_t bytes, const char **reason);

/* Returns the size of a part's keys and values in bytes. */
size_t cachette__mc_part_bytes(const cachette__mc_part *part);

/* Frees the saved values of a touch. */
void cachette__mc_touched_free(cachette__mc_part *part);

/* ---- errors.c ---- */

/* Explains an error line of the server. Returns our error code and writes a sentence to `message`,
 * of `size` bytes. */
int cachette__mc_explain_error(const cachette__mc_node *node, cachette_slice line, char *message,
                               size_t size);

/* Returns whether an increment failed because the value is not a number. */
bool cachette__mc_error_is_not_a_number(cachette_slice line);

/* Handles an error reply: fails an item of the part, or the op if `item` is NULL. */
void cachette__mc_take_error(cachette__mc_part *part, cachette_item *item, cachette_slice line);

/* ---- touch.c ---- */

/* Call before encoding the first round. Returns false if out of memory. */
bool cachette__mc_touch_prepare(cachette__mc_part *part);

/* Saves a part of the value of a touched item. Returns false if the reply does not match the
 * command. */
bool cachette__mc_touch_take(cachette__mc_part *part, size_t index,
                             const cachette__meta_token *token);

/* Returns the item of an entry of `touched`. */
cachette_item *cachette__mc_touch_item(const cachette__mc_part *part, size_t index);

/* Called after all replies of a round. Starts the second round, if needed. */
void cachette__mc_touch_continue(cachette__mc_part *part);

/* ---- commands.c and sasl.c ---- */

enum cachette__mc_step {
  CACHETTE__MC_IDLE, /* no handshake is in progress */
  CACHETTE__MC_LOGIN,
  CACHETTE__MC_VERSION,
  CACHETTE__MC_SETTINGS
};

/* A protocol. The encoders append to the output of the node's pipeline; they return false if out of
 * memory. */
typedef struct cachette__mc_protocol {
  /* Reads one token of a reply, as cachette__meta_read(). */
  int (*read)(cachette__mc_node *node, cachette_slice input, size_t *used,
              cachette__meta_token *token, const char **reason);

  bool (*encode_login)(cachette__mc_node *node);

  /* Encodes the commands after the login. `after_login` is the step of the first reply to them. */
  bool (*encode_setup)(cachette__mc_node *node);
  enum cachette__mc_step after_login;

  /* Encodes a part's commands; for an increment, those of the first round. */
  bool (*encode)(cachette__mc_part *part);

  /* Encodes `config get cluster`. */
  bool (*encode_config)(cachette__mc_node *node);

  /* Encode reading a counter, after creating it with 0 if `create` and it does not exist; and
   * writing a counter that was read. */
  bool (*encode_read)(cachette__mc_node *node, const cachette_item *item, bool create);
  bool (*encode_write)(cachette__mc_node *node, const cachette_item *item,
                       const cachette__mc_counter *counter);
} cachette__mc_protocol;

extern const cachette__mc_protocol cachette__mc_text_protocol, cachette__mc_binary_protocol;

/* Converts a TTL to the format of the server: seconds, or a UNIX time if it is long. */
int64_t cachette__mc_seconds(int64_t ttl_ms);

/* Append a line, and a delete, of the text protocol. False: out of memory. */
bool cachette__mc_encode_line(cachette__mc_node *node, const char *line);
bool cachette__mc_encode_delete(cachette__mc_node *node, const cachette__memcached_key *key);

/* Returns the remaining TTL in milliseconds from an item's flags in the binary protocol; 0 if
 * another client has set the flags. */
int64_t cachette__mc_flags_ttl(uint32_t flags);

/* ---- counter.c ---- */

/* From this amount on, a counter is read before the amount is added. */
#define CACHETTE__MC_LARGE (INT64_C(1) << 32)

static inline bool cachette__mc_counter_is_large(const cachette_item *item) {
  return item->amount >= CACHETTE__MC_LARGE || item->amount <= -CACHETTE__MC_LARGE;
}

/* Returns whether the counter exceeds our range. Then the server may fail to parse it. */
static inline bool cachette__mc_counter_is_out_of_range(const cachette__mc_counter *counter) {
  return counter->sum > INT64_MAX;
}

/* Call before encoding the first round. Returns false if out of memory. */
bool cachette__mc_counter_prepare(cachette__mc_part *part);

/* Handles an error reply to a small amount. */
void cachette__mc_counter_refused(cachette__mc_part *part, size_t index,
                                  const cachette__meta_token *token);

/* Takes a part of the sum after a small amount was added. Returns false if it is not a number. */
bool cachette__mc_counter_take(cachette__mc_part *part, size_t index,
                               const cachette__meta_token *token);

/* Takes a token of a reply for a counter that is read first. Returns false if the reply does not
 * match the command. */
bool cachette__mc_counter_step(cachette__mc_part *part, const cachette__meta_token *token);

/* The number of replies, and the commands, of the rounds after the first one. */
size_t cachette__mc_counter_replies(const cachette__mc_part *part);
bool cachette__mc_counter_encode(cachette__mc_part *part);

/* Fails the items of such a round. */
void cachette__mc_counter_fail(cachette__mc_part *part, int code, const char *message);

/* Called after all replies of a round. Starts the next round, if needed. */
void cachette__mc_counter_continue(cachette__mc_part *part);

/* ---- clear.c ---- */

/* Returns whether an op needs a clear by listing. */
bool cachette__mc_clears(const cachette__memcached *store, const cachette_op *op);

/* Fails an op that a listing cannot serve. Returns false if it can. */
bool cachette__mc_clear_refuse(const cachette__memcached *store, cachette_op *op);

/* Starts to clear the part's node, which must be one for clears. Call cachette__link_connect()
 * first. */
void cachette__mc_clear_start(cachette__mc_part *part);

/* Returns whether the commands in flight are deletes, which have numbers; the listing has none. */
bool cachette__mc_clear_is_deleting(const cachette__mc_clear *clear);

/* Encodes the next commands; the number of their replies. */
size_t cachette__mc_clear_replies(const cachette__mc_clear *clear);
bool cachette__mc_clear_encode(cachette__mc_clear *clear);

/* As cachette__mc_take(). */
bool cachette__mc_clear_take(cachette__mc_clear *clear, const cachette__meta_token *token,
                             bool *complete);

/* Called after all replies: sends the next commands, or completes. */
void cachette__mc_clear_continue(cachette__mc_clear *clear);

/* Fails the clear, which must have no request in flight, and frees it. */
void cachette__mc_clear_fail(cachette__mc_clear *clear, int code, const char *message);

/* Fails all clears that wait for a busy server. */
void cachette__mc_clear_close(cachette__memcached *store);

/* ---- replies.c ---- */

/* Returns the number of replies to the commands of a part. */
size_t cachette__mc_replies(const cachette__mc_part *part);

/*
 * Takes a token of a reply to a part's commands; `done` is the number of replies before it. Sets
 * `*complete` if it is the last token of the reply. Returns false if the reply does not match the
 * command.
 */
bool cachette__mc_take(cachette__mc_part *part, size_t done, const cachette__meta_token *token,
                       bool *complete);

/* Called when the op of a pending part is detached. Items without a result get ETIMEDOUT. */
void cachette__mc_mark_timed_out(cachette__mc_part *part);

/* ---- handshake.c ---- */

/* Starts the handshake on a connection that was opened. */
void cachette__mc_handshake_start(cachette__mc_node *node);

/* Takes a token of a reply. After the last one the pipeline is ready, or the connection fails. */
void cachette__mc_handshake_take(cachette__mc_node *node, const cachette__meta_token *token);

/* Called after the connection was lost. Appends the probable cause to its error. */
void cachette__mc_handshake_lost(cachette__mc_node *node, bool was_ready);

/* ---- node.c ---- */

struct cachette__mc_node {
  cachette__memcached *store;
  cachette__memcached_hosts *hosts; /* a reference, since the target has its strings */
  const cachette__memcached_host *host;
  const cachette__mc_protocol *protocol;
  cachette__target target;

  size_t references;
  bool is_open;                     /* its pipeline is initialized, and not being closed */
  bool is_listed;                   /* it is in the list that the store uses */
  cachette__mc_node *before, *next; /* in the store's list of all nodes */

  uint32_t next_command, next_reply; /* numbers, per connection */
  enum cachette__mc_step step;       /* of the handshake */
  int64_t item_size_max;             /* bytes, from the server's settings; 0: unknown */

  cachette__meta meta; /* the parsers; only one is used */
  cachette__binary binary;
  cachette_item *item; /* the item whose value is being read, or NULL */
  char *value;         /* its buffer; NULL: drop the value */
  uint64_t sum;        /* the counter being read, from its digits so far */

  cachette__pipeline pipeline;
};

/* Creates a node for a host, with one reference. It has no libuv handles until
 * cachette__mc_node_start(), which may be called again. Returns NULL if out of memory. */
cachette__mc_node *cachette__mc_node_new(cachette__memcached *store,
                                         cachette__memcached_hosts *hosts, size_t index);
void cachette__mc_node_start(cachette__mc_node *node);

/* Asks a node for the servers of its cluster. Call cachette__link_connect() first. Errors, with
 * `*reason`: as cachette__pipeline_reserve(). */
int cachette__mc_node_ask(cachette__mc_node *node, cachette__mc_question *question,
                          const char **reason);

/* ---- nodes.c ---- */

/* Makes a list of the nodes of these hosts, without starting them. Servers that the store's list
 * has already keep their nodes. Takes over the reference to `hosts`. Returns NULL if out of memory.
 */
cachette__mc_list *cachette__mc_list_new(cachette__memcached *store,
                                         cachette__memcached_hosts *hosts);

/* Starts the nodes of a list and uses it for all ops from now on. Takes over the reference. */
void cachette__mc_list_use(cachette__memcached *store, cachette__mc_list *list);

/* Writes a name for all of these servers to the store, for messages. */
void cachette__mc_name_servers(cachette__memcached *store, const cachette__memcached_hosts *hosts);

/* ---- discovery.c ---- */

/* Starts to discover the servers. Returns false if out of memory. The store has a timer more then,
 * but no list yet. */
bool cachette__mc_discovery_start(cachette__memcached *store);
void cachette__mc_discovery_close(cachette__mc_discovery *self, bool forked);

/* Takes the servers that another handle has found. It is cheap. */
void cachette__mc_discovery_catch_up(cachette__mc_discovery *self);

/* Keeps an op until there is a list, or fails it. */
void cachette__mc_discovery_wait(cachette__mc_discovery *self, cachette_op *op);

/* Returns whether an op waits for the first list; and releases it. */
bool cachette__mc_discovery_has(const cachette_op *op);
void cachette__mc_discovery_detach(cachette__mc_discovery *self, cachette_op *op);

/* Why an op waits; and the name of the endpoint that it waits for. */
const cachette_error *cachette__mc_discovery_reason(cachette__mc_discovery *self);
const char *cachette__mc_discovery_server(const cachette__mc_discovery *self);

/* ---- memcached.c ---- */

struct cachette__memcached {
  cachette__store base;
  uv_loop_t *loop;
  cachette__events *events;
  const cachette__memcached_settings *settings;
  cachette__mc_list *list;           /* NULL: not discovered yet */
  cachette__mc_node *nodes;          /* all that are not freed, also those that are in no list */
  cachette__mc_discovery *discovery; /* NULL: the options list the servers */
  void (*submit)(cachette__memcached *store, cachette_op *op); /* for ops that waited */
  void (*node_lost)(cachette__mc_discovery *discovery);        /* for node.c */
  char name[160];                                              /* of the servers, for messages */
  uv_timer_t timer; /* runs while clears wait for a busy server */
  cachette__mc_clear *waiting;
  size_t open_handles; /* timers and nodes */
  bool closing;
};

#endif
