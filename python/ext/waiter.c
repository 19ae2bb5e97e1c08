/* SPDX-License-Identifier: MIT */
/*
 * What a task waits on while an op is on its way: a future of which a task knows no better.
 *
 * A future of asyncio's would cost a turn of the loop for each op, for it calls its callbacks by
 * call_soon(). The host has a turn of the loop anyway when answers come, so it wakes all tasks in
 * that one, each in its own context. Only what a task asks of a future is here.
 */
#include "ext.h"

struct waiter {
  PyObject_HEAD enum { WAITING, DONE, CANCELLED } stage;
  bool blocking;
  pending *pending; /* not owned; NULL when that has gone */
  host *host;
  PyObject *callback, *context; /* whom to wake; NULL until a task has said */
  PyObject *message;            /* of the cancellation, or NULL */
  waiter *next;                 /* in the host's list of those to be woken, which owns it */
};

waiter *waiter_new(ext_state *state, host *host, pending *pending) {
  waiter *self = PyObject_GC_New(waiter, state->waiter_type);
  if (self == NULL) return NULL;
  self->stage = WAITING;
  self->blocking = true;
  self->pending = pending;
  self->host = (struct host *)Py_NewRef((PyObject *)host);
  self->callback = self->context = self->message = NULL;
  self->next = NULL;
  PyObject_GC_Track(self);
  return self;
}

bool waiter_block(waiter *self) {
  if (self->callback != NULL) return false;
  self->blocking = true;
  return true;
}

void waiter_leave(waiter *self) { self->pending = NULL; }

void waiter_finish(waiter *self) {
  if (self->stage == WAITING) self->stage = DONE;
}

void waiter_append(waiter *self, waiter *next) { self->next = next; }

waiter *waiter_next(waiter *self) {
  waiter *next = self->next;
  self->next = NULL;
  return next;
}

int waiter_wake(waiter *self) {
  PyObject *callback = self->callback, *context = self->context;
  if (callback == NULL) return 0; /* nobody has begun to wait; they will find the answer there */
  self->callback = self->context = NULL;
  PyObject *called = NULL;
  if (PyContext_Enter(context) == 0) {
    called = PyObject_CallOneArg(callback, (PyObject *)self);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    int left = PyContext_Exit(context);
    if (left == 0 || type != NULL) PyErr_Restore(type, value, traceback);
    if (left < 0) Py_CLEAR(called);
  }
  Py_DECREF(callback);
  Py_DECREF(context);
  Py_XDECREF(called);
  return called != NULL ? 0 : -1;
}

int waiter_wake_later(ext_state *state, waiter *self, PyObject *loop) {
  PyObject *callback = self->callback, *context = self->context;
  if (callback == NULL) return 0;
  self->callback = self->context = NULL;
  PyObject *const args[] = {loop, callback, (PyObject *)self, context};
  PyObject *scheduled = PyObject_VectorcallMethod(
      state->str_call_soon, args, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, state->context_keyword);
  Py_DECREF(callback);
  Py_DECREF(context);
  Py_XDECREF(scheduled);
  return scheduled != NULL ? 0 : -1;
}

/* ---- What a task asks ---- */

static ext_state *waiter_state(waiter *self) {
  PyObject *module = ((PyHeapTypeObject *)Py_TYPE(self))->ht_module;
  return module != NULL ? PyModule_GetState(module) : NULL;
}

static PyObject *waiter_get_loop(waiter *self, PyObject *Py_UNUSED(ignored)) {
  PyObject *loop = host_loop(self->host);
  if (loop != NULL) return Py_NewRef(loop);
  PyErr_SetString(PyExc_RuntimeError, "the event loop is closed");
  return NULL;
}

static PyObject *waiter_add_done_callback(waiter *self, PyObject *const *args, Py_ssize_t count,
                                          PyObject *keywords) {
  Py_ssize_t named = keywords != NULL ? PyTuple_GET_SIZE(keywords) : 0;
  if (count != 1 || named > 1 || self->callback != NULL) {
    PyErr_SetString(PyExc_TypeError, "add_done_callback() takes one callback and its context");
    return NULL;
  }
  PyObject *context =
      named == 1 && args[1] != Py_None ? Py_NewRef(args[1]) : PyContext_CopyCurrent();
  if (context == NULL) return NULL;
  self->callback = Py_NewRef(args[0]);
  self->context = context;
  ext_state *state = waiter_state(self);
  PyObject *loop = host_loop(self->host);
  if (self->stage != WAITING && loop != NULL && waiter_wake_later(state, self, loop) < 0)
    return NULL;
  Py_RETURN_NONE;
}

static PyObject *waiter_remove_done_callback(waiter *self, PyObject *callback) {
  int same = self->callback != NULL ? PyObject_RichCompareBool(self->callback, callback, Py_EQ) : 0;
  if (same < 0) return NULL;
  if (same) {
    Py_CLEAR(self->callback);
    Py_CLEAR(self->context);
  }
  return PyLong_FromLong(same);
}

static PyObject *waiter_cancel(waiter *self, PyObject *const *args, Py_ssize_t count,
                               PyObject *keywords) {
  Py_ssize_t named = keywords != NULL ? PyTuple_GET_SIZE(keywords) : 0;
  if (count + named > 1) {
    PyErr_SetString(PyExc_TypeError, "cancel() takes at most one message");
    return NULL;
  }
  if (self->stage != WAITING) Py_RETURN_FALSE;
  self->stage = CANCELLED;
  if (count + named == 1) Py_XSETREF(self->message, Py_NewRef(args[0]));
  if (self->pending != NULL) pending_give_up(self->pending);
  ext_state *state = waiter_state(self);
  PyObject *loop = host_loop(self->host);
  if (loop != NULL && waiter_wake_later(state, self, loop) < 0) return NULL;
  Py_RETURN_TRUE;
}

static PyObject *waiter_result(waiter *self, PyObject *Py_UNUSED(ignored)) {
  if (self->stage != CANCELLED) Py_RETURN_NONE;
  ext_state *state = waiter_state(self);
  if (self->message != NULL && self->message != Py_None)
    PyErr_SetObject(state->cancelled_error, self->message);
  else
    PyErr_SetNone(state->cancelled_error);
  return NULL;
}

static PyObject *waiter_done(waiter *self, PyObject *Py_UNUSED(ignored)) {
  return PyBool_FromLong(self->stage != WAITING);
}

static PyObject *waiter_cancelled(waiter *self, PyObject *Py_UNUSED(ignored)) {
  return PyBool_FromLong(self->stage == CANCELLED);
}

static PyObject *get_blocking(waiter *self, void *Py_UNUSED(closure)) {
  return PyBool_FromLong(self->blocking);
}

static int set_blocking(waiter *self, PyObject *value, void *Py_UNUSED(closure)) {
  int blocking = value != NULL ? PyObject_IsTrue(value) : 0;
  if (blocking < 0) return -1;
  self->blocking = blocking;
  return 0;
}

/* ---- The type ---- */

static int waiter_traverse(waiter *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT((PyObject *)self->host);
  Py_VISIT(self->callback);
  Py_VISIT(self->context);
  Py_VISIT(self->message);
  return 0;
}

static int waiter_clear(waiter *self) {
  Py_CLEAR(self->host);
  Py_CLEAR(self->callback);
  Py_CLEAR(self->context);
  Py_CLEAR(self->message);
  return 0;
}

static void waiter_dealloc(waiter *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  waiter_clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

#define KEYWORDS(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

static PyMethodDef waiter_methods[] = {
    {"get_loop", (PyCFunction)waiter_get_loop, METH_NOARGS, "The loop that it belongs to."},
    {"add_done_callback", KEYWORDS(waiter_add_done_callback), "Whom to wake; only one."},
    {"remove_done_callback", (PyCFunction)waiter_remove_done_callback, METH_O,
     "Wakes it no more. Gives how many were removed."},
    {"cancel", KEYWORDS(waiter_cancel), "Gives the call up. False if it is done."},
    {"result", (PyCFunction)waiter_result, METH_NOARGS, "None, or raises CancelledError."},
    {"done", (PyCFunction)waiter_done, METH_NOARGS, "Whether the wait is over."},
    {"cancelled", (PyCFunction)waiter_cancelled, METH_NOARGS, "Whether it was cancelled."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef waiter_attributes[] = {
    {"_asyncio_future_blocking", (getter)get_blocking, (setter)set_blocking,
     "How a task tells that it was waited on.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot waiter_slots[] = {
    {Py_tp_doc, (char *)"What a task waits on."},
    {Py_tp_dealloc, waiter_dealloc},
    {Py_tp_traverse, waiter_traverse},
    {Py_tp_clear, waiter_clear},
    {Py_tp_methods, waiter_methods},
    {Py_tp_getset, waiter_attributes},
    {0, NULL},
};

PyType_Spec waiter_spec = {
    .name = "cachette._cachette.Waiter",
    .basicsize = sizeof(waiter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = waiter_slots,
};
