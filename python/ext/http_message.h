/* SPDX-License-Identifier: MIT */
/* Messages of ASGI: any mapping is one, but most are dicts. */
#ifndef CACHETTE_EXT_HTTP_MESSAGE_H
#define CACHETTE_EXT_HTTP_MESSAGE_H

#include "ext.h"

/* Returns a value as a new reference. Raises KeyError like a dict. */
PyObject *http_message_get(PyObject *message, PyObject *name);

/* Returns 1 for the start of a response, 0 for another message, -1 with an exception set. */
int http_message_starts(const ext_state *state, PyObject *message);

/* Copies a message into a dict, because the application may use it again. */
PyObject *http_message_copy(PyObject *message);

/* Returns the headers of a start, which is a dict, as a new list. */
PyObject *http_message_headers(const ext_state *state, PyObject *start);

#endif
