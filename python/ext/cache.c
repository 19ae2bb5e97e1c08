/* SPDX-License-Identifier: MIT */
/*
 * The base class of `Cachette`: it finds the configuration of a call, runs the call, and makes
 * `Cachette()` fast.
 *
 * Each call returns an awaitable: a Ready if the store answers at once, else a Pending. A wrong
 * argument is an error of the call itself, as with a coroutine function. An error of the op is
 * raised when the awaitable is awaited.
 */
#include "cache.h"

#include <string.h>

#include "arguments.h"
#include "errors.h"
#include "flights.h"
#include "handle.h"
#include "immediate.h"
#include "loop_handle.h"
#include "pending.h"
#include "ready.h"

/* ---- Configuration ---- */

static void reset_last_config(ext_state *state) {
  Py_CLEAR(state->last_class);
  Py_CLEAR(state->last_config);
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
  reset_last_config(state);
  Py_RETURN_NONE;
}

config_object *cache_config(ext_state *state, PyTypeObject *type) {
  if (state->last_class != type) {
    PyObject *found = PyObject_GetAttr((PyObject *)type, state->str_config);
    if (found == NULL) return NULL;
    if (!Py_IS_TYPE(found, state->config_type)) {
      PyErr_Format(PyExc_TypeError, "%.100s._config is not a Config", type->tp_name);
      Py_DECREF(found);
      return NULL;
    }
    reset_last_config(state);
    state->last_class = (PyTypeObject *)Py_NewRef((PyObject *)type);
    state->last_config = (config_object *)found;
  }
  Py_INCREF(state->last_config);
  return state->last_config;
}

config_object *cache_config_of(ext_state *state, const char *function, PyObject *type) {
  if (PyType_Check(type)) return cache_config(state, (PyTypeObject *)type);
  PyErr_Format(PyExc_TypeError, "%s() takes a class", function);
  return NULL;
}

PyObject *cache_close(PyObject *module, PyObject *type) {
  ext_state *state = PyModule_GetState(module);
  config_object *config = cache_config_of(state, "close", type);
  if (config == NULL) return NULL;
  int code = loop_handle_release(state, config);
  Py_DECREF(config);
  if (code < 0) return NULL;
  Py_RETURN_NONE;
}

/* ---- Get or set ---- */

/* Takes the exception of a failed fetch, after which get_or_set() continues. Returns a new
 * reference; None if no exception is set; or NULL if the exception must be raised. */
static PyObject *take_error(ext_state *state) {
  if (!PyErr_Occurred()) return Py_NewRef(Py_None);
  if (!PyErr_ExceptionMatches(state->cachette_error)) return NULL;
  return take_exception();
}

/* Returns a hit at once if the store answers at once. All other cases run in a coroutine of
 * cachette._flights. */
static PyObject *get_or_set(ext_state *state, config_object *config, PyObject *self,
                            PyObject *const *arguments, PyObject *returns) {
  PyObject *key = arguments[0], *factory = arguments[1], *ttl = arguments[2];
  int waits = handle_waits(config, state);
  if (waits < 0) return ready_fail(state, CALL_GET_OR_SET);
  if (waits > 0 || config->obeys)
    return PyObject_CallFunctionObjArgs(state->get_or_set, self, key, factory, ttl, returns, NULL);
  bool invalid;
  PyObject *value = immediate_fetch(state, config, key, state->missing, 0, returns, &invalid);
  if (invalid) return NULL;
  if (value != NULL && value != state->missing) return ready_new(state, CALL_GET_OR_SET, value);
  Py_XDECREF(value);
  PyObject *error = take_error(state);
  if (error == NULL) return NULL;
  PyObject *coroutine =
      PyObject_CallFunctionObjArgs(state->missed, self, key, factory, ttl, returns, error, NULL);
  Py_DECREF(error);
  return coroutine;
}

/* Returns the Returns object for the argument `returns`, or None: a new reference. */
static PyObject *find_returns(ext_state *state, PyObject *hint) {
  if (hint == Py_None) return Py_NewRef(hint);
  return PyObject_CallFunctionObjArgs(state->returns_of, hint, NULL);
}

static PyObject *create_get_or_set(ext_state *state, config_object *config, PyObject *self,
                                   PyObject *const *arguments) {
  cachette_slice text;
  int64_t ttl_ms;
  if (flights_import(state) < 0 || !read_key(arguments[0], &text) ||
      !read_ttl(arguments[2], &ttl_ms))
    return NULL;
  PyObject *returns = find_returns(state, arguments[3]);
  PyObject *created = returns != NULL ? get_or_set(state, config, self, arguments, returns) : NULL;
  Py_XDECREF(returns);
  return created;
}

/* ---- Any call ---- */

static PyObject *create_call(ext_state *state, config_object *config, enum call_kind kind,
                             PyObject *const *arguments) {
  int waits = handle_waits(config, state);
  if (waits > 0) return pending_call(state, config, kind, arguments);
  if (waits < 0) return ready_fail(state, kind);
  bool invalid;
  PyObject *result = immediate_call(state, config, kind, arguments, &invalid);
  return invalid ? NULL : ready_new(state, kind, result);
}

PyObject *cache_call(ext_state *state, PyObject *self, enum call_kind kind,
                     PyObject *const *arguments) {
  config_object *config = cache_config(state, Py_TYPE(self));
  if (config == NULL) return NULL;
  PyObject *created = kind == CALL_GET_OR_SET ? create_get_or_set(state, config, self, arguments)
                                              : create_call(state, config, kind, arguments);
  Py_DECREF(config);
  return created;
}

PyObject *cache_call_of(PyObject *module, const char *name, enum call_kind kind, cache_runner *run,
                        PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyModule_GetState(module);
  int wanted = 1 + call_signatures[kind].max_args;
  config_object *config = count == wanted ? cache_config_of(state, name, args[0]) : NULL;
  if (count != wanted) PyErr_Format(PyExc_TypeError, "%s() takes %d arguments", name, wanted);
  if (config == NULL) return NULL;
  PyObject *result = run(state, config, kind, args + 1);
  Py_DECREF(config);
  return result;
}

PyObject *cache_fetch_as(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  return cache_call_of(module, "fetch_as", CALL_FETCH_AS, create_call, args, count);
}

PyObject *cache_store(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  return cache_call_of(module, "store", CALL_STORE, create_call, args, count);
}

/* ---- Calling the class ---- */

/* The class was called with options. The error leaves out their values, which may be secret. */
static PyObject *raise_takes_no_arguments(const PyTypeObject *type, PyObject *keywords) {
  bool named = keywords != NULL && PyTuple_GET_SIZE(keywords) > 0;
  PyObject *what = named
                       ? PyUnicode_FromFormat("the option \"%U\" is", PyTuple_GET_ITEM(keywords, 0))
                       : PyUnicode_FromString("options are");
  if (what == NULL) return NULL;
  PyErr_Format(PyExc_TypeError,
               "%s() takes no arguments: %U set with %s.load_config, once, at start-up",
               type->tp_name, what, type->tp_name);
  Py_DECREF(what);
  return NULL;
}

/* Calls a class that has its own __new__ or __init__, or is abstract. */
static PyObject *build_by_type(PyObject *cls, PyObject *const *args, Py_ssize_t count,
                               PyObject *keywords) {
  PyObject *positional = PyTuple_New(count), *named = PyDict_New(), *created = NULL;
  Py_ssize_t keyword_count = keywords != NULL ? PyTuple_GET_SIZE(keywords) : 0;
  bool ok = positional != NULL && named != NULL;
  for (Py_ssize_t i = 0; ok && i < count; i++) PyTuple_SET_ITEM(positional, i, Py_NewRef(args[i]));
  for (Py_ssize_t i = 0; ok && i < keyword_count; i++)
    ok = PyDict_SetItem(named, PyTuple_GET_ITEM(keywords, i), args[count + i]) == 0;
  if (ok) created = Py_TYPE(cls)->tp_call(cls, positional, named);
  Py_XDECREF(positional);
  Py_XDECREF(named);
  return created;
}

/* Creates an instance. A plain class takes a fast path, and rejects arguments with a helpful error.
 */
static PyObject *cache_vectorcall(PyObject *cls, PyObject *const *args, size_t flags,
                                  PyObject *keywords) {
  PyTypeObject *type = (PyTypeObject *)cls;
  Py_ssize_t count = PyVectorcall_NARGS(flags);
  bool is_plain = type->tp_new == PyBaseObject_Type.tp_new &&
                  type->tp_init == PyBaseObject_Type.tp_init &&
                  !(type->tp_flags & Py_TPFLAGS_IS_ABSTRACT);
  if (!is_plain) return build_by_type(cls, args, count, keywords);
  if (count == 0 && keywords == NULL) return type->tp_alloc(type, 0);
  return raise_takes_no_arguments(type, keywords);
}

/* Finds an attribute of the class that follows Cache in the method resolution order of `cls`. */
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

/* Subclasses do not inherit tp_vectorcall, so set it on each. */
static PyObject *cache_init_subclass(PyObject *cls, PyObject *args, PyObject *keywords) {
  PyObject *next = find_next(cls, "__init_subclass__");
  if (next == NULL) return NULL;
  ((PyTypeObject *)cls)->tp_vectorcall = cache_vectorcall;
  PyObject *done = PyObject_Call(next, args, keywords);
  Py_DECREF(next);
  return done;
}

/* ---- The type ---- */

/* `await Cachette()` returns the cache itself, because some frameworks await what they inject. */
static PyObject *cache_await(PyObject *self, PyTypeObject *defining_class, PyObject *const *args,
                             Py_ssize_t count, PyObject *keywords) {
  ext_state *state = PyType_GetModuleState(defining_class);
  (void)args;
  if (count != 0 || keywords != NULL) {
    PyErr_SetString(PyExc_TypeError, "__await__() takes no arguments");
    return NULL;
  }
  return ready_new(state, CALL_KINDS, Py_NewRef(self)); /* not a call, so it never warns */
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

static PyMethodDef cache_methods[] = {
    {"__init_subclass__", (PyCFunction)(void (*)(void))cache_init_subclass,
     METH_CLASS | METH_VARARGS | METH_KEYWORDS,
     "__init_subclass__($type, /, **keywords)\n--\n\nMakes creating an instance of a subclass "
     "fast."},
    {"__await__", (PyCFunction)(void (*)(void))cache_await,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "__await__($self, /)\n--\n\nReturns the cache itself."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot cache_slots[] = {
    {Py_tp_doc, (char *)"The base class of `Cachette`. It makes instances without arguments."},
    {Py_tp_methods, cache_methods},
    {Py_tp_repr, cache_repr},
    {0, NULL},
};

PyType_Spec cache_spec = {
    .name = "cachette.Cache", /* help() shows no private module */
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = cache_slots,
};
