/* SPDX-License-Identifier: MIT */
/*
 * The base of `Cachette`: each call becomes an op, runs it, and gives an awaitable of what came
 * back. Whatever goes wrong in the op is raised when that awaitable is awaited, as it is with a
 * coroutine.
 */
#include "ext.h"

/* ---- Which configuration ---------------------------------------------------------- */

static void forget_config(ext_state *state) {
  Py_CLEAR(state->known_class);
  Py_CLEAR(state->known_config);
}

PyObject *cache_configure(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyModule_GetState(module);
  if (count != 2 || !PyType_Check(args[0]) || !Py_IS_TYPE(args[1], state->config_type)) {
    PyErr_SetString(PyExc_TypeError, "configure() takes a class and a Config");
    return NULL;
  }
  if (PyObject_SetAttr(args[0], state->str_config, args[1]) < 0) return NULL;
  forget_config(state);
  Py_RETURN_NONE;
}

/* The configuration of a class, its own or inherited; a new reference. */
static config_object *find_config(ext_state *state, PyTypeObject *type) {
  if (state->known_class != type) {
    PyObject *found = PyObject_GetAttr((PyObject *)type, state->str_config);
    if (found == NULL) return NULL;
    if (!Py_IS_TYPE(found, state->config_type)) {
      PyErr_Format(PyExc_TypeError, "%.100s._config is not a Config", type->tp_name);
      Py_DECREF(found);
      return NULL;
    }
    forget_config(state);
    state->known_class = (PyTypeObject *)Py_NewRef((PyObject *)type);
    state->known_config = (config_object *)found;
  }
  Py_INCREF(state->known_config);
  return state->known_config;
}

/* ---- Arguments ----------------------------------------------------------------------- */

/* Sorts positional and named arguments into `given`, whose defaults stand in it. */
static bool parse(const char *function, PyObject *const *names, Py_ssize_t most, Py_ssize_t least,
                  PyObject *const *args, Py_ssize_t count, PyObject *keywords, PyObject **given) {
  if (count > most) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)", function, most,
                 count);
    return false;
  }
  for (Py_ssize_t i = 0; i < count; i++) given[i] = args[i];
  Py_ssize_t keyword_count = keywords != NULL ? PyTuple_GET_SIZE(keywords) : 0;
  for (Py_ssize_t i = 0; i < keyword_count; i++) {
    PyObject *keyword = PyTuple_GET_ITEM(keywords, i);
    Py_ssize_t place = 0;
    while (place < most && PyUnicode_Compare(names[place], keyword) != 0) place++;
    if (place == most || place < count) {
      PyErr_Format(PyExc_TypeError, "%s() got %s argument '%U'", function,
                   place == most ? "an unexpected keyword" : "multiple values for", keyword);
      return false;
    }
    given[place] = args[count + i];
  }
  for (Py_ssize_t i = 0; i < least; i++) {
    if (given[i] != NULL) continue;
    PyErr_Format(PyExc_TypeError, "%s() missing required argument '%U'", function, names[i]);
    return false;
  }
  return true;
}

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

/* ---- Fetch -------------------------------------------------------------------------------- */

/* A fetch of one key. Small values come to `buffer`, larger ones to a bytes object. */
typedef struct fetch_op {
  cachette_op op;
  cachette_item item;
  PyObject *bytes;
  char buffer[2048];
} fetch_op;

static void *fetch_alloc(cachette_op *op, cachette_item *item, size_t size) {
  fetch_op *self = op->data;
  (void)item;
  Py_XDECREF(self->bytes);
  self->bytes = size <= PY_SSIZE_T_MAX ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size) : NULL;
  return self->bytes != NULL ? PyBytes_AS_STRING(self->bytes) : NULL;
}

static PyObject *fetch(ext_state *state, config_object *config, PyObject *key, PyObject *fallback,
                       unsigned flags) {
  fetch_op self;
  self.bytes = NULL;
  self.item = (cachette_item){.buffer = self.buffer, .buffer_size = sizeof self.buffer};
  if (!read_text("key", key, &self.item.key)) return NULL;
  init_op(&self.op, CACHETTE_FETCH, &self.item, 1);
  self.op.flags = flags;
  self.op.alloc = fetch_alloc;
  self.op.data = &self;

  PyObject *result = NULL;
  bool hit = false;
  if (config_run(config, state, &self.op) == 0) {
    hit = self.item.status == CACHETTE_HIT;
    result = hit ? decode(state, config, key, self.item.value, self.bytes) : Py_NewRef(fallback);
  }
  Py_XDECREF(self.bytes);
  if (flags & CACHETTE_WITH_TTL) return with_ttl(hit ? self.item.ttl_ms : -1, result);
  return result;
}

/* ---- The calls --------------------------------------------------------------------------------
 */

#define CALL_PARAMETERS                                                                  \
  PyObject *self, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, \
      PyObject *keywords

static PyObject *call_fetch(ext_state *state, PyTypeObject *type, PyObject *key, PyObject *fallback,
                            unsigned flags) {
  config_object *config = find_config(state, type);
  if (config == NULL) return NULL;
  int waits = config_waits(config, state);
  PyObject *awaitable = waits > 0    ? pending_fetch(state, config, key, fallback, flags)
                        : waits == 0 ? ready_new(state, fetch(state, config, key, fallback, flags))
                                     : ready_new(state, NULL);
  Py_DECREF(config);
  return awaitable;
}

static PyObject *cache_fetch(CALL_PARAMETERS) {
  ext_state *state = PyType_GetModuleState(defining_class);
  PyObject *const names[] = {state->str_key, state->str_default};
  PyObject *given[] = {NULL, Py_None};
  if (!parse("fetch", names, 2, 1, args, count, keywords, given)) return NULL;
  return call_fetch(state, Py_TYPE(self), given[0], given[1], 0);
}

static PyObject *cache_fetch_with_ttl(CALL_PARAMETERS) {
  ext_state *state = PyType_GetModuleState(defining_class);
  PyObject *const names[] = {state->str_key};
  PyObject *given[] = {NULL};
  if (!parse("fetch_with_ttl", names, 1, 1, args, count, keywords, given)) return NULL;
  return call_fetch(state, Py_TYPE(self), given[0], Py_None, CACHETTE_WITH_TTL);
}

static PyObject *put(ext_state *state, config_object *config, PyObject *key, PyObject *value,
                     PyObject *ttl) {
  cachette_item item = {0};
  encoded_value encoded;
  if (!read_text("key", key, &item.key) || !read_ttl(ttl, &item.ttl_ms) ||
      !encode(state, config, key, value, &encoded))
    return NULL;
  item.value = encoded.slice;
  cachette_op op;
  init_op(&op, CACHETTE_PUT, &item, 1);
  int code = config_run(config, state, &op);
  encoded_release(&encoded);
  return code == 0 ? Py_NewRef(Py_None) : NULL;
}

static PyObject *cache_put(CALL_PARAMETERS) {
  ext_state *state = PyType_GetModuleState(defining_class);
  PyObject *const names[] = {state->str_key, state->str_value, state->str_ttl};
  PyObject *given[] = {NULL, NULL, Py_None};
  if (!parse("put", names, 3, 2, args, count, keywords, given)) return NULL;
  config_object *config = find_config(state, Py_TYPE(self));
  if (config == NULL) return NULL;
  int waits = config_waits(config, state);
  PyObject *awaitable = waits > 0 ? pending_put(state, config, given[0], given[1], given[2])
                        : waits == 0
                            ? ready_new(state, put(state, config, given[0], given[1], given[2]))
                            : ready_new(state, NULL);
  Py_DECREF(config);
  return awaitable;
}

/* Runs an op that removes entries and gives how many went. `name` is a key or namespace, or NULL.
 */
static PyObject *clear(ext_state *state, PyTypeObject *type, enum cachette_verb verb,
                       const char *what, PyObject *name) {
  config_object *config = find_config(state, type);
  if (config == NULL) return NULL;
  int waits = config_waits(config, state);
  if (waits != 0) {
    PyObject *awaitable =
        waits > 0 ? pending_clear(state, config, verb, what, name) : ready_new(state, NULL);
    Py_DECREF(config);
    return awaitable;
  }
  cachette_item item = {0};
  cachette_op op;
  init_op(&op, verb, &item, name != NULL);
  PyObject *result = NULL;
  if ((name == NULL || read_text(what, name, &item.key)) && config_run(config, state, &op) == 0)
    result = PyLong_FromLongLong(op.number);
  Py_DECREF(config);
  return ready_new(state, result);
}

static PyObject *cache_clear(CALL_PARAMETERS) {
  ext_state *state = PyType_GetModuleState(defining_class);
  PyObject *const names[] = {state->str_namespace, state->str_key};
  PyObject *given[] = {Py_None, Py_None};
  if (!parse("clear", names, 2, 0, args, count, keywords, given)) return NULL;
  if (given[0] != Py_None)
    return clear(state, Py_TYPE(self), CACHETTE_CLEAR_NAMESPACE, "namespace", given[0]);
  if (given[1] != Py_None) return clear(state, Py_TYPE(self), CACHETTE_CLEAR, "key", given[1]);
  return ready_new(state, PyLong_FromLong(0));
}

static PyObject *cache_flush(CALL_PARAMETERS) {
  ext_state *state = PyType_GetModuleState(defining_class);
  if (!parse("flush", NULL, 0, 0, args, count, keywords, NULL)) return NULL;
  return clear(state, Py_TYPE(self), CACHETTE_FLUSH, NULL, NULL);
}

static PyObject *cache_flush_expired(CALL_PARAMETERS) {
  ext_state *state = PyType_GetModuleState(defining_class);
  if (!parse("flush_expired", NULL, 0, 0, args, count, keywords, NULL)) return NULL;
  return clear(state, Py_TYPE(self), CACHETTE_FLUSH_EXPIRED, NULL, NULL);
}

/* ---- The type
 * ------------------------------------------------------------------------------------ */

/* `await Cachette()` is that Cachette: frameworks may await what they inject. */
static PyObject *cache_await(CALL_PARAMETERS) {
  ext_state *state = PyType_GetModuleState(defining_class);
  if (!parse("__await__", NULL, 0, 0, args, count, keywords, NULL)) return NULL;
  return ready_new(state, Py_NewRef(self));
}

static PyObject *cache_repr(PyObject *self) {
  PyObject *config = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "_config");
  if (config == NULL) return NULL;
  PyObject *backend = PyObject_CallMethod(config, "get", "s", "backend");
  PyObject *codec = PyObject_CallMethod(config, "get", "s", "codec");
  PyObject *ttl = PyObject_CallMethod(config, "get", "s", "ttl");
  PyObject *text = NULL;
  if (backend != NULL && codec != NULL && ttl != NULL)
    text = PyUnicode_FromFormat("<%s backend=%R codec=%R ttl=%S>", Py_TYPE(self)->tp_name, backend,
                                codec, ttl);
  Py_DECREF(config);
  Py_XDECREF(backend);
  Py_XDECREF(codec);
  Py_XDECREF(ttl);
  return text;
}

#define METHOD(name, signature, doc)                                                               \
  {                                                                                                \
#name, (PyCFunction)(void (*)(void))cache_##name, METH_METHOD | METH_FASTCALL | METH_KEYWORDS, \
        #name signature "\n--\n\n" doc                                                             \
  }

static PyMethodDef cache_methods[] = {
    METHOD(fetch, "($self, key, default=None)",
           "The value of a key, or `default` if there is none.\n\n"
           "key: str of 1 to 65,536 bytes of UTF-8.\n\n"
           "Raises ValueError, CodecError (the bytes are not of this codec) or BackendError."),
    METHOD(fetch_with_ttl, "($self, key)",
           "`(seconds left, rounded up; value)`, or `(-1, None)` if there is none.\n\n"
           "key: str of 1 to 65,536 bytes of UTF-8.\n\n"
           "Raises ValueError, CodecError or BackendError."),
    METHOD(put, "($self, key, value, ttl=None)",
           "Puts a value, replacing what stood under the key.\n\n"
           "key: str of 1 to 65,536 bytes of UTF-8. value: what the codec takes.\n"
           "ttl: positive number of seconds, int or float; None takes the configured one.\n\n"
           "Raises ValueError, CodecError or BackendError (the value is too large, say)."),
    METHOD(clear, "($self, namespace=None, key=None)",
           "Clears one key, or all keys that begin with `namespace` and a colon.\n\n"
           "Gives how many entries went. If both are given, the namespace is cleared.\n\n"
           "Raises ValueError or BackendError."),
    METHOD(flush, "($self)", "Clears all entries. Gives how many went.\n\nRaises BackendError."),
    METHOD(flush_expired, "($self)",
           "Clears entries whose time is over and that are still held. Gives how many went.\n\n"
           "They are never fetched, cleared or not; this returns their memory.\n\n"
           "Raises BackendError."),
    {"__await__", (PyCFunction)(void (*)(void))cache_await,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "__await__($self)\n--\n\nGives the cache itself."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot cache_slots[] = {
    {Py_tp_doc, (char *)"The calls of a cache; `Cachette` adds the configuration."},
    {Py_tp_methods, cache_methods},
    {Py_tp_repr, cache_repr},
    {0, NULL},
};

PyType_Spec cache_spec = {
    .name = "cachette._cachette.Cache",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = cache_slots,
};
