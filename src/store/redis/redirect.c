/* SPDX-License-Identifier: MIT */
/*
 * Error replies that say that another server has a key, or will have it soon.
 *
 *     MOVED slot host:port   that server owns the slot: the map is changed at once
 *     ASK slot host:port     that server is taking over the slot, and has this key already
 *     TRYAGAIN, CLUSTERDOWN, LOADING, READONLY, ...   not now
 *
 * In each case the command was not executed.
 * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
 */
#include <stdlib.h>
#include <string.h>

#include "../../base/clock.h"
#include "../../base/error.h"
#include "router.h"

enum {
  POSTPONED = CACHETTE__REDIS_POSTPONED,
  MOVED = CACHETTE__REDIS_MOVED,
  NO_NODE = CACHETTE__REDIS_NO_NODE,
  NO_PLACE = CACHETTE__REDIS_NO_PLACE,
  DEAF_MS = 1000 /* how long a replica that refused a read gets no other */
};

/* ---- MOVED and ASK ---- */

typedef struct redirection {
  unsigned slot;
  cachette_slice host; /* empty: that of the server that sent it */
  int64_t port;
} redirection;

/* Parses "MOVED 3999 127.0.0.1:6381"; IPv6 addresses have no brackets. Returns false if it is not
 * valid. */
static bool parse(const char *text, redirection *found) {
  char *end;
  const char *at = strchr(text, ' ');
  if (at == NULL || at[1] < '0' || at[1] > '9') return false;
  unsigned long slot = strtoul(at + 1, &end, 10);
  if (*end != ' ' || slot >= CACHETTE__REDIS_SLOTS) return false;
  const char *host = end + 1, *colon = strrchr(host, ':');
  if (colon == NULL || colon[1] < '0' || colon[1] > '9') return false;
  unsigned long port = strtoul(colon + 1, &end, 10);
  if ((*end != '\0' && *end != ' ') || port == 0 || port > 65535) return false;
  *found = (redirection){(unsigned)slot, {host, (size_t)(colon - host)}, (int64_t)port};
  return true;
}

/* Returns the node of the map that a redirection names; NO_NODE: it is not valid, or memory is
 * out. */
static unsigned locate(cachette__redis_router *router, const cachette__redis_node *from,
                       redirection *found) {
  const cachette__target *target = router->places[from->place].target;
  const cachette__redis_map_source source = {.host = target->host,
                                             .tls_name = target->tls_name,
                                             .seed_name = router->settings->target.host,
                                             .address_map = &router->settings->address_map};
  cachette__redis_map *map = cachette__redis_own_map(router);
  if (map == NULL || !parse(from->error, found)) return NO_NODE;
  int node = cachette__redis_map_locate(map, &source, found->host, found->port, NULL);
  return node < 0 ? NO_NODE : (unsigned)node;
}

static void take_reason(cachette__redis_router *router, const cachette__redis_node *node,
                        const char *what) {
  cachette__fail(&router->reason, CACHETTE_EUNAVAILABLE, NULL, "%s %s (%.100s).",
                 node->pipeline.name, what, node->error);
}

/* The server names itself: what answers at its address is not it, or no longer. */
static int reconnect(cachette__redis_router *router, cachette__redis_node *node) {
  take_reason(router, node, "redirects to itself");
  cachette__pipeline_drain(&node->pipeline, &router->reason);
  return POSTPONED;
}

static int take_moved(cachette__redis_router *router, cachette__redis_node *node) {
  redirection found;
  unsigned owner = locate(router, node, &found);
  size_t place = owner != NO_NODE ? cachette__redis_place_of(router, owner) : NO_PLACE;
  cachette__redis_router_refresh(router, node->place);
  take_reason(router, node, "redirects to another server of its cluster");
  if (place == NO_PLACE) return POSTPONED;
  if (place == node->place) return reconnect(router, node);
  cachette__redis_map_adopt(router->map, found.slot, owner);
  if (cachette__redis_place_is_up(router, place)) return MOVED;
  router->reason = router->places[place].node->pipeline.link.reason;
  return POSTPONED;
}

static int take_ask(cachette__redis_router *router, cachette__redis_node *node) {
  redirection found;
  unsigned target = locate(router, node, &found);
  size_t place = target != NO_NODE ? cachette__redis_place_of(router, target) : NO_PLACE;
  take_reason(router, node, "redirects to another server of its cluster");
  return place != NO_PLACE ? CACHETTE__REDIS_ASK - (int)place : POSTPONED;
}

/* ---- Temporary refusals ---- */

/* Another place may serve a read that a replica refused. */
static int take_refusal(cachette__redis_router *router, cachette__redis_node *node) {
  cachette__redis_place *place = &router->places[node->place];
  bool is_replica =
      place->map_node != NO_NODE && router->map->nodes[place->map_node].primary != place->map_node;
  router->reason = node->retry.reason;
  if (!cachette__redis_error_is(node, "TRYAGAIN") && !cachette__redis_error_is(node, "BUSY"))
    cachette__redis_router_refresh(router, node->place);
  if (!is_replica || router->settings->read_from == CACHETTE__REDIS_PRIMARY) return POSTPONED;
  place->deaf_until_ms = cachette__machine_now() + DEAF_MS;
  return MOVED;
}

int cachette__redis_redirect(void *owner, cachette__redis_node *node, const char *command) {
  cachette__redis_router *router = owner;
  bool is_moved = cachette__redis_error_is(node, "MOVED");
  bool is_ask = cachette__redis_error_is(node, "ASK");
  bool is_cluster = is_moved || is_ask || cachette__redis_error_is(node, "CLUSTERDOWN");
  if (router->mode == CACHETTE__REDIS_PLAIN && is_cluster) node->upper->joined(router, node);
  if (router->mode == CACHETTE__REDIS_PLAIN) return 0;
  if (is_moved) return take_moved(router, node);
  if (is_ask) return take_ask(router, node);
  return cachette__redis_error_is_transient(node, command) ? take_refusal(router, node) : 0;
}
