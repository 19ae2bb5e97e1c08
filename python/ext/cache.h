/* SPDX-License-Identifier: MIT */
/* Cache: the base class of `Cachette`. */
#ifndef CACHETTE_EXT_CACHE_H
#define CACHETTE_EXT_CACHE_H

#include "signature.h"

extern PyType_Spec cache_spec;

/* Returns the configuration of a class, set on it or inherited: a new reference, or NULL with an
 * exception set. */
config_object *cache_config(ext_state *state, PyTypeObject *type);

/* Same as cache_config(), but `type` is an argument of a function and may be any object. */
config_object *cache_config_of(ext_state *state, const char *function, PyObject *type);

/* Runs a call on a cache. `arguments` is as call_parse() fills it. Returns an awaitable, or NULL
 * with an exception set. */
PyObject *cache_call(ext_state *state, PyObject *self, enum call_kind kind,
                     PyObject *const *arguments);

/* Runs a call of a configuration. `arguments` is as call_parse() fills it. Returns what the caller
 * gets, or NULL with an exception set. */
typedef PyObject *cache_runner(ext_state *state, config_object *config, enum call_kind kind,
                               PyObject *const *arguments);

/* Runs a call that is a function of the module. `args` are the class and the arguments of the call;
 * `name` is for messages. Returns what `run` returns, or NULL with an exception set. */
PyObject *cache_call_of(PyObject *module, const char *name, enum call_kind kind, cache_runner *run,
                        PyObject *const *args, Py_ssize_t count);

/* fetch_as(cls, key, default, returns): an awaitable for a fetch whose value is converted to a
 * type. */
PyObject *cache_fetch_as(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* store(cls, lease, data, ttl): an awaitable that puts the result of Config.encode(), unless a
 * write has ended the lease. */
PyObject *cache_store(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* close(cls): closes the handle in the running event loop. */
PyObject *cache_close(PyObject *module, PyObject *type);

/* configure(cls, config): sets the configuration of a class. None removes it, so the class inherits
 * one. */
PyObject *cache_configure(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
