/* SPDX-License-Identifier: MIT */
#include "shard.h"

static cachette__redis_map_source source_of(const cachette__redis_sentinel *sentinel) {
  const cachette__redis_settings *settings = sentinel->router->settings;
  return (cachette__redis_map_source){.host = sentinel->target.host,
                                      .tls_name = sentinel->target.tls_name,
                                      .seed_name = settings->target.host,
                                      .address_map = &settings->address_map};
}

int cachette__redis_shard_locate(cachette__redis_map *map, const cachette__redis_sentinel *sentinel,
                                 const cachette__redis_announced *announced) {
  const cachette__redis_map_source source = source_of(sentinel);
  if (announced->host[0] == '\0') return CACHETTE_EINVAL;
  return cachette__redis_map_locate(map, &source, cachette_str(announced->host), announced->port,
                                    NULL);
}

/* Adds the replicas that a sentinel tells of. */
static bool add_replicas(cachette__redis_map *map, const cachette__redis_sentinel *sentinel,
                         unsigned primary) {
  const cachette__redis_rows *replicas = &sentinel->report.replicas;
  for (size_t i = 0; i < replicas->count; i++) {
    int node = cachette__redis_shard_locate(map, sentinel, &replicas->rows[i]);
    if (node == CACHETTE_ENOMEM) return false;
    if (node >= 0) map->nodes[node].primary = (uint16_t)primary;
  }
  return true;
}

cachette__redis_map *cachette__redis_shard_map(const cachette__redis_sentinel *sentinel) {
  cachette__redis_map *map = cachette__redis_map_new();
  if (map == NULL) return NULL;
  int primary = cachette__redis_shard_locate(map, sentinel, &sentinel->report.primary);
  if (primary >= 0) {
    cachette__redis_map_set_owner(map, 0, CACHETTE__REDIS_SLOTS - 1, (unsigned)primary);
    if (add_replicas(map, sentinel, (unsigned)primary)) {
      cachette__redis_map_link(map);
      return map;
    }
  }
  cachette__redis_map_release(map);
  return NULL;
}
