/* SPDX-License-Identifier: MIT */
/*
 * Which server an item goes to: the owner of its slot; for reads maybe a replica of it.
 *
 * If the owner is down, the item goes to one of its replicas. A replica sends it back with MOVED
 * until it is promoted; then it executes it. So ops find the new primary as soon as there is one,
 * without asking anybody for the map. If there is no replica, an op waits for each new attempt to
 * connect to the owner. All that goes on for the time-out of an op. After that ops fail at once,
 * but for one at a time.
 */
#include "../../base/clock.h"
#include "../../base/error.h"
#include "router.h"

enum {
  NO_NODE = CACHETTE__REDIS_NO_NODE,
  NO_PLACE = CACHETTE__REDIS_NO_PLACE,
  PROBE_MS = 100 /* after the time-out: ms between the ops that are sent to a replica */
};

static const cachette__redis_route nowhere = {.place = NO_PLACE};

unsigned cachette__redis_route_slot(const cachette__redis_router *router, cachette_slice key) {
  if (router->mode != CACHETTE__REDIS_CLUSTER) return 0;
  return cachette__redis_slot(router->settings->prefix, key);
}

static bool is_read(const cachette_op *op) {
  return op->verb == CACHETTE_FETCH || op->verb == CACHETTE_EXISTS;
}

/* ---- Replicas ---- */

/* Returns a replica of a node that is up, in turn; NO_PLACE: there is none. `reads`: one that
 * serves reads. */
static size_t find_replica(cachette__redis_router *router, unsigned primary, bool reads) {
  const cachette__redis_map_node *nodes = router->map->nodes;
  size_t count = 0, start, seen = 0;
  for (unsigned i = nodes[primary].next; i != primary; i = nodes[i].next) count++;
  if (count == 0) return NO_PLACE;
  start = router->turn++ % count;
  int64_t now = cachette__machine_now();
  unsigned node = nodes[primary].next;
  for (size_t i = 0; i < start; i++) node = nodes[node].next;
  for (; seen < count; seen++, node = router->map->nodes[node].next) {
    if (node == primary) node = router->map->nodes[node].next;
    size_t place = cachette__redis_place_of(router, node);
    if (place == NO_PLACE || !cachette__redis_place_is_up(router, place)) continue;
    if (!reads || router->places[place].deaf_until_ms <= now) return place;
  }
  return NO_PLACE;
}

/* ---- A primary that is down ---- */

static void take_reason(cachette__redis_router *router, size_t place) {
  router->reason = router->places[place].node->pipeline.link.reason;
}

/* The owner is down: chooses one of its replicas, which may have taken over. `tried`: the op may
 * wait for the owner instead. Outside a cluster the sentinels tell which one has; and a replica may
 * be an old primary, which takes writes that are lost then. */
static cachette__redis_route probe(cachette__redis_router *router, unsigned owner, size_t place,
                                   bool may_probe, bool tried) {
  cachette__redis_place *down = &router->places[place];
  int64_t now = cachette__machine_now();
  bool is_late = now - down->down_since_ms > router->settings->timeout_ms;
  take_reason(router, place);
  cachette__redis_router_refresh(router, NO_PLACE);
  cachette__redis_route route = {.place = NO_PLACE, .is_futile = is_late};
  may_probe = may_probe && router->mode == CACHETTE__REDIS_CLUSTER;
  bool is_due = may_probe && (!is_late || now - down->probed_ms >= PROBE_MS);
  if (is_due) {
    route.place = find_replica(router, owner, false);
    route.probing = route.place != NO_PLACE;
  }
  if (route.probing) router->places[place].probed_ms = now;
  route.waiting = !route.probing && tried;
  if (route.waiting) route.place = place;
  return route;
}

/* ---- Choosing ---- */

static cachette__redis_route to_primary(cachette__redis_router *router, unsigned owner,
                                        bool may_probe) {
  size_t place = cachette__redis_place_of(router, owner);
  if (place == NO_PLACE) {
    cachette__fail(&router->reason, CACHETTE_ENOMEM, NULL, NULL);
    return nowhere;
  }
  enum cachette__redis_state state = cachette__redis_place_state(router, place);
  if (state == CACHETTE__REDIS_UP) return (cachette__redis_route){.place = place};
  return probe(router, owner, place, may_probe, state == CACHETTE__REDIS_TRIED);
}

static cachette__redis_route to_replica(cachette__redis_router *router, unsigned owner) {
  cachette__redis_route route = {.place = find_replica(router, owner, true)};
  if (route.place != NO_PLACE) return route;
  if (router->settings->read_from == CACHETTE__REDIS_PREFER_REPLICA)
    return to_primary(router, owner, false);
  const cachette__redis_map_node *node = &router->map->nodes[owner];
  cachette__fail(&router->reason, CACHETTE_EUNAVAILABLE, NULL,
                 "%.100s:%u has no replica that serves reads; set \"read_from\" to "
                 "\"prefer_replica\" to read from the primary then.",
                 node->host, node->port);
  cachette__redis_router_refresh(router, NO_PLACE);
  return route;
}

cachette__redis_route cachette__redis_route_primary(cachette__redis_router *router,
                                                    unsigned map_node, bool may_probe) {
  return to_primary(router, map_node, may_probe);
}

/* Returns the place of an ASK if it is still there. */
static size_t asked_place(const cachette__redis_router *router, int status) {
  size_t place = (size_t)(CACHETTE__REDIS_ASK - status);
  return place < router->place_count && router->places[place].in_use ? place : NO_PLACE;
}

cachette__redis_route cachette__redis_route_item(cachette__redis_router *router,
                                                 const cachette_op *op, const cachette_item *item) {
  int status = cachette__redis_uncounted(item->status);
  if (status <= CACHETTE__REDIS_ASK) {
    size_t place = asked_place(router, status);
    if (place != NO_PLACE && cachette__redis_place_is_up(router, place))
      return (cachette__redis_route){.place = place, .asking = true};
  }
  unsigned slot = cachette__redis_route_slot(router, item->key);
  unsigned owner = router->map->owner[slot];
  if (owner == NO_NODE && !router->has_map) {
    cachette__redis_router_refresh(router, NO_PLACE);
    return (cachette__redis_route){.place = NO_PLACE, .is_futile = router->finding_failed};
  }
  if (owner == NO_NODE) {
    cachette__fail(&router->reason, CACHETTE_EUNAVAILABLE, NULL,
                   "No server of the cluster serves the hash slot %u.", slot);
    cachette__redis_router_refresh(router, NO_PLACE);
    return nowhere;
  }
  if (is_read(op) && router->settings->read_from != CACHETTE__REDIS_PRIMARY)
    return to_replica(router, owner);
  return to_primary(router, owner, true);
}

/* ---- The direct way ---- */

/* Returns the node of a slot's owner if it is there and up. */
static cachette__redis_node *find_owner(cachette__redis_router *router, cachette_slice key) {
  unsigned owner = router->map->owner[cachette__redis_route_slot(router, key)];
  if (owner == NO_NODE) return NULL;
  size_t place = cachette__redis_place_of(router, owner);
  if (place == NO_PLACE || !cachette__redis_place_is_up(router, place)) return NULL;
  return cachette__redis_place_open(router, place);
}

cachette__redis_node *cachette__redis_route_directly(cachette__redis_router *router,
                                                     const cachette_op *op) {
  if (!cachette__has_items(op->verb)) return NULL;
  if (is_read(op) && router->settings->read_from != CACHETTE__REDIS_PRIMARY) return NULL;
  cachette__redis_node *node = find_owner(router, op->items[0].key);
  for (size_t i = 1; node != NULL && i < op->count; i++) {
    unsigned owner = router->map->owner[cachette__redis_route_slot(router, op->items[i].key)];
    if (owner != router->places[node->place].map_node) return NULL;
  }
  return node;
}

void cachette__redis_route_promote(cachette__redis_router *router, size_t index) {
  unsigned node = router->places[index].map_node;
  if (node == NO_NODE || router->map->nodes[node].primary == node) return;
  cachette__redis_map *map = cachette__redis_own_map(router);
  if (map == NULL) return; /* the next op will find it again */
  cachette__redis_map_take_over(map, node);
  cachette__redis_router_refresh(router, index);
}
