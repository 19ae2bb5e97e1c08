/* SPDX-License-Identifier: MIT */
/* When to ask the sentinels, and what a new primary means for the router. */
#include "watch.h"

#include "../../../base/alloc.h"
#include "../../../base/error.h"
#include "role.h"

enum {
  NO_NODE = CACHETTE__REDIS_NO_NODE,
  NO_PLACE = CACHETTE__REDIS_NO_PLACE,
  RENEW_MS = 1000,       /* the watcher's lease */
  PERIOD_MS = 10 * 1000, /* between two rounds if there is no trouble */
  MIN_PAUSE_MS = 100,    /* between two rounds in trouble */
  MAX_PAUSE_MS = 1000,   /* the same, after some time */
  LEAVE_MS = 500,        /* for so long, the watcher is left to ask */
  FRESH_MS = 500,        /* for so long a result permits new connections to the primary */
  CALM_MS = 5000,        /* without trouble; after that the pause is short again */
  RETIRE_MS = 250        /* how long the old primary may take to answer what was sent */
};

static cachette__redis_watch *watch_of(const cachette__redis_router *router) {
  return router->found;
}

/* ---- The primary ---- */

/* Returns the place of the primary, or NO_PLACE. */
static size_t find_primary(const cachette__redis_router *router) {
  unsigned owner = router->map->owner[0];
  return owner != NO_NODE && owner < router->map_capacity ? router->map_places[owner] : NO_PLACE;
}

static cachette__redis_node *primary_node(const cachette__redis_router *router) {
  size_t place = find_primary(router);
  return place != NO_PLACE ? router->places[place].node : NULL;
}

/* The old primary gets no more requests. It may answer those that it has. */
static void retire(cachette__redis_watch *self, size_t place, cachette__redis_node *node) {
  cachette_error reason;
  cachette__fail(&reason, CACHETTE_EUNAVAILABLE, NULL,
                 "%s is not the primary of \"%.64s\" any more.", node->pipeline.name,
                 self->router->settings->sentinel_name);
  cachette__pipeline_drain(&node->pipeline, &reason);
  self->retired = node;
  self->retired_place = place;
  self->retired_ms = cachette__machine_now();
  cachette__redis_watch_set_timer(self, 0);
}

static void catch_up(cachette__redis_router *router) {
  cachette__redis_watch *self = watch_of(router);
  if (cachette__redis_agreement_version(self->agreement) == self->version) return;
  size_t place = find_primary(router);
  cachette__redis_node *old = place != NO_PLACE ? router->places[place].node : NULL;
  unsigned version;
  cachette__redis_map *map = cachette__redis_agreement_map(self->agreement, &version);
  cachette__redis_router_set_map(router, map);
  if (router->map != map) return; /* out of memory; the next op tries again */
  self->version = version;
  self->wanted = false;
  if (old != NULL && router->places[place].node == old && find_primary(router) != place)
    retire(self, place, old);
}

/* Closes the old primary's connection, with what it has not answered. Returns after how many
 * milliseconds to do so; 0: there is none. May run callers' code. */
static int64_t drop_retired(cachette__redis_watch *self, int64_t now) {
  cachette__redis_router *router = self->router;
  cachette__redis_node *node = self->retired;
  if (node == NULL) return 0;
  bool is_there = self->retired_place < router->place_count &&
                  router->places[self->retired_place].node == node &&
                  find_primary(router) != self->retired_place;
  bool is_answering =
      is_there && node->pipeline.link.state == CACHETTE__LINK_READY && node->pipeline.draining;
  if (is_answering && now - self->retired_ms < RETIRE_MS) return self->retired_ms + RETIRE_MS - now;
  self->retired = NULL;
  if (is_there && (is_answering || node->pipeline.link.state == CACHETTE__LINK_OPENING))
    cachette__link_fail(&node->pipeline.link, true, CACHETTE_EUNAVAILABLE,
                        "%s is not the primary of \"%.64s\" any more.", node->pipeline.name,
                        router->settings->sentinel_name);
  if (!router->closing) cachette__redis_places_sweep(router);
  return 0;
}

/* ---- Connections that are held ---- */

static bool is_fresh(const cachette__redis_watch *self, int64_t now) {
  int64_t checked_ms = cachette__redis_agreement_checked(self->agreement, NULL);
  return checked_ms != 0 && now - checked_ms <= FRESH_MS;
}

static bool on_admit(cachette__redis_router *router, cachette__redis_node *node) {
  cachette__redis_watch *self = watch_of(router);
  if (node != primary_node(router)) return true;
  bool is_same = cachette__redis_agreement_version(self->agreement) == self->version;
  if (is_same && is_fresh(self, cachette__machine_now())) return true;
  cachette__redis_watch_set_timer(self, 0);
  return false;
}

static bool is_held(const cachette__redis_router *router) {
  const cachette__redis_node *node = primary_node(router);
  return node != NULL && node->is_held;
}

/* The round has a result: lets go on what waits for it. May run callers' code. */
static void let_go(cachette__redis_watch *self, int64_t now) {
  cachette__redis_router *router = self->router;
  cachette_error failure;
  int64_t checked_ms = cachette__redis_agreement_checked(self->agreement, &failure);
  bool waits = !router->has_map && self->wanted && !self->is_running;
  if (waits && failure.code < 0 && checked_ms != 0 && checked_ms >= self->since_ms - FRESH_MS) {
    self->wanted = false;
    cachette__redis_router_fail(router, &failure);
  }
  if (is_held(router) && is_fresh(self, now)) cachette__redis_node_admit(primary_node(router));
}

/* ---- When ---- */

static int64_t choose_pause(const cachette__redis_watch *self) {
  unsigned doublings = self->tries < 5 ? self->tries : 5;
  int64_t pause = (int64_t)MIN_PAUSE_MS << doublings;
  if (pause > MAX_PAUSE_MS) pause = MAX_PAUSE_MS;
  return self->is_watcher || pause > LEAVE_MS ? pause : LEAVE_MS;
}

/* Returns how old the last result has to be for a new round; -1: this handle does not ask. */
static int64_t choose_age(const cachette__redis_watch *self) {
  const cachette__redis_router *router = self->router;
  if (self->is_urgent) return 0;
  if (is_held(router)) return MIN_PAUSE_MS;
  if (self->wanted && !router->has_map) return MIN_PAUSE_MS;
  if (self->wanted) return choose_pause(self);
  return self->is_watcher ? PERIOD_MS : -1;
}

/* Starts a round if one is due. Returns after how many milliseconds to look again. */
static int64_t consider(cachette__redis_watch *self, int64_t now) {
  self->is_watcher = cachette__redis_agreement_watch(self->agreement, self, now);
  int64_t age = choose_age(self);
  if (age < 0) {
    cachette__redis_members_close(&self->members, false);
    return PERIOD_MS;
  }
  int64_t wait = cachette__redis_agreement_begin(self->agreement, self, now, age);
  if (wait > 0) return self->is_watcher && wait > RENEW_MS ? RENEW_MS : wait;
  self->tries = self->wanted ? self->tries + 1 : 0;
  self->wanted = self->is_urgent = false;
  cachette__redis_round_start(self, now);
  return RENEW_MS;
}

static void on_timer(uv_timer_t *timer) {
  cachette__redis_watch *self = timer->data;
  int64_t now = cachette__machine_now();
  self->due_ms = 0;
  catch_up(self->router);
  cachette__redis_round_check(self, now);
  if (self->is_running)
    cachette__redis_agreement_watch(self->agreement, self, now);
  else
    cachette__redis_watch_set_timer(self, consider(self, now));
  if (self->is_running)
    cachette__redis_watch_set_timer(self, cachette__redis_round_next(self, now));
  let_go(self, now);
  if (self->router->closing) return;
  int64_t next = drop_retired(self, now);
  if (next > 0) cachette__redis_watch_set_timer(self, next);
}

static void on_ended(cachette__redis_watch *self) {
  catch_up(self->router);
  cachette__redis_watch_set_timer(self, 0);
}

static void on_refresh(cachette__redis_router *router, size_t place) {
  cachette__redis_watch *self = watch_of(router);
  (void)place;
  if (router->closing || self->wanted) return;
  int64_t now = cachette__machine_now();
  if (now - self->since_ms > CALM_MS) self->tries = 0;
  self->wanted = true;
  self->since_ms = now;
  if (!is_fresh(self, now)) router->finding_failed = false; /* the next op waits for the result */
  cachette__redis_watch_set_timer(self, 0);
}

/* ---- Life cycle ---- */

static void on_timer_closed(uv_handle_t *handle) {
  cachette__redis_watch *self = handle->data;
  cachette__redis_router *router = self->router;
  cachette__free(self);
  cachette__redis_router_release(router);
}

static void on_close(cachette__redis_router *router, bool forked) {
  cachette__redis_watch *self = watch_of(router);
  if (!forked) cachette__redis_agreement_leave(self->agreement, self);
  if (self->role != NULL) cachette__redis_role_abandon(self->role);
  cachette__redis_members_close(&self->members, forked);
  if (forked)
    cachette__free(self);
  else
    uv_close((uv_handle_t *)&self->timer, on_timer_closed);
}

static const cachette__redis_finder finder = {
    .refresh = on_refresh,
    .catch_up = catch_up,
    .admit = on_admit,
    .close = on_close,
};

bool cachette__redis_watch_start(cachette__redis_router *router) {
  cachette__redis_watch *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return false;
  self->router = router;
  self->agreement = router->settings->agreement;
  uv_timer_init(router->loop, &self->timer);
  self->timer.data = self;
  self->on_timer = on_timer;
  self->ended = on_ended;
  router->open_handles++;
  router->found = self;
  router->finder = &finder;
  return true;
}
