/* SPDX-License-Identifier: MIT */
/* Python's values as libcachette's, and back: keys, times to live, and what the codec makes bytes
 * of. */
#include <math.h>
#include <string.h>

#include "ext.h"

/* ---- Arguments ---- */

/* A view of a str's UTF-8, which lives as long as the str. */
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

/* Seconds, whole or not, as milliseconds, rounded up; None is 0, the configured time to live. */
bool read_ttl(PyObject *ttl, int64_t *ttl_ms) {
  *ttl_ms = 0;
  if (ttl == Py_None) return true;
  if (PyBool_Check(ttl) || !(PyLong_Check(ttl) || PyFloat_Check(ttl))) {
    PyErr_Format(PyExc_TypeError, "ttl must be a number of seconds, not %.100s",
                 Py_TYPE(ttl)->tp_name);
    return false;
  }
  double seconds = PyFloat_AsDouble(ttl);
  if (seconds == -1 && PyErr_Occurred()) {
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return false;
    PyErr_Clear();
    seconds = INFINITY;
  }
  if (!(seconds > 0 && seconds <= (double)CACHETTE_TTL_MAX / 1000)) {
    PyErr_Format(PyExc_ValueError,
                 "ttl must be a positive number of seconds, at most a hundred years, not %R", ttl);
    return false;
  }
  double milliseconds = ceil(seconds * 1000);
  *ttl_ms = milliseconds < (double)CACHETTE_TTL_MAX ? (int64_t)milliseconds : CACHETTE_TTL_MAX;
  return true;
}

/* ---- Codecs ---- */

/* What an exception says, or its type if it says nothing; a new reference. */
static PyObject *reason_text(PyObject *exception) {
  PyObject *text = PyObject_Str(exception);
  if (text != NULL && PyUnicode_GET_LENGTH(text) > 0) return text;
  Py_XDECREF(text);
  PyErr_Clear();
  return PyUnicode_FromString(Py_TYPE(exception)->tp_name);
}

/* Makes a CodecError of the exception that is set, which becomes its cause. */
static void raise_codec_error(ext_state *state, config_object *config, const char *verb,
                              PyObject *key) {
  if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)) return;
  PyObject *type, *cause, *traceback;
  PyErr_Fetch(&type, &cause, &traceback);
  PyErr_NormalizeException(&type, &cause, &traceback);
  if (traceback != NULL) PyException_SetTraceback(cause, traceback);
  PyObject *reason = reason_text(cause);
  if (reason != NULL) {
    PyErr_Format(state->codec_error, "The \"%U\" codec cannot %s the value of \"%.100U\": %.200U",
                 config->codec, verb, key, reason);
    Py_DECREF(reason);
  }
  PyObject *error_type, *error, *error_traceback;
  PyErr_Fetch(&error_type, &error, &error_traceback);
  PyErr_NormalizeException(&error_type, &error, &error_traceback);
  PyException_SetCause(error, cause); /* takes the reference */
  PyErr_Restore(error_type, error, error_traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
}

void encoded_release(encoded_value *encoded) {
  if (encoded->buffer.obj != NULL) PyBuffer_Release(&encoded->buffer);
  Py_XDECREF(encoded->owner);
}

static bool encode_vanilla(PyObject *value, encoded_value *encoded) {
  encoded->owner = PyUnicode_CheckExact(value) ? Py_NewRef(value) : PyObject_Str(value);
  return encoded->owner != NULL && read_text("value", encoded->owner, &encoded->slice);
}

static bool encode_by_codec(config_object *config, PyObject *value, encoded_value *encoded) {
  PyObject *bytes = PyObject_CallFunctionObjArgs(config->dumps, value, NULL);
  encoded->owner = bytes;
  if (bytes == NULL) return false;
  if (PyBytes_Check(bytes)) {
    encoded->slice = (cachette_slice){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
    return true;
  }
  if (PyObject_GetBuffer(bytes, &encoded->buffer, PyBUF_SIMPLE) < 0) return false;
  encoded->slice = (cachette_slice){encoded->buffer.buf, (size_t)encoded->buffer.len};
  return true;
}

bool encode(ext_state *state, config_object *config, PyObject *key, PyObject *value,
            encoded_value *encoded) {
  encoded->owner = NULL;
  encoded->buffer.obj = NULL;
  if (!config->vanilla && config->dumps == NULL && config_find_codec(config, state) < 0)
    return false;
  if (config->vanilla ? encode_vanilla(value, encoded) : encode_by_codec(config, value, encoded))
    return true;
  raise_codec_error(state, config, "encode", key);
  encoded_release(encoded);
  return false;
}

/* UTF-8 as a str. Most text is ASCII, and for that a look at eight bytes at a time is enough. */
static PyObject *decode_text(const char *bytes, size_t size) {
  if (size < 8) return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)size, NULL);
  uint64_t bits, word;
  memcpy(&bits, bytes + size - 8, 8); /* overlaps the last whole word */
  for (size_t i = 0; i + 8 <= size; i += 8) {
    memcpy(&word, bytes + i, 8);
    bits |= word;
  }
  if ((bits & UINT64_C(0x8080808080808080)) != 0)
    return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)size, NULL);
  PyObject *text = PyUnicode_New((Py_ssize_t)size, 127);
  if (text != NULL) memcpy(PyUnicode_1BYTE_DATA(text), bytes, size);
  return text;
}

static PyObject *decode_by_codec(ext_state *state, config_object *config, PyObject *bytes,
                                 PyObject *returns) {
  if (config->textual && returns != NULL && returns != Py_None)
    return PyObject_CallMethodObjArgs(returns, state->str_load, config->codec, bytes, NULL);
  return PyObject_CallFunctionObjArgs(config->loads, bytes, NULL);
}

PyObject *decode(ext_state *state, config_object *config, PyObject *key, cachette_slice slice,
                 PyObject *bytes, PyObject *returns) {
  PyObject *value = NULL;
  if (config->vanilla) {
    value = decode_text(slice.data, slice.size);
  } else {
    if (config->loads == NULL && config_find_codec(config, state) < 0) return NULL;
    if (bytes != NULL && slice.data == PyBytes_AS_STRING(bytes))
      Py_INCREF(bytes);
    else
      bytes = PyBytes_FromStringAndSize(slice.data, (Py_ssize_t)slice.size);
    if (bytes == NULL) return NULL;
    value = decode_by_codec(state, config, bytes, returns);
    Py_DECREF(bytes);
  }
  if (value == NULL) raise_codec_error(state, config, "decode", key);
  return value;
}

/* (seconds left, rounded up; value); takes the value. */
PyObject *with_ttl(int64_t ttl_ms, PyObject *value) {
  long long seconds = ttl_ms < 0 ? -1 : ttl_ms / 1000 + (ttl_ms % 1000 != 0);
  if (value == NULL) return NULL;
  PyObject *left = PyLong_FromLongLong(seconds);
  PyObject *pair = left != NULL ? PyTuple_Pack(2, left, value) : NULL;
  Py_XDECREF(left);
  Py_DECREF(value);
  return pair;
}
