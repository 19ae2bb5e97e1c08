/* SPDX-License-Identifier: MIT */
/* Cache: the base of `Cachette`. */
#ifndef CACHETTE_EXT_CACHE_H
#define CACHETTE_EXT_CACHE_H

#include "signature.h"

extern PyType_Spec cache_spec;

/* The configuration of a class, its own or inherited: a new reference, or NULL with an exception
 * set. */
config_object *cache_config(ext_state *state, PyTypeObject *type);

/* The same for a class that is the argument of a function. */
config_object *cache_config_of(ext_state *state, const char *function, PyObject *type);

/* A call on a cache: an awaitable, or NULL with an exception set. `given` is as call_parse() leaves
 * it. */
PyObject *cache_call(ext_state *state, PyObject *self, enum call_kind kind, PyObject *const *given);

/* fetch_as(cls, key, default, returns): an awaitable of what fetch() gives, as a type. */
PyObject *cache_fetch_as(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* store(cls, lease, data, ttl): an awaitable that puts what Config.encode() gave, unless a write
 * has ended the lease. */
PyObject *cache_store(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* close(cls): closes the handle in the running event loop. */
PyObject *cache_close(PyObject *module, PyObject *type);

/* configure(cls, config): sets the configuration of the class; None: it inherits one. */
PyObject *cache_configure(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
