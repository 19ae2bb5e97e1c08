/* SPDX-License-Identifier: MIT */
#include "envelope.h"

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "wrap.h"

typedef struct envelope {
  cachette__layer layer;
  cachette__wrapper *wrapper;
} envelope;

/* A fetch or put that was passed down, with the members to restore when it comes back. */
typedef struct pending {
  cachette__frame frame; /* must be first: a frame is cast to its `pending` */
  envelope *layer;
  cachette_item *items; /* the caller's */
  void *(*alloc)(cachette_op *op, cachette_item *item, size_t size);
  cachette_item stored[]; /* the items that go down; their values are envelopes */
} pending;

enum { FRAME_ITEMS = 1 }; /* items in a reused frame; an op with more allocates its own memory */

static void pending_free(pending *self, size_t count) {
  if (count <= FRAME_ITEMS)
    cachette__layer_free_frame(&self->layer->layer, self);
  else
    cachette__free(self);
}

/* Restores the op, and frees the envelopes. */
static void pending_end(pending *self, cachette_op *op) {
  for (size_t i = 0; i < op->count; i++) cachette__free((void *)self->stored[i].value.data);
  op->items = self->items;
  op->alloc = self->alloc;
  pending_free(self, op->count);
}

static void on_drop(cachette__frame *frame, cachette_op *op) { pending_end((pending *)frame, op); }

/* ---- Coming back ---- */

static int refuse_value(cachette_slice key, int code, const char *reason, cachette_error *error) {
  char text[32];
  if (code != CACHETTE_ECODEC) return cachette__fail(error, code, NULL, NULL);
  cachette__key_text(key, text, sizeof text);
  return cachette__fail(error, code, text, "The value of \"%s\" %s.", text, reason);
}

/* Writes the value of an envelope to the caller's buffer. Returns the item's status. */
static int open_value(envelope *self, cachette_op *op, cachette_item *item, cachette_slice stored,
                      cachette_error *error) {
  cachette__compressed value;
  const char *reason = "";
  int code = cachette__wrapper_open(self->wrapper, item->key, stored, &value, &reason);
  if (code < 0) return refuse_value(item->key, code, reason, error);
  void *buffer = cachette__item_alloc(op, item, (size_t)value.size);
  if (buffer == NULL) return CACHETTE_ENOMEM;
  code = cachette__wrapper_extract(self->wrapper, &value, buffer, &reason);
  if (code == CACHETTE_OK) return CACHETTE_HIT;
  cachette__item_drop(op, item);
  return refuse_value(item->key, code, reason, error);
}

static void open_values(envelope *self, cachette_op *op, const cachette_item *stored) {
  cachette_error *error = op->error;
  op->number = 0;
  for (size_t i = 0; i < op->count; i++) {
    cachette_item *item = &op->items[i];
    if (stored[i].status == CACHETTE_HIT) {
      item->ttl_ms = stored[i].ttl_ms;
      item->status = open_value(self, op, item, stored[i].value, error);
    }
    if (item->status < 0) error = NULL; /* the op reports the first error */
    op->number += cachette__item_counts(op, item);
  }
}

static void on_returned(cachette__frame *frame, cachette_op *op) {
  pending *self = (pending *)frame;
  op->items = self->items;
  op->alloc = self->alloc;
  bool has_values = op->verb == CACHETTE_FETCH && op->status == CACHETTE_OK;
  for (size_t i = 0; i < op->count; i++) {
    int status = self->stored[i].status;
    /* If the whole op failed, a value that was found is not delivered. */
    bool is_lost = op->verb == CACHETTE_FETCH && status == CACHETTE_HIT && !has_values;
    op->items[i].status = is_lost ? CACHETTE_MISS : status;
  }
  if (has_values) open_values(self->layer, op, self->stored);
  pending_end(self, op);
  cachette__op_complete(op, op->status);
}

/* ---- Going down ---- */

static pending *pending_new(envelope *layer, cachette_op *op) {
  if (op->count > (SIZE_MAX - sizeof(pending)) / sizeof *op->items) return NULL;
  pending *self = op->count <= FRAME_ITEMS
                      ? cachette__layer_alloc_frame(&layer->layer)
                      : cachette__malloc(sizeof *self + op->count * sizeof *op->items);
  if (self == NULL) return NULL;
  self->frame = (cachette__frame){.done = on_returned, .drop = on_drop};
  self->layer = layer;
  self->items = op->items;
  self->alloc = op->alloc;
  for (size_t i = 0; i < op->count; i++) {
    self->stored[i] = op->items[i];
    self->stored[i].buffer = NULL;
    self->stored[i].value = (cachette_slice){NULL, 0};
  }
  return self;
}

static bool wrap_values(pending *self, const cachette_op *op) {
  for (size_t i = 0; i < op->count; i++) {
    const cachette_item *item = &op->items[i];
    cachette_slice *stored = &self->stored[i].value;
    unsigned char *buffer = cachette__malloc(cachette__wrapped_size_max(item->value.size));
    if (buffer == NULL) return false;
    stored->data = buffer;
    stored->size = cachette__wrapper_wrap(self->layer->wrapper, item->key, item->value, buffer);
    if (stored->size == 0) return false;
  }
  return true;
}

static void send_down(envelope *layer, cachette_op *op) {
  pending *self = pending_new(layer, op);
  if (self == NULL || (op->verb == CACHETTE_PUT && !wrap_values(self, op))) {
    if (self != NULL) pending_end(self, op);
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  op->items = self->stored;
  op->alloc = NULL; /* the library allocates the envelopes */
  cachette__op_push(op, &self->frame);
  cachette__layer_pass(&layer->layer, op);
}

/* ---- The layer ---- */

static void submit(cachette__store *store, cachette_op *op) {
  envelope *self = (envelope *)store;
  if (op->verb == CACHETTE_FETCH || op->verb == CACHETTE_PUT)
    send_down(self, op);
  else if (op->verb == CACHETTE_INCREMENT && cachette__wrapper_signs(self->wrapper))
    cachette__op_fail(op, CACHETTE_EUNSUPPORTED, "secret",
                      "Counters are not available with \"secret\" because they cannot be signed. "
                      "Use a cache without \"secret\" for them.");
  else
    cachette__layer_pass(&self->layer, op);
}

static int init(cachette__layer *layer, cachette_error *error) {
  return cachette__wrapper_new(layer->context.options, &((envelope *)layer)->wrapper, error);
}

static void deinit(cachette__layer *layer) { cachette__wrapper_free(((envelope *)layer)->wrapper); }

const cachette__layer_kind cachette__envelope_layer = {
    .vtable = {.submit = submit},
    .size = sizeof(envelope),
    .frame_size = sizeof(pending) + FRAME_ITEMS * sizeof(cachette_item),
    .check = cachette__wrapper_check,
    .wanted = cachette__wrapper_wanted,
    .init = init,
    .deinit = deinit,
};
