/* SPDX-License-Identifier: MIT */
#include "http_fields.h"

#include <string.h>

#include "arguments.h"

/* ---- From Python ---- */

static bool is_pair_of_bytes(PyObject *item) {
  return PyTuple_CheckExact(item) && PyTuple_GET_SIZE(item) == 2 &&
         PyBytes_Check(PyTuple_GET_ITEM(item, 0)) && PyBytes_Check(PyTuple_GET_ITEM(item, 1));
}

/* Returns bytes, or a copy of another object that has bytes, such as a bytearray. */
static PyObject *bytes_of(PyObject *value) {
  if (PyBytes_Check(value)) return Py_NewRef(value);
  if (PyObject_CheckBuffer(value)) return PyBytes_FromObject(value);
  return PyErr_Format(PyExc_TypeError, "names and values of headers must be bytes, not %.100s",
                      Py_TYPE(value)->tp_name);
}

static PyObject *pair_of(PyObject *name, PyObject *value) {
  PyObject *first = bytes_of(name), *second = first != NULL ? bytes_of(value) : NULL;
  PyObject *pair = second != NULL ? PyTuple_Pack(2, first, second) : NULL;
  Py_XDECREF(first);
  Py_XDECREF(second);
  return pair;
}

/* Returns an item as a tuple of two bytes. */
static PyObject *read_pair(PyObject *item) {
  if (is_pair_of_bytes(item)) return Py_NewRef(item);
  bool is_text = PyUnicode_Check(item) || PyBytes_Check(item);
  PyObject *items = is_text ? NULL : PySequence_Tuple(item);
  if (items == NULL && PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_TypeError)) return NULL;
  PyObject *pair = NULL;
  if (items != NULL && PyTuple_GET_SIZE(items) == 2)
    pair = pair_of(PyTuple_GET_ITEM(items, 0), PyTuple_GET_ITEM(items, 1));
  else
    PyErr_Format(PyExc_TypeError, "headers must be pairs of a name and a value, not %.100s",
                 Py_TYPE(item)->tp_name);
  Py_XDECREF(items);
  return pair;
}

static bool is_blank(char byte) { return byte == ' ' || byte == '\t'; }

static void add_pair(http_fields *fields, PyObject *pair) {
  PyObject *name = PyTuple_GET_ITEM(pair, 0), *value = PyTuple_GET_ITEM(pair, 1);
  const char *text = PyBytes_AS_STRING(value), *end = text + PyBytes_GET_SIZE(value);
  while (text < end && is_blank(*text)) text++;
  while (end > text && is_blank(end[-1])) end--;
  fields->owners[fields->count] = pair;
  fields->list[fields->count++] =
      (cachette_http_field){bytes_slice(name), {text, (size_t)(end - text)}};
}

static bool allocate(http_fields *fields, size_t capacity) {
  fields->count = 0;
  fields->list = fields->inline_list;
  fields->owners = fields->inline_owners;
  if (capacity <= HTTP_FIELDS_INLINE) return true;
  size_t line_size = sizeof *fields->list + sizeof *fields->owners;
  if (capacity <= PY_SSIZE_T_MAX / line_size) fields->list = PyMem_Malloc(capacity * line_size);
  if (fields->list == fields->inline_list || fields->list == NULL) {
    fields->list = fields->inline_list;
    PyErr_NoMemory();
    return false;
  }
  fields->owners = (PyObject **)(void *)(fields->list + capacity);
  return true;
}

bool http_fields_read(http_fields *fields, PyObject *headers) {
  PyObject *lines = PySequence_Fast(headers, "headers must be an iterable of pairs of bytes");
  if (lines == NULL) return false;
  Py_ssize_t capacity = PySequence_Fast_GET_SIZE(lines);
  bool ok = allocate(fields, (size_t)capacity);
  /* An item that is not a tuple may run Python code, which may change the list. */
  for (Py_ssize_t i = 0; ok && i < capacity && i < PySequence_Fast_GET_SIZE(lines); i++) {
    PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(lines, i));
    PyObject *pair = read_pair(item);
    Py_DECREF(item);
    ok = pair != NULL;
    if (ok) add_pair(fields, pair);
  }
  Py_DECREF(lines);
  if (!ok) http_fields_free(fields);
  return ok;
}

void http_fields_free(http_fields *fields) {
  size_t count = fields->count;
  fields->count = 0;
  for (size_t i = 0; i < count; i++) Py_DECREF(fields->owners[i]);
  if (fields->list != fields->inline_list) PyMem_Free(fields->list);
  fields->list = fields->inline_list;
}

/* ---- To Python ---- */

static char lower_of(char byte) { return (char)(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte); }

static PyObject *lower_name(cachette_slice name) {
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)name.size);
  if (bytes == NULL) return NULL;
  const char *from = name.data;
  char *to = PyBytes_AS_STRING(bytes);
  for (size_t i = 0; i < name.size; i++) to[i] = lower_of(from[i]);
  return bytes;
}

static PyObject *make_pair(const cachette_http_field *field) {
  PyObject *pair = PyTuple_New(2);
  if (pair == NULL) return NULL;
  PyObject *name = lower_name(field->name);
  PyObject *value = PyBytes_FromStringAndSize(field->value.data, (Py_ssize_t)field->value.size);
  PyTuple_SET_ITEM(pair, 0, name);
  PyTuple_SET_ITEM(pair, 1, value);
  if (name != NULL && value != NULL) return pair;
  Py_DECREF(pair);
  return NULL;
}

/* The size counts, too: else a text and the same with a NUL at its end would have one hash. */
uint64_t http_mix(uint64_t hash, cachette_slice text) {
  const char *bytes = text.data;
  uint64_t word = 0;
  size_t left = text.size;
  for (; left >= sizeof word; bytes += sizeof word, left -= sizeof word) {
    memcpy(&word, bytes, sizeof word);
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
  }
  word = 0;
  if (left > 0) memcpy(&word, bytes, left);
  hash = (hash ^ word ^ (uint64_t)text.size << 56) * UINT64_C(0x9e3779b97f4a7c15);
  return hash ^ hash >> 32;
}

/*
 * Answers have the same lines again and again. So the pairs that were made last are kept, in a
 * table in which a new pair replaces the one that has its place.
 */
enum { KEPT_SIZE = 128 }; /* bytes of a line; longer ones are not kept */

static bool is_same(PyObject *bytes, cachette_slice text) {
  return (size_t)PyBytes_GET_SIZE(bytes) == text.size &&
         (text.size == 0 || memcmp(PyBytes_AS_STRING(bytes), text.data, text.size) == 0);
}

/* Returns the place of a line in the table of pairs, or NULL if it is not to be kept. */
static PyObject **place_of(ext_state *state, const cachette_http_field *field) {
  if (field->name.size + field->value.size > KEPT_SIZE) return NULL;
  return &state->http_pairs[http_mix(http_mix(0, field->name), field->value) % HTTP_PAIRS];
}

static bool is_lower(PyObject *bytes, cachette_slice name) {
  if ((size_t)PyBytes_GET_SIZE(bytes) != name.size) return false;
  const char *lower = PyBytes_AS_STRING(bytes), *text = name.data;
  if (name.size > 0 && memcmp(lower, text, name.size) == 0) return true;
  for (size_t i = 0; i < name.size; i++)
    if (lower[i] != lower_of(text[i])) return false;
  return true;
}

static PyObject *find_or_make_pair(ext_state *state, const cachette_http_field *field) {
  PyObject **place = place_of(state, field);
  if (place == NULL) return make_pair(field);
  if (*place != NULL && is_same(PyTuple_GET_ITEM(*place, 1), field->value) &&
      is_lower(PyTuple_GET_ITEM(*place, 0), field->name))
    return Py_NewRef(*place);
  PyObject *pair = make_pair(field);
  if (pair != NULL) Py_XSETREF(*place, Py_NewRef(pair));
  return pair;
}

void http_pairs_clear(ext_state *state) {
  for (size_t i = 0; i < HTTP_PAIRS; i++) Py_CLEAR(state->http_pairs[i]);
}

static bool has_upper(cachette_slice name) {
  const char *text = name.data;
  for (size_t i = 0; i < name.size; i++)
    if (lower_of(text[i]) != text[i]) return true;
  return false;
}

/* Returns whether a line was read from a pair that can be sent as it is. */
static bool is_from(const cachette_http_field *line, PyObject *pair) {
  PyObject *name = PyTuple_GET_ITEM(pair, 0), *value = PyTuple_GET_ITEM(pair, 1);
  return line->name.data == PyBytes_AS_STRING(name) &&
         line->value.data == PyBytes_AS_STRING(value) &&
         line->value.size == (size_t)PyBytes_GET_SIZE(value) && PyBytes_CheckExact(name) &&
         PyBytes_CheckExact(value) && !has_upper(line->name);
}

/* Returns the pair that a line was read from, or NULL. Lines have the order of their pairs, so
 * `*at` only grows. */
static PyObject *find_source(const http_fields *source, const cachette_http_field *line,
                             size_t *at) {
  for (size_t i = *at; i < source->count; i++) {
    if (!is_from(line, source->owners[i])) continue;
    *at = i + 1;
    return source->owners[i];
  }
  return NULL;
}

PyObject *http_fields_list_from(ext_state *state, const cachette_http_field *lines, size_t count,
                                const http_fields *source) {
  PyObject *list = PyList_New((Py_ssize_t)count);
  size_t at = 0;
  for (size_t i = 0; i < count && list != NULL; i++) {
    PyObject *pair = find_source(source, &lines[i], &at);
    pair = pair != NULL ? Py_NewRef(pair) : find_or_make_pair(state, &lines[i]);
    if (pair != NULL)
      PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    else
      Py_CLEAR(list);
  }
  return list;
}

PyObject *http_fields_list(ext_state *state, const cachette_http_field *fields, size_t count) {
  PyObject *list = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; i < count && list != NULL; i++) {
    PyObject *pair = find_or_make_pair(state, &fields[i]);
    if (pair != NULL)
      PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    else
      Py_CLEAR(list);
  }
  return list;
}
