/* SPDX-License-Identifier: MIT */
/*
 * The router of a handle: it knows the servers, and sends each op to the one that has its keys.
 *
 *     PLAIN     one server, the one of the URL
 *     CLUSTER   the owner of the key's slot
 *     SENTINEL  the primary that the sentinels name
 *
 * An op whose items all belong to one server goes to that server's node directly, and costs no
 * allocation. Every other op becomes a fan-out: child ops for the nodes, in rounds, until no item
 * is redirected or refused any more.
 *
 *     submit --> direct --> node --> complete
 *        '                    '--> take_back: redirected, refused, or the node is down
 *        '--> fan-out <-------'
 *
 * A place is a server that the router knows: its address, and its node once it is used. Its index
 * stays the same for as long as anything refers to it.
 *
 * A file calls only those below it, and files further down through cachette__redis_upper:
 *
 *     redis.c                  the vtable
 *     router.c                 the router's life, and which way an op goes
 *     cluster/refresh.c        asks the servers for the map of the slots
 *     sentinel/watch.c         asks the sentinels for the primary
 *     clear.c                  clears by pattern
 *     batch.c                  finds and deletes keys with the same beginning, on one server
 *     fanout.c                 ops on several nodes, or that need several tries
 *     redirect.c               what an error reply means for the map and for the item
 *     route.c                  which place an item goes to
 *     servers.c                the map that is used
 *     places.c                 the table of places
 *     node.c ...               see internal.h
 */
#ifndef CACHETTE_REDIS_ROUTER_H
#define CACHETTE_REDIS_ROUTER_H

#include "cluster/map.h"
#include "internal.h"

enum {
  CACHETTE__REDIS_NO_PLACE = 0xffff, /* the index of no place, and the maximum of their number */
  CACHETTE__REDIS_MAX_REDIRECTS = 5  /* of an op, by MOVED and ASK */
};

typedef struct cachette__redis_router cachette__redis_router;
typedef struct cachette__redis_fanout cachette__redis_fanout;

typedef struct cachette__redis_place {
  bool in_use;                /* false: this entry of the table is free */
  bool is_seed;               /* it stays in the table, although no map has it */
  uint16_t map_node;          /* its index in the map, or NO_NODE */
  char *host, *tls_name;      /* owned; NULL: the strings of the target belong to the settings */
  cachette__target *target;   /* owned; at the same address for as long as the node */
  cachette__redis_node *node; /* NULL: not used yet */
  int64_t down_since_ms;      /* when an op first found it down; 0: it is not down */
  int64_t probed_ms;          /* while it is down: when an op was last sent to a replica instead */
  int64_t deaf_until_ms;      /* a replica that does not serve reads: until then */
} cachette__redis_place;

/* The callbacks of what finds the servers: cluster/refresh.c, or the sentinels. It gives what it
 * found to cachette__redis_router_set_map(). */
typedef struct cachette__redis_finder {
  /* The servers may have changed: look for them, soon. `place`: the one to ask first, or NO_PLACE.
   * May be called often, and from inside the callbacks of a node. */
  void (*refresh)(cachette__redis_router *router, size_t place);

  /* Takes what another handle has found since. Called often, so it must be cheap. May be NULL. */
  void (*catch_up)(cachette__redis_router *router);

  /* Returns whether a new connection may be used now; see cachette__redis_upper. May be NULL. */
  bool (*admit)(cachette__redis_router *router, cachette__redis_node *node);

  /* Stops looking, and frees what it has. `forked`: as for a store. It closes its libuv handles and
   * calls cachette__redis_router_release() for each from the loop, if not `forked`. */
  void (*close)(cachette__redis_router *router, bool forked);
} cachette__redis_finder;

struct cachette__redis_router {
  const cachette__redis_settings *settings;
  uv_loop_t *loop;
  cachette__events *events;
  enum cachette__redis_mode mode;
  cachette__redis_node *plain; /* PLAIN: the node of all keys */

  cachette__redis_place *places;           /* [count] of `capacity` entries */
  struct cachette__redis_removed *removed; /* a list of nodes that are being closed */
  size_t place_count, place_capacity;
  size_t turn; /* for taking turns between replicas */

  cachette__redis_map *map; /* NULL: PLAIN. Shared with other handles until a redirect changes it */
  uint16_t *map_places;     /* the place of each node of the map, or NO_PLACE: not used yet */
  size_t map_capacity;      /* of `map_places` */
  bool has_map;             /* false: the finder has found nothing yet */

  const cachette__redis_finder *finder; /* NULL: PLAIN */
  void *found;                          /* the finder's */
  bool finding_failed;                  /* there is no map, and `reason` tells why */
  cachette_error reason;                /* why ops wait: the last refusal */

  const cachette__redis_upper *upper; /* for the nodes */
  void (*released)(
      cachette__redis_router *); /* a node is closed: cachette__redis_router_release() */

  uv_timer_t timer; /* for the next round of the fan-outs that wait */
  uv_timer_cb on_timer;
  bool is_timer_set;
  unsigned pauses;                 /* in a row */
  unsigned batch;                  /* how often the fan-outs that wait were resumed */
  cachette__redis_fanout *waiting; /* a list */

  char name[160]; /* of all servers, for messages */
  int open_handles;
  bool closing;
  void (*closed)(void *owner);
  void *owner;
};

/* ---- router.c ---- */

/* Initializes a router, which is all zero, without connecting. Errors: ENOMEM. */
int cachette__redis_router_init(cachette__redis_router *router,
                                const cachette__store_context *context, cachette_error *error);

/* Closes a router. `closed(owner)` is called from the loop when its memory may be freed; if
 * `forked`, it is not called, and the memory may be freed at once. */
void cachette__redis_router_close(cachette__redis_router *router, bool forked,
                                  void (*closed)(void *owner), void *owner);

/* The functions of the vtable; see store.h. */
void cachette__redis_router_submit(cachette__redis_router *router, cachette_op *op);
void cachette__redis_router_detach(cachette__redis_router *router, cachette_op *op);
const cachette_error *cachette__redis_router_reason(cachette__redis_router *router,
                                                    const cachette_op *op);
const char *cachette__redis_router_server(const cachette__redis_router *router,
                                          const cachette_op *op);

/* ---- servers.c ---- */

/* Asks the finder to look for the servers again; `place`: the one to ask first, or NO_PLACE. */
static inline void cachette__redis_router_refresh(cachette__redis_router *router, size_t place) {
  router->finder->refresh(router, place);
}

/* Returns the map, which no other handle shares then; NULL: out of memory. */
cachette__redis_map *cachette__redis_own_map(cachette__redis_router *router);

/* A libuv handle that belongs to the router is closed. The last one ends the router. */
void cachette__redis_router_release(cachette__redis_router *router);

/* Frees what the router has; there are no nodes any more. */
void cachette__redis_router_deinit(cachette__redis_router *router);

/* Uses another map, which may be shared, and takes over the reference. All fan-outs that wait go
 * on. It keeps the map that it has if memory is out. Not from inside a callback of a node's
 * pipeline other than `completed` and `failed` of a job. */
void cachette__redis_router_set_map(cachette__redis_router *router, cachette__redis_map *map);

/* No server could tell where the servers are. Ops that wait for the first map fail with this error,
 * and so do later ones, until there is a map. */
void cachette__redis_router_fail(cachette__redis_router *router, const cachette_error *error);

/* ---- places.c ---- */

/* Returns the place with this address, which is added if it is new; NO_PLACE: out of memory.
 * `tls_name` NULL: the host. */
size_t cachette__redis_place_at(cachette__redis_router *router, const char *host, uint16_t port,
                                const char *tls_name);

/* Adds the place of a server in the URL. NO_PLACE: out of memory. */
size_t cachette__redis_place_add_seed(cachette__redis_router *router,
                                      const cachette__target *target);

/* Returns the place of a node of the map; NO_PLACE: out of memory. */
size_t cachette__redis_place_of(cachette__redis_router *router, unsigned map_node);

/* Finds the places of the nodes of `router->map`, which is new or has grown. Returns false if out
 * of memory. */
bool cachette__redis_places_link(cachette__redis_router *router);

/* Returns the node of a place, which is created if it has none; NULL: out of memory. */
cachette__redis_node *cachette__redis_place_open(cachette__redis_router *router, size_t place);

/* Whether a place may be sent an op. */
enum cachette__redis_state {
  CACHETTE__REDIS_UP,    /* its server is not known to be down */
  CACHETTE__REDIS_TRIED, /* it is, and this call has started an attempt that an op may wait for */
  CACHETTE__REDIS_DOWN
};

/* Returns the state of a place. If it is down and another attempt is due, this starts it. */
enum cachette__redis_state cachette__redis_place_state(cachette__redis_router *router,
                                                       size_t place);

/* Returns whether that is UP. */
bool cachette__redis_place_is_up(cachette__redis_router *router, size_t place);

/* Removes the places that no map has and no request uses. */
void cachette__redis_places_sweep(cachette__redis_router *router);

/* Closes all nodes. */
void cachette__redis_places_close(cachette__redis_router *router, bool forked);

/* Frees the table. There are no nodes any more. */
void cachette__redis_places_deinit(cachette__redis_router *router);

/* Writes the name of a place for messages. */
void cachette__redis_place_name(const cachette__redis_router *router, size_t place, char *text,
                                size_t size);

/* ---- route.c ---- */

/* Where an item goes. */
typedef struct cachette__redis_route {
  size_t place;   /* NO_PLACE: nowhere now, and `router->reason` tells why */
  bool asking;    /* the place takes it only after ASKING */
  bool probing;   /* its primary is down: if this replica takes it, it has taken over */
  bool waiting;   /* the place is down, and an attempt to connect to it has just started */
  bool expiring;  /* only the TTL of a counter is to be set */
  bool is_futile; /* do not wait for a place */
} cachette__redis_route;

/* Returns the slot of a key; 0 if the keys need not be told apart. */
unsigned cachette__redis_route_slot(const cachette__redis_router *router, cachette_slice key);

/* Chooses the place for an item. Its status may ask for a place (ASK). */
cachette__redis_route cachette__redis_route_item(cachette__redis_router *router,
                                                 const cachette_op *op, const cachette_item *item);

/* Chooses the place for a part of an op that goes to all primaries. */
cachette__redis_route cachette__redis_route_primary(cachette__redis_router *router,
                                                    unsigned map_node, bool may_probe);

/* Returns the node that all items of the op go to; NULL: the op needs a fan-out. */
cachette__redis_node *cachette__redis_route_directly(cachette__redis_router *router,
                                                     const cachette_op *op);

/* A replica has executed a write, so it is the primary of its shard now. */
void cachette__redis_route_promote(cachette__redis_router *router, size_t place);

/* ---- redirect.c ---- */

/* What an error reply means for the map; see cachette__redis_upper. */
int cachette__redis_redirect(void *owner, cachette__redis_node *node, const char *command);

/* ---- fanout.c ---- */

/* A flag of a ping that waits: it starts after a pause, and ends when all primaries answer. */
enum { CACHETTE__REDIS_PATIENT = 1 << 30 };

/* Starts a fan-out for an op that is new. */
void cachette__redis_fanout_start(cachette__redis_router *router, cachette_op *op);

/* Takes an op back from a node, for another round. `was_sent`: it was sent to the node, and its
 * replies were lost. */
void cachette__redis_fanout_take_back(cachette__redis_router *router, cachette_op *op,
                                      bool was_sent);

/* See store.h. */
void cachette__redis_fanout_detach(cachette_op *op);
const cachette_error *cachette__redis_fanout_reason(const cachette_op *op);
const char *cachette__redis_fanout_server(const cachette_op *op);

/* Starts the next round of all fan-outs that wait. */
void cachette__redis_fanout_on_timer(uv_timer_t *timer);

/* Returns whether the status of an item asks for another try. */
static inline bool cachette__redis_is_unfinished(int status) {
  return status <= CACHETTE__REDIS_RESEND;
}

#endif
