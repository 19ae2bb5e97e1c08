/* SPDX-License-Identifier: MIT */
/* Pending: an awaitable whose op is pending. */
#ifndef CACHETTE_EXT_PENDING_H
#define CACHETTE_EXT_PENDING_H

#include "signature.h"

extern PyType_Spec pending_spec;

/* Starts a call on a backend that answers later. `arguments` is as call_parse() fills it. Returns
 * an awaitable, or NULL with an exception set. */
PyObject *pending_call(ext_state *state, config_object *config, enum call_kind kind,
                       PyObject *const *arguments);

/* Advances a Pending. Returns 1 and the result, 0 and the future to wait on, or -1 with an
 * exception set. */
int pending_step(pending *self, PyObject **result);

/* Empties the free list; see ready_freelist_clear(). */
void pending_freelist_clear(ext_state *state);

#endif
