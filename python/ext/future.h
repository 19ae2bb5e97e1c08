/* SPDX-License-Identifier: MIT */
/* Future: what a task waits on while an op is under way. */
#ifndef CACHETTE_EXT_FUTURE_H
#define CACHETTE_EXT_FUTURE_H

#include "ext.h"

extern PyType_Spec future_spec;

/* Gives an op up, because the task that waits for it is cancelled. */
typedef void future_on_cancel(void *owner);

/* A future of a loop. `on_cancel` is called with `owner` when a task cancels it. */
future *future_new(ext_state *state, PyObject *loop, future_on_cancel *on_cancel, void *owner);

/* Tells the task to wait, again perhaps. False: another task is waiting already. */
bool future_block(future *self);

/* Its owner is gone. */
void future_detach(future *self);

/* Its op is done. */
void future_finish(future *self);

/* Puts `next` behind it in a list. */
void future_append(future *self, future *next);

/* Takes it out of a list and returns the one behind it. */
future *future_next(future *self);

/* Wakes the task: at once, which must not be inside another task; or by call_soon(). Return 0, or
 * -1 with an exception set. */
int future_wake(future *self);
int future_wake_later(ext_state *state, future *self);

#endif
