/* SPDX-License-Identifier: MIT */
/*
 * What layers are made of. A layer is a store that has another one beneath it: all that it does not
 * replace in its vtable is passed on.
 *
 *     core  ->  layer  ->  layer  ->  store        (layers.c: which of them, from the options)
 *
 * A layer is one file, with a `const cachette__layer_kind` at its end, and a line in layers.c. To
 * see an op on its way back it pushes a frame (op.h). It may hold an op, and then has a detach; and
 * it may start ops of its own below itself:
 *
 *     in the foreground   for an op that it holds, whose deadline is theirs: when that op ends from
 *                         above, the layer gives its own up (cachette__child_drop())
 *     in the background   with a deadline of their own, which the core watches; a close ends them
 *
 * All of it runs on the thread that uses the handle.
 */
#ifndef CACHETTE_LAYER_LAYER_H
#define CACHETTE_LAYER_LAYER_H

#include "../store/store.h"

typedef struct cachette__layer_kind cachette__layer_kind;

/* The head of every layer's own struct. */
typedef struct cachette__layer {
  cachette__store store;
  cachette__store_vtable vtable;
  const cachette__layer_kind *kind;
  cachette__store *below;
  cachette__events events; /* of the one beneath: passed on, unless the layer replaces them */
  cachette__store_context context; /* its own: the events are those of the one above */
  struct cachette__spare *spares;  /* blocks for frames */
} cachette__layer;

struct cachette__layer_kind {
  /* What the layer has of its own; NULL: the base's, which passes on. `name` is its own. */
  cachette__store_vtable vtable;

  size_t size;       /* of its own struct */
  size_t frame_size; /* of what cachette__layer_alloc_frame() gives */

  /* Looks at the options that only this layer understands. Errors: ECONFIG. May be NULL. */
  int (*check)(const cachette_options *options, cachette_error *error);

  /* Whether the options ask for it. */
  bool (*wanted)(const cachette_options *options);

  /* Fills its own part, which is zero; the one beneath is open. If it fails it leaves nothing on
   * the loop. May be NULL. */
  int (*init)(cachette__layer *layer, cachette_error *error);

  /* Frees that. Also if init failed. May be NULL. */
  void (*deinit)(cachette__layer *layer);
};

/* Makes the layer that the context asks for, above what is opened with its `events`. NULL: `error`
 * says why. */
cachette__layer *cachette__layer_new(const cachette__layer_kind *kind,
                                     const cachette__store_context *context, cachette_error *error);

/* What is beneath it is open. Errors: those of its init. */
int cachette__layer_init(cachette__layer *layer, cachette__store *below, cachette_error *error);

/* Frees a layer with nothing beneath it. */
void cachette__layer_free(cachette__layer *layer);

/* Hands an op down. */
static inline void cachette__layer_pass(cachette__layer *layer, cachette_op *op) {
  cachette__store_submit(layer->below, op);
}

/* Holds an op that has come back: the layer is told if it ends from above. One that has been
 * submitted to the layer, and not been passed on, it holds already. */
static inline void cachette__layer_hold(cachette__layer *layer, cachette_op *op) {
  op->priv.holder = &layer->store;
}

/* A block of the kind's `frame_size`, for an op's frame and what belongs to it: one that was used
 * before, or a new one. NULL: out of memory. */
void *cachette__layer_alloc_frame(cachette__layer *layer);
void cachette__layer_free_frame(cachette__layer *layer, void *block);

/* ---- Ops of a layer's own ---- */

typedef struct cachette__child cachette__child;
struct cachette__child {
  cachette_op op; /* filled as a caller would, but for `done`; no key empty, no time to live 0 */
  cachette__frame frame;
  cachette__layer *layer;
  bool in_background;
  void (*done)(cachette__child *child); /* it is over, and may be freed */
};

/* Sends it in the foreground. `parent`: the op that it is for, which the layer holds. */
void cachette__child_submit(cachette__layer *layer, cachette__child *child,
                            const cachette_op *parent);

/* Sends it in the background, for `op.timeout_ms`, or 0 for the option `timeout`. False: it was not
 * sent, for want of memory, or since the handle is being closed. */
bool cachette__child_submit_background(cachette__layer *layer, cachette__child *child);

/* Whether it was sent and is not over. */
static inline bool cachette__child_is_pending(const cachette__child *child) {
  return child->op.priv.frame != NULL;
}

/* Gives it up; its `done` is not called. */
void cachette__child_drop(cachette__child *child);

#endif
