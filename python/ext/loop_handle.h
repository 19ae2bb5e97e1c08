/* SPDX-License-Identifier: MIT */
/* LoopHandle: a handle in an event loop. */
#ifndef CACHETTE_EXT_LOOP_HANDLE_H
#define CACHETTE_EXT_LOOP_HANDLE_H

#include "future.h"

extern PyType_Spec loop_handle_spec;

/*
 * Finds the configuration's handle in the running event loop, which is opened if need be; borrowed.
 * Returns 1; 0 if no loop is running in this thread; or -1 with an exception set.
 */
int loop_handle_find(ext_state *state, config_object *config, loop_handle **found);

/* Raises that no event loop is running. */
void loop_handle_refuse(void);

/* running_loop(): the running event loop, or that error. */
PyObject *running_loop(PyObject *module, PyObject *ignored);

/* Closes the configuration's handle in the running event loop, if there is one. Returns 0, or -1
 * with an exception set. */
int loop_handle_release(ext_state *state, config_object *config);

/* Sends an op. Its `done` is called from the loop, or from inside this call. Returns 0, or -1 with
 * an exception set. */
int loop_handle_submit(ext_state *state, loop_handle *self, cachette_op *op);

/* Cancels an op, whose `done` is called from inside. */
void loop_handle_cancel(loop_handle *self, cachette_op *op);

/* A future of its loop; as future_new(). */
future *loop_handle_future(ext_state *state, loop_handle *self, future_on_cancel *on_cancel,
                           void *owner);

/* The future's op is done: wakes its task in the current turn of the loop, or in the next one.
 * Takes the reference. */
void loop_handle_wake(loop_handle *self, future *woken);

/* Closes all handles of a configuration that is going away; ops that are under way fail. */
void loop_handles_close(config_object *config);

void loop_handles_add_stats(const config_object *config, cachette_stats *sum);

#endif
