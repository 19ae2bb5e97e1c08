/* SPDX-License-Identifier: MIT */
/* Which layers stand above the store, from the options. */
#ifndef CACHETTE_LAYER_LAYERS_H
#define CACHETTE_LAYER_LAYERS_H

#include "../store/store.h"

/* Looks at the options that only layers understand. Errors: ECONFIG. */
int cachette__layers_check(const cachette_options *options, cachette_error *error);

/* Opens the store that the options name, with the layers above it; errors as cachette_open(). */
int cachette__layers_open(const cachette__store_context *context, cachette__store **store,
                          cachette_error *error);

#endif
