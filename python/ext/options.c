/* SPDX-License-Identifier: MIT */
/* The library parses text, so numbers, times and bools of Python are converted to text here. */
#include "options.h"

#include "errors.h"

#include <stddef.h>
#include <string.h>

/* ---- From Python values to options ---- */

static const char *type_name(enum cachette_option_type type) {
  switch (type) {
    case CACHETTE_OPTION_SECONDS:
    case CACHETTE_OPTION_DURATION:
      return "a number of seconds or a timedelta";
    case CACHETTE_OPTION_NUMBER:
      return "an int";
    case CACHETTE_OPTION_BOOLEAN:
      return "a bool";
    case CACHETTE_OPTION_SIZE:
      return "an int (bytes) or a str such as \"64M\"";
    default:
      return "a str";
  }
}

/* Returns the digits of an int. An int of more than 64 bits is out of range for every option, so
 * its text is used only in a message. */
static PyObject *int_text(PyObject *value) {
  int overflow;
  long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow == 0) return PyUnicode_FromFormat("%lld", number);
  PyObject *digits = PyNumber_ToBase(value, 10);
  if (digits != NULL || !PyErr_ExceptionMatches(PyExc_ValueError)) return digits;
  PyErr_Clear(); /* it has more digits than Python converts */
  return PyUnicode_FromString(overflow < 0 ? "-9999999999999999999..." : "9999999999999999999...");
}

/* Formats seconds, rounded to a millisecond, without trailing zeros. */
static PyObject *float_text(double seconds) {
  bool plain = seconds >= 0.0005 && seconds < 1e15;
  char *digits = plain ? PyOS_double_to_string(seconds, 'f', 3, 0, NULL)
                       : PyOS_double_to_string(seconds, 'r', 0, 0, NULL);
  if (digits == NULL) return NULL;
  size_t size = strlen(digits);
  while (plain && digits[size - 1] == '0') size--;
  if (plain && digits[size - 1] == '.') size--;
  PyObject *text = PyUnicode_FromStringAndSize(digits, (Py_ssize_t)size);
  PyMem_Free(digits);
  return text;
}

static PyObject *time_text(PyObject *value) {
  PyObject *times = PyImport_ImportModule("cachette._times");
  PyObject *seconds =
      times != NULL ? PyObject_CallMethod(times, "read_seconds", "(O)", value) : NULL;
  PyObject *text = NULL;
  if (seconds != NULL && PyLong_Check(seconds)) text = int_text(seconds);
  if (seconds != NULL && PyFloat_Check(seconds)) text = float_text(PyFloat_AS_DOUBLE(seconds));
  Py_XDECREF(times);
  Py_XDECREF(seconds);
  return text;
}

/* Returns the digits of an int, or of a value that converts to one, such as an int of NumPy.
 * Returns NULL, perhaps with an exception set, for other values. */
static PyObject *index_text(PyObject *value) {
  if (PyBool_Check(value) || !PyIndex_Check(value)) return NULL;
  PyObject *number = PyNumber_Index(value);
  if (number == NULL) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) PyErr_Clear(); /* such as an array */
    return NULL;
  }
  PyObject *text = int_text(number);
  Py_DECREF(number);
  return text;
}

/* Returns the value of an option as text: a new reference; or NULL, perhaps with an exception set,
 * if its type is wrong. */
static PyObject *value_text(const cachette_option_info *info, PyObject *value) {
  if (PyUnicode_Check(value)) return Py_NewRef(value);
  switch (info->type) {
    case CACHETTE_OPTION_BOOLEAN:
      if (!PyBool_Check(value)) return NULL;
      return PyUnicode_FromString(value == Py_True ? "true" : "false");
    case CACHETTE_OPTION_SECONDS:
    case CACHETTE_OPTION_DURATION:
      return time_text(value);
    case CACHETTE_OPTION_NUMBER:
    case CACHETTE_OPTION_SIZE:
      return index_text(value);
    default:
      return NULL;
  }
}

const cachette_option_info *options_find(const char *name) {
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  for (size_t i = 0; i < count; i++)
    if (PyOS_stricmp(table[i].name, name) == 0) return &table[i];
  return NULL;
}

static int add_error(PyObject *errors, const char *name, const char *message) {
  PyObject *row = Py_BuildValue("(sN)", name, message_text(message));
  if (row == NULL) return -1;
  int code = PyList_Append(errors, row);
  Py_DECREF(row);
  return code;
}

static int add_type_error(PyObject *errors, const cachette_option_info *info, PyObject *value) {
  char message[256];
  PyOS_snprintf(message, sizeof message, "The \"%s\" value must be %s, not %.50s.", info->name,
                type_name(info->type), Py_TYPE(value)->tp_name);
  return add_error(errors, info->name, message);
}

/* Sets one option. Appends an error about it to the list. Returns 0, or -1 with an exception set if
 * Python itself fails. */
static int set_option(cachette_options *options, PyObject *name, PyObject *value, bool lenient,
                      PyObject *errors) {
  const char *name_text = PyUnicode_AsUTF8(name);
  if (name_text == NULL) return -1;
  const cachette_option_info *info = options_find(name_text);
  if (info == NULL && lenient) return 0;

  cachette_error error;
  PyObject *text = NULL;
  const char *bytes = NULL;
  if (info != NULL && value != Py_None) {
    text = value_text(info, value);
    if (text == NULL) return PyErr_Occurred() ? -1 : add_type_error(errors, info, value);
    Py_ssize_t size;
    bytes = PyUnicode_AsUTF8AndSize(text, &size);
    if (bytes == NULL && !PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
      Py_DECREF(text);
      return -1;
    }
    PyErr_Clear();
    /* The library rejects this control character, and with it text that has a NUL or half a
     * surrogate pair. */
    if (bytes == NULL || strlen(bytes) != (size_t)size) bytes = "\x01";
  }
  int code = cachette_options_set(options, name_text, bytes, &error);
  Py_XDECREF(text);
  if (code == CACHETTE_ENOMEM) {
    PyErr_NoMemory();
    return -1;
  }
  return code < 0 ? add_error(errors, error.subject, error.message) : 0;
}

/* Returns whether the list has an error of this option, or -1 with an exception set. */
static int has_error(PyObject *errors, const char *name) {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(errors); i++) {
    const char *option = PyUnicode_AsUTF8(PyTuple_GET_ITEM(PyList_GET_ITEM(errors, i), 0));
    if (option == NULL) return -1;
    if (strcmp(option, name) == 0) return 1;
  }
  return 0;
}

/* Adds the errors of options that do not fit together. An option whose value was rejected is not
 * reported as missing too. */
static int add_check_errors(cachette_options *options, PyObject *errors) {
  cachette_error found[16];
  size_t count = cachette_options_check(options, found, 16);
  for (size_t i = 0; i < count && i < 16; i++) {
    int known = has_error(errors, found[i].subject);
    if (known < 0 || (known == 0 && add_error(errors, found[i].subject, found[i].message) < 0))
      return -1;
  }
  return 0;
}

static int set_pair(cachette_options *options, PyObject *pair, bool lenient, PyObject *errors) {
  PyObject *name, *value;
  if (!PyTuple_Check(pair)) {
    PyErr_SetString(PyExc_TypeError, "pairs must be tuples of a name and a value");
    return -1;
  }
  if (!PyArg_ParseTuple(pair, "UO", &name, &value)) return -1;
  return set_option(options, name, value, lenient, errors);
}

int options_read(cachette_options *options, PyObject *pairs, bool lenient, PyObject *errors) {
  PyObject *sequence = PySequence_Fast(pairs, "pairs must be a sequence");
  if (sequence == NULL) return -1;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); i++) {
    if (set_pair(options, PySequence_Fast_GET_ITEM(sequence, i), lenient, errors) < 0) {
      Py_DECREF(sequence);
      return -1;
    }
  }
  Py_DECREF(sequence);
  return add_check_errors(options, errors);
}

/* ---- The table for Python ---- */

static const char *type_word(enum cachette_option_type type) {
  static const char *const words[] = {
      [CACHETTE_OPTION_CHOICE] = "choice",   [CACHETTE_OPTION_STRING] = "string",
      [CACHETTE_OPTION_SECONDS] = "seconds", [CACHETTE_OPTION_DURATION] = "duration",
      [CACHETTE_OPTION_BOOLEAN] = "boolean", [CACHETTE_OPTION_SIZE] = "size",
      [CACHETTE_OPTION_NUMBER] = "number",   [CACHETTE_OPTION_PATH] = "path",
  };
  return words[type];
}

static const char *exposure_word(enum cachette_option_exposure exposure) {
  static const char *const words[] = {
      [CACHETTE_SHOWN] = "shown", [CACHETTE_SHOWN_URL] = "url", [CACHETTE_SECRET] = "secret"};
  return words[exposure];
}

PyObject *options_list(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  PyObject *list = PyList_New(0);
  for (size_t i = 0; i < count && list != NULL; i++) {
    PyObject *row = Py_BuildValue(
        "{ss ss sz sz sL sL ss ss ss}", "name", table[i].name, "type", type_word(table[i].type),
        "default", table[i].fallback, "choices", table[i].choices, "least",
        (long long)table[i].least, "most", (long long)table[i].most, "needed_by",
        table[i].needed_by, "exposure", exposure_word(table[i].exposure), "help", table[i].help);
    if (row == NULL || PyList_Append(list, row) < 0) Py_CLEAR(list);
    Py_XDECREF(row);
  }
  return list;
}

int options_copy(cachette_options *options, const cachette_options *from) {
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  for (size_t i = 0; i < count; i++) {
    const char *value = cachette_options_get(from, table[i].name);
    if (value == NULL || strcmp(table[i].name, "memory_name") == 0) continue;
    if (cachette_options_set(options, table[i].name, value, NULL) == CACHETTE_OK) continue;
    PyErr_NoMemory();
    return -1;
  }
  return 0;
}
