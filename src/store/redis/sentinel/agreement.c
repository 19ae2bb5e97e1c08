/* SPDX-License-Identifier: MIT */
#include "agreement.h"

#include <uv.h>

#include "../../../base/alloc.h"

enum {
  WATCH_MS = 2500,  /* the lease of the watcher, which renews it each second */
  ASKING_MS = 5000, /* the maximum time that one handle asks */
  BUSY_MS = 20      /* after which to try again while another handle asks */
};

struct cachette__redis_agreement {
  uv_mutex_t mutex;
  _Atomic(unsigned) version;
  cachette__redis_map *map;
  uint64_t epoch;
  cachette_error failure; /* of the last result; code 0: none */
  int64_t checked_ms;     /* when the sentinels began to be asked for it */

  const void *watcher, *asker; /* NULL: nobody */
  int64_t watched_until_ms, asked_until_ms;
  int64_t begun_ms; /* when somebody last began to ask; 0: never */
};

cachette__redis_agreement *cachette__redis_agreement_new(void) {
  cachette__redis_agreement *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  if (uv_mutex_init(&self->mutex) == 0) return self;
  cachette__free(self);
  return NULL;
}

void cachette__redis_agreement_free(cachette__redis_agreement *self) {
  if (self == NULL) return;
  cachette__redis_map_release(self->map);
  uv_mutex_destroy(&self->mutex);
  cachette__free(self);
}

unsigned cachette__redis_agreement_version(const cachette__redis_agreement *self) {
  return atomic_load_explicit(&self->version, memory_order_acquire);
}

cachette__redis_map *cachette__redis_agreement_map(cachette__redis_agreement *self,
                                                   unsigned *version) {
  uv_mutex_lock(&self->mutex);
  cachette__redis_map *map = cachette__redis_map_retain(self->map);
  *version = cachette__redis_agreement_version(self);
  uv_mutex_unlock(&self->mutex);
  return map;
}

/* ---- Who asks ---- */

bool cachette__redis_agreement_watch(cachette__redis_agreement *self, const void *owner,
                                     int64_t now) {
  uv_mutex_lock(&self->mutex);
  bool is_free = self->watcher == NULL || now >= self->watched_until_ms;
  bool may_watch = is_free || self->watcher == owner;
  if (may_watch) {
    self->watcher = owner;
    self->watched_until_ms = now + WATCH_MS;
  }
  uv_mutex_unlock(&self->mutex);
  return may_watch;
}

static int64_t wait_locked(const cachette__redis_agreement *self, int64_t now, int64_t age) {
  if (self->asker != NULL && now < self->asked_until_ms) return BUSY_MS;
  if (self->begun_ms == 0 || now - self->begun_ms >= age) return 0;
  return self->begun_ms + age - now;
}

int64_t cachette__redis_agreement_begin(cachette__redis_agreement *self, const void *owner,
                                        int64_t now, int64_t age) {
  uv_mutex_lock(&self->mutex);
  int64_t wait = wait_locked(self, now, age);
  if (wait == 0) {
    self->asker = owner;
    self->asked_until_ms = now + ASKING_MS;
    self->begun_ms = now;
  }
  uv_mutex_unlock(&self->mutex);
  return wait;
}

/* ---- Results ---- */

static bool has_node(const cachette__redis_map *map, const cachette__redis_map_node *node) {
  unsigned found = cachette__redis_map_find(map, cachette_str(node->host), node->port);
  return found != CACHETTE__REDIS_NO_NODE && (map->nodes[found].slots > 0) == (node->slots > 0);
}

/* Returns whether both maps have the same primary and the same replicas. */
static bool is_same(const cachette__redis_map *map, const cachette__redis_map *other) {
  if (map == NULL || map->node_count != other->node_count) return false;
  for (unsigned i = 0; i < map->node_count; i++)
    if (!has_node(other, &map->nodes[i])) return false;
  return true;
}

static bool end_locked(cachette__redis_agreement *self, const void *owner) {
  if (self->asker != owner) return false; /* it took too long */
  self->asker = NULL;
  return true;
}

void cachette__redis_agreement_publish(cachette__redis_agreement *self, const void *owner,
                                       cachette__redis_map *map, uint64_t epoch) {
  cachette__redis_map *unused = map;
  uv_mutex_lock(&self->mutex);
  if (end_locked(self, owner)) {
    self->checked_ms = self->begun_ms;
    self->failure.code = CACHETTE_OK;
    self->epoch = epoch;
    if (!is_same(self->map, map)) {
      unused = self->map;
      self->map = map;
      atomic_fetch_add_explicit(&self->version, 1, memory_order_release);
    }
  }
  uv_mutex_unlock(&self->mutex);
  cachette__redis_map_release(unused);
}

void cachette__redis_agreement_fail(cachette__redis_agreement *self, const void *owner,
                                    const cachette_error *error) {
  uv_mutex_lock(&self->mutex);
  if (end_locked(self, owner)) {
    self->checked_ms = self->begun_ms;
    self->failure = *error;
  }
  uv_mutex_unlock(&self->mutex);
}

void cachette__redis_agreement_end(cachette__redis_agreement *self, const void *owner) {
  uv_mutex_lock(&self->mutex);
  end_locked(self, owner);
  uv_mutex_unlock(&self->mutex);
}

void cachette__redis_agreement_leave(cachette__redis_agreement *self, const void *owner) {
  uv_mutex_lock(&self->mutex);
  end_locked(self, owner);
  if (self->watcher == owner) self->watcher = NULL;
  uv_mutex_unlock(&self->mutex);
}

int64_t cachette__redis_agreement_checked(cachette__redis_agreement *self,
                                          cachette_error *failure) {
  uv_mutex_lock(&self->mutex);
  int64_t checked_ms = self->checked_ms;
  if (failure != NULL) *failure = self->failure;
  uv_mutex_unlock(&self->mutex);
  return checked_ms;
}

uint64_t cachette__redis_agreement_epoch(cachette__redis_agreement *self) {
  uv_mutex_lock(&self->mutex);
  uint64_t epoch = self->epoch;
  uv_mutex_unlock(&self->mutex);
  return epoch;
}
