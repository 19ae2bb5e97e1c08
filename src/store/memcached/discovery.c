/* SPDX-License-Identifier: MIT */
/*
 * Asks the configuration endpoints for the servers: one endpoint after another, until one sends a
 * list that is newer, or as new as the one that is known.
 *
 *     start, a node is lost, once a minute --> lease --> endpoint --> endpoint ...
 *                                                |           '--> a list: swap, ops go on
 *                                                '--> another handle asks, or asked just now: later
 *
 * Each request has its own connection, so that the endpoint's name is resolved anew.
 *
 * Ops wait for the first list. If no endpoint sends one, they fail with the reason, and so do later
 * ops, until a request in the background succeeds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/clock.h"
#include "../../base/error.h"
#include "internal.h"

enum { RETRY_MS = 10 }; /* after memory was out */

struct cachette__mc_discovery {
  cachette__memcached *store;
  cachette__mc_published *published;
  unsigned generation; /* of the list that the store has */
  uv_timer_t timer;    /* for the answer, the next request, or the next look at `published` */
  int64_t due_ms;      /* when it fires; 0: it is stopped */
  int64_t wanted_ms;   /* when a node was last lost, or a request failed; 0: never */
  bool running;        /* it has the lease */
  int64_t started_ms;  /* since when */

  size_t asked;            /* endpoints in this request */
  cachette__mc_node *node; /* the endpoint that is being asked, or NULL */
  cachette__mc_question question;
  cachette_error error; /* why the last endpoint had no list; or, if `failed`, why there is none */
  bool failed;          /* there is no list, and ops fail at once */

  cachette_op *first, *last; /* that wait for the first list, linked by priv.node */
  cachette_error reason;     /* why they wait */
  char noticed[256];         /* the last notice; "": a request has succeeded since */
};

/* ---- The timer ---- */

static void on_timer(uv_timer_t *timer);

/* Sees to it that the timer fires in `delay_ms` at the latest. */
static void set_timer(cachette__mc_discovery *self, int64_t delay_ms) {
  int64_t due_ms = cachette__machine_now() + delay_ms;
  if (self->due_ms != 0 && self->due_ms <= due_ms) return;
  self->due_ms = due_ms;
  uv_update_time(self->timer.loop);
  uv_timer_start(&self->timer, on_timer, (uint64_t)delay_ms, 0);
}

static void stop_timer(cachette__mc_discovery *self) {
  uv_timer_stop(&self->timer);
  self->due_ms = 0;
}

/* Returns the time until the next periodic request: a period, more or less by a fifth. */
static int64_t choose_period(void) {
  uint32_t random = 0, period = (uint32_t)cachette__mc_discovery_period_ms;
  if (uv_random(NULL, NULL, &random, sizeof random, 0, NULL) != 0) random = (uint32_t)uv_hrtime();
  return period - period / 5 + random % (2 * (period / 5) + 1);
}

/* ---- Ops that wait ---- */

bool cachette__mc_discovery_has(const cachette_op *op) { return op->priv.below == 0; }

void cachette__mc_discovery_wait(cachette__mc_discovery *self, cachette_op *op) {
  if (self->failed) {
    cachette__op_fail(op, self->error.code, NULL, "%s", self->error.message);
    return;
  }
  op->priv.below = 0;
  op->priv.node = NULL;
  if (self->first == NULL)
    self->first = op;
  else
    self->last->priv.node = op;
  self->last = op;
}

static cachette_op *pop(cachette__mc_discovery *self) {
  cachette_op *op = self->first;
  if (op != NULL) self->first = op->priv.node;
  return op;
}

void cachette__mc_discovery_detach(cachette__mc_discovery *self, cachette_op *op) {
  cachette_op *before = NULL;
  for (cachette_op *each = self->first; each != op; each = each->priv.node) before = each;
  if (before == NULL)
    self->first = op->priv.node;
  else
    before->priv.node = op->priv.node;
  if (self->last == op) self->last = before;
}

/* Fails the ops that wait, and later ones. They run callers' code. */
static void fail_ops(cachette__mc_discovery *self) {
  self->failed = true;
  for (cachette_op *op; (op = pop(self)) != NULL;)
    cachette__op_fail(op, self->error.code, NULL, "%s", self->error.message);
}

const cachette_error *cachette__mc_discovery_reason(cachette__mc_discovery *self) {
  const cachette_error *hint =
      self->node != NULL ? cachette__link_hint(&self->node->pipeline.link) : NULL;
  cachette__fail(&self->reason, CACHETTE_ETIMEDOUT, NULL,
                 "It is to send the list of servers, because of \"memcached_discovery\".%s%s",
                 hint != NULL ? " " : "", hint != NULL ? hint->message : "");
  return &self->reason;
}

const char *cachette__mc_discovery_server(const cachette__mc_discovery *self) {
  return self->node != NULL ? self->node->pipeline.name : self->store->name;
}

/* ---- Using a list ---- */

void cachette__mc_discovery_catch_up(cachette__mc_discovery *self) {
  if (cachette__mc_published_generation(self->published) == self->generation) return;
  unsigned generation;
  cachette__memcached_hosts *hosts = cachette__mc_published_hosts(self->published, &generation);
  cachette__mc_list *list = cachette__mc_list_new(self->store, hosts);
  if (list == NULL) {
    set_timer(self, RETRY_MS);
    return;
  }
  self->generation = generation;
  self->failed = false;
  cachette__mc_list_use(self->store, list);
  for (cachette_op *op; (op = pop(self)) != NULL;) self->store->submit(self->store, op);
}

/* ---- The end of a request ---- */

static void stop(cachette__mc_discovery *self, const cachette_error *error) {
  self->running = false;
  stop_timer(self);
  cachette__mc_published_end(self->published, self, error);
}

static void succeed(cachette__mc_discovery *self) {
  stop(self, NULL);
  self->noticed[0] = '\0';
  set_timer(self, self->wanted_ms >= self->started_ms ? 1 : choose_period());
  cachette__mc_discovery_catch_up(self);
}

/* The servers stay the same. Reports the same reason once. */
static void notice(cachette__mc_discovery *self, const char *reason) {
  cachette__events *events = self->store->events;
  char message[sizeof self->noticed];
  snprintf(message, sizeof message, "\"memcached_discovery\" keeps its servers: %.210s", reason);
  if (strcmp(message, self->noticed) == 0) return;
  memcpy(self->noticed, message, sizeof message);
  events->notice(events, message);
}

/* No endpoint has sent a list that can be used. */
static void give_up(cachette__mc_discovery *self) {
  const cachette_error last = self->error;
  cachette__fail(&self->error, last.code, NULL, "\"memcached_discovery\" found no servers: %s",
                 last.message);
  stop(self, &self->error);
  self->wanted_ms = cachette__machine_now();
  set_timer(self, 1);
  if (self->store->list == NULL)
    fail_ops(self);
  else
    notice(self, last.message);
}

/* ---- Asking ---- */

static void ask_next(cachette__mc_discovery *self);

/* Closes the connection to the endpoint. */
static void hang_up(cachette__mc_discovery *self) {
  cachette__mc_node *node = self->node;
  self->node = NULL;
  if (node != NULL) cachette__mc_node_release(node);
}

/* Returns the reply's list to all handles. Returns false if it cannot be used. */
static bool take_reply(cachette__mc_discovery *self) {
  cachette__cluster_config *config = &self->question.config;
  const char *name = self->node->pipeline.name;
  cachette__memcached_hosts *hosts;
  uint64_t version, known;
  int code = cachette__cluster_config_finish(config, &version, &hosts);
  if (code == CACHETTE_ENOMEM) {
    cachette__fail(&self->error, code, NULL, NULL);
  } else if (code < 0 && config->error[0] != '\0') {
    cachette__fail(&self->error, code, NULL,
                   "%s answered \"config get cluster\" with an error: %s. Is the "
                   "\"memcached_host\" a configuration endpoint?",
                   name, config->error);
  } else if (code < 0) {
    cachette__fail(&self->error, code, NULL, "The list of servers from %s is not valid: %s.", name,
                   config->reason);
  } else {
    known = cachette__mc_published_offer(self->published, version, hosts);
    if (known <= version) return true;
    cachette__fail(&self->error, CACHETTE_EBACKEND, NULL,
                   "%s sent version %" PRIu64
                   " of the list of servers, which is older than %" PRIu64 ".",
                   name, version, known);
  }
  return false;
}

static cachette__mc_discovery *owner_of(cachette__mc_question *question) {
  return (cachette__mc_discovery *)((char *)question - offsetof(cachette__mc_discovery, question));
}

static void on_answered(cachette__mc_question *question) {
  cachette__mc_discovery *self = owner_of(question);
  bool is_useful = take_reply(self);
  cachette__cluster_config_deinit(&question->config);
  hang_up(self);
  if (is_useful)
    succeed(self);
  else
    ask_next(self);
}

/* Also called when the connection is closed by hang_up(), or because the store is closing. */
static void on_failed(cachette__mc_question *question, int code, const char *message) {
  cachette__mc_discovery *self = owner_of(question);
  cachette__cluster_config_deinit(&question->config);
  if (self->node == NULL || self->store->closing) return;
  cachette__fail(&self->error, code, NULL, "%s", message);
  hang_up(self);
  ask_next(self);
}

/* Asks an endpoint. Returns false if that failed, with the reason in `error`. */
static bool ask(cachette__mc_discovery *self, size_t index) {
  const cachette_error *error;
  const char *reason;
  cachette__mc_node *node = cachette__mc_node_new(self->store, self->store->settings->hosts, index);
  if (node == NULL) {
    cachette__fail(&self->error, CACHETTE_ENOMEM, NULL, NULL);
    return false;
  }
  cachette__mc_node_start(node);
  int code = cachette__link_connect(&node->pipeline.link, &error);
  if (code < 0) {
    self->error = *error;
  } else {
    code = cachette__mc_node_ask(node, &self->question, &reason);
    if (code < 0) cachette__fail(&self->error, code, NULL, "%s", reason);
  }
  if (code == CACHETTE_OK)
    self->node = node;
  else
    cachette__mc_node_release(node);
  return code == CACHETTE_OK;
}

static void ask_next(cachette__mc_discovery *self) {
  const cachette__memcached_settings *settings = self->store->settings;
  while (self->asked < settings->hosts->count) {
    if (!ask(self, self->asked++)) continue;
    stop_timer(self);
    set_timer(self, settings->connect_timeout_ms + settings->timeout_ms);
    return;
  }
  give_up(self);
}

/* The endpoint has not answered in time. */
static void pass_over(cachette__mc_discovery *self) {
  cachette__fail(&self->error, CACHETTE_EUNAVAILABLE, NULL,
                 "%s did not send the list of servers in time.", self->node->pipeline.name);
  hang_up(self);
  ask_next(self);
}

/* ---- When ---- */

static void on_timer(uv_timer_t *timer) {
  cachette__mc_discovery *self = timer->data;
  cachette_error error;
  self->due_ms = 0;
  if (self->running) {
    pass_over(self);
    return;
  }
  cachette__mc_discovery_catch_up(self);
  if (self->store->closing) return; /* an op's caller closed the handle */
  int64_t wait = cachette__mc_published_begin(self->published, self, self->wanted_ms, &error);
  if (wait > 0) {
    set_timer(self, wait);
    if (error.code == 0 || self->store->list != NULL) return;
    self->error = error;
    fail_ops(self);
    return;
  }
  self->running = true;
  self->started_ms = cachette__machine_now();
  self->asked = 0;
  ask_next(self);
}

static void on_node_lost(cachette__mc_discovery *self) {
  self->wanted_ms = cachette__machine_now();
  if (!self->running) set_timer(self, 0);
}

/* ---- Life cycle ---- */

static void on_timer_closed(uv_handle_t *handle) {
  cachette__mc_discovery *self = handle->data;
  cachette__memcached *store = self->store;
  cachette__free(self);
  cachette__mc_handle_closed(store);
}

void cachette__mc_discovery_close(cachette__mc_discovery *self, bool forked) {
  if (self->running && !forked) cachette__mc_published_cancel(self->published, self);
  if (forked)
    cachette__free(self);
  else
    uv_close((uv_handle_t *)&self->timer, on_timer_closed);
}

bool cachette__mc_discovery_start(cachette__memcached *store) {
  cachette__mc_discovery *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return false;
  self->store = store;
  self->published = store->settings->published;
  self->question.answered = on_answered;
  self->question.failed = on_failed;
  uv_timer_init(store->loop, &self->timer);
  self->timer.data = self;
  store->open_handles++;
  store->discovery = self;
  store->node_lost = on_node_lost;
  set_timer(self, 0);
  return true;
}
