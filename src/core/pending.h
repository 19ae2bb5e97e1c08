/* SPDX-License-Identifier: MIT */
/*
 * The pending ops of a handle: a binary heap by deadline. `priv.place` of an op is its index in the
 * heap, so removing it takes no search. Adding takes O(1) if all ops have the same time-out.
 */
#ifndef CACHETTE_PENDING_H
#define CACHETTE_PENDING_H

#include "cachette.h"

typedef struct cachette__pending {
  cachette_op **ops; /* ops[0] has the earliest deadline */
  size_t count, capacity;
} cachette__pending;

/* Adds an op by its `priv.deadline_ms`. Returns 0 or CACHETTE_ENOMEM. */
int cachette__pending_add(cachette__pending *pending, cachette_op *op);

/* Removes an op that is in the heap. */
void cachette__pending_remove(cachette__pending *pending, cachette_op *op);

void cachette__pending_deinit(cachette__pending *pending);

#endif
