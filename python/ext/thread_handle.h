/* SPDX-License-Identifier: MIT */
/* ThreadHandle: a handle of one thread, for calls that block. */
#ifndef CACHETTE_EXT_THREAD_HANDLE_H
#define CACHETTE_EXT_THREAD_HANDLE_H

#include "ext.h"

extern PyType_Spec thread_handle_spec;

/* This thread's handle, opened if need be, and again after a fork: a new reference, or NULL with an
 * exception set. */
thread_handle *thread_handle_find(ext_state *state, config_object *config);

/* Runs an op to its end. The GIL is released meanwhile. */
void thread_handle_run(thread_handle *self, cachette_op *op);

/* Logs the handle's notice, if it has one. Call it after a run. */
void thread_handle_log(thread_handle *self);

/* The configuration is going away: its threads' handles no longer belong to it. */
void thread_handles_forget(config_object *config);

void thread_handles_add_stats(const config_object *config, cachette_stats *sum);

#endif
