/* SPDX-License-Identifier: MIT */
/* Which store a backend's name stands for. */
#ifndef CACHETTE_STORE_REGISTRY_H
#define CACHETTE_STORE_REGISTRY_H

#include "store.h"

/* The store of a backend, one of those that the option `backend` takes. Any thread. Errors: as
 * cachette__module_open(). */
int cachette__store_find(const char *backend, const cachette__store_vtable **store,
                         cachette_error *error);

/*
 * Reads what the store that the options name understands of them, unless that was done since an
 * option was set. Errors: ECONFIG, ENOMEM. A backend that is not part of this build has none here.
 */
int cachette__store_check(const cachette_options *options, cachette_error *error);

/* Fills `warning` with a probable mistake in the options of the store that they name. Returns
 * whether there is one. The options have passed cachette__store_check(). */
bool cachette__store_warn(const cachette_options *options, cachette_error *warning);

/* Opens the store that the options name; errors as cachette_open(). */
int cachette__store_open(const cachette__store_context *context, cachette__store **store,
                         cachette_error *error);

#endif
