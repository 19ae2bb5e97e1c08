/* SPDX-License-Identifier: MIT */
#include "envelope.h"

#include <assert.h>

#include "../alloc.h"
#include "../error.h"
#include "../slice.h"
#include "seal.h"

typedef struct envelope {
  cachette__store store;
  cachette__store_vtable vtable; /* the layer's, as immediate as the store beneath */
  cachette__store *beneath;
  cachette__seal *seal;
} envelope;

/* A fetch or a put on its way, with what it had before. */
typedef struct journey {
  cachette__frame frame; /* first, so that a frame is its journey */
  envelope *layer;
  cachette_item *items; /* the caller's */
  void *(*alloc)(cachette_op *op, cachette_item *item, size_t size);
  cachette_item own[];
} journey;

/* Gives the op back what it had, and frees what the journey held. */
static void end(journey *ended, cachette_op *op) {
  for (size_t i = 0; i < op->count; i++) cachette__free((void *)ended->own[i].value.data);
  op->items = ended->items;
  op->alloc = ended->alloc;
  cachette__free(ended);
}

/* ---- Coming back ---- */

static int refuse_value(cachette_slice key, int code, const char *reason, cachette_error *error) {
  char text[32];
  if (code != CACHETTE_ECODEC) return cachette__fail(error, code, NULL, NULL);
  cachette__key_text(key, text, sizeof text);
  return cachette__fail(error, code, text, "The value of \"%s\" %s.", text, reason);
}

/* Takes a value out of its envelope to the caller's place. Its status then. */
static int open_value(envelope *self, cachette_op *op, cachette_item *item, cachette_slice stored,
                      cachette_error *error) {
  cachette__sealed sealed;
  const char *reason = "";
  int code = cachette__seal_open(self->seal, item->key, stored, &sealed, &reason);
  if (code < 0) return refuse_value(item->key, code, reason, error);
  void *place = cachette__item_place(op, item, sealed.size);
  if (place == NULL) return CACHETTE_ENOMEM;
  code = cachette__seal_take(self->seal, &sealed, place, &reason);
  if (code == CACHETTE_OK) return CACHETTE_HIT;
  cachette__item_drop(op, item);
  return refuse_value(item->key, code, reason, error);
}

static void open_values(envelope *self, cachette_op *op, const cachette_item *own) {
  cachette_error *error = op->error;
  op->number = 0;
  for (size_t i = 0; i < op->count; i++) {
    cachette_item *item = &op->items[i];
    if (own[i].status == CACHETTE_HIT) {
      item->ttl_ms = own[i].ttl_ms;
      item->status = open_value(self, op, item, own[i].value, error);
    }
    if (item->status < 0) error = NULL; /* the first reason stands */
    op->number += cachette__item_counts(op, item);
  }
}

static void on_back(cachette__frame *frame, cachette_op *op) {
  journey *back = (journey *)frame;
  op->items = back->items;
  op->alloc = back->alloc;
  for (size_t i = 0; i < op->count; i++) op->items[i].status = back->own[i].status;
  if (op->verb == CACHETTE_FETCH && op->status == CACHETTE_OK)
    open_values(back->layer, op, back->own);
  end(back, op);
  cachette__op_complete(op, op->status);
}

/* ---- Going down ---- */

static journey *begin(envelope *self, cachette_op *op) {
  if (op->count > (SIZE_MAX - sizeof(journey)) / sizeof *op->items) return NULL;
  journey *made = cachette__malloc(sizeof *made + op->count * sizeof *op->items);
  if (made == NULL) return NULL;
  made->frame.done = on_back;
  made->layer = self;
  made->items = op->items;
  made->alloc = op->alloc;
  for (size_t i = 0; i < op->count; i++) {
    made->own[i] = op->items[i];
    made->own[i].buffer = NULL;
    made->own[i].value = (cachette_slice){NULL, 0};
  }
  return made;
}

static bool close_values(journey *made, const cachette_op *op) {
  for (size_t i = 0; i < op->count; i++) {
    const cachette_item *item = &op->items[i];
    unsigned char *bytes = cachette__malloc(cachette__seal_most(item->value.size));
    if (bytes == NULL) return false;
    made->own[i].value.data = bytes;
    made->own[i].value.size =
        cachette__seal_close(made->layer->seal, item->key, item->value, bytes);
    if (made->own[i].value.size == 0) return false;
  }
  return true;
}

static void send_down(envelope *self, cachette_op *op) {
  journey *made = begin(self, op);
  if (made == NULL || (op->verb == CACHETTE_PUT && !close_values(made, op))) {
    if (made != NULL) end(made, op);
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  op->items = made->own;
  op->alloc = NULL; /* the library allocates what is stored */
  cachette__op_push(op, &made->frame);
  self->beneath->vtable->submit(self->beneath, op);
}

/* ---- The layer ---- */

static bool travels(const cachette_op *op) {
  return op->verb == CACHETTE_FETCH || op->verb == CACHETTE_PUT;
}

static void envelope_submit(cachette__store *store, cachette_op *op) {
  envelope *self = (envelope *)store;
  if (travels(op))
    send_down(self, op);
  else if (op->verb == CACHETTE_INCREMENT && cachette__seal_signs(self->seal))
    cachette__op_fail(op, CACHETTE_EUNSUPPORTED, "secret",
                      "Counters are not available with \"secret\", for they are stored as plain "
                      "digits; keep them in a cache without it.");
  else
    self->beneath->vtable->submit(self->beneath, op);
}

static void envelope_detach(cachette__store *store, cachette_op *op) {
  envelope *self = (envelope *)store;
  self->beneath->vtable->detach(self->beneath, op);
  if (!travels(op)) return;
  journey *ended = (journey *)op->priv.frame;
  assert(ended->layer == self);
  op->priv.frame = ended->frame.above;
  end(ended, op);
}

static const char *envelope_server(const cachette__store *store) {
  cachette__store *beneath = ((const envelope *)store)->beneath;
  return beneath->vtable->server(beneath);
}

static const cachette_error *envelope_reason(cachette__store *store, const cachette_op *op) {
  cachette__store *beneath = ((envelope *)store)->beneath;
  return beneath->vtable->reason(beneath, op);
}

static void envelope_stats(cachette__store *store, cachette_stats *stats) {
  cachette__store *beneath = ((envelope *)store)->beneath;
  beneath->vtable->stats(beneath, stats);
}

static void envelope_close(cachette__store *store, bool forked) {
  envelope *self = (envelope *)store;
  self->beneath->vtable->close(self->beneath, forked);
  cachette__seal_free(self->seal);
  cachette__free(self);
}

int cachette__envelope_wrap(const cachette__store_context *context, cachette__store **store,
                            cachette_error *error) {
  if (!cachette__seal_wanted(context->options)) return CACHETTE_OK;
  const cachette__store_vtable *beneath = (*store)->vtable;
  envelope *self = cachette__malloc(sizeof *self);
  int code = self == NULL ? cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL)
                          : cachette__seal_new(context->options, &self->seal, error);
  if (code < 0) {
    cachette__free(self);
    beneath->close(*store, false);
    return code;
  }
  self->vtable = (cachette__store_vtable){
      .name = "envelope",
      .immediate = beneath->immediate,
      .submit = envelope_submit,
      .detach = beneath->detach != NULL ? envelope_detach : NULL,
      .reason = beneath->reason != NULL ? envelope_reason : NULL,
      .server = beneath->server != NULL ? envelope_server : NULL,
      .stats = envelope_stats,
      .close = envelope_close,
  };
  self->store.vtable = &self->vtable;
  self->beneath = *store;
  *store = &self->store;
  return CACHETTE_OK;
}
