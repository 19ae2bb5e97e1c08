/* SPDX-License-Identifier: MIT */
/* The handle of a thread is an attribute of the configuration's threading.local, so it is closed
 * when the thread ends. It neither starts an event loop nor uses a running one. */
#include "thread_handle.h"

#include "handle.h"
#include "log.h"

struct thread_handle {
  PyObject_HEAD cachette *handle;
  config_object *config;       /* borrowed; the configuration whose list it is in, or NULL */
  thread_handle *next, **link; /* `*link` points to this one */
  cachette_stats stats;        /* as of the last op; other threads may read them */
};

/* ---- The list of a configuration ---- */

static void add_to_list(thread_handle *self, config_object *config) {
  self->config = config;
  self->next = config->thread_handles;
  self->link = &config->thread_handles;
  if (self->next != NULL) self->next->link = &self->next;
  config->thread_handles = self;
}

static void remove_from_list(thread_handle *self) {
  if (self->config == NULL) return;
  stats_add(&self->config->closed, &self->stats);
  *self->link = self->next;
  if (self->next != NULL) self->next->link = self->link;
  self->config = NULL;
}

void thread_handles_forget(config_object *config) {
  while (config->thread_handles != NULL) remove_from_list(config->thread_handles);
}

void thread_handles_add_stats(const config_object *config, cachette_stats *sum) {
  for (const thread_handle *each = config->thread_handles; each != NULL; each = each->next)
    stats_add(sum, &each->stats);
}

/* ---- The handle of this thread ---- */

static thread_handle *thread_handle_new(ext_state *state, config_object *config) {
  thread_handle *self = PyObject_New(thread_handle, state->thread_handle_type);
  if (self == NULL) return NULL;
  self->config = NULL;
  self->stats = (cachette_stats){0};
  self->handle = handle_take(config, state);
  if (self->handle == NULL) {
    Py_DECREF(self);
    return NULL;
  }
  add_to_list(self, config);
  return self;
}

static int create_local(config_object *config) {
  PyObject *threading = PyImport_ImportModule("threading");
  PyObject *local = threading != NULL ? PyObject_CallMethod(threading, "local", NULL) : NULL;
  Py_XDECREF(threading);
  if (local == NULL) return -1;
  if (config->local == NULL)
    config->local = local;
  else
    Py_DECREF(local); /* another thread was first */
  return 0;
}

thread_handle *thread_handle_find(ext_state *state, config_object *config) {
  if (config->local == NULL && create_local(config) < 0) return NULL;
  PyObject *found = PyObject_GetAttr(config->local, state->str_handle);
  if (found != NULL && cachette_fd(((thread_handle *)found)->handle) >= 0)
    return (thread_handle *)found;
  Py_XDECREF(found); /* from before a fork */
  if (found == NULL) {
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return NULL;
    PyErr_Clear();
  }
  thread_handle *opened = thread_handle_new(state, config);
  if (opened == NULL) return NULL;
  if (PyObject_SetAttr(config->local, state->str_handle, (PyObject *)opened) == 0) return opened;
  Py_DECREF(opened);
  return NULL;
}

/* ---- Ops ---- */

void thread_handle_run(thread_handle *self, cachette_op *op) {
  Py_BEGIN_ALLOW_THREADS;
  cachette_run(self->handle, op);
  Py_END_ALLOW_THREADS;
  cachette_get_stats(self->handle, &self->stats, sizeof self->stats);
}

void thread_handle_log(thread_handle *self) { log_notice(self->handle); }

/* ---- The type ---- */

static void thread_handle_dealloc(thread_handle *self) {
  PyTypeObject *type = Py_TYPE(self);
  remove_from_list(self);
  cachette_close(self->handle);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyType_Slot thread_handle_slots[] = {
    {Py_tp_doc, (char *)"A handle of one thread."},
    {Py_tp_dealloc, thread_handle_dealloc},
    {0, NULL},
};

PyType_Spec thread_handle_spec = {
    .name = "cachette._cachette.ThreadHandle",
    .basicsize = sizeof(thread_handle),
    .flags = Py_TPFLAGS_DEFAULT
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = thread_handle_slots,
};
