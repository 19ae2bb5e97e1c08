/* SPDX-License-Identifier: MIT */
/* For tests of the core: a handle over a store of the test's own. */
#ifndef CACHETTE_CACHE_H
#define CACHETTE_CACHE_H

#include "store/store.h"

typedef int cachette__open_store(const cachette__store_context *context, cachette__store **store,
                                 cachette_error *error);

/* cachette_open() with `open_store` in the place of cachette__layers_open(). */
int cachette__open_with(const cachette_options *options, cachette__open_store *open_store,
                        cachette **handle, cachette_error *error);

#endif
