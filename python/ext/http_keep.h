/* SPDX-License-Identifier: MIT */
/* What an exchange writes to the store and reads from it: methods of HttpExchange. */
#ifndef CACHETTE_EXT_HTTP_KEEP_H
#define CACHETTE_EXT_HTTP_KEEP_H

#include "http_request.h"

PyObject *http_record(http_exchange *self, PyObject *const *args, Py_ssize_t count,
                      PyObject *keywords);
PyObject *http_index(http_exchange *self, PyObject *ignored);
PyObject *http_invalidated(http_exchange *self, PyObject *ignored);
PyObject *http_combine(http_exchange *self, PyObject *const *args, Py_ssize_t count);
PyObject *http_body(http_exchange *self, PyObject *record);

#endif
