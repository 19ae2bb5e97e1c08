/* SPDX-License-Identifier: MIT */
/*
 * The base of all layers. A layer is a store with another layer or a store below it. Calls that its
 * vtable does not replace are passed on to the one below.
 *
 *     core  ->  layer  ->  layer  ->  store        (layers.c chooses the layers by the options)
 *
 * A layer is a file or folder that ends with a `const cachette__layer_kind`, and a line in
 * layers.c. To see the result of an op, it pushes a frame (op.h). A layer may hold an op and
 * complete it later; then its vtable needs a `detach`. A layer may also send child ops to the one
 * below:
 *
 *     in the foreground   for a parent op that the layer holds. They share its deadline. If the
 *                         parent is detached, the layer drops them: cachette__child_drop().
 *     in the background   without a parent. The core watches their own deadline, and ends them when
 *                         the handle is closed.
 *
 * Everything runs on the thread that uses the handle.
 */
#ifndef CACHETTE_LAYER_LAYER_H
#define CACHETTE_LAYER_LAYER_H

#include "../store/store.h"

typedef struct cachette__layer_kind cachette__layer_kind;

/* The struct of every layer begins with this one. */
typedef struct cachette__layer {
  cachette__store store;
  cachette__store_vtable vtable;
  const cachette__layer_kind *kind;
  cachette__store *below;
  cachette__events events;         /* receives the events from below; by default passes them on */
  cachette__store_context context; /* its `events` are those of the one above */
  struct cachette__spare *spares;  /* the free list of frames */
} cachette__layer;

struct cachette__layer_kind {
  /* The calls that the layer replaces. NULL: passed on. */
  cachette__store_vtable vtable;

  size_t size;       /* of the layer's struct */
  size_t frame_size; /* of the blocks that cachette__layer_alloc_frame() returns */

  /* Checks the options that only this layer uses. Errors: ECONFIG. May be NULL. */
  int (*check)(const cachette_options *options, cachette_error *error);

  /* Returns whether the options enable the layer. */
  bool (*wanted)(const cachette_options *options);

  /* Initializes the layer's part of the struct, which is zeroed. The store below is open. If this
   * fails, it must leave nothing on the loop. May be NULL. */
  int (*init)(cachette__layer *layer, cachette_error *error);

  /* Frees what init allocated. Also called if init failed or was not called. May be NULL. */
  void (*deinit)(cachette__layer *layer);
};

/*
 * Allocates a layer. Next, open the store below with the layer's `events` in its context, and call
 * cachette__layer_init(). NULL: out of memory; `error` is filled.
 */
cachette__layer *cachette__layer_new(const cachette__layer_kind *kind,
                                     const cachette__store_context *context, cachette_error *error);

/* Puts the layer above an open store and calls the `init` of its kind. Errors: those of `init`. */
int cachette__layer_init(cachette__layer *layer, cachette__store *below, cachette_error *error);

/* Frees a layer; the store below must be closed, or not be open yet. */
void cachette__layer_free(cachette__layer *layer);

/* Passes an op down. */
static inline void cachette__layer_pass(cachette__layer *layer, cachette_op *op) {
  cachette__store_submit(layer->below, op);
}

/* Makes the layer the holder of an op that came back, so that its `detach` is called if the op is
 * cancelled, times out or the handle is closed. A layer already holds an op that was submitted to
 * it until it passes the op on. */
static inline void cachette__layer_hold(cachette__layer *layer, cachette_op *op) {
  op->priv.holder = &layer->store;
}

/* Allocates a block of the kind's `frame_size` for a frame and its data, and frees one. Freed
 * blocks are reused. NULL: out of memory. */
void *cachette__layer_alloc_frame(cachette__layer *layer);
void cachette__layer_free_frame(cachette__layer *layer, void *block);

/* ---- Child ops ---- */

typedef struct cachette__child cachette__child;
struct cachette__child {
  cachette_op
      op; /* filled like a caller's, without `done`; unchecked: no empty keys, no TTL of 0 */
  cachette__frame frame;
  cachette__layer *layer;
  bool in_background;
  void (*done)(cachette__child *child); /* the result is in `op`; may free the child */
};

/* Submits a child in the foreground for `parent`, which the layer holds. */
void cachette__child_submit(cachette__layer *layer, cachette__child *child,
                            const cachette_op *parent);

/* Submits a child in the background. Its deadline is `op.timeout_ms` milliseconds from now; 0: the
 * option `timeout`. False: it was not submitted, because memory is out or the handle is being
 * closed; `done` is not called. */
bool cachette__child_submit_background(cachette__layer *layer, cachette__child *child);

/* Returns whether the child was submitted and is not done. A new child must be zeroed. */
static inline bool cachette__child_is_pending(const cachette__child *child) {
  return child->op.priv.frame != NULL;
}

/* Cancels a pending child without calling its `done`. */
void cachette__child_drop(cachette__child *child);

#endif
