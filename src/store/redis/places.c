/* SPDX-License-Identifier: MIT */
/*
 * The table of places: the servers that a router knows. A node is created when an op first goes to
 * its place, and closed when the map no longer has the server.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../../base/alloc.h"
#include "../../base/clock.h"
#include "router.h"

/* ---- Adding ---- */

static bool grow(cachette__redis_router *router) {
  if (router->place_count < router->place_capacity) return true;
  size_t capacity = router->place_capacity > 0 ? 2 * router->place_capacity : 1;
  if (capacity > CACHETTE__REDIS_NO_PLACE) return false;
  cachette__redis_place *places =
      cachette__realloc(router->places, capacity * sizeof *router->places);
  if (places == NULL) return false;
  router->places = places;
  router->place_capacity = capacity;
  return true;
}

/* Returns a free entry, or NO_PLACE. */
static size_t find_free(cachette__redis_router *router) {
  for (size_t i = 0; i < router->place_count; i++)
    if (!router->places[i].in_use) return i;
  return grow(router) ? router->place_count : CACHETTE__REDIS_NO_PLACE;
}

static void free_place(cachette__redis_place *place) {
  cachette__free(place->host);
  cachette__free(place->tls_name);
  cachette__free(place->target);
  *place = (cachette__redis_place){.in_use = false};
}

/* Adds a place. `owned`: copy the strings of the target. */
static size_t add(cachette__redis_router *router, const cachette__target *target, bool owned) {
  size_t index = find_free(router);
  if (index == CACHETTE__REDIS_NO_PLACE) return index;
  cachette__redis_place place = {.in_use = true, .map_node = CACHETTE__REDIS_NO_NODE};
  place.target = cachette__malloc(sizeof *place.target);
  bool ok = place.target != NULL;
  if (ok) *place.target = *target;
  if (ok && owned) {
    place.host = cachette__strndup(target->host, strlen(target->host));
    place.target->host = place.host;
    ok = place.host != NULL;
  }
  if (ok && owned && target->tls_name != NULL) {
    place.tls_name = cachette__strndup(target->tls_name, strlen(target->tls_name));
    place.target->tls_name = place.tls_name;
    ok = place.tls_name != NULL;
  }
  if (!ok) {
    free_place(&place);
    return CACHETTE__REDIS_NO_PLACE;
  }
  router->places[index] = place;
  if (index == router->place_count) router->place_count++;
  return index;
}

static bool has_address(const cachette__redis_place *place, const char *host, uint16_t port) {
  const cachette__target *target = place->target;
  return place->in_use && target->host != NULL && target->port == port &&
         strcasecmp(target->host, host) == 0;
}

/* Returns whether the certificate of the place must have this name. Without TLS any name will do.
 */
static bool has_tls_name(const cachette__redis_place *place, const char *name) {
  const char *own = place->target->tls_name;
  if (place->target->tls == NULL || own == name) return true;
  return own != NULL && name != NULL && strcmp(own, name) == 0;
}

size_t cachette__redis_place_at(cachette__redis_router *router, const char *host, uint16_t port,
                                const char *tls_name) {
  for (size_t i = 0; i < router->place_count; i++)
    if (has_address(&router->places[i], host, port) && has_tls_name(&router->places[i], tls_name))
      return i;
  cachette__target target = router->settings->target;
  target.path = NULL;
  target.host = host;
  target.port = port;
  target.tls_name = tls_name;
  return add(router, &target, true);
}

size_t cachette__redis_place_add_seed(cachette__redis_router *router,
                                      const cachette__target *target) {
  size_t index = add(router, target, false);
  if (index != CACHETTE__REDIS_NO_PLACE) router->places[index].is_seed = true;
  return index;
}

/* ---- The map ---- */

static bool grow_map_places(cachette__redis_router *router) {
  size_t count = router->map->node_count;
  if (count <= router->map_capacity) return true;
  size_t capacity = count + 8;
  uint16_t *places = cachette__realloc(router->map_places, capacity * sizeof *places);
  if (places == NULL) return false;
  for (size_t i = router->map_capacity; i < capacity; i++) places[i] = CACHETTE__REDIS_NO_PLACE;
  router->map_places = places;
  router->map_capacity = capacity;
  return true;
}

bool cachette__redis_places_link(cachette__redis_router *router) {
  if (!grow_map_places(router)) return false;
  for (size_t i = 0; i < router->map_capacity; i++)
    router->map_places[i] = CACHETTE__REDIS_NO_PLACE;
  for (size_t i = 0; i < router->place_count; i++) {
    cachette__redis_place *place = &router->places[i];
    place->map_node = CACHETTE__REDIS_NO_NODE;
    if (!place->in_use || place->target->host == NULL) continue;
    unsigned node = cachette__redis_map_find(router->map, cachette_str(place->target->host),
                                             place->target->port);
    if (node == CACHETTE__REDIS_NO_NODE || !has_tls_name(place, router->map->nodes[node].tls_name))
      continue;
    place->map_node = (uint16_t)node;
    router->map_places[node] = (uint16_t)i;
  }
  return true;
}

size_t cachette__redis_place_of(cachette__redis_router *router, unsigned map_node) {
  if (!grow_map_places(router)) return CACHETTE__REDIS_NO_PLACE;
  size_t index = router->map_places[map_node];
  if (index != CACHETTE__REDIS_NO_PLACE) return index;
  const cachette__redis_map_node *node = &router->map->nodes[map_node];
  index = cachette__redis_place_at(router, node->host, node->port, node->tls_name);
  if (index == CACHETTE__REDIS_NO_PLACE) return index;
  router->places[index].map_node = (uint16_t)map_node;
  router->map_places[map_node] = (uint16_t)index;
  return index;
}

/* ---- Nodes ---- */

cachette__redis_node *cachette__redis_place_open(cachette__redis_router *router, size_t index) {
  cachette__redis_place *place = &router->places[index];
  if (place->node != NULL) return place->node;
  cachette__redis_node *node = cachette__calloc(1, sizeof *node);
  if (node == NULL) return NULL;
  node->settings = router->settings;
  node->upper = router->upper;
  node->router = router;
  node->place = index;
  node->routed = router->mode != CACHETTE__REDIS_PLAIN;
  cachette__redis_node_init(node, router->loop, place->target, router->events);
  router->open_handles++;
  place->node = node;
  return node;
}

enum cachette__redis_state cachette__redis_place_state(cachette__redis_router *router,
                                                       size_t index) {
  cachette__redis_place *place = &router->places[index];
  cachette__redis_node *node = place->node;
  const cachette_error *reason;
  if (node == NULL || node->pipeline.link.down_until == 0 ||
      node->pipeline.link.state == CACHETTE__LINK_READY) {
    place->down_since_ms = 0;
    return CACHETTE__REDIS_UP;
  }
  if (place->down_since_ms == 0) place->down_since_ms = cachette__machine_now();
  return cachette__link_connect(&node->pipeline.link, &reason) < 0 ? CACHETTE__REDIS_DOWN
                                                                   : CACHETTE__REDIS_TRIED;
}

bool cachette__redis_place_is_up(cachette__redis_router *router, size_t index) {
  return cachette__redis_place_state(router, index) == CACHETTE__REDIS_UP;
}

/* A node that was removed: it takes its strings with it. */
typedef struct cachette__redis_removed {
  cachette__redis_router *router;
  cachette__redis_node *node;
  cachette__redis_place place;
  struct cachette__redis_removed *previous, *next;
} removed;

static void free_removed(removed *self) {
  if (self->previous != NULL)
    self->previous->next = self->next;
  else
    self->router->removed = self->next;
  if (self->next != NULL) self->next->previous = self->previous;
  free_place(&self->place);
  cachette__free(self->node);
  cachette__free(self);
}

static void on_node_closed(void *owner) {
  removed *self = owner;
  cachette__redis_router *router = self->router;
  free_removed(self);
  router->released(router);
}

static bool is_idle(const cachette__redis_node *node) {
  return node->pipeline.head == node->pipeline.tail && node->retry.begin == node->retry.end;
}

void cachette__redis_places_sweep(cachette__redis_router *router) {
  for (size_t i = 0; i < router->place_count; i++) {
    cachette__redis_place *place = &router->places[i];
    bool is_needed = place->is_seed || place->map_node != CACHETTE__REDIS_NO_NODE;
    if (!place->in_use || (is_needed && place->map_node != CACHETTE__REDIS_NO_NODE)) continue;
    if (place->node != NULL && !is_idle(place->node)) continue;
    if (place->node == NULL) {
      if (!is_needed) free_place(place);
      continue;
    }
    removed *self = cachette__malloc(sizeof *self);
    if (self == NULL) continue; /* the next time */
    *self = (removed){router, place->node, *place, NULL, router->removed};
    if (self->next != NULL) self->next->previous = self;
    router->removed = self;
    if (is_needed) { /* a seed: only its connection is closed */
      self->place = (cachette__redis_place){.in_use = false};
      place->node = NULL;
      place->down_since_ms = 0;
    } else {
      *place = (cachette__redis_place){.in_use = false};
    }
    cachette__redis_node_close(self->node, false, on_node_closed, self);
  }
}

static void on_last_closed(void *owner) {
  cachette__redis_node *node = owner;
  cachette__redis_router *router = node->router;
  cachette__free(node);
  router->released(router);
}

void cachette__redis_places_close(cachette__redis_router *router, bool forked) {
  for (size_t i = 0; i < router->place_count; i++) {
    cachette__redis_node *node = router->places[i].node;
    if (node == NULL) continue;
    cachette__redis_node_close(node, forked, on_last_closed, node);
    if (forked) cachette__free(node);
  }
  while (forked && router->removed != NULL) {
    cachette__free(router->removed->node->pipeline.ring); /* a loop that does not run here has it */
    free_removed(router->removed);
  }
}

void cachette__redis_places_deinit(cachette__redis_router *router) {
  for (size_t i = 0; i < router->place_count; i++) free_place(&router->places[i]);
  cachette__free(router->places);
  router->places = NULL;
  router->place_count = router->place_capacity = 0;
}

void cachette__redis_place_name(const cachette__redis_router *router, size_t index, char *text,
                                size_t size) {
  cachette__target_text(router->places[index].target, text, size);
}
