/* SPDX-License-Identifier: MIT */
/* HttpPassed: a request that is passed on at once, since its last response could not be stored. */
#ifndef CACHETTE_EXT_HTTP_PASSED_H
#define CACHETTE_EXT_HTTP_PASSED_H

#include "http_request.h"

extern PyType_Spec http_passed_spec;

/* Returns an HttpPassed if the lane remembers the request of a scope, and marks the scope. Returns
 * NULL without an exception if not. */
PyObject *http_passed_begin(http_lane *lane, ext_state *state, PyObject *scope, PyObject *send);

/* Counts a request that passes by its reason, a str. Returns 0, or -1 with an exception set. */
int http_passed_count(const http_lane *lane, const ext_state *state, PyObject *reason);

/* Returns what the lane can remember a request by, before its scope goes to the application: bytes,
 * or None. */
PyObject *http_passed_key(const http_lane *lane, const ext_state *state, PyObject *scope,
                          const http_exchange *exchange);

/*
 * Remembers a response that could not be stored, unless that may differ from one to the next.
 *   key         of http_passed_key(), or None
 *   headers     those of the application, a list
 *   directives  those of the route, bytes or None
 *   line        the line of Cache-Status that was sent, or NULL
 * Returns 0, or -1 with an exception set.
 */
int http_passed_remember(http_lane *lane, PyObject *key, const http_exchange *exchange,
                         PyObject *headers, PyObject *directives, PyObject *line);

#endif
