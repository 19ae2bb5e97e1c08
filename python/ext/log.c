/* SPDX-License-Identifier: MIT */
#include "log.h"

#include "errors.h"

void log_notice(cachette *handle) {
  char notice[512];
  if (!cachette_take_notice(handle, notice, sizeof notice)) return;
  PyObject *logging = PyImport_ImportModule("logging");
  PyObject *logger =
      logging != NULL ? PyObject_CallMethod(logging, "getLogger", "s", "cachette") : NULL;
  PyObject *text = logger != NULL ? message_text(notice) : NULL;
  PyObject *done = text != NULL ? PyObject_CallMethod(logger, "warning", "sO", "%s", text) : NULL;
  if (done == NULL) PyErr_WriteUnraisable(logger);
  Py_XDECREF(done);
  Py_XDECREF(text);
  Py_XDECREF(logger);
  Py_XDECREF(logging);
}
