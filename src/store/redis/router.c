/* SPDX-License-Identifier: MIT */
/* The router: its life, and which way an op goes. */
#include "router.h"

#include <stdio.h>
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "clear.h"
#include "cluster/refresh.h"
#include "sentinel/watch.h"

/* ---- Ops ---- */

/* Several servers: to the node that has all keys, or by a fan-out. */
static void submit_routed(cachette__redis_router *router, cachette_op *op) {
  if (router->finder->catch_up != NULL) router->finder->catch_up(router);
  cachette__redis_node *node = cachette__redis_route_directly(router, op);
  if (node != NULL)
    cachette__redis_node_submit(node, op, 0);
  else
    cachette__redis_fanout_start(router, op);
}

void cachette__redis_router_submit(cachette__redis_router *router, cachette_op *op) {
  if (cachette__redis_clears(router->settings, op))
    cachette__redis_clear_start(router, op);
  else if (router->mode == CACHETTE__REDIS_PLAIN)
    cachette__redis_node_submit(router->plain, op, 0);
  else
    submit_routed(router, op);
}

void cachette__redis_router_detach(cachette__redis_router *router, cachette_op *op) {
  if (cachette__redis_clears(router->settings, op))
    cachette__redis_clear_detach(op);
  else if (op->priv.node != NULL)
    cachette__redis_node_detach(op->priv.node, op);
  else
    cachette__redis_fanout_detach(op);
}

const cachette_error *cachette__redis_router_reason(cachette__redis_router *router,
                                                    const cachette_op *op) {
  if (cachette__redis_clears(router->settings, op)) return cachette__redis_clear_reason(op);
  if (op->priv.node == NULL) return cachette__redis_fanout_reason(op);
  return cachette__redis_node_reason(op->priv.node, op);
}

const char *cachette__redis_router_server(const cachette__redis_router *router,
                                          const cachette_op *op) {
  if (op == NULL) return router->name;
  if (cachette__redis_clears(router->settings, op)) return cachette__redis_clear_server(op);
  if (op->priv.node == NULL) return cachette__redis_fanout_server(op);
  return ((const cachette__redis_node *)op->priv.node)->pipeline.name;
}

/* ---- Several servers ---- */

/* The name for messages about all servers. */
static void name_servers(cachette__redis_router *router) {
  const cachette__redis_settings *settings = router->settings;
  char first[128];
  cachette__target_text(&settings->seeds[0], first, sizeof first);
  const char *kind = router->mode == CACHETTE__REDIS_CLUSTER ? "Redis Cluster" : "Redis Sentinel";
  if (router->mode == CACHETTE__REDIS_PLAIN)
    snprintf(router->name, sizeof router->name, "%s", first);
  else
    snprintf(router->name, sizeof router->name, "the %s of %s", kind, first);
}

/* From now on there are several servers. Returns false if out of memory. */
static bool begin_routing(cachette__redis_router *router, enum cachette__redis_mode mode) {
  router->map = cachette__redis_map_new();
  if (router->map == NULL) return false;
  router->mode = mode;
  bool ok = cachette__redis_places_link(router);
  if (ok && mode == CACHETTE__REDIS_SENTINEL)
    ok = cachette__redis_watch_start(router);
  else
    ok = ok && cachette__redis_refresh_start(router);
  if (!ok) {
    cachette__redis_map_release(router->map);
    router->map = NULL;
    router->mode = CACHETTE__REDIS_PLAIN;
    return false;
  }
  for (size_t i = 0; i < router->place_count; i++)
    if (router->places[i].node != NULL) router->places[i].node->routed = true;
  name_servers(router);
  return true;
}

/* ---- What nodes tell ---- */

static void on_take_back(void *owner, cachette__redis_node *node, cachette_op *op, bool was_sent) {
  (void)node;
  cachette__redis_fanout_take_back(owner, op, was_sent);
}

/* A plain router turns into that of a cluster, which its only server belongs to. */
static void on_joined(void *owner, cachette__redis_node *node) {
  cachette__redis_router *router = owner;
  if (router->mode != CACHETTE__REDIS_PLAIN) return;
  if (begin_routing(router, CACHETTE__REDIS_CLUSTER))
    cachette__redis_router_refresh(router, node->place);
}

static void on_lost(void *owner, cachette__redis_node *node) {
  cachette__redis_router *router = owner;
  if (router->mode == CACHETTE__REDIS_PLAIN) return;
  router->reason = node->pipeline.link.reason;
  if (router->places[node->place].map_node != CACHETTE__REDIS_NO_NODE)
    cachette__redis_router_refresh(router, CACHETTE__REDIS_NO_PLACE);
}

static bool on_admit(void *owner, cachette__redis_node *node) {
  cachette__redis_router *router = owner;
  if (router->finder == NULL || router->finder->admit == NULL) return true;
  return router->finder->admit(router, node);
}

static const cachette__redis_upper upper = {
    .redirect = cachette__redis_redirect,
    .take_back = on_take_back,
    .joined = on_joined,
    .lost = on_lost,
    .admit = on_admit,
};

/* ---- Open and close ---- */

int cachette__redis_router_init(cachette__redis_router *router,
                                const cachette__store_context *context, cachette_error *error) {
  router->settings = (const cachette__redis_settings *)context->settings;
  router->loop = context->loop;
  router->events = context->events;
  router->upper = &upper;
  router->released = cachette__redis_router_release;
  router->on_timer = cachette__redis_fanout_on_timer;
  bool ok = true, has_seeds = router->settings->mode != CACHETTE__REDIS_SENTINEL;
  for (size_t i = 0; i < router->settings->seed_count && ok && has_seeds; i++)
    ok = cachette__redis_place_add_seed(router, &router->settings->seeds[i]) !=
         CACHETTE__REDIS_NO_PLACE;
  if (ok && router->settings->mode == CACHETTE__REDIS_PLAIN)
    ok = (router->plain = cachette__redis_place_open(router, 0)) != NULL;
  if (ok && router->settings->mode != CACHETTE__REDIS_PLAIN)
    ok = begin_routing(router, router->settings->mode);
  if (!ok) {
    cachette__redis_places_deinit(router);
    return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  }
  uv_timer_init(router->loop, &router->timer);
  router->timer.data = router;
  router->open_handles++;
  name_servers(router);
  return CACHETTE_OK;
}

static void on_timer_closed(uv_handle_t *handle) { cachette__redis_router_release(handle->data); }

void cachette__redis_router_close(cachette__redis_router *router, bool forked,
                                  void (*closed)(void *owner), void *owner) {
  router->closing = true;
  router->closed = closed;
  router->owner = owner;
  if (router->finder != NULL) router->finder->close(router, forked);
  cachette__redis_places_close(router, forked);
  if (forked)
    cachette__redis_router_deinit(router);
  else
    uv_close((uv_handle_t *)&router->timer, on_timer_closed);
}
