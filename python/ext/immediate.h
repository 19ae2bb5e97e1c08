/* SPDX-License-Identifier: MIT */
/* Immediate calls: calls on a store that answers at once. */
#ifndef CACHETTE_EXT_IMMEDIATE_H
#define CACHETTE_EXT_IMMEDIATE_H

#include "signature.h"

/* Runs a call. Returns its result, or NULL with an exception set. Sets `*invalid` if an argument is
 * wrong: then the call itself must raise the exception, not the awaitable. */
PyObject *immediate_call(ext_state *state, config_object *config, enum call_kind kind,
                         PyObject *const *arguments, bool *invalid);

/* Runs a fetch of one key; results as above. `fallback` is the result of a miss, `returns` is as
 * for decode(), `flags` are those of the op. */
PyObject *immediate_fetch(ext_state *state, config_object *config, PyObject *key,
                          PyObject *fallback, unsigned flags, PyObject *returns, bool *invalid);

#endif
