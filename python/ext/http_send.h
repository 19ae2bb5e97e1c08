/* SPDX-License-Identifier: MIT */
/* HttpSend: the `send` of the application for a request that is passed on. */
#ifndef CACHETTE_EXT_HTTP_SEND_H
#define CACHETTE_EXT_HTTP_SEND_H

#include "http_request.h"

extern PyType_Spec http_send_spec;

/* Makes an HttpSend. It is the tp_vectorcall of the type. */
PyObject *http_send_vectorcall(PyObject *type, PyObject *const *args, size_t count,
                               PyObject *keywords);

/* Returns an HttpSend for a method that the policy leaves out. `exchange` may be NULL. */
PyObject *http_send_new(ext_state *state, PyObject *shared, PyObject *send,
                        http_exchange *exchange);

#endif
