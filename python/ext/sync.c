/* SPDX-License-Identifier: MIT */
/*
 * The calls that block, for code without an event loop.
 *
 * A backend that has to be waited for gets a handle for each thread, which is closed when the
 * thread ends; no event loop is started, nor that of a running one used. The GIL is let go while a
 * call waits. A backend that answers at once has one handle that all share.
 */
#include <stddef.h>

#include "ext.h"

#include <structmember.h>

enum { BUFFER = 2048 }; /* bytes of a value that need no allocation */

/* A handle of one thread, kept by that thread's part of a threading.local. */
struct sync_handle {
  PyObject_HEAD cachette *handle;
  config_object *config; /* that counts what it did; not owned; NULL: gone */
  sync_handle *next, **place;
  cachette_stats stats; /* as they were after the last call */
};

/* What `Cachette.sync` gives: the calls of a class. */
typedef struct sync_object {
  PyObject_HEAD PyTypeObject *owner;
} sync_object;

/* ---- The handle of the thread ---- */

static void unlink_handle(sync_handle *self) {
  if (self->config == NULL) return;
  stats_add(&self->config->closed, &self->stats);
  *self->place = self->next;
  if (self->next != NULL) self->next->place = self->place;
  self->config = NULL;
}

void sync_forget(config_object *config) {
  while (config->syncs != NULL) unlink_handle(config->syncs);
}

void sync_add_stats(const config_object *config, cachette_stats *sum) {
  for (const sync_handle *each = config->syncs; each != NULL; each = each->next)
    stats_add(sum, &each->stats);
}

static void sync_handle_dealloc(sync_handle *self) {
  PyTypeObject *type = Py_TYPE(self);
  unlink_handle(self);
  cachette_close(self->handle);
  PyObject_Free(self);
  Py_DECREF(type);
}

static sync_handle *handle_new(ext_state *state, config_object *config) {
  sync_handle *self = PyObject_New(sync_handle, state->sync_handle_type);
  if (self == NULL) return NULL;
  self->config = NULL;
  self->stats = (cachette_stats){0};
  self->handle = config_take(config, state);
  if (self->handle == NULL) {
    Py_DECREF(self);
    return NULL;
  }
  self->config = config;
  self->next = config->syncs;
  self->place = &config->syncs;
  if (self->next != NULL) self->next->place = &self->next;
  config->syncs = self;
  return self;
}

static int make_local(config_object *config) {
  PyObject *threading = PyImport_ImportModule("threading");
  PyObject *local = threading != NULL ? PyObject_CallMethod(threading, "local", NULL) : NULL;
  Py_XDECREF(threading);
  if (local == NULL) return -1;
  if (config->local == NULL)
    config->local = local;
  else
    Py_DECREF(local); /* another thread was faster */
  return 0;
}

/* The handle of this thread, opened if need be, anew after a fork; a new reference. */
static sync_handle *find_handle(ext_state *state, config_object *config) {
  if (config->local == NULL && make_local(config) < 0) return NULL;
  PyObject *found = PyObject_GetAttr(config->local, state->str_handle);
  if (found != NULL && cachette_fd(((sync_handle *)found)->handle) >= 0)
    return (sync_handle *)found;
  Py_XDECREF(found);
  if (found == NULL) {
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return NULL;
    PyErr_Clear();
  }
  sync_handle *fresh = handle_new(state, config);
  if (fresh == NULL) return NULL;
  if (PyObject_SetAttr(config->local, state->str_handle, (PyObject *)fresh) == 0) return fresh;
  Py_DECREF(fresh);
  return NULL;
}

/* ---- The calls ---- */

static PyObject *wait_for(ext_state *state, config_object *config, call *made) {
  char buffer[BUFFER];
  sync_handle *self = find_handle(state, config);
  if (self == NULL) return NULL;
  made->op.error = &made->error;
  if (made->many == NULL) {
    made->item.buffer = buffer;
    made->item.buffer_size = sizeof buffer;
  }
  Py_BEGIN_ALLOW_THREADS cachette_run(self->handle, &made->op);
  Py_END_ALLOW_THREADS call_end(made);
  log_notice(self->handle);
  cachette_get_stats(self->handle, &self->stats, sizeof self->stats);
  Py_DECREF(self);
  return call_result(state, config, made, NULL);
}

/* Waits for the puts that a write must not overtake. Returns 0, or -1 with an exception set. */
static int begin_write(ext_state *state, config_object *config, call *made) {
  write_begin(config, made);
  PyObject *blockers = write_blockers(config, made);
  if (blockers == NULL) return PyErr_Occurred() ? -1 : 0;
  PyObject *waited = cache_find_flights(state) < 0
                         ? NULL
                         : PyObject_CallFunctionObjArgs(state->behind_now, blockers, NULL);
  Py_DECREF(blockers);
  Py_XDECREF(waited);
  return waited != NULL ? 0 : -1;
}

static PyObject *carry_out(ext_state *state, config_object *config, enum call_kind kind,
                           PyObject *const *given) {
  int waits = config_waits(config, state);
  if (waits < 0) return NULL;
  bool refused;
  if (waits == 0) return cache_carry_out(state, config, kind, given, &refused);
  call made;
  PyObject *result = NULL;
  if (call_make(state, config, kind, given, &made) && begin_write(state, config, &made) == 0)
    result = wait_for(state, config, &made);
  call_drop(&made);
  return result;
}

PyObject *sync_call(ext_state *state, PyObject *self, enum call_kind kind, PyObject *const *given) {
  config_object *config = cache_config(state, ((sync_object *)self)->owner);
  if (config == NULL) return NULL;
  PyObject *result = carry_out(state, config, kind, given);
  Py_DECREF(config);
  return result;
}

/* As the functions of cache.c. */
static PyObject *make_call_of(PyObject *module, const char *name, enum call_kind kind,
                              PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyModule_GetState(module);
  config_object *config = count == 4 ? cache_config_of(state, name, args[0]) : NULL;
  if (count != 4) PyErr_Format(PyExc_TypeError, "%s() takes 4 arguments", name);
  if (config == NULL) return NULL;
  PyObject *result = carry_out(state, config, kind, args + 1);
  Py_DECREF(config);
  return result;
}

PyObject *sync_fetch_as(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  return make_call_of(module, "fetch_as_now", CALL_FETCH_AS, args, count);
}

PyObject *sync_store(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  return make_call_of(module, "store_now", CALL_STORE, args, count);
}

/* ---- The types ---- */

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

static PyType_Slot sync_handle_slots[] = {
    {Py_tp_doc, (char *)"A handle of one thread."},
    {Py_tp_dealloc, sync_handle_dealloc},
    {0, NULL},
};

PyType_Spec sync_handle_spec = {
    .name = "cachette._cachette.SyncHandle",
    .basicsize = sizeof(sync_handle),
    .flags = Py_TPFLAGS_DEFAULT
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = sync_handle_slots,
};
