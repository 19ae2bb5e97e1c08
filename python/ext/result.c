/* SPDX-License-Identifier: MIT */
/* An op on one key returns a value or raises. An op on several keys returns a value for each key.
 * If some keys fail, it raises one exception, which has the results of all keys. */
#include "result.h"

#include "codec.h"
#include "errors.h"

PyObject *with_ttl(int64_t ttl_ms, PyObject *value) {
  long long seconds = ttl_ms < 0 ? -1 : ttl_ms / 1000 + (ttl_ms % 1000 != 0);
  if (value == NULL) return NULL;
  PyObject *remaining = PyLong_FromLongLong(seconds);
  PyObject *pair = remaining != NULL ? PyTuple_Pack(2, remaining, value) : NULL;
  Py_XDECREF(remaining);
  Py_DECREF(value);
  return pair;
}

/* Returns whether a fetch found an entry that the request accepts. */
static bool is_hit(const config_object *config, const call *self, const cachette_item *item) {
  if (item->status != CACHETTE_HIT) return false;
  return self->control == NULL ||
         control_accepts(self->control, config, item->ttl_ms, self->put_ttl_ms);
}

/* ---- One key ---- */

static PyObject *fetch_result(ext_state *state, config_object *config, call *self,
                              PyObject *bytes) {
  bool hit = is_hit(config, self, &self->item);
  if (!hit && self->control != NULL && control_miss(state, self->control) < 0) return NULL;
  PyObject *value = hit ? decode(state, config, self->key, self->item.value, bytes, self->returns)
                        : Py_NewRef(self->fallback);
  if (self->kind == CALL_FETCH_WITH_TTL) return with_ttl(hit ? self->item.ttl_ms : -1, value);
  return value;
}

/* Returns the error code of the op, or of its first item that failed, or CACHETTE_OK. */
static int find_status(const cachette_op *op) {
  int status = op->status;
  for (size_t i = 0; i < op->count && status == CACHETTE_OK; i++)
    if (op->items[i].status < 0) status = op->items[i].status;
  return status;
}

/* ---- Many keys ---- */

/* Raises the exception of a key that failed. The library returns the message of one item only. If
 * several items failed, that may be another key's message, so each gets the general message of its
 * code. */
static void raise_item(ext_state *state, const call *self, size_t index, size_t failures) {
  const cachette_op *op = &self->op;
  if (op->status < 0 || failures == 1) {
    raise_error(state, op->status < 0 ? op->status : op->items[index].status, &self->error);
    return;
  }
  int code = op->items[index].status;
  cachette_error error = {.code = code};
  PyOS_snprintf(error.message, sizeof error.message, "\"%.100s\": %s.",
                PyUnicode_AsUTF8(PyList_GET_ITEM(self->many->keys, (Py_ssize_t)index)),
                cachette_strerror(code));
  raise_error(state, code, &error);
}

/* Moves the exception that is set into the dict of failed keys, if it is a CachetteError. Returns
 * 0, or -1 with an exception set. */
static int add_failure(ext_state *state, PyObject **failed, PyObject *key) {
  if (!PyErr_ExceptionMatches(state->cachette_error)) return -1;
  PyObject *error = take_exception();
  if (*failed == NULL) *failed = PyDict_New();
  int code = *failed != NULL ? PyDict_SetItem(*failed, key, error) : -1;
  Py_DECREF(error);
  return code;
}

static size_t count_failures(const cachette_op *op) {
  size_t count = 0;
  for (size_t i = 0; i < op->count; i++) count += op->items[i].status < 0;
  return count;
}

/* Collects the results of the keys: values in `found`, errors in `*failed`. Returns 0, or -1 with
 * an exception set. */
static int collect_items(ext_state *state, config_object *config, const call *self, PyObject *found,
                         PyObject **failed) {
  size_t failures = count_failures(&self->op);
  for (size_t i = 0; i < self->op.count; i++) {
    const cachette_item *item = &self->op.items[i];
    PyObject *key = PyList_GET_ITEM(self->many->keys, (Py_ssize_t)i), *value = NULL;
    if (self->op.status < 0 || item->status < 0)
      raise_item(state, self, i, failures);
    else if (self->kind != CALL_FETCH_MANY || !is_hit(config, self, item))
      continue;
    else
      value = decode(state, config, key, item->value, NULL, NULL);
    int code = value != NULL ? PyDict_SetItem(found, key, value) : add_failure(state, failed, key);
    Py_XDECREF(value);
    if (code < 0) return -1;
  }
  return 0;
}

/* Returns the error to raise for the call: the one of the library, or else the first one of the
 * codec. */
static PyObject *choose_error(ext_state *state, const call *self, PyObject *failed) {
  int status = find_status(&self->op);
  if (status < 0) {
    raise_error(state, status, status == self->error.code ? &self->error : NULL);
    return take_exception();
  }
  Py_ssize_t position = 0;
  PyObject *key, *first;
  return PyDict_Next(failed, &position, &key, &first) ? Py_NewRef(first) : NULL;
}

/* Returns its message, followed by where the errors of the other keys are: a new reference. */
static PyObject *describe_failed(const call *self, PyObject *chosen, PyObject *failed) {
  bool same = self->op.status < 0 || self->op.count == 1; /* one error for all keys */
  if (same) return PyObject_Str(chosen);
  const char *others = self->kind == CALL_FETCH_MANY ? ", `found` the values of the others" : "";
  return PyUnicode_FromFormat(
      "%S %zd of %zu keys failed: the attribute `failed` has the error of each%s.", chosen,
      PyDict_GET_SIZE(failed), self->op.count, others);
}

/* Raises one exception for the call, with the results of all keys. */
static void raise_failed(ext_state *state, const call *self, PyObject *found, PyObject *failed) {
  PyObject *chosen = choose_error(state, self, failed);
  PyObject *message = chosen != NULL ? describe_failed(self, chosen, failed) : NULL;
  PyObject *type = chosen != NULL ? (PyObject *)Py_TYPE(chosen) : NULL;
  PyObject *error = message != NULL ? PyObject_CallOneArg(type, message) : NULL;
  if (error != NULL && PyObject_SetAttrString(error, "found", found) == 0 &&
      PyObject_SetAttrString(error, "failed", failed) == 0) {
    PyException_SetCause(error, Py_NewRef(chosen));
    PyErr_SetObject(type, error);
  }
  Py_XDECREF(error);
  Py_XDECREF(message);
  Py_XDECREF(chosen);
}

/* Returns the values that fetch_many() found: a new reference, or NULL with an exception set. */
static PyObject *found_result(ext_state *state, const call *self, PyObject *found) {
  bool missed = PyDict_GET_SIZE(found) < (Py_ssize_t)self->many->count && self->control != NULL;
  return missed && control_miss(state, self->control) < 0 ? NULL : Py_NewRef(found);
}

static PyObject *many_result(ext_state *state, config_object *config, const call *self) {
  if (self->op.status == CACHETTE_EINVAL) {
    raise_error(state, CACHETTE_EINVAL, &self->error);
    return NULL;
  }
  PyObject *found = PyDict_New(), *failed = NULL, *result = NULL;
  if (found != NULL && collect_items(state, config, self, found, &failed) == 0) {
    if (failed != NULL)
      raise_failed(state, self, found, failed);
    else if (self->kind == CALL_FETCH_MANY)
      result = found_result(state, self, found);
    else
      result =
          self->kind == CALL_PUT_MANY ? Py_NewRef(Py_None) : PyLong_FromLongLong(self->op.number);
  }
  Py_XDECREF(found);
  Py_XDECREF(failed);
  return result;
}

PyObject *call_result(ext_state *state, config_object *config, call *self, PyObject *bytes) {
  if (self->many != NULL) return many_result(state, config, self);
  int status = find_status(&self->op);
  if (status < 0) {
    if (!PyErr_Occurred()) raise_error(state, status, &self->error);
    return NULL;
  }
  switch (self->kind) {
    case CALL_FETCH:
    case CALL_FETCH_AS:
    case CALL_FETCH_WITH_TTL:
      return fetch_result(state, config, self, bytes);
    case CALL_PUT:
    case CALL_STORE:
    case CALL_PING:
      Py_RETURN_NONE;
    case CALL_ADD:
      return PyBool_FromLong(self->item.status == CACHETTE_MISS);
    case CALL_EXISTS:
    case CALL_TOUCH:
    case CALL_DELETE:
      return PyBool_FromLong(self->item.status == CACHETTE_HIT);
    case CALL_INCREMENT:
      return PyLong_FromLongLong(self->item.amount);
    default:
      return PyLong_FromLongLong(self->op.number);
  }
}
