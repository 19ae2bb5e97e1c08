/* SPDX-License-Identifier: MIT */
/* Ready: an awaitable whose result is known when it is created. */
#ifndef CACHETTE_EXT_READY_H
#define CACHETTE_EXT_READY_H

#include "signature.h"

extern PyType_Spec ready_spec;

/* Returns an awaitable for `result`; steals the reference. If `result` is NULL, the awaitable
 * raises the exception that is set now. An exception that is not an Exception, such as
 * KeyboardInterrupt, is raised at once: then it returns NULL. */
PyObject *ready_new(ext_state *state, enum call_kind kind, PyObject *result);

/* Ends a call that failed before its op was submitted. For a CachetteError returns an awaitable
 * that raises it. For another exception, such as one for a wrong argument, returns NULL: the call
 * itself raises it. */
PyObject *ready_fail(ext_state *state, enum call_kind kind);

/* Awaits a Ready: returns its result, or NULL with an exception set. */
PyObject *ready_take(PyObject *object);

/* Frees all objects of the free list and releases their type. Later objects are not reused. */
void ready_freelist_clear(ext_state *state);

#endif
