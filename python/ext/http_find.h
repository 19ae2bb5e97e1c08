/* SPDX-License-Identifier: MIT */
/* `await exchange`: fetches its record, decides, and makes the answer if that is a hit. */
#ifndef CACHETTE_EXT_HTTP_FIND_H
#define CACHETTE_EXT_HTTP_FIND_H

#include "http_request.h"

/* Begins to fetch the record of the exchange's key; or fetches it, if the store answers at once.
 * `key` is that key as a str. Returns false with an exception set. */
bool http_find_begin(http_exchange *self, ext_state *state, PyObject *key);

/* Advances like a coroutine. Returns 1 and the result, 0 and the future to wait on, or -1 with an
 * exception set. */
int http_find_step(http_exchange *self, ext_state *state, PyObject **result);

/* Returns the time of the lane's clock in seconds, or a negative number with an exception set. */
double http_lane_now(const http_lane *lane);

/* Returns the time in milliseconds since 1970, or that of the stopped clock. */
int64_t http_lane_now_ms(const http_lane *lane);

/* The methods and slots that an awaitable has. */
#if PY_VERSION_HEX >= 0x030A0000
PySendResult http_find_send(http_exchange *self, PyObject *value, PyObject **result);
#endif
PyObject *http_find_next(http_exchange *self);
PyObject *http_find_method_send(http_exchange *self, PyObject *value);
PyObject *http_find_throw(http_exchange *self, PyObject *args);
PyObject *http_find_close(http_exchange *self, PyObject *ignored);

#endif
