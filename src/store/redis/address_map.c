/* SPDX-License-Identifier: MIT */
#include "address_map.h"

#include <string.h>
#include <strings.h>

#include "../../base/alloc.h"

const cachette__redis_address *cachette__redis_address_map_find(
    const cachette__redis_address_map *map, cachette_slice host, uint16_t port) {
  for (size_t i = 0; i < map->count; i++) {
    const cachette__redis_address *announced = &map->pairs[i].announced;
    if (announced->port == port && strlen(announced->host) == host.size &&
        strncasecmp(announced->host, host.data, host.size) == 0)
      return &map->pairs[i].used;
  }
  return NULL;
}

void cachette__redis_address_map_deinit(cachette__redis_address_map *map) {
  for (size_t i = 0; i < map->count; i++) {
    cachette__free(map->pairs[i].announced.host);
    cachette__free(map->pairs[i].used.host);
  }
  cachette__free(map->pairs);
  *map = (cachette__redis_address_map){.count = 0};
}
