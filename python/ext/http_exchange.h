/* SPDX-License-Identifier: MIT */
/* HttpExchange: one request on its way through the HTTP cache. */
#ifndef CACHETTE_EXT_HTTP_EXCHANGE_H
#define CACHETTE_EXT_HTTP_EXCHANGE_H

#include "http_request.h"

extern PyType_Spec http_exchange_spec;

/* Returns a new exchange, or NULL with an exception set. `body` may be None. */
http_exchange *http_exchange_new(ext_state *state, http_policy *policy, PyObject *scope,
                                 PyObject *body);

/* Empties the free list; see ready_freelist_clear(). */
void http_exchange_freelist_clear(ext_state *state);

/* Makes creating an exchange fast: HttpExchange(policy, scope, body=None). */
PyObject *http_exchange_vectorcall(PyObject *type, PyObject *const *args, size_t count,
                                   PyObject *keywords);

/* Adds HTTP_PASS and the other actions to the module. Returns -1 with an exception set. */
int http_add_actions(PyObject *module);

#endif
