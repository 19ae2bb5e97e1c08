/* SPDX-License-Identifier: MIT */
/*
 * What layers and stores do with an op.
 *
 * An op goes down by submit and comes back once by cachette__op_complete(). The core pushes the
 * bottom frame, and a layer that wants to see the op on its way back pushes one of its own before
 * it passes the op on. Completing pops one frame after another; at the bottom the core counts the
 * op and calls its `done`.
 *
 *     submit   core (push) -> layer (push) -> store
 *     done     core  (pop) <- layer  (pop) <- store
 */
#ifndef CACHETTE_OP_H
#define CACHETTE_OP_H

#include "cachette.h"

typedef struct cachette__frame cachette__frame;
struct cachette__frame {
  /* Popped already; passes the op on by cachette__op_complete(), now or later. */
  void (*done)(cachette__frame *frame, cachette_op *op);

  /*
   * The op was cancelled or its handle is closed. Popped already; gives the op back what it had,
   * and frees what belongs to the frame, but must not complete the op. NULL in a bottom frame
   * alone.
   */
  void (*drop)(cachette__frame *frame, cachette_op *op);

  cachette__frame *above;
};

static inline void cachette__op_push(cachette_op *op, cachette__frame *frame) {
  frame->above = op->priv.frame;
  op->priv.frame = frame;
}

/* Whether the ops of a verb have items. */
static inline bool cachette__has_items(enum cachette_verb verb) {
  return verb >= CACHETTE_FETCH && verb <= CACHETTE_CLEAR_NAMESPACE;
}

/* Whether an op may be carried out twice, as where its answer was lost: a clear would not know what
 * it counted, nor an increment whether it had. */
static inline bool cachette__is_idempotent(enum cachette_verb verb, unsigned flags) {
  switch (verb) {
    case CACHETTE_FETCH:
    case CACHETTE_EXISTS:
    case CACHETTE_TOUCH:
    case CACHETTE_PING:
      return true;
    case CACHETTE_PUT:
      return !(flags & CACHETTE_IF_ABSENT);
    default:
      return false;
  }
}

/* Takes the top frame off, which is the one that was pushed last. */
static inline cachette__frame *cachette__op_pop(cachette_op *op) {
  cachette__frame *frame = op->priv.frame;
  op->priv.frame = frame->above;
  return frame;
}

/* Sends the op back up. After this call the op belongs to whoever is above. */
void cachette__op_complete(cachette_op *op, int status);

/* Drops all frames but the bottom one. The op is nobody's below. */
void cachette__op_drop_frames(cachette_op *op);

/* The same with a reason, which stands in the op's error struct if it has one. */
void cachette__op_fail(cachette_op *op, int code, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * The place for a fetched value of `size` bytes: the item's buffer, or what the caller's
 * allocator gives. The item's value is set to it. NULL: out of memory, and the item says so.
 * No lock may be held.
 */
void *cachette__item_alloc(cachette_op *op, cachette_item *item, size_t size);

/* Clears what the op will tell of its items, before it goes down. */
void cachette__op_reset_items(cachette_op *op);

/* Whether an item, with the status that it has, is one of those that the op's `number` tells. */
bool cachette__item_counts(const cachette_op *op, const cachette_item *item);

/* Takes the place back, when the value went while its place was sought: a miss has no value. */
void cachette__item_drop(const cachette_op *op, cachette_item *item);

#endif
