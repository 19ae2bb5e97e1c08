/* SPDX-License-Identifier: MIT */
/* A handle over a given store, for tests. */
#ifndef CACHETTE_CACHE_H
#define CACHETTE_CACHE_H

#include "../layer/layers.h"

/* Like cachette_open(), but opens the store and its layers by `open_store` instead of
 * cachette__layers_open(). */
int cachette__open_with(const cachette_options *options, cachette__open_store *open_store,
                        cachette **handle, cachette_error *error);

#endif
