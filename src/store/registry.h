/* SPDX-License-Identifier: MIT */
/* Finds the store of a backend by the backend's name, and calls it with a handle's options. */
#ifndef CACHETTE_STORE_REGISTRY_H
#define CACHETTE_STORE_REGISTRY_H

#include "store.h"

/*
 * Finds the store of a backend, and loads its module if it is one. `backend` must be a value that
 * the option `backend` accepts. Any thread. Errors: as cachette__module_open().
 */
int cachette__store_find(const char *backend, const cachette__store_vtable **store,
                         cachette_error *error);

/*
 * Reads the options of the selected backend's store into its settings, which `options` then owns.
 * Does nothing if the settings are up to date. Errors: ECONFIG, ENOMEM. A backend that is not part
 * of this build is no error here; cachette__store_open() reports it.
 */
int cachette__store_check(const cachette_options *options, cachette_error *error);

/*
 * Looks for an option of the selected store that is valid but probably a mistake. Returns true and
 * fills `warning` if there is one. Call cachette__store_check() first.
 */
bool cachette__store_warn(const cachette_options *options, cachette_error *warning);

/* Opens the store that the options select. Errors: as cachette_open(). */
int cachette__store_open(const cachette__store_context *context, cachette__store **store,
                         cachette_error *error);

#endif
