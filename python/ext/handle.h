/* SPDX-License-Identifier: MIT */
/* Handles: opening them, and the one that is shared by all callers of a store that answers at once.
 */
#ifndef CACHETTE_EXT_HANDLE_H
#define CACHETTE_EXT_HANDLE_H

#include "ext.h"

/* Opens the first handle, which tells whether ops have to be waited for: 1, 0, or -1 with an
 * exception set. */
int handle_look(config_object *config, ext_state *state);

/* The same, once it is known without a look. */
static inline int handle_waits(config_object *config, ext_state *state) {
  return config->waits ? 1 : config->handle != NULL ? 0 : handle_look(config, state);
}

/* A handle for one loop or thread, which the caller closes. NULL with an exception set. */
cachette *handle_take(config_object *config, ext_state *state);

/* Sends an op to the shared handle, which answers it at once. The handle is opened if need be, and
 * again after a fork. Returns 0, or -1 with an exception set. */
int handle_submit(config_object *config, ext_state *state, cachette_op *op);

/* The same for an op on one key, whose failure is raised. Returns 0; or with an exception set,
 * HANDLE_REFUSED if the library refused the arguments, else -1. */
enum { HANDLE_REFUSED = -2 };
int handle_run(config_object *config, ext_state *state, cachette_op *op);

/* Add to a sum what handles count for themselves. `handle` may be NULL. */
void stats_add(cachette_stats *sum, const cachette_stats *stats);
void stats_add_handle(cachette_stats *sum, const cachette *handle);

#endif
