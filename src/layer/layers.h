/* SPDX-License-Identifier: MIT */
/* Which layers stand above the store, from the options. */
#ifndef CACHETTE_LAYER_LAYERS_H
#define CACHETTE_LAYER_LAYERS_H

#include "layer.h"

typedef int cachette__open_store(const cachette__store_context *context, cachette__store **store,
                                 cachette_error *error);

/* Looks at the options that only layers understand. Errors: ECONFIG. */
int cachette__layers_check(const cachette_options *options, cachette_error *error);

/* Opens the store that the options name, with the layers above it; errors as cachette_open(). */
int cachette__layers_open(const cachette__store_context *context, cachette__store **store,
                          cachette_error *error);

/* The same with given kinds of layers, from the top down, and a given store: for tests. */
int cachette__layers_open_over(const cachette__layer_kind *const *given, size_t count,
                               cachette__open_store *open_store,
                               const cachette__store_context *context, cachette__store **store,
                               cachette_error *error);

#endif
