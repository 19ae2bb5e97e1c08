/* SPDX-License-Identifier: MIT */
/* LoopHandle: a handle in an event loop. */
#ifndef CACHETTE_EXT_LOOP_HANDLE_H
#define CACHETTE_EXT_LOOP_HANDLE_H

#include "future.h"

extern PyType_Spec loop_handle_spec;

/*
 * Finds the configuration's handle in the running event loop, and opens it if there is none. Sets
 * `*found` to a borrowed reference. Returns 1; 0 if no loop is running in this thread; or -1 with
 * an exception set.
 */
int loop_handle_find(ext_state *state, config_object *config, loop_handle **found);

/* Raises the RuntimeError that no event loop is running. */
void loop_handle_raise_no_loop(void);

/* running_loop(): the running event loop, or that RuntimeError. */
PyObject *running_loop(PyObject *module, PyObject *ignored);

/* Closes the configuration's handle in the running event loop, if there is one. Returns 0, or -1
 * with an exception set. */
int loop_handle_release(ext_state *state, config_object *config);

/* Submits an op. Its `done` is called from the loop, or inside this call. Returns 0, or -1 with an
 * exception set. */
int loop_handle_submit(ext_state *state, loop_handle *self, cachette_op *op);

/* Cancels an op. Its `done` is called inside this call. */
void loop_handle_cancel(loop_handle *self, cachette_op *op);

/* Returns a future of the handle's loop; see future_new(). */
future *loop_handle_future(ext_state *state, loop_handle *self, future_on_cancel *on_cancel,
                           void *owner);

/* Marks the future as done, and wakes its task in this turn of the loop or in the next one. Steals
 * the reference. */
void loop_handle_wake(loop_handle *self, future *woken);

/* Closes all handles of a configuration that is being freed. Pending ops fail. */
void loop_handles_close(config_object *config);

void loop_handles_add_stats(const config_object *config, cachette_stats *sum);

#endif
