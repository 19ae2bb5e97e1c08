/* SPDX-License-Identifier: MIT */
/*
 * An awaitable whose result is there already: `await` gives it without a turn of the event loop.
 *
 * It has a coroutine's methods, so that asyncio takes it for one wherever it takes a coroutine.
 * A few are kept for reuse, for one is made in every call.
 */
#include "ext.h"

struct ready {
  PyObject_HEAD PyObject *result; /* or the exception; NULL once it was given */
  bool failed;
};

PyObject *ready_new(ext_state *state, PyObject *result) {
  bool failed = result == NULL;
  if (failed) {
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return NULL;
    PyObject *type, *traceback;
    PyErr_Fetch(&type, &result, &traceback);
    PyErr_NormalizeException(&type, &result, &traceback);
    if (traceback != NULL) PyException_SetTraceback(result, traceback);
    Py_DECREF(type);
    Py_XDECREF(traceback);
  }
  ready *self;
  if (state->kept_count > 0) {
    self = state->kept[--state->kept_count];
    PyObject_Init((PyObject *)self, state->ready_type);
  } else {
    self = PyObject_GC_New(ready, state->ready_type);
    if (self == NULL) {
      Py_DECREF(result);
      return NULL;
    }
  }
  self->result = result;
  self->failed = failed;
  if (PyObject_IS_GC(result)) PyObject_GC_Track(self); /* text and numbers form no cycles */
  return (PyObject *)self;
}

void ready_forget(ext_state *state) {
  PyTypeObject *type = state->ready_type;
  state->ready_type = NULL;
  while (state->kept_count > 0)
    PyObject_GC_Del(state->kept[--state->kept_count]); /* asks the type */
  Py_XDECREF(type);
}

/* The state of the module of the type; NULL when the garbage collector has cleared either. */
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

static void ready_dealloc(ready *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_CLEAR(self->result);
  ext_state *state = state_of(type);
  if (state != NULL && state->kept_count < READY_KEPT && type == state->ready_type)
    state->kept[state->kept_count++] = self;
  else
    PyObject_GC_Del(self);
  Py_DECREF(type);
}

/* Takes the result out, or NULL with an exception set. */
static PyObject *take(ready *self) {
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

/* Ends an iteration: the result as a StopIteration. */
static PyObject *stop(ready *self) {
  PyObject *result = take(self);
  if (result == NULL) return NULL;
  if (result != Py_None) { /* with no exception set, the interpreter takes it for None */
    PyObject *exception = PyObject_CallFunctionObjArgs(PyExc_StopIteration, result, NULL);
    if (exception != NULL) {
      PyErr_SetObject(PyExc_StopIteration, exception);
      Py_DECREF(exception);
    }
  }
  Py_DECREF(result);
  return NULL;
}

#if PY_VERSION_HEX >= 0x030A0000
static PySendResult ready_am_send(ready *self, PyObject *value, PyObject **result) {
  (void)value;
  *result = take(self);
  return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}
#endif

static PyObject *ready_send(ready *self, PyObject *value) {
  if (value != Py_None && self->result != NULL) {
    PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
    return NULL;
  }
  stop(self);
  if (!PyErr_Occurred()) PyErr_SetNone(PyExc_StopIteration);
  return NULL;
}

static PyObject *ready_close(ready *self, PyObject *Py_UNUSED(ignored)) {
  Py_CLEAR(self->result);
  Py_RETURN_NONE;
}

/* throw(exception) and the older throw(type, value, traceback), as a coroutine that has not begun
 * has it. */
static PyObject *ready_throw(ready *self, PyObject *args) {
  PyObject *type, *value = NULL, *traceback = NULL;
  if (!PyArg_UnpackTuple(args, "throw", 1, 3, &type, &value, &traceback)) return NULL;
  if (self->result == NULL) return take(self);
  bool is_class = PyExceptionClass_Check(type);
  if (!is_class && !PyExceptionInstance_Check(type))
    return PyErr_Format(PyExc_TypeError, "exceptions must derive from BaseException, not %.100s",
                        Py_TYPE(type)->tp_name);
  if (!is_class && value != NULL && value != Py_None) {
    PyErr_SetString(PyExc_TypeError, "instance exception may not have a separate value");
    return NULL;
  }
  Py_CLEAR(self->result);
  if (is_class)
    PyErr_SetObject(type, value != Py_None ? value : NULL);
  else
    PyErr_SetObject((PyObject *)Py_TYPE(type), type);
  return NULL;
}

static PyMethodDef ready_methods[] = {
    {"send", (PyCFunction)ready_send, METH_O, "Gives the result, as a coroutine does."},
    {"throw", (PyCFunction)ready_throw, METH_VARARGS, "Drops the result and raises an exception."},
    {"close", (PyCFunction)ready_close, METH_NOARGS, "Drops the result."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot ready_slots[] = {
    {Py_tp_doc, (char *)"An awaitable whose result is there already."},
    {Py_tp_dealloc, ready_dealloc},
    {Py_tp_traverse, ready_traverse},
    {Py_tp_clear, ready_clear},
    {Py_tp_methods, ready_methods},
    {Py_tp_iter, PyObject_SelfIter}, /* for `yield from call.__await__()` */
    {Py_tp_iternext, stop},
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
