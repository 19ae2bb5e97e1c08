/* SPDX-License-Identifier: MIT */
/*
 * Increments: INCRBY, after a SET that creates the counter with its TTL if it does not exist.
 *
 * The preferred form is a transaction, which is atomic and takes one round trip:
 *
 *     TRANSACTION  [MULTI] [SET key 0 PX ttl NX] [INCRBY key amount] [EXEC]
 *
 * A server that refuses MULTI would execute the commands after it one by one. A server that refuses
 * EXEC would queue all later commands of the connection. So the first increment on a connection
 * tests whether both are permitted, without changing anything:
 *
 *     PROBE_EXEC   [EXEC]          permitted if the error is "EXEC without MULTI"
 *     PROBE_MULTI  [MULTI] [EXEC]  an empty transaction
 *
 * If they are not permitted (by an ACL, a renamed command, a proxy), each command is sent after the
 * reply to the one before, so that a refused command does not change the counter:
 *
 *     CREATE       [SET key amount PX ttl NX]      created: done; it exists: ADD
 *     ADD          [PTTL key] [INCRBY key amount]
 *     READ_TTL     [PTTL key]          if INCRBY may have created the counter (sum == amount)
 *     SET_TTL      [PEXPIRE key ttl]   if so, since the counter would never expire
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

enum { START, TRANSACTION, PROBE_EXEC, PROBE_MULTI, CREATE, ADD, READ_TTL, SET_TTL };

/* The TTL that PTTL returns for a key that does not expire; and our value if PTTL failed. */
enum { NO_EXPIRY = -1, UNKNOWN = -3 };

static cachette_item *item_of(const cachette__redis_request *request) {
  return &request->op->items[request->item];
}

/* Returns the index of the first item of the request from `item` on; the op's count if none. */
static size_t next_item(const cachette__redis_request *request, size_t item) {
  while (item < request->op->count && !cachette__redis_includes(request, item)) item++;
  return item;
}

/* ---- Commands ---- */

static unsigned choose_phase(const cachette__redis_node *node,
                             const cachette__redis_request *request) {
  if (request->phase >= ADD) return request->phase;
  switch (node->multi) {
    case CACHETTE__MULTI_UNKNOWN:
      return PROBE_EXEC;
    case CACHETTE__MULTI_EXEC_PERMITTED:
      return PROBE_MULTI;
    case CACHETTE__MULTI_PERMITTED:
      return TRANSACTION;
    default:
      return CREATE;
  }
}

static size_t encode_transaction(cachette__redis_node *node, cachette__buffer *output,
                                 const cachette__redis_request *request) {
  size_t replies = 0;
  for (size_t i = request->item; i < request->op->count; i++) {
    const cachette_item *item = &request->op->items[i];
    if (!cachette__redis_includes(request, i)) continue;
    cachette__redis_key key = {node->settings->prefix, item->key};
    if (!cachette__redis_ask(request, output) || /* it holds until EXEC */
        !cachette__redis_increment(output, key, item->amount, item->ttl_ms))
      return 0;
    replies += request->asking ? 5 : 4;
  }
  cachette__redis_reset_item(request);
  return replies;
}

static bool encode_create(cachette__buffer *output, cachette__redis_key key,
                          const cachette__redis_request *request) {
  const cachette_item *item = item_of(request);
  char digits[24];
  snprintf(digits, sizeof digits, "%" PRId64, item->amount);
  cachette__redis_reset_item(request);
  return cachette__redis_ask(request, output) &&
         cachette__redis_set(output, key, cachette_str(digits), item->ttl_ms, true);
}

/* Encodes the commands of a phase without a transaction. Returns their number; 0: out of memory. */
static size_t encode_single(cachette__buffer *output, cachette__redis_key key,
                            const cachette__redis_request *request) {
  const cachette_item *item = item_of(request);
  switch (request->phase) {
    case CREATE:
      return encode_create(output, key, request) ? 1 : 0;
    case ADD:
      return cachette__redis_ask(request, output) && cachette__redis_pttl(output, key) &&
                     cachette__redis_ask(request, output) &&
                     cachette__redis_incrby(output, key, item->amount)
                 ? 2
                 : 0;
    case READ_TTL:
      return cachette__redis_ask(request, output) && cachette__redis_pttl(output, key) ? 1 : 0;
    default:
      return cachette__redis_ask(request, output) &&
                     cachette__redis_pexpire(output, key, item->ttl_ms)
                 ? 1
                 : 0;
  }
}

size_t cachette__redis_counter_encode(cachette__redis_node *node, cachette__redis_request *request,
                                      cachette__buffer *output) {
  request->phase = choose_phase(node, request);
  if (request->phase <= CREATE) request->item = next_item(request, request->item);
  cachette__redis_key key = {node->settings->prefix, item_of(request)->key};
  switch (request->phase) {
    case PROBE_EXEC:
      return cachette__redis_head(output, 1, cachette_str("EXEC")) ? 1 : 0;
    case PROBE_MULTI:
      return cachette__redis_head(output, 1, cachette_str("MULTI")) &&
                     cachette__redis_head(output, 1, cachette_str("EXEC"))
                 ? 2
                 : 0;
    case TRANSACTION:
      return encode_transaction(node, output, request);
    default:
      return encode_single(output, key, request) * (request->asking ? 2 : 1);
  }
}

/* ---- Replies ---- */

/* Takes a token of the reply to EXEC: the reply to SET, whether the counter existed, and the reply
 * to INCRBY, the sum. */
static bool take_exec_reply(cachette_item *item, const cachette__resp_token *token) {
  switch (token->type) {
    case CACHETTE__RESP_ARRAY:
      return token->depth == 0 && token->number == 2;
    case CACHETTE__RESP_NULL:
      item->status = CACHETTE_HIT;
      return token->depth == 1;
    case CACHETTE__RESP_SIMPLE:
      return token->depth == 1;
    default:
      item->amount = token->number;
      return token->type == CACHETTE__RESP_INTEGER && token->depth == 1;
  }
}

/* If MULTI is refused although it was permitted before, the commands were executed one by one. */
static bool take_transaction(cachette__redis_request *request, const cachette__resp_token *token) {
  cachette_item *item = item_of(request);
  bool is_word = token->type == CACHETTE__RESP_SIMPLE && token->depth == 0;
  if (request->step == 0) {
    request->in_multi = is_word;
    return is_word;
  }
  if (request->step == 3) return request->in_multi && take_exec_reply(item, token);
  if (request->in_multi) return is_word;
  if (request->step == 2) {
    item->amount = token->number;
    return token->type == CACHETTE__RESP_INTEGER;
  }
  if (token->type == CACHETTE__RESP_NULL && item->status >= 0) item->status = CACHETTE_HIT;
  return is_word || token->type == CACHETTE__RESP_NULL;
}

/* Transactions are permitted only if EXEC returns an empty array after MULTI. */
static bool take_probed(cachette__redis_node *node, cachette__redis_request *request,
                        const cachette__resp_token *token) {
  if (request->phase == PROBE_MULTI && request->step == 0) {
    request->in_multi = token->type == CACHETTE__RESP_SIMPLE;
    return true;
  }
  bool is_permitted =
      request->in_multi && token->type == CACHETTE__RESP_ARRAY && token->number == 0;
  node->multi = is_permitted ? CACHETTE__MULTI_PERMITTED : CACHETTE__MULTI_REFUSED;
  return true;
}

static bool take_created(cachette__redis_request *request, const cachette__resp_token *token) {
  /* A counter that was created has the amount as its sum, which the item has already. */
  item_of(request)->status = token->type == CACHETTE__RESP_NULL ? CACHETTE_HIT : CACHETTE_MISS;
  return token->type == CACHETTE__RESP_NULL || token->type == CACHETTE__RESP_SIMPLE;
}

/* If the sum is the amount, the counter was 0, or INCRBY has created it. */
static bool take_added(cachette__redis_request *request, const cachette__resp_token *token) {
  cachette_item *item = item_of(request);
  if (token->type != CACHETTE__RESP_INTEGER) return false;
  if (request->step == 0) {
    request->ttl_ms = token->number;
    return true;
  }
  request->may_lack_ttl = token->number == item->amount && request->ttl_ms != NO_EXPIRY;
  item->amount = token->number;
  return true;
}

bool cachette__redis_counter_take(cachette__redis_node *node, cachette__redis_request *request,
                                  const cachette__resp_token *token) {
  switch (request->phase) {
    case TRANSACTION:
      return take_transaction(request, token);
    case PROBE_EXEC:
    case PROBE_MULTI:
      return take_probed(node, request, token);
    case CREATE:
      return take_created(request, token);
    case ADD:
      return take_added(request, token);
    default:
      request->ttl_ms = token->number;
      return token->type == CACHETTE__RESP_INTEGER;
  }
}

/* ---- Errors ---- */

/*
 * The server has started a transaction and refuses to end it, so it would queue all later commands
 * of this connection. Nothing was executed, so the request is safe to resend on a new connection.
 */
static void abandon_connection(cachette__redis_node *node, cachette__redis_request *request) {
  request->phase = START;
  cachette__link_fail(&node->pipeline.link, false, CACHETTE_EBACKEND,
                      "%s refused EXEC after MULTI, so the connection was closed.",
                      node->pipeline.name);
  node->multi = CACHETTE__MULTI_REFUSED; /* the next connection starts with this */
}

static void take_probe_error(cachette__redis_node *node, cachette__redis_request *request) {
  if (node->upper->redirect(node->router, node, "EXEC") < 0 ||
      cachette__redis_error_is_transient(node, "EXEC")) {
    request->postponed = true;
  } else if (request->phase == PROBE_EXEC) {
    bool is_permitted = strstr(node->error, "without MULTI") != NULL;
    node->multi = is_permitted ? CACHETTE__MULTI_EXEC_PERMITTED : CACHETTE__MULTI_REFUSED;
  } else {
    node->multi = CACHETTE__MULTI_REFUSED;
  }
}

/* The transaction of an item was aborted, although none of its commands failed. */
static void retry_without_transaction(cachette__redis_node *node,
                                      cachette__redis_request *request) {
  cachette_item *item = item_of(request);
  if (item->status < 0) return;
  node->multi = CACHETTE__MULTI_REFUSED;
  item->status = CACHETTE__REDIS_RESEND;
  request->refused = true;
}

/*
 * EXEC failed. A cluster redirects the commands as they are queued, and then EXEC is aborted; or it
 * redirects EXEC itself, if the slot has moved in between, and always if the server is Valkey 9. It
 * has discarded the transaction then.
 */
static void take_exec_error(cachette__redis_node *node, cachette__redis_request *request) {
  int status = 0;
  if (cachette__redis_error_is(node, "EXECABORT"))
    retry_without_transaction(node, request);
  else if ((status = node->upper->redirect(node->router, node, "EXEC")) == 0)
    abandon_connection(node, request);
  if (status < 0 && item_of(request)->status >= 0) item_of(request)->status = status;
  request->returns |= status < 0;
}

static void take_transaction_error(cachette__redis_node *node, cachette__redis_request *request,
                                   unsigned depth) {
  cachette_item *item = item_of(request);
  if (request->step == 0) {
    request->in_multi = false;
    node->multi = CACHETTE__MULTI_REFUSED;
  } else if (request->step < 3 || depth > 0) {
    cachette__redis_item_error(node, request, item, request->step == 1 ? "SET" : "INCRBY");
  } else if (request->in_multi) {
    take_exec_error(node, request);
  }
}

/* The counter was incremented. If its TTL cannot be set here, the router sets it elsewhere. */
static void take_ttl_error(cachette__redis_node *node, cachette__redis_request *request) {
  const char *command = request->phase == READ_TTL ? "PTTL" : "PEXPIRE";
  int status = node->upper->redirect(node->router, node, command);
  if (status < 0) {
    item_of(request)->status = CACHETTE__REDIS_COUNTED + status;
    request->returns = true;
  } else if (cachette__redis_error_is_transient(node, command)) {
    request->postponed = true;
  } else {
    request->ttl_ms = NO_EXPIRY; /* unknown: set the TTL to be safe */
  }
}

void cachette__redis_counter_error(cachette__redis_node *node, cachette__redis_request *request,
                                   unsigned depth) {
  cachette_item *item = item_of(request);
  switch (request->phase) {
    case TRANSACTION:
      take_transaction_error(node, request, depth);
      return;
    case PROBE_EXEC:
      take_probe_error(node, request);
      return;
    case PROBE_MULTI:
      if (request->step == 1 && request->in_multi && !cachette__redis_error_is(node, "EXECABORT"))
        abandon_connection(node, request);
      else
        take_probe_error(node, request);
      return;
    case CREATE:
      cachette__redis_item_error(node, request, item, "SET");
      return;
    case ADD:
      if (request->step == 0)
        request->ttl_ms = UNKNOWN;
      else
        cachette__redis_item_error(node, request, item, "INCRBY");
      return;
    default:
      take_ttl_error(node, request);
      return;
  }
}

/* ---- The next phase ---- */

/* Returns the next phase for the same item; START: it is done. */
static unsigned next_phase(const cachette__redis_request *request) {
  const cachette_item *item = item_of(request);
  if (item->status < 0) return START;
  if (request->phase == CREATE) return item->status == CACHETTE_HIT ? ADD : START;
  if (request->phase == ADD) return request->may_lack_ttl ? READ_TTL : START;
  return request->phase == READ_TTL && request->ttl_ms == NO_EXPIRY ? SET_TTL : START;
}

bool cachette__redis_counter_continues(cachette__redis_request *request) {
  unsigned phase = request->phase;
  if (phase == PROBE_EXEC || phase == PROBE_MULTI) {
    request->phase = START;
    return true;
  }
  if (phase == TRANSACTION) return request->refused;
  request->phase = next_phase(request);
  if (request->phase == SET_TTL)
    item_of(request)->status = CACHETTE_MISS; /* it had expired, and INCRBY created it */
  if (request->phase != START) return true;
  request->item = next_item(request, request->item + 1);
  return request->item < request->op->count;
}

/* Transactions are resent for each item with status RESEND; the other forms continue at the current
 * item. */
void cachette__redis_counter_rewind(cachette__redis_request *request) {
  if (request->phase == TRANSACTION) {
    request->partial = true;
    request->item = 0;
  }
  if (request->phase == TRANSACTION || (request->postponed && request->phase < READ_TTL))
    request->phase = START;
}

size_t cachette__redis_counter_first_undone(const cachette__redis_request *request) {
  return request->phase >= READ_TTL ? request->item + 1 : request->item;
}

bool cachette__redis_counter_is_transaction(const cachette__redis_request *request) {
  return request->phase == TRANSACTION;
}

bool cachette__redis_counter_is_probe(const cachette__redis_request *request) {
  return request->phase == PROBE_EXEC || request->phase == PROBE_MULTI;
}

bool cachette__redis_counter_is_adding(const cachette__redis_request *request) {
  return request->phase >= ADD;
}

bool cachette__redis_counter_is_idempotent(const cachette__redis_request *request) {
  return request->phase == START || request->phase >= READ_TTL ||
         cachette__redis_counter_is_probe(request);
}

bool cachette__redis_counter_is_expiring(const cachette__redis_request *request) {
  return request->phase >= READ_TTL;
}

bool cachette__redis_counter_is_done(const cachette__redis_request *request) {
  return request->phase >= READ_TTL && next_item(request, request->item + 1) == request->op->count;
}
