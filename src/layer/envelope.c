/* SPDX-License-Identifier: MIT */
#include "envelope.h"

#include "../base/alloc.h"
#include "../base/error.h"
#include "../base/slice.h"
#include "seal.h"

typedef struct envelope {
  cachette__layer layer;
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

enum { USUAL = 1 }; /* items; of an op with more the journey has a block of its own */

static void free_journey(envelope *self, journey *ended, size_t count) {
  if (count <= USUAL)
    cachette__layer_give(&self->layer, ended);
  else
    cachette__free(ended);
}

/* Gives the op back what it had, and frees what the journey held. */
static void end(journey *ended, cachette_op *op) {
  for (size_t i = 0; i < op->count; i++) cachette__free((void *)ended->own[i].value.data);
  op->items = ended->items;
  op->alloc = ended->alloc;
  free_journey(ended->layer, ended, op->count);
}

static void on_drop(cachette__frame *frame, cachette_op *op) { end((journey *)frame, op); }

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
  bool has_values = op->verb == CACHETTE_FETCH && op->status == CACHETTE_OK;
  for (size_t i = 0; i < op->count; i++) {
    bool is_lost = op->verb == CACHETTE_FETCH && back->own[i].status == CACHETTE_HIT && !has_values;
    op->items[i].status = is_lost ? CACHETTE_MISS : back->own[i].status;
  }
  if (has_values) open_values(back->layer, op, back->own);
  end(back, op);
  cachette__op_complete(op, op->status);
}

/* ---- Going down ---- */

static journey *begin(envelope *self, cachette_op *op) {
  if (op->count > (SIZE_MAX - sizeof(journey)) / sizeof *op->items) return NULL;
  journey *made = op->count <= USUAL
                      ? cachette__layer_take(&self->layer)
                      : cachette__malloc(sizeof *made + op->count * sizeof *op->items);
  if (made == NULL) return NULL;
  made->frame = (cachette__frame){.done = on_back, .drop = on_drop};
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
  cachette__layer_pass(&self->layer, op);
}

/* ---- The layer ---- */

static void submit(cachette__store *store, cachette_op *op) {
  envelope *self = (envelope *)store;
  if (op->verb == CACHETTE_FETCH || op->verb == CACHETTE_PUT)
    send_down(self, op);
  else if (op->verb == CACHETTE_INCREMENT && cachette__seal_signs(self->seal))
    cachette__op_fail(op, CACHETTE_EUNSUPPORTED, "secret",
                      "Counters are not available with \"secret\", for they are stored as plain "
                      "digits; keep them in a cache without it.");
  else
    cachette__layer_pass(&self->layer, op);
}

static int init(cachette__layer *layer, cachette_error *error) {
  return cachette__seal_new(layer->context.options, &((envelope *)layer)->seal, error);
}

static void deinit(cachette__layer *layer) { cachette__seal_free(((envelope *)layer)->seal); }

const cachette__layer_kind cachette__envelope_layer = {
    .vtable = {.name = "envelope", .submit = submit},
    .size = sizeof(envelope),
    .frame_size = sizeof(journey) + USUAL * sizeof(cachette_item),
    .check = cachette__seal_check,
    .wanted = cachette__seal_wanted,
    .init = init,
    .deinit = deinit,
};
