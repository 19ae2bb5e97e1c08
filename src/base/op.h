/* SPDX-License-Identifier: MIT */
/*
 * How layers and stores handle an op.
 *
 * An op goes down by submit and comes back exactly once by cachette__op_complete(). Each op has a
 * stack of frames, which are its completion callbacks. The core pushes the bottom frame. A layer
 * that needs the result pushes a frame before it passes the op on. Each completion pops one frame
 * and calls it; the bottom frame updates the statistics and calls the caller's `done`.
 *
 *     submit   core (push) -> layer (push) -> store
 *     done     core  (pop) <- layer  (pop) <- store
 */
#ifndef CACHETTE_OP_H
#define CACHETTE_OP_H

#include "cachette.h"

typedef struct cachette__frame cachette__frame;
struct cachette__frame {
  /* The op came back; its result is in it. The frame is already popped. Must pass the op on by
   * cachette__op_complete(), now or later. */
  void (*done)(cachette__frame *frame, cachette_op *op);

  /*
   * The op was cancelled, or its handle is being closed. The frame is already popped. Must restore
   * what the layer changed in the op and free the frame, and must not complete the op. NULL only in
   * a bottom frame.
   */
  void (*drop)(cachette__frame *frame, cachette_op *op);

  cachette__frame *above; /* the frame pushed before this one; NULL in a bottom frame */
};

/* The frame must stay valid until it is popped. */
static inline void cachette__op_push(cachette_op *op, cachette__frame *frame) {
  frame->above = op->priv.frame;
  op->priv.frame = frame;
}

/* Returns whether ops with this verb have items. */
static inline bool cachette__has_items(enum cachette_verb verb) {
  return verb >= CACHETTE_FETCH && verb <= CACHETTE_CLEAR_NAMESPACE;
}

/* Returns whether it is safe to resend an op whose reply was lost. A resent increment could count
 * twice; a resent clear, or put of absent keys, would report the wrong number of entries. */
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

/* Removes and returns the frame that was pushed last. */
static inline cachette__frame *cachette__op_pop(cachette_op *op) {
  cachette__frame *frame = op->priv.frame;
  op->priv.frame = frame->above;
  return frame;
}

/* Sends the op back up with a status: 0, or the code of the error. Do not use the op after this
 * call: it belongs to the frame above, or to the caller. */
void cachette__op_complete(cachette_op *op, int status);

/* Completes the op with an error, and fills its error struct as cachette__fail() does. */
void cachette__op_fail(cachette_op *op, int code, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Pops all frames but the bottom one and calls their `drop`. The op must be detached already. */
void cachette__op_drop_frames(cachette_op *op);

/*
 * Sets the item's value to memory for a fetched value of `size` bytes and returns that memory: the
 * item's buffer if the value fits, else what the op's `alloc` or the library allocates. NULL: out
 * of memory; the item's status and the op's error are set. It may call the caller's code, so do not
 * hold a lock.
 */
void *cachette__item_alloc(cachette_op *op, cachette_item *item, size_t size);

/* Resets the results of all items, before the op goes down: each is a miss without a value. */
void cachette__op_reset_items(cachette_op *op);

/* Returns whether the op's `number` counts an item, given the item's status. */
bool cachette__item_counts(const cachette_op *op, const cachette_item *item);

/* Frees the value of an item, if the library allocated it, and resets it to NULL: an item without a
 * hit has no value. */
void cachette__item_drop(const cachette_op *op, cachette_item *item);

#endif
