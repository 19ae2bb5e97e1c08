/* SPDX-License-Identifier: MIT */
#include "published.h"

#include <uv.h>

#include "../../base/alloc.h"
#include "../../base/clock.h"
#include "../../base/fork.h"
#include "../../net/link.h"

enum {
  FIRST_WATCH_MS = 5, /* before the next look while another handle asks for the first list */
  WATCH_MS = 100,     /* and while it asks for a newer one */
  FIRST_PAUSE = 60,   /* parts of a period: the first pause after a request that was wanted */
  LONGEST_PAUSE = 2
};

int64_t cachette__mc_discovery_period_ms = 60 * 1000;

struct cachette__mc_published {
  uv_mutex_t mutex;
  int64_t lease_ms;
  _Atomic(unsigned) generation;
  /* The mutex guards the rest. */
  cachette__memcached_hosts *hosts; /* NULL: none yet */
  uint64_t version;
  const void *owner; /* of the lease; NULL: nobody */
  unsigned owner_fork;
  int64_t owned_until_ms;
  int64_t begun_ms;     /* when a request last started; 0: never */
  int64_t succeeded_ms; /* when the last request that succeeded was started */
  int64_t pause_ms;     /* that has to pass after it */
  unsigned failures;    /* in a row, without a list */
  cachette_error error; /* of the last one */
};

cachette__mc_published *cachette__mc_published_new(int64_t lease_ms) {
  cachette__mc_published *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->lease_ms = lease_ms;
  if (uv_mutex_init(&self->mutex) == 0) return self;
  cachette__free(self);
  return NULL;
}

void cachette__mc_published_free(cachette__mc_published *self) {
  if (self == NULL) return;
  cachette__memcached_hosts_release(self->hosts);
  uv_mutex_destroy(&self->mutex);
  cachette__free(self);
}

unsigned cachette__mc_published_generation(const cachette__mc_published *self) {
  return atomic_load_explicit(&self->generation, memory_order_acquire);
}

cachette__memcached_hosts *cachette__mc_published_hosts(cachette__mc_published *self,
                                                        unsigned *generation) {
  uv_mutex_lock(&self->mutex);
  cachette__memcached_hosts *hosts = cachette__memcached_hosts_retain(self->hosts);
  *generation = cachette__mc_published_generation(self);
  uv_mutex_unlock(&self->mutex);
  return hosts;
}

/* ---- The lease ---- */

/* Returns in how many milliseconds a request may start. */
static int64_t wait_locked(cachette__mc_published *self, int64_t now, bool wanted) {
  bool is_owned = self->owner != NULL && self->owner_fork == cachette__fork_generation;
  if (is_owned && now < self->owned_until_ms)
    return self->hosts == NULL ? FIRST_WATCH_MS : WATCH_MS;
  if (self->begun_ms == 0) return 0;
  int64_t since = now - self->begun_ms;
  int64_t pause = wanted ? self->pause_ms : cachette__mc_discovery_period_ms * 4 / 5;
  if (wanted && since > 2 * self->pause_ms) self->pause_ms = 0; /* there was none for long */
  return since < pause ? pause - since : 0;
}

static void start_locked(cachette__mc_published *self, const void *owner, int64_t now) {
  int64_t longest = cachette__mc_discovery_period_ms / LONGEST_PAUSE;
  self->owner = owner;
  self->owner_fork = cachette__fork_generation;
  self->owned_until_ms = now + self->lease_ms;
  self->begun_ms = now;
  if (self->hosts == NULL) return; /* only a failure sets a pause: a fork may end this request */
  self->pause_ms =
      self->pause_ms == 0 ? cachette__mc_discovery_period_ms / FIRST_PAUSE : 2 * self->pause_ms;
  if (self->pause_ms > longest) self->pause_ms = longest;
}

int64_t cachette__mc_published_begin(cachette__mc_published *self, const void *owner,
                                     int64_t wanted_ms, cachette_error *error) {
  int64_t now = cachette__machine_now();
  uv_mutex_lock(&self->mutex);
  bool wanted = self->hosts == NULL || (wanted_ms != 0 && wanted_ms >= self->succeeded_ms);
  int64_t wait = wait_locked(self, now, wanted);
  error->code = 0;
  if (wait == 0)
    start_locked(self, owner, now);
  else if (self->hosts == NULL && self->failures > 0)
    *error = self->error;
  uv_mutex_unlock(&self->mutex);
  return wait;
}

void cachette__mc_published_end(cachette__mc_published *self, const void *owner,
                                const cachette_error *error) {
  uv_mutex_lock(&self->mutex);
  if (self->owner == owner) self->owner = NULL;
  if (error == NULL) {
    self->succeeded_ms = self->begun_ms;
  } else if (self->hosts == NULL) {
    /* Without a list every op fails, so a handle looks sooner, like a link to a server. */
    self->error = *error;
    self->pause_ms = cachette__link_backoff(++self->failures, INT64_MAX);
    self->begun_ms = cachette__machine_now();
  }
  uv_mutex_unlock(&self->mutex);
}

void cachette__mc_published_cancel(cachette__mc_published *self, const void *owner) {
  uv_mutex_lock(&self->mutex);
  if (self->owner == owner) {
    self->owner = NULL;
    self->begun_ms = 0; /* another handle may ask at once */
  }
  uv_mutex_unlock(&self->mutex);
}

/* ---- Lists ---- */

uint64_t cachette__mc_published_offer(cachette__mc_published *self, uint64_t version,
                                      cachette__memcached_hosts *hosts) {
  uv_mutex_lock(&self->mutex);
  bool is_newer = self->hosts == NULL || version > self->version;
  cachette__memcached_hosts *unused = is_newer ? self->hosts : hosts;
  if (is_newer) {
    if (self->hosts == NULL) self->pause_ms = 0;
    self->hosts = hosts;
    self->version = version;
    atomic_fetch_add_explicit(&self->generation, 1, memory_order_release);
  }
  uint64_t known = self->version;
  uv_mutex_unlock(&self->mutex);
  cachette__memcached_hosts_release(unused);
  return known;
}
