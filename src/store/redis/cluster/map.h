/* SPDX-License-Identifier: MIT */
/*
 * Which node of a cluster has which slots: a value that does no I/O.
 *
 *     owner[0]     ->  nodes[0]  10.0.0.1:6379  <-  its replicas: nodes[3], nodes[5]
 *     owner[1]     ->  nodes[0]
 *     ...
 *     owner[16383] ->  nodes[2]  10.0.0.3:6379  <-  its replica: nodes[4]
 *
 * A node is known by its index, which stays the same for as long as the map exists. Nodes are added
 * and never removed: a later map replaces this one. A primary and its replicas are a shard: they
 * form a ring.
 *
 * Maps are reference-counted, and threads may share them. A shared map is immutable: change a copy.
 */
#ifndef CACHETTE_REDIS_CLUSTER_MAP_H
#define CACHETTE_REDIS_CLUSTER_MAP_H

#include <stdatomic.h>

#include "../address_map.h"
#include "cachette.h"
#include "slots.h"

enum {
  CACHETTE__REDIS_MAP_NODES = 1000, /* maximum number of nodes */
  CACHETTE__REDIS_HOST_MAX = 253,   /* maximum size of a host name, in bytes */
  CACHETTE__REDIS_NO_NODE = 0xffff  /* the owner of a slot that no node serves */
};

typedef struct cachette__redis_map_node {
  char *host;           /* a name, or a numeric address without brackets */
  const char *tls_name; /* the name that its certificate must have; NULL: `host` */
  uint16_t port;
  uint16_t primary; /* the index of its primary; its own index if it is no replica */
  uint16_t next;    /* the next node of its shard, in a ring; its own index if it is alone */
  uint16_t slots;   /* how many slots it has. A primary with slots is a primary of the cluster */
  uint32_t hash;    /* private: of the address */
} cachette__redis_map_node;

typedef struct cachette__redis_map {
  _Atomic(unsigned) extra_references; /* private: beyond the first */
  cachette__redis_map_node *nodes;
  uint16_t node_count, capacity;
  unsigned covered; /* how many slots have an owner */
  uint16_t owner[CACHETTE__REDIS_SLOTS];
} cachette__redis_map;

/* Where addresses come from: a reply to CLUSTER SLOTS, or a redirection. */
typedef struct cachette__redis_map_source {
  const char
      *host; /* of the node that sent the reply, as we connected to it; NULL: a Unix socket */
  const char *tls_name; /* the name that its certificate must have; NULL: `host` */
  const char
      *seed_name; /* for a node that announces no name; NULL or an address: its own address */
  const cachette__redis_address_map *address_map; /* NULL: empty */
} cachette__redis_map_source;

/* ---- Life cycle ---- */

/* Returns a map without nodes, or NULL if out of memory. */
cachette__redis_map *cachette__redis_map_new(void);

/* Returns a copy, which nobody shares; its nodes have the same indexes. NULL: out of memory. */
cachette__redis_map *cachette__redis_map_copy(const cachette__redis_map *map);

/* Adds a reference and returns the map. NULL is allowed. */
cachette__redis_map *cachette__redis_map_retain(cachette__redis_map *map);

/* Drops a reference, and frees the map with the last one. NULL is allowed. */
void cachette__redis_map_release(cachette__redis_map *map);

/* Returns whether there is another reference, so that the map must not be changed. */
static inline bool cachette__redis_map_is_shared(const cachette__redis_map *map) {
  return atomic_load_explicit(&map->extra_references, memory_order_acquire) > 0;
}

/* ---- Reading ---- */

/* Returns whether a node is a primary that has slots. */
static inline bool cachette__redis_map_is_primary(const cachette__redis_map *map, unsigned node) {
  return map->nodes[node].slots > 0;
}

/* Returns the index of a node, or NO_NODE. */
unsigned cachette__redis_map_find(const cachette__redis_map *map, cachette_slice host,
                                  uint16_t port);

/* Returns whether each slot has the same owner in both maps: the same address, or none. Replicas
 * and the order of the nodes do not count. */
bool cachette__redis_map_agrees(const cachette__redis_map *map, const cachette__redis_map *other);

/* ---- Changing ---- */

/*
 * Returns the index of the node with this address, which is added if it is new: without slots, and
 * a replica of none. `tls_name` NULL: the host. A node that is known keeps its TLS name.
 * Errors: ENOMEM; EBACKEND (there are CACHETTE__REDIS_MAP_NODES).
 */
int cachette__redis_map_add(cachette__redis_map *map, cachette_slice host, uint16_t port,
                            const char *tls_name);

/*
 * The same for an address as a server announces it.
 *   host      without bytes: the host of the node that sent it
 *   port      any number
 *   announced the host name that the node announces beside its address; NULL, "" or "?": none
 *
 * The address map is applied to host and port. The certificate must have the announced name; else
 * the host if that is a name; else `seed_name`.
 * Errors: as above, and EINVAL (not an address to connect to: "?", no valid host, no valid port).
 */
int cachette__redis_map_locate(cachette__redis_map *map, const cachette__redis_map_source *source,
                               cachette_slice host, int64_t port, const char *announced);

/*
 * Makes a node the owner of a slot, as a redirection tells. If the node is a replica of the slot's
 * owner, it has taken over: cachette__redis_map_take_over().
 */
void cachette__redis_map_adopt(cachette__redis_map *map, unsigned slot, unsigned node);

/* Makes a replica the primary of its shard: it owns all slots of its primary, which becomes its
 * replica like the others of the shard. Does nothing to a node that is no replica. */
void cachette__redis_map_take_over(cachette__redis_map *map, unsigned node);

/* For the builder: sets the owner of slots [begin, end], without a change to any shard. */
void cachette__redis_map_set_owner(cachette__redis_map *map, unsigned begin, unsigned end,
                                   unsigned node);

/* For the builder: makes the rings, after slots and primaries were set. A node with slots is a
 * replica of none. A replica of a node without slots is a replica of none either. */
void cachette__redis_map_link(cachette__redis_map *map);

#endif
