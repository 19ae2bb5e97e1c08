/* SPDX-License-Identifier: MIT */
#include "http_keep.h"

#include "errors.h"
#include "http_record.h"
#include "http_steps.h"
#include "signature.h"

/* ---- Records ---- */

static PyObject *fail_record(const http_exchange *self) {
  const char *reason = cachette_http_reason_text(self->exchange.not_stored);
  return PyErr_Format(PyExc_ValueError, "the response is not stored: %s", reason);
}

static PyObject *write_record(http_exchange *self, const cachette_http_extra *extra,
                              const http_parts *body) {
  size_t size = cachette_http_record_size(&self->exchange, extra);
  if (size == 0 || size > PY_SSIZE_T_MAX) { /* its fields have 4 GiB */
    self->exchange.not_stored = CACHETTE_HTTP_BECAUSE_TOO_LARGE;
    return fail_record(self);
  }
  PyObject *head = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
  if (head == NULL) return NULL;
  int code = cachette_http_record_write(&self->exchange, extra, body->list, (size_t)body->count,
                                        (unsigned char *)PyBytes_AS_STRING(head));
  if (code == CACHETTE_OK) return head;
  if (code == CACHETTE_ETOOBIG) self->exchange.not_stored = CACHETTE_HTTP_BECAUSE_TOO_LARGE;
  Py_DECREF(head);
  return fail_record(self);
}

/* After FRESHEN, `not_stored` tells that the response may answer but not be kept. */
static bool check_stored(const http_exchange *self, const char *method) {
  if (!http_check_action(self, method, HTTP_ACTION(STORE) | HTTP_ACTION(FRESHEN))) return false;
  if (self->exchange.action == CACHETTE_HTTP_STORE ||
      self->exchange.not_stored == CACHETTE_HTTP_BECAUSE_NONE)
    return true;
  fail_record(self);
  return false;
}

static bool read_epoch(PyObject *value, uint64_t *epoch) {
  *epoch = 0;
  if (value == Py_None) return true;
  if (!PyLong_Check(value)) {
    PyErr_Format(PyExc_TypeError, "epoch must be an int, not %.100s", Py_TYPE(value)->tp_name);
    return false;
  }
  *epoch = PyLong_AsUnsignedLongLong(value);
  return *epoch != UINT64_MAX || !PyErr_Occurred();
}

static PyObject *record_with_tags(http_exchange *self, PyObject *body, const http_parts *tags,
                                  uint64_t epoch) {
  http_parts parts;
  if (!http_parts_read(&parts, "body", body)) return NULL;
  const cachette_http_extra extra = {
      .tags = tags->list, .tag_count = (size_t)tags->count, .epoch = epoch};
  /* Reading the arguments may run Python code, which may call other methods. */
  PyObject *head = check_stored(self, "record") ? write_record(self, &extra, &parts) : NULL;
  http_parts_free(&parts);
  return head;
}

PyObject *http_record(http_exchange *self, PyObject *const *args, Py_ssize_t count,
                      PyObject *keywords) {
  static const call_signature signature = {"record", {"body", "tags", "epoch"}, 1, 3};
  PyObject *arguments[3];
  http_parts tags = {0, NULL, NULL};
  uint64_t epoch;
  if (!signature_bind(&signature, args, count, keywords, arguments) ||
      !read_epoch(arguments[2], &epoch))
    return NULL;
  if (arguments[1] != Py_None && !http_parts_read(&tags, "tags", arguments[1])) return NULL;
  PyObject *head = record_with_tags(self, arguments[0], &tags, epoch);
  http_parts_free(&tags);
  return head;
}

PyObject *http_index(http_exchange *self, PyObject *Py_UNUSED(ignored)) {
  if (!check_stored(self, "index")) return NULL;
  if (!self->exchange.store_index)
    return PyErr_Format(PyExc_RuntimeError, "index() was called although store_index is False");
  size_t size = cachette_http_index_size(&self->exchange);
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
  if (bytes != NULL)
    cachette_http_index_write(&self->exchange, (unsigned char *)PyBytes_AS_STRING(bytes));
  return bytes;
}

/* ---- Invalidation ---- */

static PyObject *invalidated_item(const unsigned char key[CACHETTE_HTTP_KEY_SIZE],
                                  cachette_slice tag) {
  bool has_key = false; /* that of a group is zeroed */
  for (size_t i = 0; i < CACHETTE_HTTP_KEY_SIZE; i++) has_key |= key[i] != 0;
  PyObject *text = has_key ? http_key_text(key) : Py_NewRef(Py_None);
  if (text == NULL) return NULL;
  return Py_BuildValue("(NN)", text, PyBytes_FromStringAndSize(tag.data, (Py_ssize_t)tag.size));
}

PyObject *http_invalidated(http_exchange *self, PyObject *Py_UNUSED(ignored)) {
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  cachette_slice tag;
  PyObject *list = PyList_New(0);
  for (size_t i = 0; list != NULL && cachette_http_invalidated(&self->exchange, i, key, &tag);
       i++) {
    PyObject *item = invalidated_item(key, tag);
    if (item == NULL || PyList_Append(list, item) < 0) Py_CLEAR(list);
    Py_XDECREF(item);
  }
  return list;
}

/* ---- Bodies ---- */

PyObject *http_combine(http_exchange *self, PyObject *const *args, Py_ssize_t count) {
  cachette_slice stored, part;
  if (count != 2)
    return PyErr_Format(PyExc_TypeError, "combine() takes 2 arguments (%zd given)", count);
  if (!http_read_bytes("stored_body", args[0], &stored) ||
      !http_read_bytes("part", args[1], &part) ||
      !http_check_action(self, "combine", HTTP_ACTION(STORE)))
    return NULL;
  size_t size = cachette_http_combine(&self->exchange, stored, part, NULL);
  if (size == 0 || size > PY_SSIZE_T_MAX) Py_RETURN_NONE;
  PyObject *joined = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
  if (joined != NULL)
    cachette_http_combine(&self->exchange, stored, part,
                          (unsigned char *)PyBytes_AS_STRING(joined));
  return joined;
}

/* Whether the answer is all that is behind the head of the record that was decided on. Then it need
 * not be decoded again. */
static bool is_body_behind(const cachette_http_exchange *exchange, size_t record_size) {
  return exchange->status != 206 && exchange->body_first == 0 && exchange->head_size > 0 &&
         exchange->head_size <= record_size && exchange->body_size >= 0 &&
         (uint64_t)exchange->body_size == record_size - exchange->head_size;
}

/* Returns the part of a record's body that the answer has. */
PyObject *http_body(http_exchange *self, PyObject *record) {
  const cachette_http_exchange *exchange = &self->exchange;
  cachette_slice bytes;
  if (!http_read_bytes("record", record, &bytes) ||
      !http_check_action(
          self, "body",
          HTTP_ACTION(HIT) | HTTP_ACTION(STALE) | HTTP_ACTION(FRESHEN) | HTTP_ACTION(ERROR)))
    return NULL;
  if (!exchange->send_body) return PyBytes_FromStringAndSize(NULL, 0);
  if (record == self->record && is_body_behind(exchange, bytes.size))
    return PyBytes_FromStringAndSize((const char *)bytes.data + exchange->head_size,
                                     (Py_ssize_t)exchange->body_size);
  cachette_http_record_info info;
  if (cachette_http_record_describe(bytes, &info) < 0) Py_RETURN_NONE;
  size_t body_size = bytes.size - info.head_size;
  bool is_whole = (uint64_t)info.body_size == body_size && exchange->body_first >= 0 &&
                  exchange->body_size >= 0 && exchange->body_first <= info.body_size &&
                  exchange->body_size <= info.body_size - exchange->body_first;
  if (!is_whole) Py_RETURN_NONE;
  const char *body = (const char *)bytes.data + info.head_size + exchange->body_first;
  return PyBytes_FromStringAndSize(body, (Py_ssize_t)exchange->body_size);
}
