/* SPDX-License-Identifier: MIT */
/* Handles: opens them, and holds the one that all callers share if the store answers at once. */
#ifndef CACHETTE_EXT_HANDLE_H
#define CACHETTE_EXT_HANDLE_H

#include "ext.h"

/* Opens the first handle to find out whether ops wait for a server. Returns 1 if they do, 0 if not,
 * or -1 with an exception set. */
int handle_probe(config_object *config, ext_state *state);

/* Same as handle_probe(), but probes only if the answer is not known yet. */
static inline int handle_waits(config_object *config, ext_state *state) {
  return config->waits ? 1 : config->handle != NULL ? 0 : handle_probe(config, state);
}

/* Returns a handle for one loop or thread, which the caller must close. Returns NULL with an
 * exception set. */
cachette *handle_take(config_object *config, ext_state *state);

/* Runs an op on the shared handle, which completes it at once. Opens the handle if there is none,
 * and again after a fork. Returns 0 when the op is done, or -1 with an exception set. */
int handle_submit(config_object *config, ext_state *state, cachette_op *op);

/* Same as handle_submit() for an op on one key, but also raises the error of the op. Returns 0; or
 * with an exception set, HANDLE_INVALID if the library rejected the arguments, else -1. */
enum { HANDLE_INVALID = -2 };
int handle_run(config_object *config, ext_state *state, cachette_op *op);

/* Add the statistics of a handle to a sum. Only the figures that a handle counts for itself are
 * added. `handle` may be NULL. */
void stats_add(cachette_stats *sum, const cachette_stats *stats);
void stats_add_handle(cachette_stats *sum, const cachette *handle);

#endif
