/* SPDX-License-Identifier: MIT */
/*
 * The ops of a handle that wait for an answer: a binary heap by deadline, each op
 * knowing its place in it. With one time-out for all, adding is O(1).
 */
#ifndef CACHETTE_PENDING_H
#define CACHETTE_PENDING_H

#include "cachette.h"

typedef struct cachette__pending {
  cachette_op **ops; /* ops[0] has the earliest deadline */
  size_t count, capacity;
} cachette__pending;

/* Adds an op by its `deadline_ms`. Returns 0 or CACHETTE_ENOMEM. */
int cachette__pending_add(cachette__pending *pending, cachette_op *op);

/* Takes out an op that is in it. */
void cachette__pending_remove(cachette__pending *pending, cachette_op *op);

void cachette__pending_deinit(cachette__pending *pending);

#endif
