/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include <math.h>

bool read_text(const char *what, PyObject *text, cachette_slice *slice) {
  if (!PyUnicode_Check(text)) {
    PyErr_Format(PyExc_TypeError, "%s must be a str, not %.100s", what, Py_TYPE(text)->tp_name);
    return false;
  }
  Py_ssize_t size;
  slice->data = PyUnicode_AsUTF8AndSize(text, &size);
  slice->size = (size_t)size;
  return slice->data != NULL;
}

bool read_key(PyObject *key, cachette_slice *slice) {
  if (!read_text("key", key, slice)) return false;
  if (slice->size > 0 && slice->size <= CACHETTE_KEY_MAX) return true;
  if (slice->size == 0)
    PyErr_SetString(PyExc_ValueError, "A key must not be empty.");
  else
    PyErr_Format(PyExc_ValueError, "A key must have at most %d bytes; \"%.20U...\" has %zu.",
                 CACHETTE_KEY_MAX, key, slice->size);
  return false;
}

/* Converts a timedelta, a Decimal or another number to seconds, as an int or a float. Returns a new
 * reference, or NULL with an exception set if it is not a time. */
static PyObject *find_seconds(PyObject *time) {
  PyObject *times = PyImport_ImportModule("cachette._times");
  if (times == NULL) return NULL;
  PyObject *seconds = PyObject_CallMethod(times, "seconds_of", "sO", "ttl", time);
  Py_DECREF(times);
  if (seconds == NULL || PyLong_Check(seconds) || PyFloat_Check(seconds)) return seconds;
  Py_DECREF(seconds);
  return PyErr_Format(PyExc_TypeError, "the seconds of a %.100s must be an int or a float",
                      Py_TYPE(time)->tp_name);
}

/* `ttl` is the argument as the caller passed it, for the message; `seconds` is its int or float. */
static bool read_number(PyObject *seconds, PyObject *ttl, int64_t *ttl_ms) {
  double number = PyFloat_AsDouble(seconds);
  if (number == -1 && PyErr_Occurred()) {
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return false;
    PyErr_Clear();
    number = INFINITY;
  }
  if (!(number > 0 && number <= (double)CACHETTE_TTL_MAX / 1000)) {
    PyErr_Format(PyExc_ValueError,
                 "ttl must be a positive number of seconds, at most a hundred years, not %R", ttl);
    return false;
  }
  double milliseconds = ceil(number * 1000);
  *ttl_ms = milliseconds < (double)CACHETTE_TTL_MAX ? (int64_t)milliseconds : CACHETTE_TTL_MAX;
  return true;
}

bool read_ttl(PyObject *ttl, int64_t *ttl_ms) {
  *ttl_ms = 0;
  if (ttl == Py_None) return true;
  if (!PyBool_Check(ttl) && (PyLong_Check(ttl) || PyFloat_Check(ttl)))
    return read_number(ttl, ttl, ttl_ms);
  PyObject *seconds = find_seconds(ttl);
  bool ok = seconds != NULL && read_number(seconds, ttl, ttl_ms);
  Py_XDECREF(seconds);
  return ok;
}

PyObject *check_ttl(PyObject *module, PyObject *ttl) {
  int64_t ttl_ms;
  (void)module;
  if (!read_ttl(ttl, &ttl_ms)) return NULL;
  Py_RETURN_NONE;
}
