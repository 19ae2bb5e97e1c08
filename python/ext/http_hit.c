/* SPDX-License-Identifier: MIT */
/*
 * The headers and the body of a hit, as messages of ASGI:
 *
 *     {"type": "http.response.start", "status": ..., "headers": ...}
 *     {"type": "http.response.body", "body": ..., "more_body": False}
 *
 * Python copies a dict much faster than it makes one. So each message is a copy, in which what
 * differs is replaced.
 */
#include "http_hit.h"

#include "http_keep.h"
#include "http_steps.h"

enum { EPOCH_AT = 128 }; /* its place in a record; see "HTTP records" in docs/decisions.md */

static uint64_t epoch_of(PyObject *record) {
  const unsigned char *bytes = (const unsigned char *)PyBytes_AS_STRING(record) + EPOCH_AT;
  uint64_t epoch = 0;
  for (int i = 7; i >= 0; i--) epoch = epoch << 8 | bytes[i];
  return epoch;
}

/* ---- Messages ---- */

/* Makes the messages to copy. */
static bool prepare(ext_state *state) {
  if (state->http_start == NULL)
    state->http_start = Py_BuildValue("{OOOOOO}", state->str_type, state->str_response_start,
                                      state->str_status, Py_None, state->str_headers, Py_None);
  if (state->http_rest == NULL)
    state->http_rest = Py_BuildValue("{OOOOOO}", state->str_type, state->str_response_body,
                                     state->str_body, Py_None, state->str_more_body, Py_False);
  return state->http_start != NULL && state->http_rest != NULL;
}

void http_hit_clear(ext_state *state) {
  Py_CLEAR(state->http_start);
  Py_CLEAR(state->http_rest);
}

/* Sets a member to a value, which it steals and which may be NULL. */
static bool set(PyObject *message, PyObject *name, PyObject *value) {
  bool ok = message != NULL && value != NULL && PyDict_SetItem(message, name, value) == 0;
  Py_XDECREF(value);
  return ok;
}

PyObject *http_hit_headers(http_exchange *self, bool cache_status) {
  PyObject *headers = http_list_answer(self, false);
  return cache_status || headers == NULL ? headers : http_without_status(headers);
}

static PyObject *make_start(http_exchange *self, ext_state *state, bool cache_status) {
  PyObject *message = PyDict_Copy(state->http_start);
  if (set(message, state->str_headers, http_hit_headers(self, cache_status)) &&
      set(message, state->str_status, PyLong_FromLong(self->exchange.status)))
    return message;
  Py_XDECREF(message);
  return NULL;
}

/* Steals the body. */
static PyObject *make_rest(ext_state *state, PyObject *body) {
  PyObject *message = PyDict_Copy(state->http_rest);
  if (set(message, state->str_body, body)) return message;
  Py_XDECREF(message);
  return NULL;
}

bool http_hit_is_purged(PyObject *record, uint64_t newest) { return epoch_of(record) < newest; }

PyObject *http_hit_messages(http_exchange *self, PyObject *record, bool cache_status) {
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  PyObject *body = http_body(self, record);
  if (body == NULL || body == Py_None) return body;
  PyObject *messages = prepare(state) ? PyTuple_New(2) : NULL;
  if (messages == NULL) {
    Py_DECREF(body);
    return NULL;
  }
  PyObject *start = make_start(self, state, cache_status), *rest = make_rest(state, body);
  PyTuple_SET_ITEM(messages, 0, start);
  PyTuple_SET_ITEM(messages, 1, rest);
  if (start == NULL || rest == NULL) Py_CLEAR(messages);
  return messages;
}
