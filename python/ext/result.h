/* SPDX-License-Identifier: MIT */
/* Results: what an op brought back becomes the value or the exception of its call. */
#ifndef CACHETTE_EXT_RESULT_H
#define CACHETTE_EXT_RESULT_H

#include "call.h"

/* What a call gives whose op is done; NULL with an exception set. `bytes` is the object that holds
 * a fetched value, or NULL. */
PyObject *call_result(ext_state *state, config_object *config, call *self, PyObject *bytes);

/* (seconds left, rounded up; value). Takes the value; NULL stays NULL. */
PyObject *with_ttl(int64_t ttl_ms, PyObject *value);

#endif
