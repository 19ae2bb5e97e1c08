/* SPDX-License-Identifier: MIT */
/* ThreadHandle: a handle of one thread, for calls that block. */
#ifndef CACHETTE_EXT_THREAD_HANDLE_H
#define CACHETTE_EXT_THREAD_HANDLE_H

#include "ext.h"

extern PyType_Spec thread_handle_spec;

/* Returns the handle of this thread: a new reference, or NULL with an exception set. Opens it if
 * there is none, and again after a fork. */
thread_handle *thread_handle_find(ext_state *state, config_object *config);

/* Runs an op until it is done. Releases the GIL meanwhile. */
void thread_handle_run(thread_handle *self, cachette_op *op);

/* Logs the notice of the handle, if there is one. Call it after thread_handle_run(). */
void thread_handle_log(thread_handle *self);

/* Detaches all handles from a configuration that is being freed. */
void thread_handles_forget(config_object *config);

void thread_handles_add_stats(const config_object *config, cachette_stats *sum);

#endif
