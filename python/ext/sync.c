/* SPDX-License-Identifier: MIT */
/*
 * The calls that block, for code without an event loop.
 *
 * If ops have to be waited for, each thread has a handle of its own (thread_handle.c). If not, all
 * threads share one (handle.c).
 */
#include "sync.h"

#include <stddef.h>

#include "cache.h"
#include "call.h"
#include "flights.h"
#include "handle.h"
#include "immediate.h"
#include "result.h"
#include "thread_handle.h"

#include <structmember.h>

enum { BUFFER = 2048 }; /* bytes of a value that need no allocation */

/* What `Cachette.sync` gives: the calls of a class. */
typedef struct sync_object {
  PyObject_HEAD PyTypeObject *owner;
} sync_object;

/* ---- The calls ---- */

/* Runs a call whose op is made. */
static PyObject *run(ext_state *state, config_object *config, call *made) {
  char buffer[BUFFER];
  thread_handle *handle = thread_handle_find(state, config);
  if (handle == NULL) return NULL;
  made->op.error = &made->error;
  if (made->many == NULL) {
    made->item.buffer = buffer;
    made->item.buffer_size = sizeof buffer;
  }
  thread_handle_run(handle, &made->op);
  call_end(made); /* before Python code runs */
  thread_handle_log(handle);
  Py_DECREF((PyObject *)handle);
  return call_result(state, config, made, NULL);
}

/* Waits for puts of leases that a write must not overtake. Returns 0, or -1 with an exception set.
 */
static int wait_for_blockers(ext_state *state, config_object *config, call *made) {
  PyObject *blockers = call_begin(config, made);
  if (blockers == NULL) return PyErr_Occurred() ? -1 : 0;
  PyObject *waited = flights_import(state) < 0
                         ? NULL
                         : PyObject_CallFunctionObjArgs(state->behind_now, blockers, NULL);
  Py_DECREF(blockers);
  Py_XDECREF(waited);
  return waited != NULL ? 0 : -1;
}

static PyObject *call_blocking(ext_state *state, config_object *config, enum call_kind kind,
                               PyObject *const *given) {
  int waits = handle_waits(config, state);
  if (waits < 0) return NULL;
  bool refused;
  if (waits == 0) return immediate_call(state, config, kind, given, &refused);
  call made;
  PyObject *result = NULL;
  if (call_make(state, config, kind, given, &made) && wait_for_blockers(state, config, &made) == 0)
    result = run(state, config, &made);
  call_drop(&made);
  return result;
}

PyObject *sync_call(ext_state *state, PyObject *self, enum call_kind kind, PyObject *const *given) {
  config_object *config = cache_config(state, ((sync_object *)self)->owner);
  if (config == NULL) return NULL;
  PyObject *result = call_blocking(state, config, kind, given);
  Py_DECREF(config);
  return result;
}

/* A call that is a function of the module: the class, and three arguments. */
static PyObject *make_call_of(PyObject *module, const char *name, enum call_kind kind,
                              PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyModule_GetState(module);
  config_object *config = count == 4 ? cache_config_of(state, name, args[0]) : NULL;
  if (count != 4) PyErr_Format(PyExc_TypeError, "%s() takes 4 arguments", name);
  if (config == NULL) return NULL;
  PyObject *result = call_blocking(state, config, kind, args + 1);
  Py_DECREF(config);
  return result;
}

PyObject *sync_fetch_as(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  return make_call_of(module, "fetch_as_now", CALL_FETCH_AS, args, count);
}

PyObject *sync_store(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  return make_call_of(module, "store_now", CALL_STORE, args, count);
}

/* ---- The type ---- */

static PyObject *sync_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  PyObject *owner;
  if (keywords != NULL && PyDict_GET_SIZE(keywords) > 0) {
    PyErr_SetString(PyExc_TypeError, "Sync() takes no keyword arguments");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "O!:Sync", &PyType_Type, &owner)) return NULL;
  sync_object *self = (sync_object *)type->tp_alloc(type, 0);
  if (self != NULL) self->owner = (PyTypeObject *)Py_NewRef(owner);
  return (PyObject *)self;
}

static int sync_traverse(sync_object *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT((PyObject *)self->owner);
  return 0;
}

static int sync_drop(sync_object *self) {
  Py_CLEAR(self->owner);
  return 0;
}

static void sync_dealloc(sync_object *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  sync_drop(self);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyMemberDef sync_members[] = {
    {"owner", T_OBJECT, offsetof(sync_object, owner), READONLY, "The cache class."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot sync_slots[] = {
    {Py_tp_doc, (char *)"The calls of a cache class that block until the answer is there."},
    {Py_tp_new, sync_new},
    {Py_tp_dealloc, sync_dealloc},
    {Py_tp_traverse, sync_traverse},
    {Py_tp_clear, sync_drop},
    {Py_tp_members, sync_members},
    {0, NULL},
};

PyType_Spec sync_spec = {
    .name = "cachette._cachette.Sync",
    .basicsize = sizeof(sync_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = sync_slots,
};
