/* SPDX-License-Identifier: MIT */
/*
 * A future that costs no turn of the event loop. An asyncio.Future runs its callbacks by
 * call_soon(), so in the next turn. The loop handle already runs in its own callback when answers
 * arrive, so it wakes all tasks right there, each in its own context. The type has only the methods
 * that a task uses.
 */
#include "future.h"

struct future {
  PyObject_HEAD enum { WAITING, DONE, CANCELLED } stage;
  bool blocking;
  PyObject *loop;
  future_on_cancel *on_cancel;
  void *owner;                  /* passed to `on_cancel`; borrowed; NULL once detached */
  PyObject *callback, *context; /* wake the task; NULL until the task has set them */
  PyObject *message;            /* the message of the cancellation, or NULL */
  future *next;                 /* in the wake list of the loop handle, which owns the reference */
};

future *future_new(ext_state *state, PyObject *loop, future_on_cancel *on_cancel, void *owner) {
  future *self = PyObject_GC_New(future, state->future_type);
  if (self == NULL) return NULL;
  self->stage = WAITING;
  self->blocking = true;
  self->loop = Py_NewRef(loop);
  self->on_cancel = on_cancel;
  self->owner = owner;
  self->callback = self->context = self->message = NULL;
  self->next = NULL;
  PyObject_GC_Track(self);
  return self;
}

bool future_block(future *self) {
  if (self->callback != NULL) return false;
  self->blocking = true;
  return true;
}

void future_detach(future *self) { self->owner = NULL; }

void future_finish(future *self) {
  if (self->stage == WAITING) self->stage = DONE;
}

void future_append(future *self, future *next) { self->next = next; }

future *future_next(future *self) {
  future *next = self->next;
  self->next = NULL;
  return next;
}

int future_wake(future *self) {
  PyObject *callback = self->callback, *context = self->context;
  if (callback == NULL) return 0; /* no task waits yet; it will find the answer */
  self->callback = self->context = NULL;
  PyObject *called = NULL;
  if (PyContext_Enter(context) == 0) {
    called = PyObject_CallOneArg(callback, (PyObject *)self);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    int exit_code = PyContext_Exit(context);
    if (exit_code == 0 || type != NULL) PyErr_Restore(type, value, traceback);
    if (exit_code < 0) Py_CLEAR(called);
  }
  Py_DECREF(callback);
  Py_DECREF(context);
  Py_XDECREF(called);
  return called != NULL ? 0 : -1;
}

int future_wake_later(ext_state *state, future *self) {
  PyObject *callback = self->callback, *context = self->context;
  if (callback == NULL) return 0;
  self->callback = self->context = NULL;
  PyObject *const args[] = {self->loop, callback, (PyObject *)self, context};
  PyObject *scheduled = PyObject_VectorcallMethod(
      state->str_call_soon, args, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, state->context_keyword);
  Py_DECREF(callback);
  Py_DECREF(context);
  Py_XDECREF(scheduled);
  return scheduled != NULL ? 0 : -1;
}

/* ---- Methods for tasks ---- */

static ext_state *future_state(future *self) {
  PyObject *module = ((PyHeapTypeObject *)Py_TYPE(self))->ht_module;
  return module != NULL ? PyModule_GetState(module) : NULL;
}

static PyObject *future_get_loop(future *self, PyObject *Py_UNUSED(ignored)) {
  return Py_NewRef(self->loop);
}

static PyObject *future_add_done_callback(future *self, PyObject *const *args, Py_ssize_t count,
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
  if (self->stage != WAITING && future_wake_later(future_state(self), self) < 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *future_remove_done_callback(future *self, PyObject *callback) {
  int same = self->callback != NULL ? PyObject_RichCompareBool(self->callback, callback, Py_EQ) : 0;
  if (same < 0) return NULL;
  if (same) {
    Py_CLEAR(self->callback);
    Py_CLEAR(self->context);
  }
  return PyLong_FromLong(same);
}

static PyObject *future_cancel(future *self, PyObject *const *args, Py_ssize_t count,
                               PyObject *keywords) {
  Py_ssize_t named = keywords != NULL ? PyTuple_GET_SIZE(keywords) : 0;
  if (count + named > 1) {
    PyErr_SetString(PyExc_TypeError, "cancel() takes at most one message");
    return NULL;
  }
  if (self->stage != WAITING) Py_RETURN_FALSE;
  self->stage = CANCELLED;
  if (count + named == 1) Py_XSETREF(self->message, Py_NewRef(args[0]));
  if (self->owner != NULL) self->on_cancel(self->owner);
  if (future_wake_later(future_state(self), self) < 0) return NULL;
  Py_RETURN_TRUE;
}

static PyObject *future_result(future *self, PyObject *Py_UNUSED(ignored)) {
  if (self->stage != CANCELLED) Py_RETURN_NONE;
  ext_state *state = future_state(self);
  if (self->message != NULL && self->message != Py_None)
    PyErr_SetObject(state->cancelled_error, self->message);
  else
    PyErr_SetNone(state->cancelled_error);
  return NULL;
}

static PyObject *future_done(future *self, PyObject *Py_UNUSED(ignored)) {
  return PyBool_FromLong(self->stage != WAITING);
}

static PyObject *future_cancelled(future *self, PyObject *Py_UNUSED(ignored)) {
  return PyBool_FromLong(self->stage == CANCELLED);
}

static PyObject *get_blocking(future *self, void *Py_UNUSED(closure)) {
  return PyBool_FromLong(self->blocking);
}

static int set_blocking(future *self, PyObject *value, void *Py_UNUSED(closure)) {
  int blocking = value != NULL ? PyObject_IsTrue(value) : 0;
  if (blocking < 0) return -1;
  self->blocking = blocking;
  return 0;
}

/* ---- The type ---- */

static int future_traverse(future *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->loop);
  Py_VISIT(self->callback);
  Py_VISIT(self->context);
  Py_VISIT(self->message);
  return 0;
}

static int future_clear(future *self) {
  Py_CLEAR(self->loop);
  Py_CLEAR(self->callback);
  Py_CLEAR(self->context);
  Py_CLEAR(self->message);
  return 0;
}

static void future_dealloc(future *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  future_clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

#define KEYWORDS(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

static PyMethodDef future_methods[] = {
    {"get_loop", (PyCFunction)future_get_loop, METH_NOARGS,
     "get_loop($self, /)\n--\n\nReturns the event loop."},
    {"add_done_callback", KEYWORDS(future_add_done_callback),
     "add_done_callback($self, fn, /, *, context=None)\n--\n\nSets the callback that wakes the "
     "task; only one is allowed."},
    {"remove_done_callback", (PyCFunction)future_remove_done_callback, METH_O,
     "remove_done_callback($self, fn, /)\n--\n\nRemoves the callback. Returns how many were "
     "removed."},
    {"cancel", KEYWORDS(future_cancel),
     "cancel($self, /, msg=None)\n--\n\nCancels the call. Returns False if it is done."},
    {"result", (PyCFunction)future_result, METH_NOARGS,
     "result($self, /)\n--\n\nReturns None, or raises CancelledError."},
    {"done", (PyCFunction)future_done, METH_NOARGS,
     "done($self, /)\n--\n\nReturns whether the call is done or cancelled."},
    {"cancelled", (PyCFunction)future_cancelled, METH_NOARGS,
     "cancelled($self, /)\n--\n\nReturns whether the call was cancelled."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef future_attributes[] = {
    {"_asyncio_future_blocking", (getter)get_blocking, (setter)set_blocking,
     "Tells a task that the future was yielded by an await.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot future_slots[] = {
    {Py_tp_doc, (char *)"What a task waits on while an op is pending."},
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_traverse, future_traverse},
    {Py_tp_clear, future_clear},
    {Py_tp_methods, future_methods},
    {Py_tp_getset, future_attributes},
    {0, NULL},
};

PyType_Spec future_spec = {
    .name = "cachette._cachette.Future",
    .basicsize = sizeof(future),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = future_slots,
};
