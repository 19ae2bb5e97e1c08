/* SPDX-License-Identifier: MIT */
/* Opens the store that the options name, with the layers that they enable above it. */
#ifndef CACHETTE_LAYER_LAYERS_H
#define CACHETTE_LAYER_LAYERS_H

#include "layer.h"

typedef int cachette__open_store(const cachette__store_context *context, cachette__store **store,
                                 cachette_error *error);

/* Checks the options that only layers use. Errors: ECONFIG. */
int cachette__layers_check(const cachette_options *options, cachette_error *error);

/* `store` becomes the top layer, or the store if no layer is enabled. Closing it closes all below.
 * Errors: as cachette_open(). */
int cachette__layers_open(const cachette__store_context *context, cachette__store **store,
                          cachette_error *error);

/* The same with the given kinds of layers, from the top down, and the given store. For tests. */
int cachette__layers_open_over(const cachette__layer_kind *const *given, size_t count,
                               cachette__open_store *open_store,
                               const cachette__store_context *context, cachette__store **store,
                               cachette_error *error);

#endif
