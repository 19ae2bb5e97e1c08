/* SPDX-License-Identifier: MIT */
/* Python's values as libcachette's, and back: keys, times to live, and what the codec makes bytes
 * of. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
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

/* The seconds of a timedelta, or of a number that is no int or float: one of those, a new
 * reference. NULL with an exception set for what is no time. */
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

/* `given` is what the caller gave, and `seconds` the int or float that it means. */
static bool read_number(PyObject *seconds, PyObject *given, int64_t *ttl_ms) {
  double number = PyFloat_AsDouble(seconds);
  if (number == -1 && PyErr_Occurred()) {
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return false;
    PyErr_Clear();
    number = INFINITY;
  }
  if (!(number > 0 && number <= (double)CACHETTE_TTL_MAX / 1000)) {
    PyErr_Format(PyExc_ValueError,
                 "ttl must be a positive number of seconds, at most a hundred years, not %R",
                 given);
    return false;
  }
  double milliseconds = ceil(number * 1000);
  *ttl_ms = milliseconds < (double)CACHETTE_TTL_MAX ? (int64_t)milliseconds : CACHETTE_TTL_MAX;
  return true;
}

/* Seconds, whole or not, as milliseconds, rounded up; None is 0, the configured time to live. */
bool read_ttl(PyObject *ttl, int64_t *ttl_ms) {
  *ttl_ms = 0;
  if (ttl == Py_None) return true;
  if (!PyBool_Check(ttl) && (PyLong_Check(ttl) || PyFloat_Check(ttl)))
    return read_number(ttl, ttl, ttl_ms);
  PyObject *seconds = find_seconds(ttl);
  bool fine = seconds != NULL && read_number(seconds, ttl, ttl_ms);
  Py_XDECREF(seconds);
  return fine;
}

/* check_ttl(ttl): raises what a put would. */
PyObject *check_ttl(PyObject *module, PyObject *ttl) {
  int64_t ttl_ms;
  (void)module;
  if (!read_ttl(ttl, &ttl_ms)) return NULL;
  Py_RETURN_NONE;
}

/* ---- Codecs ---- */

PyObject *take_exception(void) {
  PyObject *type, *error, *traceback;
  PyErr_Fetch(&type, &error, &traceback);
  PyErr_NormalizeException(&type, &error, &traceback);
  if (traceback != NULL) PyException_SetTraceback(error, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return error;
}

/* What an exception says, or its type if it says nothing; a new reference. */
static PyObject *reason_text(PyObject *exception) {
  PyObject *text = PyObject_Str(exception);
  if (text != NULL && PyUnicode_GET_LENGTH(text) > 0) return text;
  Py_XDECREF(text);
  PyErr_Clear();
  return PyUnicode_FromString(Py_TYPE(exception)->tp_name);
}

/* What is to be done about it, as cachette._advice says: a new reference. NULL, perhaps with an
 * exception set, if it says nothing. */
static PyObject *find_advice(config_object *config, const char *verb, PyObject *key,
                             PyObject *subject, PyObject *cause) {
  bool encoding = strcmp(verb, "encode") == 0;
  if (config->codec_own == encoding) return NULL; /* of its values we know nothing */
  PyObject *module = PyImport_ImportModule("cachette._advice");
  PyObject *advice = NULL;
  if (module != NULL && encoding)
    advice = PyObject_CallMethod(module, "advise_encoding", "OOOO", config->codec, subject, cause,
                                 config->dumps != NULL ? config->dumps : Py_None);
  else if (module != NULL)
    advice = PyObject_CallMethod(module, "advise_decoding", "OO", subject, key);
  Py_XDECREF(module);
  if (advice != NULL && PyUnicode_Check(advice) && PyUnicode_GET_LENGTH(advice) > 0) return advice;
  Py_XDECREF(advice);
  return NULL;
}

static void format_codec_error(ext_state *state, config_object *config, const char *verb,
                               PyObject *key, PyObject *reason, PyObject *advice) {
  Py_ssize_t size = PyUnicode_GET_LENGTH(reason);
  if (size > 200) size = 200;
  if (advice != NULL && size > 0 && PyUnicode_READ_CHAR(reason, size - 1) == '.') size--;
  PyObject *cut = PyUnicode_Substring(reason, 0, size);
  if (cut != NULL)
    PyErr_Format(state->codec_error,
                 advice != NULL ? "The \"%U\" codec cannot %s the value of \"%.100U\": %U. %U"
                                : "The \"%U\" codec cannot %s the value of \"%.100U\": %U",
                 config->codec, verb, key, cut, advice);
  Py_XDECREF(cut);
}

/* Makes a CodecError of the exception that is set, which becomes its cause. `subject`: the value,
 * or the bytes. */
static void raise_codec_error(ext_state *state, config_object *config, const char *verb,
                              PyObject *key, PyObject *subject) {
  if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)) return;
  PyObject *cause = take_exception();
  PyObject *advice = find_advice(config, verb, key, subject, cause);
  bool stopped = PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception); /* by Ctrl-C, say */
  if (!stopped) PyErr_Clear();
  PyObject *reason = stopped ? NULL : reason_text(cause);
  if (reason != NULL) format_codec_error(state, config, verb, key, reason, advice);
  Py_XDECREF(reason);
  Py_XDECREF(advice);
  PyObject *error_type, *error, *error_traceback;
  PyErr_Fetch(&error_type, &error, &error_traceback);
  PyErr_NormalizeException(&error_type, &error, &error_traceback);
  PyException_SetCause(error, cause); /* takes the reference */
  PyErr_Restore(error_type, error, error_traceback);
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
  raise_codec_error(state, config, "encode", key, value);
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

/*
 * The number of a counter. Its bytes are decimal digits in the one form that counting gives them,
 * with blanks behind them where memcached has counted it down to a shorter one. No value of a codec
 * looks so, but for the same number in JSON: the binary ones begin otherwise, and a pickle and a
 * CSV file end otherwise. MessagePack's 48 to 57 would, and so are put in their longer form
 * (_codecs.py).
 */
static bool read_counter(cachette_slice slice, long long *number) {
  enum { MOST = 20 }; /* of "-9223372036854775808" */
  char text[MOST + 1];
  size_t size = slice.size;
  if (size == 0 || size > MOST) return false;
  memcpy(text, slice.data, size);
  while (size > 0 && text[size - 1] == ' ') size--;
  text[size] = '\0';
  size_t sign = text[0] == '-', digits = strspn(text + sign, "0123456789");
  if (digits == 0 || sign + digits != size || (text[sign] == '0' && size > 1)) return false;
  errno = 0;
  *number = strtoll(text, NULL, 10);
  return errno == 0;
}

/* A codec of the application's own is given a counter's digits, for they may be its own bytes; and
 * were they an int whatever it says, a codec that encrypts could no longer refuse them. */
static PyObject *load(ext_state *state, config_object *config, PyObject *bytes, PyObject *returns) {
  if (config->textual && returns != NULL && returns != Py_None)
    return PyObject_CallMethodObjArgs(returns, state->str_load, config->codec, bytes, NULL);
  return PyObject_CallFunctionObjArgs(config->loads, bytes, NULL);
}

static PyObject *decode_by_codec(ext_state *state, config_object *config, PyObject *key,
                                 cachette_slice slice, PyObject *bytes, PyObject *returns) {
  long long number;
  if (config->loads == NULL && config_find_codec(config, state) < 0) return NULL;
  bool typed = config->textual && returns != NULL && returns != Py_None;
  if (!typed && !config->codec_own && read_counter(slice, &number))
    return PyLong_FromLongLong(number);
  if (bytes != NULL && slice.data == PyBytes_AS_STRING(bytes))
    Py_INCREF(bytes);
  else
    bytes = PyBytes_FromStringAndSize(slice.data, (Py_ssize_t)slice.size);
  if (bytes == NULL) return NULL;
  PyObject *value = load(state, config, bytes, returns);
  if (value == NULL) raise_codec_error(state, config, "decode", key, bytes);
  Py_DECREF(bytes);
  return value;
}

/* The value of bytes; `bytes` is the object that holds them, or NULL. */
PyObject *decode(ext_state *state, config_object *config, PyObject *key, cachette_slice slice,
                 PyObject *bytes, PyObject *returns) {
  if (!config->vanilla) return decode_by_codec(state, config, key, slice, bytes, returns);
  PyObject *value = decode_text(slice.data, slice.size);
  if (value == NULL) raise_codec_error(state, config, "decode", key, Py_None);
  return value;
}

/* ---- Keys of dicts ---- */

static int find_odd_key(PyObject *value);

static int find_odd_key_of_dict(PyObject *dict) {
  PyObject *key, *value;
  Py_ssize_t place = 0;
  int found = 0;
  while (found == 0 && PyDict_Next(dict, &place, &key, &value))
    found = PyUnicode_Check(key) ? find_odd_key(value) : 1;
  return found;
}

static int find_odd_key_of_sequence(PyObject *sequence) {
  int found = 0;
  for (Py_ssize_t i = 0; found == 0 && i < PySequence_Fast_GET_SIZE(sequence); i++)
    found = find_odd_key(PySequence_Fast_GET_ITEM(sequence, i));
  return found;
}

/* 1, 0, or -1 with an exception set. No Python code runs meanwhile, so nothing changes under it. */
static int find_odd_key(PyObject *value) {
  bool is_dict = PyDict_Check(value);
  if (!is_dict && !PyList_Check(value) && !PyTuple_Check(value)) return 0;
  if (Py_EnterRecursiveCall(" while looking at the keys of a value")) return -1;
  int found = is_dict ? find_odd_key_of_dict(value) : find_odd_key_of_sequence(value);
  Py_LeaveRecursiveCall();
  return found;
}

PyObject *has_odd_key(PyObject *module, PyObject *value) {
  (void)module;
  int found = find_odd_key(value);
  return found < 0 ? NULL : PyBool_FromLong(found);
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
