/* SPDX-License-Identifier: MIT */
/*
 * Asks the servers of a cluster for the map of the slots: one after another, until one sends a map
 * that is accepted.
 *
 *     wanted --> lease --> the server that redirected, three others, the servers of the URL
 *        |         '--> another handle asks, or asked just now: look again later
 *        '--> once a minute, too
 *
 * The servers of the URL are connected to anew, if they are not part of the cluster any more, so
 * that their names are resolved again.
 */
#include "refresh.h"

#include <stdio.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/clock.h"
#include "../../../base/error.h"
#include "map_builder.h"
#include "topology.h"

enum {
  NO_PLACE = CACHETTE__REDIS_NO_PLACE,
  NO_NODE = CACHETTE__REDIS_NO_NODE,
  MAX_SERVERS = 16, /* to ask, in one go */
  OTHERS = 3,       /* servers that are asked besides the one that redirected */
  ANSWER_MS = 2000, /* the maximum time for one to answer */
  PERIOD_MS = 60 * 1000
};

typedef struct refresh {
  cachette__redis_router *router;
  cachette__redis_topology *topology;
  uv_timer_t timer; /* for the answer, the next request, or the next look at the topology */
  int64_t due_ms;   /* when it fires; 0: it is stopped */
  bool wanted;      /* something shows that the map is old */
  bool running;     /* it has the lease */
  unsigned version; /* of the map that the router has */
  size_t first;     /* the place to ask first, or NO_PLACE */
  size_t servers[MAX_SERVERS];
  size_t server_count, asked;
  struct question *question; /* to the current server, or NULL */
  cachette_error error;      /* of the last server that sent no map */
  bool answered;             /* a server has sent a map, even if it could not be used */
} refresh;

/* A CLUSTER SLOTS in the pipeline of a node. It may come back late, when nobody waits for it. */
typedef struct question {
  cachette__redis_job job; /* must be first */
  refresh *self;           /* NULL: abandoned */
  char *host, *tls_name;   /* of the server; owned */
  cachette__redis_map_source source;
  cachette__redis_map_builder builder;
  int code;
  char message[256];
} question;

static refresh *refresh_of(const cachette__redis_router *router) { return router->found; }

/* ---- The timer ---- */

static void on_timer(uv_timer_t *timer);

/* Sees to it that the timer fires in `delay_ms` at the latest. */
static void set_timer(refresh *self, int64_t delay_ms) {
  int64_t due_ms = cachette__machine_now() + delay_ms;
  if (self->due_ms != 0 && self->due_ms <= due_ms) return;
  self->due_ms = due_ms;
  uv_update_time(self->timer.loop);
  uv_timer_start(&self->timer, on_timer, (uint64_t)delay_ms, 0);
}

static void stop_timer(refresh *self) {
  uv_timer_stop(&self->timer);
  self->due_ms = 0;
}

/* Returns the time until the next periodic request, with jitter. */
static int64_t choose_period(void) {
  uint32_t random = 0;
  if (uv_random(NULL, NULL, &random, sizeof random, 0, NULL) != 0) random = (uint32_t)uv_hrtime();
  return PERIOD_MS * 4 / 5 + random % (PERIOD_MS * 2 / 5);
}

/* ---- Whom to ask ---- */

static void add_server(refresh *self, size_t place) {
  if (place == NO_PLACE || self->server_count == MAX_SERVERS) return;
  if (place >= self->router->place_count || !self->router->places[place].in_use) return;
  for (size_t i = 0; i < self->server_count; i++)
    if (self->servers[i] == place) return;
  self->servers[self->server_count++] = place;
}

static void add_others(refresh *self) {
  cachette__redis_router *router = self->router;
  size_t count = router->map->node_count, start = count > 0 ? router->turn++ % count : 0;
  size_t max = self->server_count + OTHERS;
  for (size_t i = 0; i < count && self->server_count < max; i++) {
    size_t place = cachette__redis_place_of(router, (unsigned)((start + i) % count));
    if (place != NO_PLACE && cachette__redis_place_is_up(router, place)) add_server(self, place);
  }
}

static void choose_servers(refresh *self) {
  self->server_count = self->asked = 0;
  add_server(self, self->first);
  add_others(self);
  for (size_t i = 0; i < self->router->place_count; i++)
    if (self->router->places[i].is_seed) add_server(self, i);
  self->first = NO_PLACE;
}

/* ---- Asking ---- */

static void ask_next(refresh *self);

static void free_question(question *asked) {
  cachette__redis_map_builder_deinit(&asked->builder);
  cachette__free(asked->host);
  cachette__free(asked->tls_name);
  cachette__free(asked);
}

static void abandon_question(refresh *self) {
  if (self->question == NULL) return;
  self->question->self = NULL;
  self->question->job.awaited = false;
  self->question = NULL;
}

/* The request is over. Looks again after a pause if the map is still wanted. */
static void stop(refresh *self) {
  self->running = false;
  cachette__redis_topology_end(self->topology, self);
  stop_timer(self);
  set_timer(self, self->wanted ? 1 : choose_period());
}

/* No server has sent a map that can be used. */
static void give_up(refresh *self) {
  cachette__redis_router *router = self->router;
  const cachette_error error = self->error;
  self->wanted = true;
  stop(self);
  if (router->has_map) return;
  if (self->answered)
    router->reason = error; /* the cluster is being made, so it is worth waiting */
  else
    cachette__redis_router_fail(router, &error);
}

static void catch_up(cachette__redis_router *router) {
  refresh *self = refresh_of(router);
  if (cachette__redis_topology_version(self->topology) == self->version) return;
  unsigned version;
  cachette__redis_map *map = cachette__redis_topology_map(self->topology, &version);
  cachette__redis_router_set_map(router, map);
  if (router->map != map) return; /* out of memory; the next op tries again */
  self->version = version;
  self->wanted = false;
}

static void take_map(refresh *self, cachette__redis_map *map, const char *name) {
  self->answered = true;
  unsigned server = (unsigned)self->servers[self->asked - 1];
  enum cachette__redis_offer offer = cachette__redis_topology_offer(self->topology, map, server);
  if (offer == CACHETTE__REDIS_ACCEPTED) {
    self->wanted = false;
    stop(self);
    catch_up(self->router);
    return;
  }
  if (offer == CACHETTE__REDIS_REFUSED)
    cachette__fail(&self->error, CACHETTE_EUNAVAILABLE, NULL,
                   "%s knows no server that serves a hash slot.", name);
  ask_next(self);
}

static void on_completed(cachette__redis_job *job, cachette__redis_node *node,
                         cachette__redis_request *request) {
  question *asked = (question *)job;
  refresh *self = asked->self;
  (void)request;
  if (self != NULL) {
    self->question = NULL;
    cachette__redis_map *map =
        asked->code == 0 ? cachette__redis_map_builder_finish(&asked->builder) : NULL;
    if (map != NULL) {
      take_map(self, map, node->pipeline.name);
    } else {
      cachette__fail(&self->error, asked->code < 0 ? asked->code : CACHETTE_ENOMEM, NULL, "%s",
                     asked->message);
      ask_next(self);
    }
  }
  free_question(asked);
}

static void on_failed(cachette__redis_job *job, int code, const char *message) {
  question *asked = (question *)job;
  refresh *self = asked->self;
  if (self != NULL) {
    self->question = NULL;
    cachette__fail(&self->error, code < 0 ? code : CACHETTE_EUNAVAILABLE, NULL, "%s", message);
    ask_next(self);
  }
  free_question(asked);
}

static size_t on_encode(cachette__redis_job *job, cachette__redis_node *node,
                        cachette__buffer *output) {
  const cachette_slice words[] = {cachette_str("CLUSTER"), cachette_str("SLOTS")};
  (void)job;
  (void)node;
  return cachette__redis_words(output, words, 2) ? 1 : 0;
}

static bool on_take(cachette__redis_job *job, cachette__redis_node *node,
                    const cachette__resp_token *token) {
  question *asked = (question *)job;
  if (token->type == CACHETTE__RESP_ERROR && token->depth == 0) {
    if (token->end)
      asked->code = cachette__redis_explain_error(node, "CLUSTER", (cachette_slice){NULL, 0},
                                                  asked->message, sizeof asked->message);
    return true;
  }
  int code = cachette__redis_map_builder_take(&asked->builder, token);
  if (code == 0 || asked->code < 0) return true;
  const char *reason = cachette__redis_map_builder_reason(&asked->builder);
  asked->code = code;
  snprintf(asked->message, sizeof asked->message, "%s sent a map of its cluster with %s.",
           node->pipeline.name, reason != NULL ? reason : "an error");
  return true;
}

/* The reply starts from its beginning. */
static bool on_restart(cachette__redis_job *job) {
  question *asked = (question *)job;
  asked->code = 0;
  cachette__redis_map_builder_deinit(&asked->builder);
  return cachette__redis_map_builder_init(&asked->builder, &asked->source) == 0;
}

static const cachette__redis_job_type question_type = {
    .encode = on_encode,
    .take = on_take,
    .restart = on_restart,
    .completed = on_completed,
    .failed = on_failed,
};

static char *copy_text(const char *text, bool *ok) {
  char *copy = text != NULL ? cachette__strndup(text, strlen(text)) : NULL;
  *ok = *ok && (text == NULL || copy != NULL);
  return copy;
}

/* The question outlives the place, so it has the strings. NULL: out of memory. */
static question *create_question(refresh *self, size_t place) {
  const cachette__redis_settings *settings = self->router->settings;
  const cachette__target *target = self->router->places[place].target;
  question *asked = cachette__calloc(1, sizeof *asked);
  if (asked == NULL) return NULL;
  bool ok = true;
  asked->self = self;
  asked->job = (cachette__redis_job){
      .type = &question_type, .deadline_ms = INT64_MAX, .awaited = true, .idempotent = true};
  asked->host = copy_text(target->host, &ok);
  asked->tls_name = copy_text(target->tls_name, &ok);
  asked->source = (cachette__redis_map_source){.host = asked->host,
                                               .tls_name = asked->tls_name,
                                               .seed_name = settings->target.host,
                                               .address_map = &settings->address_map};
  if (ok && cachette__redis_map_builder_init(&asked->builder, &asked->source) == 0) return asked;
  free_question(asked);
  return NULL;
}

/* Asks a server. Returns false if that failed, with the reason in `error`. */
static bool ask(refresh *self, size_t place) {
  const cachette_error *error;
  const char *reason;
  cachette__redis_node *node = cachette__redis_place_open(self->router, place);
  if (node != NULL && cachette__link_connect(&node->pipeline.link, &error) < 0) {
    self->error = *error;
    return false;
  }
  question *asked = node != NULL ? create_question(self, place) : NULL;
  if (asked == NULL) {
    cachette__fail(&self->error, CACHETTE_ENOMEM, NULL, NULL);
    return false;
  }
  self->question = asked;
  int code = cachette__redis_push(node, NULL, &asked->job, 0, 0, &reason);
  if (code == 0) return true;
  cachette__fail(&self->error, code, NULL, "%s", reason);
  self->question = NULL;
  free_question(asked);
  return false;
}

static void ask_next(refresh *self) {
  int64_t timeout_ms = self->router->settings->timeout_ms;
  while (self->asked < self->server_count) {
    size_t place = self->servers[self->asked++];
    if (!self->router->places[place].in_use || !ask(self, place)) continue;
    stop_timer(self);
    set_timer(self, timeout_ms < ANSWER_MS ? timeout_ms : ANSWER_MS);
    return;
  }
  give_up(self);
}

/* ---- When ---- */

/* The server has not answered in time. */
static void pass_over(refresh *self) {
  char name[128];
  cachette__redis_place_name(self->router, self->servers[self->asked - 1], name, sizeof name);
  cachette__fail(&self->error, CACHETTE_EUNAVAILABLE, NULL,
                 "%s did not tell which server has which keys.", name);
  abandon_question(self);
  ask_next(self);
}

static void on_timer(uv_timer_t *timer) {
  refresh *self = timer->data;
  self->due_ms = 0;
  if (self->running) {
    pass_over(self);
    return;
  }
  catch_up(self->router);
  int64_t wait =
      cachette__redis_topology_begin(self->topology, self, cachette__machine_now(), self->wanted);
  if (wait > 0) {
    set_timer(self, wait);
    return;
  }
  self->running = true;
  self->wanted = self->answered = false;
  choose_servers(self);
  ask_next(self);
}

static void on_refresh(cachette__redis_router *router, size_t place) {
  refresh *self = refresh_of(router);
  if (router->closing) return;
  if (place != NO_PLACE) self->first = place;
  if (self->wanted) return;
  self->wanted = true;
  if (!self->running) set_timer(self, 0);
}

/* ---- Life cycle ---- */

static void on_timer_closed(uv_handle_t *handle) {
  refresh *self = handle->data;
  cachette__redis_router *router = self->router;
  cachette__free(self);
  cachette__redis_router_release(router);
}

static void on_close(cachette__redis_router *router, bool forked) {
  refresh *self = refresh_of(router);
  abandon_question(self);
  if (self->running && !forked) cachette__redis_topology_end(self->topology, self);
  if (forked)
    cachette__free(self);
  else
    uv_close((uv_handle_t *)&self->timer, on_timer_closed);
}

static const cachette__redis_finder finder = {
    .refresh = on_refresh,
    .catch_up = catch_up,
    .close = on_close,
};

bool cachette__redis_refresh_start(cachette__redis_router *router) {
  refresh *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return false;
  self->router = router;
  self->topology = router->settings->topology;
  self->first = NO_PLACE;
  uv_timer_init(router->loop, &self->timer);
  self->timer.data = self;
  router->open_handles++;
  router->found = self;
  router->finder = &finder;
  return true;
}
