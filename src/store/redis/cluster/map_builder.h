/* SPDX-License-Identifier: MIT */
/*
 * Makes a map from the reply to CLUSTER SLOTS, in version 2 or 3 of the protocol. It is fed the
 * tokens of the parser and does no I/O.
 *
 *     ARRAY of   ARRAY: first slot, last slot, primary, replica ...    each node:
 *                  ARRAY: host, port, [id, [ARRAY or MAP: names and values, such as hostname]]
 *
 * https://redis.io/docs/latest/commands/cluster-slots/
 *
 * A host that is null or empty is the node that was asked. A node whose host is "?" or whose
 * address is not valid is skipped; slots of a primary that is skipped have no owner. More values
 * than those above are ignored.
 */
#ifndef CACHETTE_REDIS_CLUSTER_MAP_BUILDER_H
#define CACHETTE_REDIS_CLUSTER_MAP_BUILDER_H

#include "../resp.h"
#include "map.h"

/* A text that may arrive in parts; one that is too long is not valid, and is empty. */
typedef struct cachette__redis_map_text {
  char bytes[CACHETTE__REDIS_HOST_MAX + 1];
  size_t size;
} cachette__redis_map_text;

/* Private. */
typedef struct cachette__redis_map_builder {
  const cachette__redis_map_source *source;
  cachette__redis_map *map;
  int code; /* 0, or why the reply was refused */
  const char *reason;
  bool is_complete;
  int64_t begin, end; /* the slots of the current range */
  unsigned value;     /* how many of the range's values have begun */
  unsigned primary;   /* of the range, or NO_NODE */
  bool in_node;       /* a node is being read; `field` of its values are complete */
  unsigned field;
  bool is_skipped;  /* its host is too long */
  bool in_metadata; /* its names and values are being read */
  bool has_key;     /* a name was read; its value follows */
  int64_t port;
  cachette__redis_map_text host, announced, text;
  bool is_host_name; /* the value that follows is the host name */
} cachette__redis_map_builder;

/* Prepares the builder for one reply. `source` must outlive it. Errors: ENOMEM. */
int cachette__redis_map_builder_init(cachette__redis_map_builder *builder,
                                     const cachette__redis_map_source *source);

/*
 * Takes a token of the reply; those of pushes and attributes are ignored. After an error the same
 * error is returned for each further token, so the caller may look at the last one only.
 * Errors, of which cachette__redis_map_builder_reason() tells more: EBACKEND (not a valid reply;
 * too many nodes), ENOMEM.
 */
int cachette__redis_map_builder_take(cachette__redis_map_builder *builder,
                                     const cachette__resp_token *token);

/* Returns why the reply was refused, for example "a slot has two owners"; NULL: it was not. */
const char *cachette__redis_map_builder_reason(const cachette__redis_map_builder *builder);

/* Returns the map of a complete reply, which the caller owns then; it may be empty. NULL: the reply
 * is not complete, or was refused. */
cachette__redis_map *cachette__redis_map_builder_finish(cachette__redis_map_builder *builder);

/* Frees what it has. The builder may be initialised again. */
void cachette__redis_map_builder_deinit(cachette__redis_map_builder *builder);

#endif
