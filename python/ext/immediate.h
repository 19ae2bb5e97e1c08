/* SPDX-License-Identifier: MIT */
/* Immediate calls: those on a store that answers at once. */
#ifndef CACHETTE_EXT_IMMEDIATE_H
#define CACHETTE_EXT_IMMEDIATE_H

#include "signature.h"

/* Runs a call: what it gives, or NULL with an exception set. `*refused`: an argument was wrong, so
 * the call itself raises the exception. */
PyObject *immediate_call(ext_state *state, config_object *config, enum call_kind kind,
                         PyObject *const *given, bool *refused);

/* Runs a fetch of one key; as above. `fallback` is what a miss gives, `returns` as decode() takes
 * it. */
PyObject *immediate_fetch(ext_state *state, config_object *config, PyObject *key,
                          PyObject *fallback, unsigned flags, PyObject *returns, bool *refused);

#endif
