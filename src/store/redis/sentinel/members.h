/* SPDX-License-Identifier: MIT */
/* The sentinels that a handle knows: those in the URL, and those that these know. */
#ifndef CACHETTE_REDIS_SENTINEL_MEMBERS_H
#define CACHETTE_REDIS_SENTINEL_MEMBERS_H

#include "sentinel.h"

enum { CACHETTE__REDIS_MAX_SENTINELS = 64 };

typedef struct cachette__redis_members {
  cachette__redis_router *router;
  const cachette__redis_sentinel_events *events;
  void *owner; /* for the events */
  cachette__redis_sentinel *all[CACHETTE__REDIS_MAX_SENTINELS];
  size_t count;
} cachette__redis_members;

/* Adds the sentinels in the URL, and those that the last answers tell of; removes those that are
 * not known any more. Returns false if memory is out for the first ones. */
bool cachette__redis_members_update(cachette__redis_members *members);

/* Closes all connections. `forked`: as for a store. */
void cachette__redis_members_close(cachette__redis_members *members, bool forked);

#endif
