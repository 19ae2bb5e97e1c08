/* SPDX-License-Identifier: MIT */
#include "http_record.h"

#include <string.h>

#include "arguments.h"
#include "errors.h"
#include "http_policy.h"

/* ---- Arguments ---- */

void http_parts_free(http_parts *parts) {
  while (parts->count > 0) PyBuffer_Release(&parts->buffers[--parts->count]);
  PyMem_Free(parts->list);
}

static bool add_part(http_parts *parts, const char *what, PyObject *item) {
  Py_buffer *buffer = &parts->buffers[parts->count];
  if (PyUnicode_Check(item) || !PyObject_CheckBuffer(item)) {
    PyErr_Format(PyExc_TypeError, "%s must be a sequence of bytes; it has a %.100s", what,
                 Py_TYPE(item)->tp_name);
    return false;
  }
  if (PyObject_GetBuffer(item, buffer, PyBUF_SIMPLE) < 0) return false;
  parts->list[parts->count++] = (cachette_slice){buffer->buf, (size_t)buffer->len};
  return true;
}

static PyObject *read_sequence(const char *what, PyObject *sequence) {
  bool is_text = PyUnicode_Check(sequence) || PyObject_CheckBuffer(sequence);
  PyObject *items = is_text ? NULL : PySequence_Tuple(sequence);
  if (items == NULL && (is_text || PyErr_ExceptionMatches(PyExc_TypeError)))
    PyErr_Format(PyExc_TypeError, "%s must be a sequence of bytes, not %.100s", what,
                 Py_TYPE(sequence)->tp_name);
  return items;
}

bool http_parts_read(http_parts *parts, const char *what, PyObject *sequence) {
  PyObject *items = read_sequence(what, sequence);
  if (items == NULL) return false;
  Py_ssize_t count = PyTuple_GET_SIZE(items);
  size_t part_size = sizeof *parts->list + sizeof *parts->buffers;
  *parts = (http_parts){0, NULL, NULL};
  if ((size_t)count <= PY_SSIZE_T_MAX / part_size)
    parts->list = PyMem_Malloc((size_t)count * part_size);
  bool ok = parts->list != NULL;
  if (ok)
    parts->buffers = (Py_buffer *)(void *)(parts->list + count);
  else
    PyErr_NoMemory();
  for (Py_ssize_t i = 0; i < count && ok; i++)
    ok = add_part(parts, what, PyTuple_GET_ITEM(items, i));
  Py_DECREF(items);
  if (!ok) http_parts_free(parts);
  return ok;
}

static bool read_record(PyObject *record, cachette_slice *slice) {
  if (!PyBytes_Check(record)) {
    PyErr_Format(PyExc_TypeError, "record must be bytes, not %.100s", Py_TYPE(record)->tp_name);
    return false;
  }
  *slice = bytes_slice(record);
  return true;
}

static bool check_count(const char *name, Py_ssize_t count) {
  if (count == 2) return true;
  PyErr_Format(PyExc_TypeError, "%s() takes 2 arguments (%zd given)", name, count);
  return false;
}

/* ---- Keys ---- */

/* Each byte in two hexadecimal digits. A table is filled once, since every request has a key. */
static const char *digits_of_bytes(void) {
  static const char digits[] = "0123456789abcdef";
  static char table[2 * 256]; /* with the GIL held, and always with the same contents */
  if (table[0] == 0) {
    for (int i = 255; i >= 0; i--) {
      table[2 * i + 1] = digits[i & 15];
      table[2 * i] = digits[i >> 4];
    }
  }
  return table;
}

PyObject *http_key_text(const unsigned char key[CACHETTE_HTTP_KEY_SIZE]) {
  const char *digits = digits_of_bytes();
  enum { PREFIX = sizeof "http:" - 1 };
  PyObject *text = PyUnicode_New(PREFIX + 2 * CACHETTE_HTTP_KEY_SIZE, 127);
  if (text == NULL) return NULL;
  Py_UCS1 *to = PyUnicode_1BYTE_DATA(text);
  memcpy(to, "http:", PREFIX);
  to += PREFIX;
  for (size_t i = 0; i < CACHETTE_HTTP_KEY_SIZE; i++)
    memcpy(to + 2 * i, digits + (size_t)key[i] * 2, 2);
  return text;
}

static int digit_of(unsigned char byte) { return byte <= '9' ? byte - '0' : byte - 'a' + 10; }

bool http_key_read(PyObject *text, unsigned char key[CACHETTE_HTTP_KEY_SIZE]) {
  enum { PREFIX = sizeof "http:" - 1 };
  if (!PyUnicode_CheckExact(text) || PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND ||
      PyUnicode_GET_LENGTH(text) != PREFIX + 2 * CACHETTE_HTTP_KEY_SIZE)
    return false;
  const Py_UCS1 *digits = PyUnicode_1BYTE_DATA(text) + PREFIX;
  for (size_t i = 0; i < CACHETTE_HTTP_KEY_SIZE; i++)
    key[i] = (unsigned char)(digit_of(digits[2 * i]) << 4 | digit_of(digits[2 * i + 1]));
  return true;
}

PyObject *http_uri_key(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyModule_GetState(module);
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  cachette_slice uri;
  if (!check_count("http_uri_key", count)) return NULL;
  if (Py_TYPE(args[0]) != state->http_policy_type)
    return PyErr_Format(PyExc_TypeError, "policy must be an HttpPolicy, not %.100s",
                        Py_TYPE(args[0])->tp_name);
  if (!read_text("uri", args[1], &uri)) return NULL;
  int code = cachette_http_uri_key(&((http_policy *)args[0])->policy, uri, key);
  if (code == CACHETTE_OK) return http_key_text(key);
  if (code == CACHETTE_EINVAL)
    return PyErr_Format(PyExc_ValueError,
                        "\"%.200U\" is not an absolute http or https URI. Write it like this: "
                        "https://example.com/path",
                        args[1]);
  raise_error(state, code, NULL);
  return NULL;
}

/* ---- Reasons ---- */

PyObject *http_reason(PyObject *Py_UNUSED(module), PyObject *token) {
  cachette_slice text;
  if (!read_text("token", token, &text)) return NULL;
#define FIND(name, word, sentence)                                                     \
  if (text.size == sizeof(word) - 1 && memcmp(text.data, word, sizeof(word) - 1) == 0) \
    return PyUnicode_FromString(sentence);
  CACHETTE_HTTP_REASONS(FIND)
#undef FIND
  return PyErr_Format(PyExc_ValueError, "there is no reason \"%.100U\"", token);
}

/* ---- Records ---- */

static PyStructSequence_Field record_fields[] = {
    {"head_size", "The bytes before the body."},
    {"status", "The status of the response."},
    {"requested_ms", "When the origin was asked."},
    {"received_ms", "When it answered."},
    {"lifetime_ms", "How long the response is fresh."},
    {"body_size", "The bytes of the body."},
    {"epoch", "The number that record() was given."},
    {"body_checksum", "Names parts of a body that is stored apart."},
    {"is_index", "Whether it is an index record, which has no response."},
    {NULL, NULL},
};

PyStructSequence_Desc http_record_desc = {
    .name = "cachette._cachette.HttpRecord",
    .doc = "What http_describe() tells of a record.",
    .fields = record_fields,
    .n_in_sequence = sizeof record_fields / sizeof *record_fields - 1,
};

PyObject *http_describe(PyObject *module, PyObject *record) {
  ext_state *state = PyModule_GetState(module);
  cachette_slice bytes;
  cachette_http_record_info info;
  if (!read_record(record, &bytes)) return NULL;
  if (cachette_http_record_describe(bytes, &info) < 0) Py_RETURN_NONE;
  PyObject *values[] = {
      PyLong_FromSize_t(info.head_size),       PyLong_FromLong(info.status),
      PyLong_FromLongLong(info.requested_ms),  PyLong_FromLongLong(info.received_ms),
      PyLong_FromLongLong(info.lifetime_ms),   PyLong_FromLongLong(info.body_size),
      PyLong_FromUnsignedLongLong(info.epoch), PyLong_FromUnsignedLongLong(info.body_checksum),
      PyBool_FromLong(info.is_index),
  };
  PyObject *tuple = PyStructSequence_New(state->http_record_type);
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    if (tuple != NULL)
      PyStructSequence_SetItem(tuple, (Py_ssize_t)i, values[i]);
    else
      Py_XDECREF(values[i]);
  }
  if (tuple != NULL && PyErr_Occurred()) Py_CLEAR(tuple);
  return tuple;
}

PyObject *http_tags(PyObject *Py_UNUSED(module), PyObject *record) {
  cachette_slice bytes;
  cachette_http_record_info info;
  if (!read_record(record, &bytes)) return NULL;
  if (cachette_http_record_describe(bytes, &info) < 0) info.tag_count = 0;
  PyObject *list = PyList_New((Py_ssize_t)info.tag_count);
  for (size_t i = 0; i < info.tag_count && list != NULL; i++) {
    cachette_slice tag = cachette_http_record_tag(bytes, i);
    PyObject *item = PyBytes_FromStringAndSize(tag.data, (Py_ssize_t)tag.size);
    if (item != NULL)
      PyList_SET_ITEM(list, (Py_ssize_t)i, item);
    else
      Py_CLEAR(list);
  }
  return list;
}

PyObject *http_matches(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
  cachette_slice record;
  http_parts parts;
  if (!check_count("http_matches", count) || !read_record(args[0], &record) ||
      !http_parts_read(&parts, "parts", args[1]))
    return NULL;
  bool matches = cachette_http_record_matches(record, parts.list, (size_t)parts.count);
  http_parts_free(&parts);
  return PyBool_FromLong(matches);
}
