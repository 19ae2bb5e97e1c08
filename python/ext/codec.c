/* SPDX-License-Identifier: MIT */
/*
 * The codec "vanilla" stores text and is implemented here. Each other codec is a pair of Python
 * functions, `dumps` and `loads`. cachette._codecs finds them by name when they are first needed.
 */
#include "codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"

/* ---- Choosing a codec ---- */

/* Signatures cover the name of the codec. A name that the option does not accept is left out, for
 * compatibility with earlier releases. */
static int choose_own(config_object *config, PyObject *name) {
  const char *text = PyUnicode_AsUTF8(name);
  if (text == NULL) return -1;
  if (cachette_options_set(config->options, "codec_name", text, NULL) == CACHETTE_ENOMEM) {
    PyErr_NoMemory();
    return -1;
  }
  config->codec = Py_NewRef(name);
  return 0;
}

int codec_choose(config_object *config, PyObject *own_name) {
  if (own_name != Py_None) return choose_own(config, own_name);
  const char *name = cachette_options_codec(config->options);
  config->vanilla = strcmp(name, "vanilla") == 0;
  config->textual =
      strcmp(name, "json") == 0 || strcmp(name, "orjson") == 0 || strcmp(name, "msgpack") == 0;
  config->codec = PyUnicode_FromString(name);
  if (config->codec == NULL) return -1;
  if (cachette_options_set(config->options, "codec", name, NULL) == CACHETTE_OK) return 0;
  PyErr_NoMemory();
  return -1;
}

/* Finds the functions of the codec. Returns 0, or -1 with an exception set. */
static int find_functions(config_object *config) {
  PyObject *codecs = PyImport_ImportModule("cachette._codecs");
  if (codecs == NULL) return -1;
  PyObject *own = PyObject_CallMethod(codecs, "is_own", "O", config->codec);
  PyObject *pair = own != NULL ? PyObject_CallMethod(codecs, "find", "O", config->codec) : NULL;
  Py_DECREF(codecs);
  Py_XDECREF(own); /* True or False, which is immortal */
  if (pair == NULL) return -1;
  PyObject *dumps, *loads;
  int parsed = PyArg_ParseTuple(pair, "OO", &dumps, &loads);
  if (parsed && config->dumps == NULL) { /* another thread may have run during the import */
    config->codec_own = own == Py_True;
    config->dumps = Py_NewRef(dumps);
    config->loads = Py_NewRef(loads);
  }
  Py_DECREF(pair);
  return parsed ? 0 : -1;
}

/* ---- Errors ---- */

/* Returns the text of an exception, or the name of its type if the text is empty: a new reference.
 */
static PyObject *reason_text(PyObject *exception) {
  PyObject *text = PyObject_Str(exception);
  if (text != NULL && PyUnicode_GET_LENGTH(text) > 0) return text;
  Py_XDECREF(text);
  PyErr_Clear();
  return PyUnicode_FromString(Py_TYPE(exception)->tp_name);
}

/* Asks cachette._advice what to do about the error of a codec. Returns a new reference, or NULL if
 * there is no advice, perhaps with an exception set. */
static PyObject *find_advice(config_object *config, const char *verb, PyObject *key,
                             PyObject *subject, PyObject *cause) {
  bool encoding = strcmp(verb, "encode") == 0;
  /* Advice covers values that built-in codecs reject, and bytes that custom codecs cannot decode.
   */
  if (config->codec_own == encoding) return NULL;
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

/* Replaces the exception that is set with a CodecError, and makes it the cause. `subject` is the
 * value, or the bytes. */
static void raise_codec_error(ext_state *state, config_object *config, const char *verb,
                              PyObject *key, PyObject *subject) {
  if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)) return;
  PyObject *cause = take_exception();
  PyObject *advice = find_advice(config, verb, key, subject, cause);
  bool interrupted =
      PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception); /* such as Ctrl-C */
  if (!interrupted) PyErr_Clear();
  PyObject *reason = interrupted ? NULL : reason_text(cause);
  if (reason != NULL) format_codec_error(state, config, verb, key, reason, advice);
  Py_XDECREF(reason);
  Py_XDECREF(advice);
  PyObject *error_type, *error, *error_traceback;
  PyErr_Fetch(&error_type, &error, &error_traceback);
  PyErr_NormalizeException(&error_type, &error, &error_traceback);
  PyException_SetCause(error, cause); /* steals the reference */
  PyErr_Restore(error_type, error, error_traceback);
}

/* ---- Encoding ---- */

void encoded_release(encoded_value *encoded) {
  if (encoded->buffer.obj != NULL) PyBuffer_Release(&encoded->buffer);
  Py_XDECREF(encoded->owner);
}

static bool encode_vanilla(PyObject *value, encoded_value *encoded) {
  encoded->owner = PyUnicode_CheckExact(value) ? Py_NewRef(value) : PyObject_Str(value);
  if (encoded->owner == NULL) return false;
  Py_ssize_t size;
  encoded->slice.data = PyUnicode_AsUTF8AndSize(encoded->owner, &size);
  encoded->slice.size = (size_t)size;
  return encoded->slice.data != NULL;
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
  if (!config->vanilla && config->dumps == NULL && find_functions(config) < 0) return false;
  if (config->vanilla ? encode_vanilla(value, encoded) : encode_by_codec(config, value, encoded))
    return true;
  raise_codec_error(state, config, "encode", key, value);
  encoded_release(encoded);
  return false;
}

/* ---- Decoding ---- */

/* Decodes UTF-8 to a str. Most text is ASCII, so look for other bytes eight at a time. */
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
 * Reads a counter: decimal digits in the exact form that the library writes, perhaps followed by
 * spaces, because some servers pad a counter that got shorter.
 *
 * No codec writes such bytes for another value. JSON writes them for the same number. Binary codecs
 * start differently; pickles and CSV files end differently. MessagePack would write 48 to 57 like
 * this, so _codecs.py stores these in a longer form.
 */
static bool read_counter(cachette_slice slice, long long *number) {
  enum { MAX_SIZE = 20 }; /* the length of "-9223372036854775808" */
  char text[MAX_SIZE + 1];
  size_t size = slice.size;
  if (size == 0 || size > MAX_SIZE) return false;
  memcpy(text, slice.data, size);
  while (size > 0 && text[size - 1] == ' ') size--;
  text[size] = '\0';
  size_t sign = text[0] == '-', digits = strspn(text + sign, "0123456789");
  if (digits == 0 || sign + digits != size || (text[sign] == '0' && size > 1)) return false;
  errno = 0;
  *number = strtoll(text, NULL, 10);
  return errno == 0;
}

static PyObject *load(ext_state *state, config_object *config, PyObject *bytes, PyObject *returns) {
  if (config->textual && returns != NULL && returns != Py_None)
    return PyObject_CallMethodObjArgs(returns, state->str_load, config->codec, bytes, NULL);
  if (config->loads == (PyObject *)&PyBytes_Type) return Py_NewRef(bytes); /* as bytes() does */
  return PyObject_CallFunctionObjArgs(config->loads, bytes, NULL);
}

static PyObject *decode_by_codec(ext_state *state, config_object *config, PyObject *key,
                                 cachette_slice slice, PyObject *bytes, PyObject *returns) {
  long long number;
  if (config->loads == NULL && find_functions(config) < 0) return NULL;
  /* Custom codecs also receive the digits of a counter: these may be their own bytes, and a codec
   * that encrypts must be able to reject them. */
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
  Py_ssize_t position = 0;
  int found = 0;
  while (found == 0 && PyDict_Next(dict, &position, &key, &value))
    found = PyUnicode_Check(key) ? find_odd_key(value) : 1;
  return found;
}

static int find_odd_key_of_sequence(PyObject *sequence) {
  int found = 0;
  for (Py_ssize_t i = 0; found == 0 && i < PySequence_Fast_GET_SIZE(sequence); i++)
    found = find_odd_key(PySequence_Fast_GET_ITEM(sequence, i));
  return found;
}

/* Returns 1, 0, or -1 with an exception set. No Python code runs here, so the value cannot change
 * during the search. */
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
