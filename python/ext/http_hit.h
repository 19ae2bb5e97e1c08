/* SPDX-License-Identifier: MIT */
/* Answers that are ready to send. */
#ifndef CACHETTE_EXT_HTTP_HIT_H
#define CACHETTE_EXT_HTTP_HIT_H

#include "http_request.h"

/* HttpExchange.hit() */
PyObject *http_hit(http_exchange *self, PyObject *const *args, Py_ssize_t count);

#endif
