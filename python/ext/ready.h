/* SPDX-License-Identifier: MIT */
/* Ready: an awaitable whose result is known when it is made. */
#ifndef CACHETTE_EXT_READY_H
#define CACHETTE_EXT_READY_H

#include "signature.h"

extern PyType_Spec ready_spec;

/* An awaitable that gives `result`; takes the reference. If `result` is NULL, it raises the
 * exception that is set now, when it is awaited. KeyboardInterrupt and the like, which are no
 * Exception, are raised at once: returns NULL. */
PyObject *ready_new(ext_state *state, enum call_kind kind, PyObject *result);

/* What a call gives that failed before its op was sent. For a CachetteError an awaitable that
 * raises it; for anything else, such as a wrong argument, NULL: the call itself raises it. */
PyObject *ready_fail(ext_state *state, enum call_kind kind);

/* Frees the objects that are kept for reuse, then drops their type; none is kept from then on. */
void ready_forget(ext_state *state);

#endif
