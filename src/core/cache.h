/* SPDX-License-Identifier: MIT */
/* For tests of the core: a handle over a store of the test's own. */
#ifndef CACHETTE_CACHE_H
#define CACHETTE_CACHE_H

#include "../layer/layers.h"

/* cachette_open() with `open_store` in the place of cachette__layers_open(). */
int cachette__open_with(const cachette_options *options, cachette__open_store *open_store,
                        cachette **handle, cachette_error *error);

#endif
