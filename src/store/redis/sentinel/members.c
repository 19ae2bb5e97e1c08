/* SPDX-License-Identifier: MIT */
#include "members.h"

#include <string.h>

#include "shard.h"

static bool add(cachette__redis_members *self, const cachette__target *target, bool is_seed) {
  if (self->count == CACHETTE__REDIS_MAX_SENTINELS) return true;
  cachette__redis_sentinel *sentinel =
      cachette__redis_sentinel_new(self->router, target, !is_seed, self->events, self->owner);
  if (sentinel == NULL) return false;
  sentinel->is_seed = is_seed;
  self->all[self->count++] = sentinel;
  return true;
}

static bool is_member(const cachette__redis_members *self, const cachette__target *target,
                      const char *id) {
  for (size_t i = 0; i < self->count; i++) {
    cachette__redis_sentinel *known = self->all[i];
    bool has_id = id[0] != '\0' && strcmp(known->report.primary.id, id) == 0;
    bool has_address =
        known->target.port == target->port && strcmp(known->target.host, target->host) == 0;
    if (!has_id && !has_address) continue;
    known->is_listed = true;
    return true;
  }
  return false;
}

/* Adds the sentinels that this one knows. A failure does not matter: the next round adds them. */
static void learn_from(cachette__redis_members *self, const cachette__redis_sentinel *sentinel) {
  const cachette__redis_rows *peers = &sentinel->report.peers;
  cachette__redis_map *map = peers->count > 0 ? cachette__redis_map_new() : NULL;
  for (size_t i = 0; map != NULL && i < peers->count; i++) {
    int found = cachette__redis_shard_locate(map, sentinel, &peers->rows[i]);
    if (found < 0) continue;
    const cachette__redis_map_node *node = &map->nodes[found];
    cachette__target target = self->router->settings->target;
    target.host = node->host;
    target.port = node->port;
    target.tls_name = node->tls_name;
    if (!is_member(self, &target, peers->rows[i].id)) {
      size_t last = self->count;
      if (add(self, &target, false) && last < self->count) self->all[last]->is_listed = true;
    }
  }
  cachette__redis_map_release(map);
}

/* Returns whether an earlier member is the same sentinel, under another address. */
static bool is_duplicate(const cachette__redis_members *self, size_t index) {
  const cachette__redis_sentinel *sentinel = self->all[index];
  const char *id = sentinel->report.primary.id;
  for (size_t i = 0; i < index && id[0] != '\0'; i++)
    if (strcmp(self->all[i]->report.primary.id, id) == 0) return true;
  return false;
}

/* Removes the sentinels that no other one knows any more, and those that are there twice. */
static void forget_others(cachette__redis_members *self) {
  size_t kept = 0;
  for (size_t i = 0; i < self->count; i++) {
    cachette__redis_sentinel *sentinel = self->all[i];
    bool is_needed =
        sentinel->is_seed || sentinel->is_pending ||
        ((sentinel->is_listed || sentinel->error.code == CACHETTE_OK) && !is_duplicate(self, i));
    if (is_needed)
      self->all[kept++] = sentinel;
    else
      cachette__redis_sentinel_close(sentinel, false);
  }
  self->count = kept;
}

/* Learns from the answers of the round before. */
static void learn(cachette__redis_members *self) {
  bool any = false;
  for (size_t i = 0; i < self->count; i++) self->all[i]->is_listed = false;
  for (size_t i = 0, known = self->count; i < known; i++) {
    const cachette__redis_sentinel *sentinel = self->all[i];
    if (sentinel->is_pending || !sentinel->has_answered || sentinel->error.code < 0) continue;
    learn_from(self, sentinel);
    any = true;
  }
  if (any) forget_others(self);
}

static bool add_seeds(cachette__redis_members *self) {
  const cachette__redis_settings *settings = self->router->settings;
  for (size_t i = self->count; i < settings->seed_count; i++)
    if (!add(self, &settings->seeds[i], true)) return false;
  return true;
}

bool cachette__redis_members_update(cachette__redis_members *self) {
  learn(self);
  return add_seeds(self);
}

void cachette__redis_members_close(cachette__redis_members *self, bool forked) {
  for (size_t i = 0; i < self->count; i++) cachette__redis_sentinel_close(self->all[i], forked);
  self->count = 0;
}
