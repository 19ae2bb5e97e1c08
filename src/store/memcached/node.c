/* SPDX-License-Identifier: MIT */
/* One server: its link, its greeting, and the ring of what waits for its answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/clock.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "internal.h"

enum {
  BATCH = 32 /* requests after which those of this turn are sent, if there are more to come */
};

/* ---- Sending ---- */

static void send_now(cachette__mc_node *node) {
  node->unflushed = 0;
  if (node->link.stream != NULL) cachette__stream_flush(node->link.stream);
}

void cachette__mc_node_turn(cachette__mc_node *node) {
  node->flush_due = false;
  if (node->suspect) {
    node->suspect = false;
    cachette__link_fail(&node->link, true, CACHETTE_EUNAVAILABLE,
                        "%s has not answered for %g s; the connection was given up.", node->name,
                        (double)node->store->settings->timeout_ms / 1000);
  } else {
    send_now(node);
  }
}

/* The first of a quiet turn goes at once; the others together, or every few of them. */
static void flush(cachette__mc_node *node, bool quiet) {
  if ((quiet && !node->in_batch) || ++node->unflushed >= BATCH) {
    send_now(node);
  } else if (!node->flush_due && !node->in_batch) {
    node->flush_due = true;
    cachette__mc_do_later(node->store);
  }
}

/* ---- The ring ---- */

static bool is_alive(const cachette__mc_request *request) {
  return request->travel != NULL && request->travel->op != NULL;
}

static bool is_idempotent(const cachette__mc_request *request) {
  const cachette__mc_travel *travel = request->travel;
  return request->sweep == NULL && cachette__is_idempotent(travel->verb, travel->op->flags);
}

static int grow(cachette__mc_node *node) {
  size_t used = (size_t)(node->tail - node->head);
  if (used < node->ring_size) return CACHETTE_OK;
  size_t size = node->ring_size > 0 ? 2 * node->ring_size : 64;
  cachette__mc_request *ring = cachette__malloc(size * sizeof *ring);
  if (ring == NULL) return CACHETTE_ENOMEM;
  for (uint64_t i = node->head; i < node->tail; i++)
    ring[i & (size - 1)] = *cachette__mc_request_at(node, i);
  cachette__free(node->ring);
  node->ring = ring;
  node->ring_size = size;
  return CACHETTE_OK;
}

/* Fails the items of a part whose request failed as a whole, but those that have their answer. */
static void fail_items(cachette__mc_travel *travel, size_t number, int code, const char *message) {
  const cachette__mc_part *part = &travel->parts[number];
  for (size_t i = 0; i < part->count; i++) {
    cachette_item *item = cachette__mc_item(travel, number, i);
    if (item->status == CACHETTE_HIT && travel->verb == CACHETTE_FETCH) continue;
    if (item->status == CACHETTE_MISS && part->again) continue;
    cachette__mc_fail(travel, item, code, "%s", message);
  }
}

/* Ends a request that failed as a whole: all items of its part, or the op's share. */
static void fail_request(cachette__mc_node *node, cachette__mc_request *request, int code,
                         const char *message) {
  cachette__mc_travel *travel = request->travel;
  cachette__mc_sweep *sweep = request->sweep;
  if (travel != NULL) travel->parts[request->part].waits = false;
  request->travel = NULL;
  request->sweep = NULL;
  request->replies = 0;
  node->bytes -= request->bytes;
  request->bytes = 0;
  if (sweep != NULL) {
    cachette__mc_sweep_fail(sweep, code, message);
  } else if (travel != NULL) {
    if (travel->parts[request->part].round != CACHETTE__MC_FIRST) {
      cachette__mc_count_fail(travel, request->part, code, message);
    } else {
      travel->lost = code;
      if (travel->op != NULL && cachette__has_items(travel->verb))
        fail_items(travel, request->part, code, message);
      else if (travel->op != NULL)
        cachette__mc_fail(travel, NULL, code, "%s", message);
    }
    cachette__mc_travel_end(travel);
  }
}

static bool encode_request(cachette__mc_node *node, cachette__mc_request *request) {
  cachette__buffer *output = cachette__stream_output(node->link.stream);
  size_t before = cachette__buffer_size(output);
  uint32_t asked = node->asked;
  request->position = cachette__stream_sent(node->link.stream) + before;
  bool fine = request->sweep != NULL ? cachette__mc_sweep_encode(node, request->sweep)
                                     : cachette__mc_encode(node, request->travel, request->part);
  if (!fine) {
    output->end = output->begin + before;
    node->asked = asked;
  }
  request->replies = !fine ? 0
                     : request->sweep != NULL
                         ? cachette__mc_sweep_replies(request->sweep)
                         : cachette__mc_replies(request->travel, request->part);
  return fine;
}

static void encode_all(cachette__mc_node *node) {
  while (node->unsent < node->tail) {
    cachette__mc_request *request = cachette__mc_request_at(node, node->unsent++);
    if (is_alive(request) && !encode_request(node, request))
      fail_request(node, request, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
  }
  cachette__mc_trim(node); /* of what was given up, to which no reply will come */
}

int cachette__mc_push(cachette__mc_node *node, cachette__mc_travel *travel,
                      cachette__mc_sweep *sweep, size_t part, size_t bytes) {
  cachette__mc_trim(node); /* of what nobody waits for */
  size_t used = (size_t)(node->tail - node->head);
  if (used >= CACHETTE__MEMCACHED_REQUESTS ||
      (used > 0 && node->bytes + bytes > CACHETTE__MEMCACHED_BYTES))
    return CACHETTE_EUNAVAILABLE;
  int code = grow(node);
  if (code < 0) return code;
  bool quiet = used == 0 && node->last_batch <= 1;
  *cachette__mc_request_at(node, node->tail++) =
      (cachette__mc_request){.travel = travel, .sweep = sweep, .part = part, .bytes = bytes};
  node->bytes += bytes;
  travel->parts[part].waits = true;
  if (node->link.state == CACHETTE__LINK_READY) {
    encode_all(node);
    flush(node, quiet);
  }
  return CACHETTE_OK;
}

void cachette__mc_trim(cachette__mc_node *node) {
  while (node->head < node->unsent) {
    cachette__mc_request request = *cachette__mc_request_at(node, node->head);
    if (request.replies > 0) return;
    node->head++;
    node->bytes -= request.bytes;
    if (request.travel != NULL) request.travel->parts[request.part].waits = false;
    if (request.sweep != NULL) {
      cachette__mc_sweep_next(node, request.sweep);
    } else if (request.travel != NULL) {
      cachette__mc_touch_next(node, request.travel, request.part);
      cachette__mc_count_next(node, request.travel, request.part);
      cachette__mc_travel_end(request.travel);
    }
  }
}

/* ---- What the link tells ---- */

/*
 * The first "set" of a connection, whatever its key, brings the user name and the password. A
 * server that asks for none takes it for an entry; so its time is over at once, and its key is
 * nobody's.
 */
static bool encode_login(cachette__mc_node *node) {
  const cachette__memcached *store = node->store;
  cachette__buffer *output = cachette__stream_output(node->link.stream);
  size_t size = strlen(store->settings->username) + 1 + strlen(store->settings->password);
  char line[64];
  snprintf(line, sizeof line, "set cachette-login 0 -1 %zu", size);
  if (!cachette__mc_encode_line(node, line)) return false;
  char *at = cachette__buffer_room(output, size + 3);
  if (at == NULL) return false;
  snprintf(at, size + 3, "%s %s\r\n", store->settings->username, store->settings->password);
  output->end += size + 2;
  return true;
}

/*
 * The greeting goes on: to show who we are, to ask for the version and the settings. Any first step
 * has at least 24 bytes, the head of a binary command: a server that expects one finds it wrong and
 * hangs up, where with fewer it would wait.
 */
static void greet(cachette__mc_node *node) {
  bool fine, sasl = node->store->settings->sasl;
  if (node->greeting == CACHETTE__MC_AUTH)
    fine = sasl ? cachette__mc_sasl_greet(node) : encode_login(node);
  else if (sasl)
    fine = cachette__mc_sasl_ask_settings(node);
  else
    fine = cachette__mc_encode_line(node, "version") &&
           cachette__mc_encode_line(node, "stats settings");
  if (fine)
    cachette__stream_flush(node->link.stream);
  else
    cachette__link_fail(&node->link, false, CACHETTE_ENOMEM, "%s",
                        cachette_strerror(CACHETTE_ENOMEM));
}

static void take_version(cachette__mc_node *node, cachette_slice line) {
  char version[32] = "", *rest;
  if (!cachette__begins(line, 0, cachette_str("VERSION "))) {
    cachette__link_fail(&node->link, true, CACHETTE_EBACKEND,
                        "%s does not speak memcached's protocol.", node->name);
    return;
  }
  size_t size = line.size - 8 < sizeof version ? line.size - 8 : sizeof version - 1;
  memcpy(version, (const char *)line.data + 8, size);
  long major = strtol(version, &rest, 10);
  long minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
  if (major > 1 || (major == 1 && minor >= 6)) {
    node->greeting = CACHETTE__MC_SETTINGS;
    return;
  }
  cachette__link_fail(&node->link, true, CACHETTE_EUNSUPPORTED,
                      "%s is memcached %s, which knows no meta commands; 1.6 or newer is needed.",
                      node->name, version);
}

/* Of the settings only the largest item is of interest; a server may keep them to itself. */
static void take_setting(cachette__mc_node *node, const cachette__meta_token *token) {
  static const char most[] = "STAT item_size_max ";
  char digits[24] = "";
  if (token->type == CACHETTE__META_ERROR ||
      cachette__begins(token->line, 0, cachette_str("END"))) {
    node->greeting = CACHETTE__MC_SILENT;
    cachette__link_ready(&node->link);
  } else if (cachette__begins(token->line, 0, cachette_str(most))) {
    size_t size = token->line.size - (sizeof most - 1);
    if (size >= sizeof digits) return;
    memcpy(digits, (const char *)token->line.data + sizeof most - 1, size);
    node->item_most = strtoll(digits, NULL, 10);
  }
}

/* A line of the answer to the greeting. */
static void greeted(cachette__mc_node *node, const cachette__meta_token *token) {
  char message[256];
  if (node->greeting == CACHETTE__MC_SETTINGS) {
    take_setting(node, token);
  } else if (token->type == CACHETTE__META_ERROR) {
    int code = cachette__mc_fault(node, token->line, message, sizeof message);
    cachette__link_fail(&node->link, true, code, "%s", message);
  } else if (node->greeting == CACHETTE__MC_VERSION) {
    take_version(node, token->line);
  } else {
    node->greeting = node->store->settings->sasl ? CACHETTE__MC_SETTINGS : CACHETTE__MC_VERSION;
    greet(node);
  }
}

static void on_opened(void *owner) {
  cachette__mc_node *node = owner;
  cachette__meta_init(&node->parser);
  cachette__binary_init(&node->binary_parser);
  node->input_begin = node->input_end = 0;
  node->asked = node->answered = 0;
  node->greeting =
      node->store->settings->username != NULL ? CACHETTE__MC_AUTH : CACHETTE__MC_VERSION;
  greet(node);
}

static char *on_room(void *owner, size_t *size) {
  cachette__mc_node *node = owner;
  *size = sizeof node->input - node->input_end;
  return node->input + node->input_end;
}

/* Whether a reply has the number of the command that it should answer. */
static bool is_in_order(cachette__mc_node *node, const cachette__mc_request *request,
                        const cachette__meta_token *token) {
  bool numbered =
      request->sweep != NULL ? token->has_opaque : cachette__has_items(request->travel->verb);
  if (!numbered || (token->type == CACHETTE__META_VALUE && token->line.data == NULL)) return true;
  uint32_t expected = node->answered++;
  if (token->type == CACHETTE__META_ERROR && !token->has_opaque) return true;
  return token->has_opaque && token->opaque == expected;
}

/* False: the server and we do not understand each other. */
static bool read_token(cachette__mc_node *node, const cachette__meta_token *token) {
  if (node->link.state == CACHETTE__LINK_OPENING) {
    greeted(node, token);
    return true;
  }
  if (node->head == node->unsent) return false; /* nothing was asked */
  cachette__mc_request *request = cachette__mc_request_at(node, node->head);
  if (!is_in_order(node, request, token)) return false;
  bool complete = false;
  size_t left = request->replies;
  if (request->sweep != NULL) {
    if (!cachette__mc_sweep_take(node, request->sweep, token, &complete)) return false;
    request->replies -= complete;
  } else {
    size_t done = cachette__mc_replies(request->travel, request->part) - left;
    if (!cachette__mc_take(node, request, done, token)) return false;
  }
  node->batch += request->replies < left;
  if (request->replies == 0) cachette__mc_trim(node);
  return true;
}

static void fail(cachette__mc_node *node, const char *reason) {
  cachette__link_fail(&node->link, false, CACHETTE_EBACKEND,
                      "%s does not speak memcached's protocol as expected: %s.", node->name,
                      reason);
}

static void read_input(cachette__mc_node *node) {
  for (;;) {
    cachette_slice bytes = {node->input + node->input_begin, node->input_end - node->input_begin};
    size_t used = 0;
    cachette__meta_token token;
    const char *reason = "an answer that does not fit what was asked";
    const void *stream = node->link.stream;
    int code = node->store->settings->sasl
                   ? cachette__binary_read(&node->binary_parser, bytes, &used, &token, &reason)
                   : cachette__meta_read(&node->parser, bytes, &used, &token, &reason);
    node->input_begin += used;
    if (code == CACHETTE__META_MORE) break;
    if (code < 0 || !read_token(node, &token)) {
      fail(node, reason);
      return;
    }
    if (node->link.stream != stream) return; /* it was given up meanwhile */
  }
  size_t left = node->input_end - node->input_begin;
  if (left > 0 && node->input_begin > 0)
    memmove(node->input, node->input + node->input_begin, left);
  node->input_begin = 0;
  node->input_end = left;
}

static void on_received(void *owner, size_t size) {
  cachette__mc_node *node = owner;
  node->in_batch = true;
  node->heard_ms = cachette__machine_now();
  node->input_end += size;
  bool was_ready = node->link.state == CACHETTE__LINK_READY;
  read_input(node);
  if (!was_ready && node->link.state == CACHETTE__LINK_READY) encode_all(node);
}

static void on_paused(void *owner) {
  cachette__mc_node *node = owner;
  node->in_batch = false;
  node->last_batch = node->batch;
  node->batch = 0;
  send_now(node);
}

/* Takes out what nobody waits for, from the head on; nothing is on its way. */
static void drop_dead(cachette__mc_node *node) {
  for (; node->head < node->tail; node->head++) {
    cachette__mc_request *request = cachette__mc_request_at(node, node->head);
    if (is_alive(request)) break;
    fail_request(node, request, CACHETTE_ECANCELED, "");
  }
  node->unsent = node->head;
}

/* Decides which requests may go over the next connection, and how many those are. */
static size_t keep_some(cachette__mc_node *node, bool retry) {
  size_t kept = 0;
  for (uint64_t i = node->head; i < node->tail; i++) {
    cachette__mc_request *request = cachette__mc_request_at(node, i);
    bool alive = is_alive(request);
    bool was_sent = i < node->unsent && request->position < node->link.sent;
    bool lost = alive && was_sent && (request->retried || !is_idempotent(request));
    request->doomed = !retry || lost;
    request->retried |= was_sent;
    request->replies = 0;
    kept += alive && !request->doomed;
  }
  node->unsent = node->head;
  return kept;
}

/* Adds what may be the matter with a server that took the greeting and did not answer it. */
static void add_advice(const cachette__mc_node *node, cachette_error *error) {
  size_t size = strlen(error->message);
  if (node->store->settings->sasl || error->code != CACHETTE_EUNAVAILABLE) return;
  snprintf(error->message + size, sizeof error->message - size, "%s",
           " If it runs with SASL (-S), set \"memcached_auth\" to sasl.");
}

static void on_lost(void *owner, bool was_ready, const cachette_error *error) {
  cachette__mc_node *node = owner;
  if (was_ready) node->store->events->lost(node->store->events);
  if (!was_ready && (node->greeting == CACHETTE__MC_AUTH || node->greeting == CACHETTE__MC_VERSION))
    add_advice(node, &node->link.reason);
  node->greeting = CACHETTE__MC_SILENT;
  if (node->place != NULL) { /* a value came in part */
    cachette__item_drop(cachette__mc_request_at(node, node->head)->travel->op, node->filling);
    node->filling->status = CACHETTE_MISS;
  }
  node->filling = NULL;
  node->place = NULL;
  node->in_batch = node->suspect = false;
  node->batch = node->last_batch = node->unflushed = 0;
  cachette_error told = *error; /* for what follows may change it */
  uint64_t tail = node->tail;
  size_t kept = keep_some(node, was_ready);
  /* From here on the callers' code runs, and may push, but nothing leaves the ring. */
  for (uint64_t i = node->head; i < tail; i++)
    if (cachette__mc_request_at(node, i)->doomed)
      fail_request(node, cachette__mc_request_at(node, i), told.code, told.message);
  const cachette_error *reason;
  int code = kept > 0 ? cachette__link_want(&node->link, &reason) : 0;
  if (code < 0) {
    told = *reason;
    for (uint64_t i = node->head; i < tail; i++)
      fail_request(node, cachette__mc_request_at(node, i), code, told.message);
  }
  drop_dead(node);
}

static const cachette__link_events events = {
    .opened = on_opened,
    .room = on_room,
    .received = on_received,
    .paused = on_paused,
    .lost = on_lost,
};

/* If nothing at all came since the op was sent, and nothing was sent, the server is gone. */
void cachette__mc_look_at_silence(cachette__mc_node *node, const cachette_op *op) {
  int64_t timeout_ms = node->store->settings->timeout_ms;
  if (node->link.state != CACHETTE__LINK_READY) return;
  int64_t now = cachette__machine_now();
  int64_t waited = op->timeout_ms > 0 ? op->timeout_ms : timeout_ms;
  int64_t since = op->priv.deadline_ms - waited;
  if (node->heard_ms > since) since = node->heard_ms;
  if (op->priv.deadline_ms > now || now - since < timeout_ms - 10) return;
  uint64_t sent = cachette__stream_sent(node->link.stream);
  bool sending = cachette__buffer_size(cachette__stream_output(node->link.stream)) > 0;
  if (!sending || sent == node->suspect_sent) {
    node->suspect = true;
    cachette__mc_do_later(node->store);
  }
  node->suspect_sent = sent;
}

/* ---- Its life ---- */

cachette__mc_node *cachette__mc_node_new(cachette__memcached *store,
                                         const cachette__memcached_host *host) {
  cachette__mc_node *node = cachette__calloc(1, sizeof *node);
  if (node == NULL) return NULL;
  node->store = store;
  node->target = (cachette__target){
      .host = host->host,
      .port = host->port,
      .path = host->path,
      .tls = store->settings->tls,
      .plain_advice = "set \"memcached_tls\" to false.",
      .tls_advice = "set \"memcached_tls\" to true.",
      .connect_timeout_ms = store->settings->connect_timeout_ms,
  };
  cachette__target_text(&node->target, node->name, sizeof node->name);
  return node;
}

void cachette__mc_node_start(cachette__mc_node *node) {
  cachette__link_init(&node->link, node->store->loop, &node->target, &events, node);
}

void cachette__mc_node_free(cachette__mc_node *node) {
  if (node == NULL) return;
  cachette__free(node->ring);
  cachette__free(node);
}
