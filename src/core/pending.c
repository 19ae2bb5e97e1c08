/* SPDX-License-Identifier: MIT */
#include "pending.h"

#include <assert.h>

#include "../base/alloc.h"

static void put_at(cachette__pending *pending, size_t place, cachette_op *op) {
  pending->ops[place] = op;
  op->priv.place = place;
}

static void sift_up(cachette__pending *pending, size_t place, cachette_op *op) {
  while (place > 0) {
    size_t parent = (place - 1) / 2;
    if (pending->ops[parent]->priv.deadline_ms <= op->priv.deadline_ms) break;
    put_at(pending, place, pending->ops[parent]);
    place = parent;
  }
  put_at(pending, place, op);
}

static void sift_down(cachette__pending *pending, size_t place, cachette_op *op) {
  for (;;) {
    size_t child = 2 * place + 1;
    if (child >= pending->count) break;
    if (child + 1 < pending->count &&
        pending->ops[child + 1]->priv.deadline_ms < pending->ops[child]->priv.deadline_ms)
      child++;
    if (op->priv.deadline_ms <= pending->ops[child]->priv.deadline_ms) break;
    put_at(pending, place, pending->ops[child]);
    place = child;
  }
  put_at(pending, place, op);
}

int cachette__pending_add(cachette__pending *pending, cachette_op *op) {
  if (pending->count == pending->capacity) {
    size_t capacity = pending->capacity > 0 ? 2 * pending->capacity : 16;
    if (capacity > SIZE_MAX / sizeof *pending->ops) return CACHETTE_ENOMEM;
    cachette_op **ops = cachette__realloc(pending->ops, capacity * sizeof *ops);
    if (ops == NULL) return CACHETTE_ENOMEM;
    pending->ops = ops;
    pending->capacity = capacity;
  }
  sift_up(pending, pending->count++, op);
  return CACHETTE_OK;
}

void cachette__pending_remove(cachette__pending *pending, cachette_op *op) {
  size_t place = op->priv.place;
  assert(place < pending->count && pending->ops[place] == op);
  cachette_op *last = pending->ops[--pending->count];
  if (last == op) return;
  if (place > 0 && pending->ops[(place - 1) / 2]->priv.deadline_ms > last->priv.deadline_ms)
    sift_up(pending, place, last);
  else
    sift_down(pending, place, last);
}

void cachette__pending_deinit(cachette__pending *pending) {
  cachette__free(pending->ops);
  *pending = (cachette__pending){NULL, 0, 0};
}
