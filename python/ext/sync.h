/* SPDX-License-Identifier: MIT */
/* Sync: the calls that block. */
#ifndef CACHETTE_EXT_SYNC_H
#define CACHETTE_EXT_SYNC_H

#include "signature.h"

extern PyType_Spec sync_spec;

/* Runs a call on a Sync. `arguments` is as call_parse() fills it. Returns the result, or NULL with
 * an exception set. */
PyObject *sync_call(ext_state *state, PyObject *self, enum call_kind kind,
                    PyObject *const *arguments);

/* fetch_as_now(cls, key, default, returns) and store_now(cls, lease, data, ttl): the blocking forms
 * of the functions in cache.h. */
PyObject *sync_fetch_as(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *sync_store(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
