/* SPDX-License-Identifier: MIT */
/* Pending: an awaitable whose op is under way. */
#ifndef CACHETTE_EXT_PENDING_H
#define CACHETTE_EXT_PENDING_H

#include "signature.h"

extern PyType_Spec pending_spec;

/* A call on a backend whose answers have to be waited for: an awaitable whose op is under way.
 * `given` is as call_parse() leaves it. NULL with an exception set. */
PyObject *pending_call(ext_state *state, config_object *config, enum call_kind kind,
                       PyObject *const *given);

/* Frees the objects that are kept for reuse; as ready_forget(). */
void pending_forget(ext_state *state);

#endif
