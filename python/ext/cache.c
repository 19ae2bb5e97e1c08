/* SPDX-License-Identifier: MIT */
/*
 * The base of `Cachette`: each call becomes an op, runs it, and gives an awaitable of what came
 * back. A wrong argument is an error of the call, as it is with a coroutine function; whatever goes
 * wrong in the op is raised when the awaitable is awaited.
 */
#include <string.h>

#include "ext.h"

/* ---- Which configuration ---- */

static void forget_config(ext_state *state) {
  Py_CLEAR(state->known_class);
  Py_CLEAR(state->known_config);
}

PyObject *cache_configure(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyModule_GetState(module);
  bool inherits = count == 2 && args[1] == Py_None;
  if (count != 2 || !PyType_Check(args[0]) ||
      !(inherits || Py_IS_TYPE(args[1], state->config_type))) {
    PyErr_SetString(PyExc_TypeError, "configure() takes a class and a Config or None");
    return NULL;
  }
  if (PyObject_SetAttr(args[0], state->str_config, inherits ? NULL : args[1]) < 0) return NULL;
  forget_config(state);
  Py_RETURN_NONE;
}

config_object *cache_config(ext_state *state, PyTypeObject *type) {
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

/* The configuration of the class that is a function's argument; a new reference. */
config_object *cache_config_of(ext_state *state, const char *function, PyObject *type) {
  if (PyType_Check(type)) return cache_config(state, (PyTypeObject *)type);
  PyErr_Format(PyExc_TypeError, "%s() takes a class", function);
  return NULL;
}

PyObject *cache_stats(PyObject *module, PyObject *type) {
  ext_state *state = PyModule_GetState(module);
  config_object *config = cache_config_of(state, "stats", type);
  if (config == NULL) return NULL;
  PyObject *stats = stats_of_config(state, config);
  Py_DECREF(config);
  return stats;
}

PyObject *cache_close(PyObject *module, PyObject *type) {
  ext_state *state = PyModule_GetState(module);
  config_object *config = cache_config_of(state, "close", type);
  if (config == NULL) return NULL;
  int code = host_release(state, config);
  Py_DECREF(config);
  if (code < 0) return NULL;
  Py_RETURN_NONE;
}

/* ---- Fetch ---- */

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
                       unsigned flags, PyObject *returns, bool *refused) {
  fetch_op self;
  self.bytes = NULL;
  self.item = (cachette_item){.buffer = self.buffer, .buffer_size = sizeof self.buffer};
  *refused = !read_text("key", key, &self.item.key);
  if (*refused) return NULL;
  init_op(&self.op, CACHETTE_FETCH, &self.item, 1);
  self.op.flags = flags;
  self.op.alloc = fetch_alloc;
  self.op.data = &self;

  PyObject *result = NULL;
  bool hit = false;
  int code = config_run(config, state, &self.op);
  if (code == 0) {
    hit = self.item.status == CACHETTE_HIT;
    result = hit ? decode(state, config, key, self.item.value, self.bytes, returns)
                 : Py_NewRef(fallback);
  }
  *refused = code == CONFIG_REFUSED;
  Py_XDECREF(self.bytes);
  if (flags & CACHETTE_WITH_TTL) return with_ttl(hit ? self.item.ttl_ms : -1, result);
  return result;
}

/* ---- The calls ---- */

/* A put of one key, whose op needs no room for what comes back. */
static PyObject *put(ext_state *state, config_object *config, PyObject *key, PyObject *value,
                     PyObject *ttl, bool *refused) {
  cachette_item item = {0};
  encoded_value encoded;
  *refused = !read_text("key", key, &item.key) || !read_ttl(ttl, &item.ttl_ms);
  if (*refused || !encode(state, config, key, value, &encoded)) return NULL;
  item.value = encoded.slice;
  if (config->lease_count > 0) lease_end_key(config, item.key);
  cachette_op op;
  init_op(&op, CACHETTE_PUT, &item, 1);
  int code = config_run(config, state, &op);
  *refused = code == CONFIG_REFUSED;
  encoded_release(&encoded);
  return code == 0 ? Py_NewRef(Py_None) : NULL;
}

/* Any other call. */
static PyObject *carry_out_made(ext_state *state, config_object *config, enum call_kind kind,
                                PyObject *const *given, bool *refused) {
  call made;
  PyObject *result = NULL;
  if (!call_make(state, config, kind, given, &made)) {
    *refused = !PyErr_ExceptionMatches(state->cachette_error);
  } else {
    made.op.error = &made.error;
    write_note(config, &made);
    if (config_submit(config, state, &made.op) == 0)
      result = call_result(state, config, &made, NULL);
    *refused = made.op.status == CACHETTE_EINVAL;
  }
  call_drop(&made);
  return result;
}

PyObject *cache_carry_out(ext_state *state, config_object *config, enum call_kind kind,
                          PyObject *const *given, bool *refused) {
  if (kind == CALL_FETCH) return fetch(state, config, given[0], given[1], 0, NULL, refused);
  if (kind == CALL_FETCH_AS) return fetch(state, config, given[0], given[1], 0, given[2], refused);
  if (kind == CALL_FETCH_WITH_TTL)
    return fetch(state, config, given[0], Py_None, CACHETTE_WITH_TTL, NULL, refused);
  if (kind == CALL_PUT) return put(state, config, given[0], given[1], given[2], refused);
  return carry_out_made(state, config, kind, given, refused);
}

/* ---- Get or set ---- */

int cache_find_flights(ext_state *state) {
  const struct {
    PyObject **place;
    const char *name;
  } wanted[] = {
      {&state->missing, "MISSING"},       {&state->get_or_set, "get_or_set"},
      {&state->behind, "behind"},         {&state->behind_now, "behind_now"},
      {&state->returns_of, "returns_of"}, {&state->missed, "missed"}, /* the last */
  };
  if (state->missed != NULL) return 0;
  PyObject *flights = PyImport_ImportModule("cachette._flights");
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted && flights != NULL; i++) {
    PyObject *found = PyObject_GetAttrString(flights, wanted[i].name);
    Py_XSETREF(*wanted[i].place, found);
    if (found == NULL) break;
  }
  Py_XDECREF(flights);
  return state->missed != NULL ? 0 : -1;
}

/* The error of a fetch that the call goes on without, a new reference; None if there was none; NULL
 * if the exception that is set has to be raised. */
static PyObject *take_error(ext_state *state) {
  if (!PyErr_Occurred()) return Py_NewRef(Py_None);
  if (!PyErr_ExceptionMatches(state->cachette_error)) return NULL;
  return take_exception();
}

/* A hit is given at once where the backend can; all else is a coroutine of cachette._flights. */
static PyObject *get_or_set(ext_state *state, config_object *config, PyObject *self,
                            PyObject *const *given, PyObject *returns) {
  PyObject *key = given[0], *factory = given[1], *ttl = given[2];
  int waits = config_waits(config, state);
  if (waits < 0) return ready_fail(state, CALL_GET_OR_SET);
  if (waits > 0)
    return PyObject_CallFunctionObjArgs(state->get_or_set, self, key, factory, ttl, returns, NULL);
  bool refused;
  PyObject *value = fetch(state, config, key, state->missing, 0, returns, &refused);
  if (refused) return NULL;
  if (value != NULL && value != state->missing) return ready_new(state, CALL_GET_OR_SET, value);
  Py_XDECREF(value);
  PyObject *error = take_error(state);
  if (error == NULL) return NULL;
  PyObject *coroutine =
      PyObject_CallFunctionObjArgs(state->missed, self, key, factory, ttl, returns, error, NULL);
  Py_DECREF(error);
  return coroutine;
}

/* The Returns of what was given as `returns`, or None; a new reference. */
static PyObject *find_returns(ext_state *state, PyObject *given) {
  if (given == Py_None) return Py_NewRef(given);
  return PyObject_CallFunctionObjArgs(state->returns_of, given, NULL);
}

static PyObject *make_get_or_set(ext_state *state, config_object *config, PyObject *self,
                                 PyObject *const *given) {
  cachette_slice text;
  int64_t ttl_ms;
  if (cache_find_flights(state) < 0 || !read_key(given[0], &text) || !read_ttl(given[2], &ttl_ms))
    return NULL;
  PyObject *returns = find_returns(state, given[3]);
  PyObject *made = returns != NULL ? get_or_set(state, config, self, given, returns) : NULL;
  Py_XDECREF(returns);
  return made;
}

/* ---- Any call ---- */

static PyObject *make_call(ext_state *state, config_object *config, enum call_kind kind,
                           PyObject *const *given) {
  int waits = config_waits(config, state);
  if (waits > 0) return pending_call(state, config, kind, given);
  if (waits < 0) return ready_fail(state, kind);
  bool refused;
  PyObject *result = cache_carry_out(state, config, kind, given, &refused);
  return refused ? NULL : ready_new(state, kind, result);
}

PyObject *cache_call(ext_state *state, PyObject *self, enum call_kind kind,
                     PyObject *const *given) {
  config_object *config = cache_config(state, Py_TYPE(self));
  if (config == NULL) return NULL;
  PyObject *made = kind == CALL_GET_OR_SET ? make_get_or_set(state, config, self, given)
                                           : make_call(state, config, kind, given);
  Py_DECREF(config);
  return made;
}

/* A call of flights, which is a function of the module: the class, and three arguments. */
static PyObject *make_call_of(PyObject *module, const char *name, enum call_kind kind,
                              PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyModule_GetState(module);
  config_object *config = count == 4 ? cache_config_of(state, name, args[0]) : NULL;
  if (count != 4) PyErr_Format(PyExc_TypeError, "%s() takes 4 arguments", name);
  if (config == NULL) return NULL;
  PyObject *made = make_call(state, config, kind, args + 1);
  Py_DECREF(config);
  return made;
}

PyObject *cache_fetch_as(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  return make_call_of(module, "fetch_as", CALL_FETCH_AS, args, count);
}

PyObject *cache_store(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  return make_call_of(module, "store", CALL_STORE, args, count);
}

/* ---- The type ---- */

/* `await Cachette()` is that Cachette: frameworks may await what they inject. */
static PyObject *cache_await(PyObject *self, PyTypeObject *defining_class, PyObject *const *args,
                             Py_ssize_t count, PyObject *keywords) {
  ext_state *state = PyType_GetModuleState(defining_class);
  (void)args;
  if (count != 0 || keywords != NULL) {
    PyErr_SetString(PyExc_TypeError, "__await__() takes no arguments");
    return NULL;
  }
  return ready_new(state, CALL_KINDS, Py_NewRef(self)); /* nobody forgets to await this one */
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

/* Somebody gave options to the class. Their values are not named, for they may be secret. */
static PyObject *refuse_arguments(const PyTypeObject *type, PyObject *keywords) {
  bool named = keywords != NULL && PyTuple_GET_SIZE(keywords) > 0;
  PyObject *what = named
                       ? PyUnicode_FromFormat("the option \"%U\" is", PyTuple_GET_ITEM(keywords, 0))
                       : PyUnicode_FromString("options are");
  if (what == NULL) return NULL;
  PyErr_Format(PyExc_TypeError,
               "%s() takes no arguments: %U given by %s.load_config, once, at start-up",
               type->tp_name, what, type->tp_name);
  Py_DECREF(what);
  return NULL;
}

/* What a call of a class does where nothing else is said: for one that builds in its own way. */
static PyObject *build_otherwise(PyObject *cls, PyObject *const *args, Py_ssize_t count,
                                 PyObject *keywords) {
  PyObject *positional = PyTuple_New(count), *named = PyDict_New(), *made = NULL;
  Py_ssize_t keyword_count = keywords != NULL ? PyTuple_GET_SIZE(keywords) : 0;
  bool fine = positional != NULL && named != NULL;
  for (Py_ssize_t i = 0; fine && i < count; i++)
    PyTuple_SET_ITEM(positional, i, Py_NewRef(args[i]));
  for (Py_ssize_t i = 0; fine && i < keyword_count; i++)
    fine = PyDict_SetItem(named, PyTuple_GET_ITEM(keywords, i), args[count + i]) == 0;
  if (fine) made = Py_TYPE(cls)->tp_call(cls, positional, named);
  Py_XDECREF(positional);
  Py_XDECREF(named);
  return made;
}

/* The call of a class: as of any other, with words for arguments, and faster. */
static PyObject *build(PyObject *cls, PyObject *const *args, size_t flags, PyObject *keywords) {
  PyTypeObject *type = (PyTypeObject *)cls;
  Py_ssize_t count = PyVectorcall_NARGS(flags);
  bool is_plain = type->tp_new == PyBaseObject_Type.tp_new &&
                  type->tp_init == PyBaseObject_Type.tp_init &&
                  !(type->tp_flags & Py_TPFLAGS_IS_ABSTRACT);
  if (!is_plain) return build_otherwise(cls, args, count, keywords);
  if (count == 0 && keywords == NULL) return type->tp_alloc(type, 0);
  return refuse_arguments(type, keywords);
}

/* What a class that inherits from Cache has by a name, behind Cache in its order. */
static PyObject *find_next(PyObject *cls, const char *name) {
  PyObject *order = ((PyTypeObject *)cls)->tp_mro;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(order); i++) {
    PyObject *each = PyTuple_GET_ITEM(order, i);
    if (strcmp(((PyTypeObject *)each)->tp_name, cache_spec.name) != 0) continue;
    PyObject *rest = PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, each, cls, NULL);
    PyObject *found = rest != NULL ? PyObject_GetAttrString(rest, name) : NULL;
    Py_XDECREF(rest);
    return found;
  }
  return PyErr_Format(PyExc_TypeError, "%.100s does not inherit from Cache",
                      ((PyTypeObject *)cls)->tp_name);
}

/* Each class has to be told how it is called, for that is not inherited. */
static PyObject *cache_init_subclass(PyObject *cls, PyObject *args, PyObject *keywords) {
  PyObject *next = find_next(cls, "__init_subclass__");
  if (next == NULL) return NULL;
  ((PyTypeObject *)cls)->tp_vectorcall = build;
  PyObject *done = PyObject_Call(next, args, keywords);
  Py_DECREF(next);
  return done;
}

static PyMethodDef cache_methods[] = {
    {"__init_subclass__", (PyCFunction)(void (*)(void))cache_init_subclass,
     METH_CLASS | METH_VARARGS | METH_KEYWORDS, "Tells a subclass how it is built."},
    {"__await__", (PyCFunction)(void (*)(void))cache_await,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "__await__($self)\n--\n\nGives the cache itself."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot cache_slots[] = {
    {Py_tp_doc, (char *)"The base of `Cachette`, which adds calls and configuration."},
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
