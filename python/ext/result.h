/* SPDX-License-Identifier: MIT */
/* Results: the result of an op becomes the value or the exception of its call. */
#ifndef CACHETTE_EXT_RESULT_H
#define CACHETTE_EXT_RESULT_H

#include "call.h"

/* Returns the value of a call whose op is done: a new reference, or NULL with an exception set.
 * `bytes` is the object that holds a fetched value, or NULL. */
PyObject *call_result(ext_state *state, config_object *config, call *self, PyObject *bytes);

/* Returns (remaining seconds, value). The seconds are rounded up; a negative `ttl_ms` becomes -1.
 * Steals `value`; NULL stays NULL. */
PyObject *with_ttl(int64_t ttl_ms, PyObject *value);

#endif
