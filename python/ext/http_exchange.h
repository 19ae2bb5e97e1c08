/* SPDX-License-Identifier: MIT */
/* HttpExchange: one request on its way through the HTTP cache. */
#ifndef CACHETTE_EXT_HTTP_EXCHANGE_H
#define CACHETTE_EXT_HTTP_EXCHANGE_H

#include "ext.h"

extern PyType_Spec http_exchange_spec;

/* Makes creating an exchange fast: HttpExchange(policy, scope, body=None). */
PyObject *http_exchange_vectorcall(PyObject *type, PyObject *const *args, size_t count,
                                   PyObject *keywords);

/* Adds HTTP_PASS and the other actions to the module. Returns -1 with an exception set. */
int http_add_actions(PyObject *module);

#endif
