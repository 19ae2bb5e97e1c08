/* SPDX-License-Identifier: MIT */
/* Future: what a task waits on while an op is pending. */
#ifndef CACHETTE_EXT_FUTURE_H
#define CACHETTE_EXT_FUTURE_H

#include "ext.h"

extern PyType_Spec future_spec;

/* Called with the owner of a future when a task cancels the future. */
typedef void future_on_cancel(void *owner);

/* Returns a new future of an event loop, or NULL with an exception set. `owner` is a borrowed
 * pointer for `on_cancel`. */
future *future_new(ext_state *state, PyObject *loop, future_on_cancel *on_cancel, void *owner);

/* Makes the task wait on the future, perhaps again. Returns false if another task waits on it
 * already. */
bool future_block(future *self);

/* Removes the owner. `on_cancel` is not called from then on. */
void future_detach(future *self);

/* Marks the future as done. It does not wake the task. */
void future_finish(future *self);

/* Appends `next` in a linked list. */
void future_append(future *self, future *next);

/* Removes the future from the head of a list, and returns the next one or NULL. */
future *future_next(future *self);

/* Wake the task: future_wake() at once, which must not happen inside another task, and
 * future_wake_later() by call_soon(). Both return 0, or -1 with an exception set. */
int future_wake(future *self);
int future_wake_later(ext_state *state, future *self);

#endif
