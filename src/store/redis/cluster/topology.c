/* SPDX-License-Identifier: MIT */
#include "topology.h"

#include <uv.h>

#include "../../../base/alloc.h"

enum { FIRST_PAUSE_MS = 1000, MAX_PAUSE_MS = 30 * 1000, WATCH_MS = 100 };

struct cachette__redis_topology {
  uv_mutex_t mutex;
  _Atomic(unsigned) version;
  cachette__redis_map *map,
      *doubted; /* doubted: it covers less than `map`, and one server sent it */
  unsigned doubted_server;
  const void *owner; /* of the lease; NULL: nobody */
  int64_t owned_until_ms;
  int64_t begun_ms; /* when a request last started; 0: never */
  int64_t pause_ms; /* that has to pass after it */
};

cachette__redis_topology *cachette__redis_topology_new(void) {
  cachette__redis_topology *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  if (uv_mutex_init(&self->mutex) == 0) return self;
  cachette__free(self);
  return NULL;
}

void cachette__redis_topology_free(cachette__redis_topology *self) {
  if (self == NULL) return;
  cachette__redis_map_release(self->map);
  cachette__redis_map_release(self->doubted);
  uv_mutex_destroy(&self->mutex);
  cachette__free(self);
}

unsigned cachette__redis_topology_version(const cachette__redis_topology *self) {
  return atomic_load_explicit(&self->version, memory_order_acquire);
}

cachette__redis_map *cachette__redis_topology_map(cachette__redis_topology *self,
                                                  unsigned *version) {
  uv_mutex_lock(&self->mutex);
  cachette__redis_map *map = cachette__redis_map_retain(self->map);
  *version = cachette__redis_topology_version(self);
  uv_mutex_unlock(&self->mutex);
  return map;
}

/* ---- The lease ---- */

/* Returns in how many milliseconds a request may start. */
static int64_t wait_locked(cachette__redis_topology *self, int64_t now, bool wanted) {
  if (self->owner != NULL && now < self->owned_until_ms) return WATCH_MS;
  if (self->begun_ms == 0) return 0;
  int64_t since = now - self->begun_ms;
  int64_t pause = wanted ? self->pause_ms : CACHETTE__REDIS_MAP_AGE_MS;
  if (wanted && since > 2 * self->pause_ms) self->pause_ms = 0; /* there was none for long */
  return since < pause ? pause - since : 0;
}

int64_t cachette__redis_topology_begin(cachette__redis_topology *self, const void *owner,
                                       int64_t now, bool wanted) {
  uv_mutex_lock(&self->mutex);
  int64_t wait = wait_locked(self, now, wanted);
  if (wait == 0) {
    self->owner = owner;
    self->owned_until_ms = now + CACHETTE__REDIS_LEASE_MS;
    self->begun_ms = now;
    self->pause_ms = self->pause_ms == 0 ? FIRST_PAUSE_MS : 2 * self->pause_ms;
    if (self->pause_ms > MAX_PAUSE_MS) self->pause_ms = MAX_PAUSE_MS;
  }
  uv_mutex_unlock(&self->mutex);
  return wait;
}

void cachette__redis_topology_end(cachette__redis_topology *self, const void *owner) {
  uv_mutex_lock(&self->mutex);
  if (self->owner == owner) self->owner = NULL;
  uv_mutex_unlock(&self->mutex);
}

/* ---- Maps ---- */

/* Two servers must agree on a map that covers less than the one before: a server may have a wrong
 * view, above all one that was cut off from the others. */
static bool is_credible_locked(cachette__redis_topology *self, const cachette__redis_map *map,
                               unsigned server) {
  if (self->map == NULL || map->covered >= self->map->covered) return true;
  if (map->node_count == 1) return true; /* there is no other server to ask */
  return self->doubted != NULL && self->doubted_server != server &&
         cachette__redis_map_agrees(self->doubted, map);
}

enum cachette__redis_offer cachette__redis_topology_offer(cachette__redis_topology *self,
                                                          cachette__redis_map *map,
                                                          unsigned server) {
  if (map->covered == 0) {
    cachette__redis_map_release(map);
    return CACHETTE__REDIS_REFUSED;
  }
  uv_mutex_lock(&self->mutex);
  bool accepts = is_credible_locked(self, map, server);
  cachette__redis_map *old = accepts ? self->map : NULL, *doubted = self->doubted;
  self->doubted = accepts ? NULL : map;
  self->doubted_server = server;
  if (accepts) {
    self->map = map;
    atomic_fetch_add_explicit(&self->version, 1, memory_order_release);
  }
  uv_mutex_unlock(&self->mutex);
  cachette__redis_map_release(old);
  cachette__redis_map_release(doubted);
  return accepts ? CACHETTE__REDIS_ACCEPTED : CACHETTE__REDIS_DOUBTED;
}
