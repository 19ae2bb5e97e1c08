/* SPDX-License-Identifier: MIT */
#include "errors.h"

#include <string.h>

PyObject *message_text(const char *message) {
  return PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "ignore");
}

static PyObject *find_type(const ext_state *state, int code) {
  switch (code) {
    case CACHETTE_EINVAL:
      return PyExc_ValueError;
    case CACHETTE_ECONFIG:
      return state->config_error;
    case CACHETTE_ECODEC:
      return state->codec_error;
    case CACHETTE_ETIMEDOUT:
      return state->backend_timeout;
    case CACHETTE_EUNAVAILABLE:
    case CACHETTE_ECLOSED:
    case CACHETTE_EFORK:
      return state->backend_unavailable;
    default:
      return state->backend_error;
  }
}

int raise_error(ext_state *state, int code, const cachette_error *error) {
  if (code == CACHETTE_ENOMEM) {
    PyErr_NoMemory();
    return -1;
  }
  PyObject *message = message_text(error != NULL ? error->message : cachette_strerror(code));
  if (message != NULL) PyErr_SetObject(find_type(state, code), message);
  Py_XDECREF(message);
  return -1;
}

PyObject *take_exception(void) {
  PyObject *type, *error, *traceback;
  PyErr_Fetch(&type, &error, &traceback);
  PyErr_NormalizeException(&type, &error, &traceback);
  if (traceback != NULL) PyException_SetTraceback(error, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return error;
}
