/* SPDX-License-Identifier: MIT */
/* Arguments are read in two steps: signature.c binds them to parameters, this file converts them.
 */
#include "call.h"

#include "arguments.h"

/* ---- One key ---- */

/* Sets fields one by one: compilers zero the whole struct by `rep stos`, a tenth of the time of a
 * fetch. */
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

static bool set_key(call *self, const char *what, PyObject *key) {
  if (!read_text(what, key, &self->item.key)) return false;
  self->key = Py_NewRef(key);
  return true;
}

static bool set_value(ext_state *state, config_object *config, call *self, PyObject *value) {
  if (!encode(state, config, self->key, value, &self->encoded)) {
    self->encoded = (encoded_value){.owner = NULL}; /* encode() released it already */
    return false;
  }
  self->item.value = self->encoded.slice;
  return true;
}

/* Sets the value to a result of Config.encode(): bytes, or a str for "vanilla". */
static bool set_data(call *self, PyObject *data) {
  if (PyUnicode_Check(data)) {
    if (!read_text("data", data, &self->item.value)) return false;
  } else if (PyBytes_Check(data)) {
    self->item.value = bytes_slice(data);
  } else {
    PyErr_SetString(PyExc_TypeError, "data must be what encode() gave");
    return false;
  }
  self->encoded.owner = Py_NewRef(data);
  return true;
}

/* store(lease, data, ttl). If the lease has ended, the op has no items and does nothing. */
static bool set_store_arguments(ext_state *state, const config_object *config, call *self,
                                PyObject *const *arguments) {
  if (!Py_IS_TYPE(arguments[0], state->lease_type)) {
    PyErr_SetString(PyExc_TypeError, "store() takes a Lease");
    return false;
  }
  if (!set_data(self, arguments[1]) || !read_ttl(arguments[2], &self->item.ttl_ms)) return false;
  self->lease = (lease *)Py_NewRef(arguments[0]);
  self->item.key = lease_key(self->lease, &self->key);
  Py_INCREF(self->key);
  self->op.count = lease_begin_store(self->lease, config);
  return true;
}

static bool set_amount(call *self, PyObject *amount) {
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

/* clear(namespace, key). With neither of them the op has no items and does nothing. */
static bool set_clear_arguments(call *self, PyObject *const *arguments) {
  self->op.count = arguments[0] != Py_None || arguments[1] != Py_None;
  if (arguments[0] == Py_None) return arguments[1] == Py_None || set_key(self, "key", arguments[1]);
  self->op.verb = CACHETTE_CLEAR_NAMESPACE;
  return set_key(self, "namespace", arguments[0]);
}

/* ---- Many keys ---- */

/* Creates an item for each key of a list, and reads the keys. Steals the reference to the list. */
static bool set_keys(call *self, PyObject *keys, bool with_values) {
  if (keys == NULL) return false;
  size_t count = (size_t)PyList_GET_SIZE(keys);
  many *created = PyMem_Calloc(1, sizeof *created + count * sizeof *created->items);
  if (created == NULL) {
    Py_DECREF(keys);
    PyErr_NoMemory();
    return false;
  }
  created->keys = keys;
  created->count = count;
  self->many = created;
  self->op.items = created->items;
  self->op.count = count;
  for (size_t i = 0; i < count; i++)
    if (!read_text("key", PyList_GET_ITEM(keys, (Py_ssize_t)i), &created->items[i].key))
      return false;
  if (!with_values) return true;
  created->encoded = PyMem_Calloc(count > 0 ? count : 1, sizeof *created->encoded);
  if (created->encoded == NULL) PyErr_NoMemory();
  return created->encoded != NULL;
}

static bool set_iterable(call *self, PyObject *keys) {
  if (PyUnicode_Check(keys) || PyBytes_Check(keys)) {
    PyErr_Format(PyExc_TypeError, "keys must be an iterable of str, not one %.100s",
                 Py_TYPE(keys)->tp_name);
    return false;
  }
  return set_keys(self, PySequence_List(keys), false);
}

static bool set_mapping(ext_state *state, config_object *config, call *self, PyObject *mapping,
                        int64_t ttl_ms) {
  if (!PyMapping_Check(mapping) || !PyObject_HasAttrString(mapping, "keys")) {
    PyErr_Format(PyExc_TypeError, "put_many() takes a mapping of keys to values, not %.100s",
                 Py_TYPE(mapping)->tp_name);
    return false;
  }
  PyObject *values = PyMapping_Values(mapping);
  bool ok = values != NULL && set_keys(self, PyMapping_Keys(mapping), true);
  for (size_t i = 0; ok && i < self->many->count; i++) {
    encoded_value *encoded = &self->many->encoded[i];
    if ((Py_ssize_t)i >= PyList_GET_SIZE(values)) {
      PyErr_SetString(PyExc_RuntimeError, "the mapping changed while put_many() read it");
      ok = false;
      break;
    }
    ok = encode(state, config, PyList_GET_ITEM(self->many->keys, (Py_ssize_t)i),
                PyList_GET_ITEM(values, (Py_ssize_t)i), encoded);
    if (!ok) break;
    self->many->encoded_count = i + 1;
    self->many->items[i].value = encoded->slice;
    self->many->items[i].ttl_ms = ttl_ms;
  }
  Py_XDECREF(values);
  return ok;
}

static void free_many(many *self) {
  if (self == NULL) return;
  for (size_t i = 0; i < self->encoded_count; i++) encoded_release(&self->encoded[i]);
  PyMem_Free(self->encoded);
  Py_XDECREF(self->keys);
  PyMem_Free(self);
}

/* ---- The request ---- */

/* An op without items does nothing, so the library does not check its keys. */
static bool check_keys(const call *self) {
  cachette_slice text;
  if (self->many == NULL) return read_key(self->key, &text);
  for (size_t i = 0; i < self->many->count; i++)
    if (!read_key(PyList_GET_ITEM(self->many->keys, (Py_ssize_t)i), &text)) return false;
  return true;
}

static bool obey_in_fetch(call *self) {
  if (control_wants_ttl(self->control)) self->op.flags |= CACHETTE_WITH_TTL;
  if (!control_refuses(self->control)) return true;
  self->op.count = 0;
  return check_keys(self);
}

/* A put that is not stored removes the old value: the application would replace it, so it may be
 * wrong by now. */
static void obey_in_put(call *self) {
  if (!self->control->asked.no_store) return;
  if (self->kind == CALL_PUT || self->kind == CALL_PUT_MANY) self->op.verb = CACHETTE_CLEAR;
  if (self->kind == CALL_STORE) self->op.count = 0;
}

/* Changes the op of a call to what the request asks for. Calls that are for more than caching, such
 * as add() and increment(), stay as they are. Returns false with an exception set. */
static bool obey(ext_state *state, config_object *config, call *self) {
  enum cachette_verb verb = self->op.verb;
  if (verb == CACHETTE_TOUCH) config->touched = true;
  if ((verb == CACHETTE_PUT || verb == CACHETTE_INCREMENT) && self->op.count > 0)
    control_note_ttl(config, self->op.items[0].ttl_ms);
  self->control = control_current(state);
  if (self->control == NULL) return !PyErr_Occurred();
  if (verb == CACHETTE_FETCH) return obey_in_fetch(self);
  obey_in_put(self);
  return true;
}

/* ---- Life cycle ---- */

/* The op of each call, and whether it may change the value of its keys. */
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

/* Reads the arguments into the op. Returns false with an exception set. */
static bool set_arguments(ext_state *state, config_object *config, call *self,
                          PyObject *const *arguments) {
  int64_t *ttl_ms = &self->item.ttl_ms;
  switch (self->kind) {
    case CALL_FETCH:
    case CALL_FETCH_AS:
      self->fallback = Py_NewRef(arguments[1]);
      if (self->kind == CALL_FETCH) return set_key(self, "key", arguments[0]);
      self->returns = Py_NewRef(arguments[2]);
      return set_key(self, "key", arguments[0]) &&
             (!config->obeys || read_ttl(arguments[3], &self->put_ttl_ms));
    case CALL_FETCH_WITH_TTL:
      self->fallback = Py_NewRef(Py_None);
      return set_key(self, "key", arguments[0]);
    case CALL_EXISTS:
    case CALL_DELETE:
      return set_key(self, "key", arguments[0]);
    case CALL_PUT:
    case CALL_ADD:
      return set_key(self, "key", arguments[0]) && read_ttl(arguments[2], ttl_ms) &&
             set_value(state, config, self, arguments[1]);
    case CALL_TOUCH:
      return set_key(self, "key", arguments[0]) && read_ttl(arguments[1], ttl_ms);
    case CALL_INCREMENT:
      return set_key(self, "key", arguments[0]) && set_amount(self, arguments[1]) &&
             read_ttl(arguments[2], ttl_ms);
    case CALL_CLEAR:
      return set_clear_arguments(self, arguments);
    case CALL_FETCH_MANY:
    case CALL_CLEAR_MANY:
      return set_iterable(self, arguments[0]);
    case CALL_STORE:
      return set_store_arguments(state, config, self, arguments);
    case CALL_PUT_MANY:
      return read_ttl(arguments[1], ttl_ms) &&
             set_mapping(state, config, self, arguments[0], *ttl_ms);
    default:
      self->op.count = 0;
      return true;
  }
}

bool call_init(ext_state *state, config_object *config, enum call_kind kind,
               PyObject *const *arguments, call *self) {
  self->kind = kind;
  self->writes = ops[kind].writes;
  self->error.code = CACHETTE_OK;
  self->item = (cachette_item){0};
  self->key = self->fallback = self->returns = NULL;
  self->encoded.owner = NULL;
  self->encoded.buffer.obj = NULL;
  self->many = NULL;
  self->lease = NULL;
  self->control = NULL;
  self->put_ttl_ms = -1;
  self->write.config = NULL;
  init_op(&self->op, ops[kind].verb, &self->item, 1);
  self->op.flags = ops[kind].flags;
  if (ops[kind].verb == CACHETTE_FETCH) self->op.timeout_ms = config->fetch_timeout_ms;
  if (!set_arguments(state, config, self, arguments)) return false;
  return !config->obeys || obey(state, config, self);
}

PyObject *call_begin(config_object *config, call *self) {
  if (!self->writes) return NULL;
  write_begin(config, &self->write, &self->op);
  return write_blockers(config, &self->op);
}

void call_end(call *self) {
  write_end(&self->write);
  if (self->lease != NULL) lease_end_store(self->lease);
}

void call_deinit(call *self) {
  call_end(self);
  Py_CLEAR(self->lease);
  encoded_release(&self->encoded);
  self->encoded.owner = NULL;
  self->encoded.buffer.obj = NULL;
  Py_CLEAR(self->key);
  Py_CLEAR(self->fallback);
  Py_CLEAR(self->returns);
  Py_CLEAR(self->control);
  cachette_op_deinit(&self->op);
  self->op.count = 0;
  free_many(self->many);
  self->many = NULL;
}
