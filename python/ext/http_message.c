/* SPDX-License-Identifier: MIT */
#include "http_message.h"

PyObject *http_message_get(PyObject *message, PyObject *name) {
  if (!PyDict_CheckExact(message)) return PyObject_GetItem(message, name);
  PyObject *found = PyDict_GetItemWithError(message, name);
  if (found != NULL) return Py_NewRef(found);
  if (!PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, name);
  return NULL;
}

int http_message_starts(const ext_state *state, PyObject *message) {
  PyObject *type = http_message_get(message, state->str_type);
  if (type == NULL) return -1;
  int same = type == state->str_response_start;
  if (!same) same = PyObject_RichCompareBool(type, state->str_response_start, Py_EQ);
  Py_DECREF(type);
  return same;
}

PyObject *http_message_copy(PyObject *message) {
  if (PyDict_CheckExact(message)) return PyDict_Copy(message);
  PyObject *copy = PyDict_New();
  if (copy != NULL && PyDict_Update(copy, message) < 0) Py_CLEAR(copy);
  return copy;
}

PyObject *http_message_headers(const ext_state *state, PyObject *start) {
  PyObject *headers = PyDict_GetItemWithError(start, state->str_headers);
  if (headers != NULL) return PySequence_List(headers);
  return PyErr_Occurred() ? NULL : PyList_New(0);
}
