/* SPDX-License-Identifier: MIT */
/* Which store a backend's name stands for. */
#ifndef CACHETTE_STORE_REGISTRY_H
#define CACHETTE_STORE_REGISTRY_H

#include "store.h"

/*
 * Reads what the store that the options name understands of them, unless that was done since an
 * option was set. Errors: ECONFIG, ENOMEM. A backend that is not part of this build has none here.
 */
int cachette__store_check(const cachette_options *options, cachette_error *error);

/* Opens the store that the options name; errors as cachette_open(). */
int cachette__store_open(const cachette__store_context *context, cachette__store **store,
                         cachette_error *error);

#endif
