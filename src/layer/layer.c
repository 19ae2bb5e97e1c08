/* SPDX-License-Identifier: MIT */
#include "layer.h"

#include <string.h>

#include "../base/alloc.h"
#include "../base/error.h"

/* A free block. Every frame is at least as large. */
typedef struct cachette__spare {
  struct cachette__spare *next;
} cachette__spare;

/* The layer that contains the events. */
#define LAYER_OF(part) ((cachette__layer *)((char *)(part)-offsetof(cachette__layer, events)))

/* ---- Calls that are passed on ---- */

static void pass_submit(cachette__store *store, cachette_op *op) {
  cachette__layer_pass((cachette__layer *)store, op);
}

/* An op that the layer holds does not wait for one server in particular. */
static const char *pass_server(const cachette__store *store, const cachette_op *op) {
  (void)op;
  cachette__store *below = ((const cachette__layer *)store)->below;
  return below->vtable->server(below, NULL);
}

static void pass_stats(cachette__store *store, cachette_stats *stats) {
  cachette__store *below = ((cachette__layer *)store)->below;
  below->vtable->stats(below, stats);
}

static void pass_close(cachette__store *store, bool forked) {
  cachette__layer *self = (cachette__layer *)store;
  self->below->vtable->close(self->below, forked);
  cachette__layer_free(self);
}

static void pass_notice(cachette__events *events, const char *message) {
  cachette__events *above = LAYER_OF(events)->context.events;
  above->notice(above, message);
}

static void pass_invalidated(cachette__events *events, cachette_slice key) {
  cachette__events *above = LAYER_OF(events)->context.events;
  above->invalidated(above, key);
}

static void pass_lost(cachette__events *events) {
  cachette__events *above = LAYER_OF(events)->context.events;
  above->lost(above);
}

/* ---- Life cycle ---- */

cachette__layer *cachette__layer_new(const cachette__layer_kind *kind,
                                     const cachette__store_context *context,
                                     cachette_error *error) {
  cachette__layer *self = cachette__calloc(1, kind->size);
  if (self == NULL) {
    cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
    return NULL;
  }
  self->kind = kind;
  self->context = *context;
  self->events = (cachette__events){pass_notice, pass_invalidated, pass_lost};
  self->vtable = kind->vtable;
  if (self->vtable.submit == NULL) self->vtable.submit = pass_submit;
  if (self->vtable.stats == NULL) self->vtable.stats = pass_stats;
  if (self->vtable.close == NULL) self->vtable.close = pass_close;
  self->store.vtable = &self->vtable;
  return self;
}

int cachette__layer_init(cachette__layer *layer, cachette__store *below, cachette_error *error) {
  layer->below = below;
  layer->vtable.immediate = below->vtable->immediate && layer->vtable.detach == NULL;
  if (layer->vtable.server == NULL && below->vtable->server != NULL)
    layer->vtable.server = pass_server;
  return layer->kind->init != NULL ? layer->kind->init(layer, error) : CACHETTE_OK;
}

void cachette__layer_free(cachette__layer *layer) {
  if (layer->kind->deinit != NULL) layer->kind->deinit(layer);
  while (layer->spares != NULL) {
    cachette__spare *spare = layer->spares;
    layer->spares = spare->next;
    cachette__free(spare);
  }
  cachette__free(layer);
}

void *cachette__layer_alloc_frame(cachette__layer *layer) {
  cachette__spare *spare = layer->spares;
  if (spare == NULL) return cachette__malloc(layer->kind->frame_size);
  layer->spares = spare->next;
  return spare;
}

void cachette__layer_free_frame(cachette__layer *layer, void *block) {
  cachette__spare *spare = block;
  spare->next = layer->spares;
  layer->spares = spare;
}

/* ---- Child ops ---- */

static void on_child_returned(cachette__frame *frame, cachette_op *op) {
  cachette__child *child = (cachette__child *)((char *)frame - offsetof(cachette__child, frame));
  cachette__deadlines *deadlines = child->layer->context.deadlines;
  if (child->in_background) deadlines->remove(deadlines, op);
  child->done(child);
}

static void child_init(cachette__layer *layer, cachette__child *child, bool in_background) {
  child->layer = layer;
  child->in_background = in_background;
  child->frame = (cachette__frame){.done = on_child_returned};
  child->op.status = CACHETTE_OK;
  child->op.number = 0;
  child->op.priv.frame = NULL;
  child->op.priv.place = SIZE_MAX;
  cachette__op_reset_items(&child->op);
  cachette__op_push(&child->op, &child->frame);
}

void cachette__child_submit(cachette__layer *layer, cachette__child *child,
                            const cachette_op *parent) {
  child_init(layer, child, false);
  child->op.timeout_ms = parent->timeout_ms;
  child->op.priv.now_ms = parent->priv.now_ms;
  child->op.priv.deadline_ms = parent->priv.deadline_ms;
  cachette__layer_pass(layer, &child->op);
}

bool cachette__child_submit_background(cachette__layer *layer, cachette__child *child) {
  cachette__deadlines *deadlines = layer->context.deadlines;
  child_init(layer, child, true);
  if (!deadlines->add(deadlines, &child->op)) {
    cachette__op_pop(&child->op);
    return false;
  }
  cachette__layer_pass(layer, &child->op);
  return true;
}

void cachette__child_drop(cachette__child *child) {
  cachette_op *op = &child->op;
  cachette__deadlines *deadlines = child->layer->context.deadlines;
  if (child->in_background) deadlines->remove(deadlines, op);
  op->priv.holder->vtable->detach(op->priv.holder, op);
  cachette__op_drop_frames(op);
  cachette__op_pop(op);
}
