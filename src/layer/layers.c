/* SPDX-License-Identifier: MIT */
#include "layers.h"

#include "../store/registry.h"
#include "envelope/envelope.h"

/* All layers, from the top down. */
static const cachette__layer_kind *const kinds[] = {&cachette__envelope_layer};

enum { KINDS = sizeof kinds / sizeof *kinds };

int cachette__layers_check(const cachette_options *options, cachette_error *error) {
  for (size_t i = 0; i < KINDS; i++) {
    int code = kinds[i]->check != NULL ? kinds[i]->check(options, error) : CACHETTE_OK;
    if (code < 0) return code;
  }
  return CACHETTE_OK;
}

int cachette__layers_open_over(const cachette__layer_kind *const *given, size_t count,
                               cachette__open_store *open_store,
                               const cachette__store_context *context, cachette__store **store,
                               cachette_error *error) {
  cachette__store *below;
  if (count == 0) return open_store(context, store, error);
  if (!(*given)->wanted(context->options))
    return cachette__layers_open_over(given + 1, count - 1, open_store, context, store, error);
  cachette_error own;
  cachette__layer *layer = cachette__layer_new(*given, context, error != NULL ? error : &own);
  if (layer == NULL) return error != NULL ? error->code : own.code;
  cachette__store_context inner = *context;
  inner.events = &layer->events;
  int code = cachette__layers_open_over(given + 1, count - 1, open_store, &inner, &below, error);
  if (code == CACHETTE_OK) {
    code = cachette__layer_init(layer, below, error);
    if (code < 0) below->vtable->close(below, false);
  }
  if (code < 0)
    cachette__layer_free(layer);
  else
    *store = &layer->store;
  return code;
}

int cachette__layers_open(const cachette__store_context *context, cachette__store **store,
                          cachette_error *error) {
  return cachette__layers_open_over(kinds, KINDS, cachette__store_open, context, store, error);
}
