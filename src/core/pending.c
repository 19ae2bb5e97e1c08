/* SPDX-License-Identifier: MIT */
#include "pending.h"

#include <assert.h>

#include "../base/alloc.h"

static void set_slot(cachette__pending *pending, size_t index, cachette_op *op) {
  pending->ops[index] = op;
  op->priv.place = index;
}

static void sift_up(cachette__pending *pending, size_t index, cachette_op *op) {
  while (index > 0) {
    size_t parent = (index - 1) / 2;
    if (pending->ops[parent]->priv.deadline_ms <= op->priv.deadline_ms) break;
    set_slot(pending, index, pending->ops[parent]);
    index = parent;
  }
  set_slot(pending, index, op);
}

static void sift_down(cachette__pending *pending, size_t index, cachette_op *op) {
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= pending->count) break;
    if (child + 1 < pending->count &&
        pending->ops[child + 1]->priv.deadline_ms < pending->ops[child]->priv.deadline_ms)
      child++;
    if (op->priv.deadline_ms <= pending->ops[child]->priv.deadline_ms) break;
    set_slot(pending, index, pending->ops[child]);
    index = child;
  }
  set_slot(pending, index, op);
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
  size_t index = op->priv.place;
  assert(index < pending->count && pending->ops[index] == op);
  cachette_op *last = pending->ops[--pending->count];
  if (last == op) return;
  if (index > 0 && pending->ops[(index - 1) / 2]->priv.deadline_ms > last->priv.deadline_ms)
    sift_up(pending, index, last);
  else
    sift_down(pending, index, last);
}

void cachette__pending_deinit(cachette__pending *pending) {
  cachette__free(pending->ops);
  *pending = (cachette__pending){NULL, 0, 0};
}
