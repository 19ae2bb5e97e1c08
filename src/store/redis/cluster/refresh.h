/* SPDX-License-Identifier: MIT */
/* The finder of a cluster: it asks the servers for the map of the slots. */
#ifndef CACHETTE_REDIS_CLUSTER_REFRESH_H
#define CACHETTE_REDIS_CLUSTER_REFRESH_H

#include "../router.h"

/* Becomes the router's finder. Returns false if out of memory. */
bool cachette__redis_refresh_start(cachette__redis_router *router);

#endif
