/* SPDX-License-Identifier: MIT */
/*
 * A call whose result is known: `await` returns it without a turn of the event loop.
 *
 * A Ready has the methods of a coroutine, so asyncio accepts it as one. Every call creates one, so
 * a free list keeps a few objects for reuse.
 */
#include "ready.h"

#include "awaitable.h"
#include "errors.h"

struct ready {
  awaitable base;
  PyObject *result; /* or the exception if `failed`; NULL once taken */
  bool failed;
  bool finalized;
};

PyObject *ready_new(ext_state *state, enum call_kind kind, PyObject *result) {
  bool failed = result == NULL;
  if (failed) {
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return NULL;
    result = take_exception();
  }
  ready *self;
  if (state->ready_free_count > 0) {
    self = state->ready_freelist[--state->ready_free_count];
    PyObject_Init((PyObject *)self, state->ready_type);
  } else {
    self = PyObject_GC_New(ready, state->ready_type);
    if (self == NULL) {
      Py_DECREF(result);
      return NULL;
    }
  }
  awaitable_init(&self->base, kind);
  self->result = result;
  self->failed = failed;
  self->finalized = false;
  if (PyObject_IS_GC(result)) PyObject_GC_Track(self); /* text and numbers form no cycles */
  return (PyObject *)self;
}

PyObject *ready_fail(ext_state *state, enum call_kind kind) {
  return PyErr_ExceptionMatches(state->cachette_error) ? ready_new(state, kind, NULL) : NULL;
}

void ready_freelist_clear(ext_state *state) {
  PyTypeObject *type = state->ready_type;
  state->ready_type = NULL;
  while (state->ready_free_count > 0)
    PyObject_GC_Del(state->ready_freelist[--state->ready_free_count]); /* this uses the type */
  Py_XDECREF(type);
}

/* Returns the module's state, or NULL if the garbage collector has cleared the type or the module.
 */
static ext_state *state_of(PyTypeObject *type) {
  PyObject *module = ((PyHeapTypeObject *)type)->ht_module;
  return module != NULL ? PyModule_GetState(module) : NULL;
}

static int ready_traverse(ready *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->result);
  return 0;
}

static int ready_clear(ready *self) {
  Py_CLEAR(self->result);
  return 0;
}

/* If the result is still here, the call was never awaited. */
static void ready_finalize(PyObject *object) {
  ready *self = (ready *)object;
  self->finalized = true;
  if (self->result != NULL) awaitable_warn(&self->base);
}

/* Warns that the call was never awaited. Returns true if the warning has created a new reference.
 */
static bool warn_before_dealloc(ready *self) {
  if (!PyObject_GC_IsTracked((PyObject *)self)) PyObject_GC_Track(self);
  return PyObject_CallFinalizerFromDealloc((PyObject *)self) < 0;
}

/* Frees the object or puts it on the free list. Its result must be gone. */
static void free_or_reuse(ready *self) {
  PyTypeObject *type = Py_TYPE(self);
  bool reusable =
      !self->finalized; /* Python finalizes an object only once, so a reused one would not warn */
  PyObject_GC_UnTrack(self);
  Py_CLEAR(self->base.origin);
  ext_state *state = state_of(type);
  if (reusable && state != NULL && state->ready_free_count < READY_FREELIST_SIZE &&
      type == state->ready_type)
    state->ready_freelist[state->ready_free_count++] = self;
  else
    PyObject_GC_Del(self);
  Py_DECREF(type);
}

static void ready_dealloc(ready *self);

/* Frees a call that was never awaited. This is a separate function to keep ready_dealloc() small.
 */
__attribute__((cold, noinline)) static void dealloc_with_result(ready *self) {
  if (!self->finalized && warn_before_dealloc(self)) return;
  PyObject_GC_UnTrack(self);
  Py_TRASHCAN_BEGIN(self, ready_dealloc) /* results may form a long chain */
      Py_CLEAR(self->result);
  free_or_reuse(self);
  Py_TRASHCAN_END
}

static void ready_dealloc(ready *self) {
  if (self->result != NULL)
    dealloc_with_result(self);
  else
    free_or_reuse(self);
}

/* Moves the result to the caller. Returns NULL with an exception set. */
static PyObject *take_result(ready *self) {
  PyObject *result = self->result;
  if (result == NULL) {
    PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    return NULL;
  }
  self->result = NULL;
  if (!self->failed) return result;
  PyErr_SetObject((PyObject *)Py_TYPE(result), result);
  Py_DECREF(result);
  return NULL;
}

PyObject *ready_take(PyObject *object) { return take_result((ready *)object); }

/* Raises StopIteration with the result. */
static PyObject *ready_next(ready *self) {
  PyObject *result = take_result(self);
  if (result == NULL) return NULL;
  if (result != Py_None) return awaitable_stop(result);
  Py_DECREF(result); /* without an exception, the interpreter takes None */
  return NULL;
}

#if PY_VERSION_HEX >= 0x030A0000
static PySendResult ready_am_send(ready *self, PyObject *value, PyObject **result) {
  (void)value;
  *result = take_result(self);
  return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}
#endif

static PyObject *ready_send(ready *self, PyObject *value) {
  if (value != Py_None && self->result != NULL) {
    PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
    return NULL;
  }
  ready_next(self);
  if (!PyErr_Occurred()) PyErr_SetNone(PyExc_StopIteration);
  return NULL;
}

static PyObject *ready_close(ready *self, PyObject *Py_UNUSED(ignored)) {
  Py_CLEAR(self->result);
  Py_RETURN_NONE;
}

/* throw(exception) and the older throw(type, value, traceback), as on a coroutine that has not
 * started. */
static PyObject *ready_throw(ready *self, PyObject *args) {
  PyObject *type, *value;
  if (self->result == NULL) return take_result(self);
  if (!awaitable_read_throw(args, &type, &value)) return NULL;
  Py_CLEAR(self->result);
  return awaitable_raise(type, value);
}

static PyMethodDef ready_methods[] = {
    {"send", (PyCFunction)ready_send, METH_O,
     "send($self, value, /)\n--\n\nReturns the result by StopIteration, like a coroutine."},
    {"throw", (PyCFunction)ready_throw, METH_VARARGS,
     "throw($self, type, value=None, traceback=None, /)\n--\n\nDrops the result and raises an "
     "exception."},
    {"__await__", awaitable_await, METH_NOARGS | METH_COEXIST,
     "__await__($self, /)\n--\n\nReturns an iterator, for `yield from`."},
    {"close", (PyCFunction)ready_close, METH_NOARGS, "close($self, /)\n--\n\nDrops the result."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot ready_slots[] = {
    {Py_tp_doc, (char *)"An awaitable whose result is known."},
    {Py_tp_dealloc, ready_dealloc},
    {Py_tp_traverse, ready_traverse},
    {Py_tp_clear, ready_clear},
    {Py_tp_finalize, ready_finalize},
    {Py_tp_methods, ready_methods},
    {Py_tp_getset, awaitable_attributes},
    {Py_tp_iter, awaitable_iter},
    {Py_tp_iternext, ready_next},
    {Py_am_await, PyObject_SelfIter},
#if PY_VERSION_HEX >= 0x030A0000
    {Py_am_send, ready_am_send},
#endif
    {0, NULL},
};

PyType_Spec ready_spec = {
    .name = "cachette._cachette.Ready",
    .basicsize = sizeof(ready),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = ready_slots,
};
