/* SPDX-License-Identifier: MIT */
#include "map.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "../../../base/alloc.h"

enum { NO_NODE = CACHETTE__REDIS_NO_NODE };

/* ---- Life cycle ---- */

cachette__redis_map *cachette__redis_map_new(void) {
  cachette__redis_map *map = cachette__calloc(1, sizeof *map);
  if (map != NULL) memset(map->owner, 0xff, sizeof map->owner);
  return map;
}

cachette__redis_map *cachette__redis_map_retain(cachette__redis_map *map) {
  if (map != NULL) atomic_fetch_add_explicit(&map->extra_references, 1, memory_order_relaxed);
  return map;
}

void cachette__redis_map_release(cachette__redis_map *map) {
  if (map == NULL || atomic_fetch_sub_explicit(&map->extra_references, 1, memory_order_acq_rel) > 0)
    return;
  for (size_t i = 0; i < map->node_count; i++) cachette__free(map->nodes[i].host);
  cachette__free(map->nodes);
  cachette__free(map);
}

/* ---- Nodes ---- */

static uint32_t hash_address(cachette_slice host, uint16_t port) {
  const char *bytes = host.data;
  uint32_t hash = 2166136261U ^ port;
  for (size_t i = 0; i < host.size; i++) hash = (hash ^ (unsigned char)bytes[i]) * 16777619U;
  return hash;
}

unsigned cachette__redis_map_find(const cachette__redis_map *map, cachette_slice host,
                                  uint16_t port) {
  uint32_t hash = hash_address(host, port);
  for (unsigned i = 0; i < map->node_count; i++) {
    const cachette__redis_map_node *node = &map->nodes[i];
    if (node->hash == hash && node->port == port && strlen(node->host) == host.size &&
        memcmp(node->host, host.data, host.size) == 0)
      return i;
  }
  return NO_NODE;
}

static bool reserve_node(cachette__redis_map *map) {
  if (map->node_count < map->capacity) return true;
  unsigned capacity = map->capacity > 0 ? map->capacity * 2U : 8;
  void *nodes = cachette__realloc(map->nodes, capacity * sizeof *map->nodes);
  if (nodes == NULL) return false;
  map->nodes = nodes;
  map->capacity = (uint16_t)capacity;
  return true;
}

/* Both names are in one block. */
static bool set_names(cachette__redis_map_node *node, cachette_slice host, const char *tls_name) {
  size_t size = tls_name != NULL ? strlen(tls_name) + 1 : 0;
  node->host = cachette__malloc(host.size + 1 + size);
  if (node->host == NULL) return false;
  memcpy(node->host, host.data, host.size);
  node->host[host.size] = '\0';
  if (tls_name == NULL) return true;
  node->tls_name = memcpy(node->host + host.size + 1, tls_name, size);
  return true;
}

int cachette__redis_map_add(cachette__redis_map *map, cachette_slice host, uint16_t port,
                            const char *tls_name) {
  unsigned known = cachette__redis_map_find(map, host, port);
  if (known != NO_NODE) return (int)known;
  if (map->node_count == CACHETTE__REDIS_MAP_NODES) return CACHETTE_EBACKEND;
  uint16_t index = map->node_count;
  cachette__redis_map_node node = {
      .port = port, .primary = index, .next = index, .hash = hash_address(host, port)};
  if (!reserve_node(map) || !set_names(&node, host, tls_name)) return CACHETTE_ENOMEM;
  map->nodes[map->node_count++] = node;
  return index;
}

cachette__redis_map *cachette__redis_map_copy(const cachette__redis_map *map) {
  cachette__redis_map *copy = cachette__redis_map_new();
  if (copy == NULL) return NULL;
  for (size_t i = 0; i < map->node_count; i++) {
    const cachette__redis_map_node *node = &map->nodes[i];
    int index = cachette__redis_map_add(copy, cachette_str(node->host), node->port, node->tls_name);
    if (index < 0) {
      cachette__redis_map_release(copy);
      return NULL;
    }
    copy->nodes[index].primary = node->primary;
    copy->nodes[index].next = node->next;
    copy->nodes[index].slots = node->slots;
  }
  memcpy(copy->owner, map->owner, sizeof copy->owner);
  copy->covered = map->covered;
  return copy;
}

/* ---- Announced addresses ---- */

static bool is_numeric(const char *host) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Copies a host or name, which appears in messages and is looked up. Returns false if it cannot be
 * one: a node that does not know its name announces "?". */
static bool read_host(cachette_slice host, char copy[CACHETTE__REDIS_HOST_MAX + 1]) {
  static const char valid[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%";
  if (host.size == 0 || host.size > CACHETTE__REDIS_HOST_MAX) return false;
  memcpy(copy, host.data, host.size);
  copy[host.size] = '\0';
  return strspn(copy, valid) == host.size;
}

/* The address of the seed is in no other node's certificate. */
static const char *seed_name(const cachette__redis_map_source *source) {
  const char *name = source->seed_name;
  return name != NULL && !is_numeric(name) ? name : NULL;
}

int cachette__redis_map_locate(cachette__redis_map *map, const cachette__redis_map_source *source,
                               cachette_slice host, int64_t port, const char *announced) {
  char name[CACHETTE__REDIS_HOST_MAX + 1], announced_name[CACHETTE__REDIS_HOST_MAX + 1];
  const char *tls_name = NULL;
  if (announced != NULL && read_host(cachette_str(announced), announced_name))
    tls_name = announced_name;
  if (host.size == 0) {
    host = cachette_str(source->host != NULL ? source->host : "");
    if (tls_name == NULL) tls_name = source->tls_name;
  }
  if (port < 1 || port > 65535 || !read_host(host, name)) return CACHETTE_EINVAL;
  if (tls_name == NULL) tls_name = is_numeric(name) ? seed_name(source) : name;
  const cachette__redis_address *used = NULL;
  if (source->address_map != NULL)
    used = cachette__redis_address_map_find(source->address_map, host, (uint16_t)port);
  const char *target = used != NULL ? used->host : name;
  if (tls_name != NULL && strcmp(tls_name, target) == 0) tls_name = NULL;
  return cachette__redis_map_add(map, cachette_str(target),
                                 used != NULL ? used->port : (uint16_t)port, tls_name);
}

/* ---- Slots and shards ---- */

void cachette__redis_map_set_owner(cachette__redis_map *map, unsigned begin, unsigned end,
                                   unsigned node) {
  for (unsigned slot = begin; slot <= end; slot++) {
    unsigned old = map->owner[slot];
    if (old != NO_NODE)
      map->nodes[old].slots--;
    else
      map->covered++;
    map->owner[slot] = (uint16_t)node;
    map->nodes[node].slots++;
  }
}

void cachette__redis_map_link(cachette__redis_map *map) {
  cachette__redis_map_node *nodes = map->nodes;
  for (unsigned i = 0; i < map->node_count; i++) {
    nodes[i].next = (uint16_t)i;
    if (nodes[i].slots > 0 || nodes[nodes[i].primary].slots == 0) nodes[i].primary = (uint16_t)i;
  }
  for (unsigned i = map->node_count; i-- > 0;) {
    if (nodes[i].primary == i) continue;
    nodes[i].next = nodes[nodes[i].primary].next;
    nodes[nodes[i].primary].next = (uint16_t)i;
  }
}

void cachette__redis_map_take_over(cachette__redis_map *map, unsigned node) {
  unsigned old = map->nodes[node].primary;
  if (old == node) return;
  for (unsigned slot = 0; slot < CACHETTE__REDIS_SLOTS; slot++)
    if (map->owner[slot] == old) cachette__redis_map_set_owner(map, slot, slot, node);
  for (unsigned i = 0; i < map->node_count; i++)
    if (map->nodes[i].primary == old) map->nodes[i].primary = (uint16_t)node;
  cachette__redis_map_link(map);
}

void cachette__redis_map_adopt(cachette__redis_map *map, unsigned slot, unsigned node) {
  unsigned old = map->owner[slot];
  if (old == node) return;
  if (old != NO_NODE && map->nodes[node].primary == old) {
    cachette__redis_map_take_over(map, node);
    return;
  }
  cachette__redis_map_set_owner(map, slot, slot, node);
  if (map->nodes[node].slots == 1 || (old != NO_NODE && map->nodes[old].slots == 0))
    cachette__redis_map_link(map);
}

/* Returns whether two nodes, which may be NO_NODE, have the same address. */
static bool is_same_node(const cachette__redis_map *map, unsigned node,
                         const cachette__redis_map *other, unsigned node_of_other) {
  if (node == NO_NODE || node_of_other == NO_NODE) return node == node_of_other;
  const cachette__redis_map_node *a = &map->nodes[node], *b = &other->nodes[node_of_other];
  return a->hash == b->hash && a->port == b->port && strcmp(a->host, b->host) == 0;
}

bool cachette__redis_map_agrees(const cachette__redis_map *map, const cachette__redis_map *other) {
  for (unsigned slot = 0; slot < CACHETTE__REDIS_SLOTS; slot++) {
    bool is_compared = slot > 0 && map->owner[slot] == map->owner[slot - 1] &&
                       other->owner[slot] == other->owner[slot - 1];
    if (!is_compared && !is_same_node(map, map->owner[slot], other, other->owner[slot]))
      return false;
  }
  return true;
}
