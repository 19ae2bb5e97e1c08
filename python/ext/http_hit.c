/* SPDX-License-Identifier: MIT */
/*
 * The decision, the headers and the body of a hit in one call. Each call of a method costs about as
 * much as the decision itself, so this is a fifth of what a hit costs.
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

static bool set(PyObject *message, PyObject *name, PyObject *value) {
  return PyDict_SetItem(message, name, value) == 0;
}

/* Returns the message {"type": "http.response.start", "status": ..., "headers": ...}. */
static PyObject *make_start(http_exchange *self, ext_state *state) {
  PyObject *message = PyDict_New();
  PyObject *headers = http_list_answer(self, false);
  PyObject *status = PyLong_FromLong(self->exchange.status);
  bool ok = message != NULL && headers != NULL && status != NULL &&
            set(message, state->str_type, state->str_response_start) &&
            set(message, state->str_status, status) && set(message, state->str_headers, headers);
  Py_XDECREF(status);
  Py_XDECREF(headers);
  if (!ok) Py_CLEAR(message);
  return message;
}

/* Returns the message {"type": "http.response.body", "body": ..., "more_body": False}. */
static PyObject *make_body(ext_state *state, PyObject *body) {
  PyObject *message = PyDict_New();
  if (message != NULL && set(message, state->str_type, state->str_response_body) &&
      set(message, state->str_body, body) && set(message, state->str_more_body, Py_False))
    return message;
  Py_XDECREF(message);
  return NULL;
}

/* Returns both messages, or None if the record has not the whole body. */
static PyObject *make_messages(http_exchange *self, PyObject *record) {
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  PyObject *body = http_body(self, record);
  if (body == NULL || body == Py_None) return body;
  PyObject *start = make_start(self, state), *rest = make_body(state, body);
  PyObject *messages = NULL;
  if (start != NULL && rest != NULL) messages = PyTuple_Pack(2, start, rest);
  Py_XDECREF(start);
  Py_XDECREF(rest);
  Py_DECREF(body);
  return messages;
}

PyObject *http_hit(http_exchange *self, PyObject *const *args, Py_ssize_t count) {
  if (count != 3) {
    PyErr_SetString(PyExc_TypeError, "hit() takes 3 arguments: record, newest and now_ms");
    return NULL;
  }
  uint64_t newest = PyLong_AsUnsignedLongLong(args[1]);
  if (newest == UINT64_MAX && PyErr_Occurred()) return NULL;
  PyObject *decide_args[] = {args[0], args[2]};
  PyObject *action = http_decide(self, decide_args, 2, NULL);
  if (action == NULL) return NULL;
  Py_DECREF(action);
  /* After a hit, the record is one that is complete as far as its head goes. */
  if (self->exchange.action != CACHETTE_HTTP_HIT || epoch_of(args[0]) < newest) Py_RETURN_NONE;
  return make_messages(self, args[0]);
}
