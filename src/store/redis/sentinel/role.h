/* SPDX-License-Identifier: MIT */
/* The question to the server that the sentinels name: whether it is a primary. */
#ifndef CACHETTE_REDIS_SENTINEL_ROLE_H
#define CACHETTE_REDIS_SENTINEL_ROLE_H

#include "../router.h"

typedef struct cachette__redis_role_check cachette__redis_role_check;

/* The answer; called once, unless the question is abandoned. `map`: if the server is the primary,
 * what cachette__redis_role_ask() got, whose reference is given back; else NULL, and `error` tells
 * why. */
typedef void cachette__redis_role_answered(void *owner, cachette__redis_map *map, uint64_t epoch,
                                           const cachette_error *error);

/* Asks the primary in `map`, whose reference is taken over in any case. `epoch` is for the answer.
 * Errors, with `*error`: ENOMEM; EUNAVAILABLE (it is down). */
int cachette__redis_role_ask(cachette__redis_router *router, cachette__redis_map *map,
                             uint64_t epoch, cachette__redis_role_answered *answered, void *owner,
                             cachette__redis_role_check **check, cachette_error *error);

/* No answer is wanted any more. */
void cachette__redis_role_abandon(cachette__redis_role_check *check);

/* Returns the name of the server, for messages. */
const char *cachette__redis_role_server(const cachette__redis_role_check *check);

#endif
