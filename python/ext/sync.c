/* SPDX-License-Identifier: MIT */
/*
 * The calls that block, for code without an event loop.
 *
 * If ops wait for a server, each thread has its own handle (thread_handle.c). If not, all threads
 * share one (handle.c).
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

enum { BUFFER = 2048 }; /* max bytes of a value that needs no allocation */

/* The object that `Cachette.sync` returns. It has the calls of a class. */
typedef struct sync_object {
  PyObject_HEAD PyTypeObject *owner;
} sync_object;

/* ---- The calls ---- */

/* Runs a call whose op is prepared. */
static PyObject *run(ext_state *state, config_object *config, call *prepared) {
  char buffer[BUFFER];
  thread_handle *handle = thread_handle_find(state, config);
  if (handle == NULL) return NULL;
  prepared->op.error = &prepared->error;
  if (prepared->many == NULL) {
    prepared->item.buffer = buffer;
    prepared->item.buffer_size = sizeof buffer;
  }
  thread_handle_run(handle, &prepared->op);
  call_end(prepared); /* before Python code runs */
  thread_handle_log(handle);
  Py_DECREF((PyObject *)handle);
  return call_result(state, config, prepared, NULL);
}

/* Waits for the puts of leases that a write must not overtake. Returns 0, or -1 with an exception
 * set. */
static int wait_for_blockers(ext_state *state, config_object *config, call *prepared) {
  PyObject *blockers = call_begin(config, prepared);
  if (blockers == NULL) return PyErr_Occurred() ? -1 : 0;
  PyObject *waited = flights_import(state) < 0
                         ? NULL
                         : PyObject_CallFunctionObjArgs(state->wait_for_puts, blockers, NULL);
  Py_DECREF(blockers);
  Py_XDECREF(waited);
  return waited != NULL ? 0 : -1;
}

static PyObject *call_blocking(ext_state *state, config_object *config, enum call_kind kind,
                               PyObject *const *arguments) {
  int waits = handle_waits(config, state);
  if (waits < 0) return NULL;
  bool invalid;
  if (waits == 0) return immediate_call(state, config, kind, arguments, &invalid);
  call prepared;
  PyObject *result = NULL;
  if (call_init(state, config, kind, arguments, &prepared) &&
      wait_for_blockers(state, config, &prepared) == 0)
    result = run(state, config, &prepared);
  call_deinit(&prepared);
  return result;
}

PyObject *sync_call(ext_state *state, PyObject *self, enum call_kind kind,
                    PyObject *const *arguments) {
  config_object *config = cache_config(state, ((sync_object *)self)->owner);
  if (config == NULL) return NULL;
  PyObject *result = call_blocking(state, config, kind, arguments);
  Py_DECREF(config);
  return result;
}

PyObject *sync_fetch_as(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  return cache_call_of(module, "fetch_as_now", CALL_FETCH_AS, call_blocking, args, count);
}

PyObject *sync_store(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  return cache_call_of(module, "store_now", CALL_STORE, call_blocking, args, count);
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

static int sync_clear(sync_object *self) {
  Py_CLEAR(self->owner);
  return 0;
}

static void sync_dealloc(sync_object *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  sync_clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyMemberDef sync_members[] = {
    {"_owner", T_OBJECT, offsetof(sync_object, owner), READONLY, "The cache class."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot sync_slots[] = {
    {Py_tp_doc, (char *)"Sync(owner, /)\n--\n\nThe base class of `Cachette.sync`."},
    {Py_tp_new, sync_new},
    {Py_tp_dealloc, sync_dealloc},
    {Py_tp_traverse, sync_traverse},
    {Py_tp_clear, sync_clear},
    {Py_tp_members, sync_members},
    {0, NULL},
};

PyType_Spec sync_spec = {
    .name = "cachette.Sync", /* help() shows no private module */
    .basicsize = sizeof(sync_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = sync_slots,
};
