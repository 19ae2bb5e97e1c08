/* SPDX-License-Identifier: MIT */
/*
 * A call as an op: what the caller gave becomes keys, values and times, and what comes back becomes
 * Python's values again. How the op is carried out is not known here.
 */
#include "ext.h"

/* Several keys at once. */
struct many {
  PyObject *keys; /* a list of str, which hold the bytes of the items' keys */
  encoded_value *encoded;
  size_t count, encoded_count;
  cachette_item items[];
};

/* ---- The signatures ---- */

/* Arguments as they are found in `given`, at most four: those of these names, in this order. */
const call_signature call_signatures[] = {
    [CALL_FETCH] = {"fetch", {"key", "default"}, 1, 2},
    [CALL_FETCH_WITH_TTL] = {"fetch_with_ttl", {"key"}, 1, 1},
    [CALL_PUT] = {"put", {"key", "value", "ttl"}, 2, 3},
    [CALL_ADD] = {"add", {"key", "value", "ttl"}, 2, 3},
    [CALL_EXISTS] = {"exists", {"key"}, 1, 1},
    [CALL_TOUCH] = {"touch", {"key", "ttl"}, 1, 2},
    [CALL_INCREMENT] = {"increment", {"key", "by", "ttl"}, 1, 3},
    [CALL_CLEAR] = {"clear", {"namespace", "key"}, 0, 2},
    [CALL_FLUSH] = {"flush", {NULL}, 0, 0},
    [CALL_FLUSH_EXPIRED] = {"flush_expired", {NULL}, 0, 0},
    [CALL_PING] = {"ping", {NULL}, 0, 0},
    [CALL_FETCH_MANY] = {"fetch_many", {"keys"}, 1, 1},
    [CALL_PUT_MANY] = {"put_many", {"mapping", "ttl"}, 1, 2},
    [CALL_CLEAR_MANY] = {"clear_many", {"keys"}, 1, 1},
    [CALL_DELETE] = {"delete", {"key"}, 1, 1},
    [CALL_FETCH_AS] = {"fetch_as", {"key", "default", "returns"}, 3, 3},
    [CALL_STORE] = {"store", {"lease", "data", "ttl"}, 3, 3},
    [CALL_GET_OR_SET] = {"get_or_set", {"key", "factory", "ttl", "returns"}, 2, 4},
};

static bool parse_keywords(const call_signature *signature, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords, PyObject **given) {
  Py_ssize_t keyword_count = keywords != NULL ? PyTuple_GET_SIZE(keywords) : 0;
  for (Py_ssize_t i = 0; i < keyword_count; i++) {
    PyObject *keyword = PyTuple_GET_ITEM(keywords, i);
    Py_ssize_t place = 0;
    while (place < signature->most &&
           PyUnicode_CompareWithASCIIString(keyword, signature->names[place]) != 0)
      place++;
    if (place == signature->most || place < count) {
      PyErr_Format(PyExc_TypeError, "%s() got %s argument '%U'", signature->name,
                   place == signature->most ? "an unexpected keyword" : "multiple values for",
                   keyword);
      return false;
    }
    given[place] = args[count + i];
  }
  return true;
}

bool call_parse(enum call_kind kind, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                PyObject **given) {
  const call_signature *signature = &call_signatures[kind];
  if (count > signature->most) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments (%zd given)", signature->name,
                 signature->most, count);
    return false;
  }
  for (Py_ssize_t i = 0; i < CALL_ARGUMENTS; i++) given[i] = i < count ? args[i] : NULL;
  if (keywords != NULL && !parse_keywords(signature, args, count, keywords, given)) return false;
  for (int i = 0; i < signature->most; i++) {
    if (i < signature->least && given[i] == NULL) {
      PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", signature->name,
                   signature->names[i]);
      return false;
    }
    if (given[i] == NULL) given[i] = Py_None;
  }
  return true;
}

/* ---- One key ---- */

/* Zeroing all of it, as compilers do it (`rep stos`), takes a tenth of a fetch. */
void init_op(cachette_op *op, enum cachette_verb verb, cachette_item *items, size_t count) {
  op->verb = verb;
  op->flags = 0;
  op->items = items;
  op->count = count;
  op->timeout_ms = 0;
  op->alloc = NULL;
  op->done = NULL;
  op->data = NULL;
  op->error = NULL;
  op->priv.state = 0;
}

static bool take_key(call *self, const char *what, PyObject *key) {
  if (!read_text(what, key, &self->item.key)) return false;
  self->key = Py_NewRef(key);
  return true;
}

static bool take_value(ext_state *state, config_object *config, call *self, PyObject *value) {
  if (!encode(state, config, self->key, value, &self->encoded)) {
    self->encoded = (encoded_value){.owner = NULL}; /* released there */
    return false;
  }
  self->item.value = self->encoded.slice;
  return true;
}

/* What Config.encode() gave: the bytes, or the text of "vanilla". */
static bool take_data(call *self, PyObject *data) {
  if (PyUnicode_Check(data)) {
    if (!read_text("data", data, &self->item.value)) return false;
  } else if (PyBytes_Check(data)) {
    self->item.value = (cachette_slice){PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data)};
  } else {
    PyErr_SetString(PyExc_TypeError, "data must be what encode() gave");
    return false;
  }
  self->encoded.owner = Py_NewRef(data);
  return true;
}

/* store(lease, data, ttl). Where the lease has ended, there is nothing to do. */
static bool take_stored(ext_state *state, const config_object *config, call *self,
                        PyObject *const *given) {
  if (!Py_IS_TYPE(given[0], state->lease_type)) {
    PyErr_SetString(PyExc_TypeError, "store() takes a Lease");
    return false;
  }
  if (!take_data(self, given[1]) || !read_ttl(given[2], &self->item.ttl_ms)) return false;
  self->lease = (lease *)Py_NewRef(given[0]);
  self->item.key = lease_key(self->lease, &self->key);
  Py_INCREF(self->key);
  self->op.count = lease_begin_store(self->lease, config);
  return true;
}

static bool take_amount(call *self, PyObject *amount) {
  self->item.amount = 1;
  if (amount == Py_None) return true;
  if (!PyLong_Check(amount) || PyBool_Check(amount)) {
    PyErr_Format(PyExc_TypeError, "by must be an int, not %.100s", Py_TYPE(amount)->tp_name);
    return false;
  }
  int overflow;
  self->item.amount = PyLong_AsLongLongAndOverflow(amount, &overflow);
  if (overflow != 0) PyErr_SetString(PyExc_ValueError, "by must be an int of at most 64 bits");
  return overflow == 0;
}

/* clear(namespace, key): with neither there is nothing to do, which is an op without items. */
static bool take_cleared(call *self, PyObject *const *given) {
  self->op.count = given[0] != Py_None || given[1] != Py_None;
  if (given[0] == Py_None) return given[1] == Py_None || take_key(self, "key", given[1]);
  self->op.verb = CACHETTE_CLEAR_NAMESPACE;
  return take_key(self, "namespace", given[0]);
}

/* ---- Many keys ---- */

/* Room for the items of these keys, a list, which it takes; the keys are read. */
static bool take_keys(call *self, PyObject *keys, bool with_values) {
  if (keys == NULL) return false;
  size_t count = (size_t)PyList_GET_SIZE(keys);
  many *fresh = PyMem_Calloc(1, sizeof *fresh + count * sizeof *fresh->items);
  if (fresh == NULL) {
    Py_DECREF(keys);
    PyErr_NoMemory();
    return false;
  }
  fresh->keys = keys;
  fresh->count = count;
  self->many = fresh;
  self->op.items = fresh->items;
  self->op.count = count;
  for (size_t i = 0; i < count; i++)
    if (!read_text("key", PyList_GET_ITEM(keys, (Py_ssize_t)i), &fresh->items[i].key)) return false;
  if (!with_values) return true;
  fresh->encoded = PyMem_Calloc(count > 0 ? count : 1, sizeof *fresh->encoded);
  if (fresh->encoded == NULL) PyErr_NoMemory();
  return fresh->encoded != NULL;
}

static bool take_iterable(call *self, PyObject *keys) {
  if (PyUnicode_Check(keys) || PyBytes_Check(keys)) {
    PyErr_Format(PyExc_TypeError, "keys must be an iterable of str, not one %.100s",
                 Py_TYPE(keys)->tp_name);
    return false;
  }
  return take_keys(self, PySequence_List(keys), false);
}

static bool take_mapping(ext_state *state, config_object *config, call *self, PyObject *mapping,
                         int64_t ttl_ms) {
  if (!PyMapping_Check(mapping) || !PyObject_HasAttrString(mapping, "keys")) {
    PyErr_Format(PyExc_TypeError, "put_many() takes a mapping of keys to values, not %.100s",
                 Py_TYPE(mapping)->tp_name);
    return false;
  }
  PyObject *values = PyMapping_Values(mapping);
  bool fine = values != NULL && take_keys(self, PyMapping_Keys(mapping), true);
  for (size_t i = 0; fine && i < self->many->count; i++) {
    encoded_value *encoded = &self->many->encoded[i];
    if ((Py_ssize_t)i >= PyList_GET_SIZE(values)) {
      PyErr_SetString(PyExc_RuntimeError, "the mapping changed while put_many() read it");
      fine = false;
      break;
    }
    fine = encode(state, config, PyList_GET_ITEM(self->many->keys, (Py_ssize_t)i),
                  PyList_GET_ITEM(values, (Py_ssize_t)i), encoded);
    if (!fine) break;
    self->many->encoded_count = i + 1;
    self->many->items[i].value = encoded->slice;
    self->many->items[i].ttl_ms = ttl_ms;
  }
  Py_XDECREF(values);
  return fine;
}

static void drop_many(many *self) {
  if (self == NULL) return;
  for (size_t i = 0; i < self->encoded_count; i++) encoded_release(&self->encoded[i]);
  PyMem_Free(self->encoded);
  Py_XDECREF(self->keys);
  PyMem_Free(self);
}

/* ---- Making one ---- */

static const struct {
  enum cachette_verb verb;
  unsigned flags;
  bool writes;
} ops[] = {
    [CALL_FETCH] = {CACHETTE_FETCH, 0, false},
    [CALL_FETCH_WITH_TTL] = {CACHETTE_FETCH, CACHETTE_WITH_TTL, false},
    [CALL_PUT] = {CACHETTE_PUT, 0, true},
    [CALL_ADD] = {CACHETTE_PUT, CACHETTE_IF_ABSENT, true},
    [CALL_EXISTS] = {CACHETTE_EXISTS, 0, false},
    [CALL_TOUCH] = {CACHETTE_TOUCH, 0, false},
    [CALL_INCREMENT] = {CACHETTE_INCREMENT, 0, true},
    [CALL_CLEAR] = {CACHETTE_CLEAR, 0, true},
    [CALL_FLUSH] = {CACHETTE_FLUSH, 0, true},
    [CALL_FLUSH_EXPIRED] = {CACHETTE_FLUSH_EXPIRED, 0, false},
    [CALL_PING] = {CACHETTE_PING, 0, false},
    [CALL_FETCH_MANY] = {CACHETTE_FETCH, 0, false},
    [CALL_PUT_MANY] = {CACHETTE_PUT, 0, true},
    [CALL_CLEAR_MANY] = {CACHETTE_CLEAR, 0, true},
    [CALL_DELETE] = {CACHETTE_CLEAR, 0, true},
    [CALL_FETCH_AS] = {CACHETTE_FETCH, 0, false},
    [CALL_STORE] = {CACHETTE_PUT, 0, false},
};

bool call_writes(enum call_kind kind) { return ops[kind].writes; }

static bool take_given(ext_state *state, config_object *config, call *self,
                       PyObject *const *given) {
  int64_t *ttl_ms = &self->item.ttl_ms;
  switch (self->kind) {
    case CALL_FETCH:
    case CALL_FETCH_AS:
      self->fallback = Py_NewRef(given[1]);
      if (self->kind == CALL_FETCH_AS) self->returns = Py_NewRef(given[2]);
      return take_key(self, "key", given[0]);
    case CALL_FETCH_WITH_TTL:
      self->fallback = Py_NewRef(Py_None);
      return take_key(self, "key", given[0]);
    case CALL_EXISTS:
    case CALL_DELETE:
      return take_key(self, "key", given[0]);
    case CALL_PUT:
    case CALL_ADD:
      return take_key(self, "key", given[0]) && read_ttl(given[2], ttl_ms) &&
             take_value(state, config, self, given[1]);
    case CALL_TOUCH:
      return take_key(self, "key", given[0]) && read_ttl(given[1], ttl_ms);
    case CALL_INCREMENT:
      return take_key(self, "key", given[0]) && take_amount(self, given[1]) &&
             read_ttl(given[2], ttl_ms);
    case CALL_CLEAR:
      return take_cleared(self, given);
    case CALL_FETCH_MANY:
    case CALL_CLEAR_MANY:
      return take_iterable(self, given[0]);
    case CALL_STORE:
      return take_stored(state, config, self, given);
    case CALL_PUT_MANY:
      return read_ttl(given[1], ttl_ms) && take_mapping(state, config, self, given[0], *ttl_ms);
    default:
      self->op.count = 0;
      return true;
  }
}

bool call_make(ext_state *state, config_object *config, enum call_kind kind, PyObject *const *given,
               call *self) {
  self->kind = kind;
  self->error.code = CACHETTE_OK;
  self->item = (cachette_item){0};
  self->key = self->fallback = self->returns = NULL;
  self->encoded.owner = NULL;
  self->encoded.buffer.obj = NULL;
  self->many = NULL;
  self->lease = NULL;
  self->written = NULL;
  init_op(&self->op, ops[kind].verb, &self->item, 1);
  self->op.flags = ops[kind].flags;
  return take_given(state, config, self, given);
}

/* The op is done: its keys are being written no more. */
void call_end(call *self) {
  write_end(self);
  if (self->lease != NULL) lease_end_store(self->lease);
}

void call_drop(call *self) {
  call_end(self);
  Py_CLEAR(self->lease);
  encoded_release(&self->encoded);
  self->encoded.owner = NULL;
  self->encoded.buffer.obj = NULL;
  Py_CLEAR(self->key);
  Py_CLEAR(self->fallback);
  Py_CLEAR(self->returns);
  cachette_op_deinit(&self->op);
  self->op.count = 0;
  drop_many(self->many);
  self->many = NULL;
}

/* ---- What came back of one key ---- */

static PyObject *make_fetched(ext_state *state, config_object *config, call *self,
                              PyObject *bytes) {
  bool hit = self->item.status == CACHETTE_HIT;
  PyObject *value = hit ? decode(state, config, self->key, self->item.value, bytes, self->returns)
                        : Py_NewRef(self->fallback);
  if (self->kind == CALL_FETCH_WITH_TTL) return with_ttl(hit ? self->item.ttl_ms : -1, value);
  return value;
}

/* The code with which the op failed, or the first of its items; or CACHETTE_OK. */
static int find_status(const cachette_op *op) {
  int status = op->status;
  for (size_t i = 0; i < op->count && status == CACHETTE_OK; i++)
    if (op->items[i].status < 0) status = op->items[i].status;
  return status;
}

/* ---- What came back of many keys ---- */

/* Sets the exception of a key that failed. Of several that failed for their own reasons the library
 * tells only one, which may be another key's; then the message says no more than is true of all. */
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

/* Moves the exception that is set, if it is a CachetteError, into the dict of those that failed. */
static int keep_failure(ext_state *state, PyObject **failed, PyObject *key) {
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

/* Takes the results of the keys apart: values to `found`, errors to `*failed`. */
static int sort_items(ext_state *state, config_object *config, const call *self, PyObject *found,
                      PyObject **failed) {
  size_t failures = count_failures(&self->op);
  for (size_t i = 0; i < self->op.count; i++) {
    const cachette_item *item = &self->op.items[i];
    PyObject *key = PyList_GET_ITEM(self->many->keys, (Py_ssize_t)i), *value = NULL;
    if (self->op.status < 0 || item->status < 0)
      raise_item(state, self, i, failures);
    else if (self->kind != CALL_FETCH_MANY || item->status != CACHETTE_HIT)
      continue;
    else
      value = decode(state, config, key, item->value, NULL, NULL);
    int code = value != NULL ? PyDict_SetItem(found, key, value) : keep_failure(state, failed, key);
    Py_XDECREF(value);
    if (code < 0) return -1;
  }
  return 0;
}

/* The error that stands for all: the reason that the library tells, or else that of the codec. */
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

/* Its message, and how to learn of the other keys; a new reference. */
static PyObject *describe_failed(const call *self, PyObject *chosen, PyObject *failed) {
  bool same = self->op.status < 0 || self->op.count == 1; /* for all of them */
  if (same) return PyObject_Str(chosen);
  const char *others =
      self->kind == CALL_FETCH_MANY ? ", its `found` the values of the others" : "";
  return PyUnicode_FromFormat("%S %zd of %zu keys failed: `failed` of this error has each error%s.",
                              chosen, PyDict_GET_SIZE(failed), self->op.count, others);
}

/* Raises it, with the results of all keys. */
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

static PyObject *make_many(ext_state *state, config_object *config, const call *self) {
  if (self->op.status == CACHETTE_EINVAL) {
    raise_error(state, CACHETTE_EINVAL, &self->error);
    return NULL;
  }
  PyObject *found = PyDict_New(), *failed = NULL, *result = NULL;
  if (found != NULL && sort_items(state, config, self, found, &failed) == 0) {
    if (failed != NULL)
      raise_failed(state, self, found, failed);
    else if (self->kind == CALL_FETCH_MANY)
      result = Py_NewRef(found);
    else
      result =
          self->kind == CALL_PUT_MANY ? Py_NewRef(Py_None) : PyLong_FromLongLong(self->op.number);
  }
  Py_XDECREF(found);
  Py_XDECREF(failed);
  return result;
}

PyObject *call_result(ext_state *state, config_object *config, call *self, PyObject *bytes) {
  if (self->many != NULL) return make_many(state, config, self);
  int status = find_status(&self->op);
  if (status < 0) {
    if (!PyErr_Occurred()) raise_error(state, status, &self->error);
    return NULL;
  }
  switch (self->kind) {
    case CALL_FETCH:
    case CALL_FETCH_AS:
    case CALL_FETCH_WITH_TTL:
      return make_fetched(state, config, self, bytes);
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
