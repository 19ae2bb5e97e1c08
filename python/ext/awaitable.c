/* SPDX-License-Identifier: MIT */
/*
 * What Ready and Pending have in common with coroutines, except for send(): a name, the frames that
 * created it (in debug mode), the arguments of throw(), and the warning that it was never awaited.
 */
#include "awaitable.h"

#include <frameobject.h> /* older Pythons declare PyFrame_GetBack() there */

/* ---- Origin ---- */

static PyObject *describe_frame(PyFrameObject *frame) {
  PyCodeObject *code = PyFrame_GetCode(frame);
  PyObject *row =
      Py_BuildValue("(OiO)", code->co_filename, PyFrame_GetLineNumber(frame), code->co_name);
  Py_DECREF(code);
  return row;
}

/* The frames of the callers, innermost first, in the format of a coroutine's `cr_origin`. */
static PyObject *describe_callers(int depth) {
  PyObject *rows = PyList_New(0);
  PyFrameObject *frame = PyEval_GetFrame();
  Py_XINCREF((PyObject *)frame);
  for (; rows != NULL && frame != NULL && depth > 0; depth--) {
    PyObject *row = describe_frame(frame);
    if (row == NULL || PyList_Append(rows, row) < 0) Py_CLEAR(rows);
    Py_XDECREF(row);
    PyFrameObject *caller = PyFrame_GetBack(frame);
    Py_DECREF((PyObject *)frame);
    frame = caller;
  }
  Py_XDECREF((PyObject *)frame);
  PyObject *origin = rows != NULL ? PyList_AsTuple(rows) : NULL;
  Py_XDECREF(rows);
  return origin;
}

void awaitable_trace(awaitable *self, int depth) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  self->origin = describe_callers(depth);
  PyErr_Restore(type, value, traceback); /* when out of memory, there is no origin */
}

/* ---- Never awaited ---- */

/* The function of Python itself also reports where the call was made. */
static PyObject *warn(const awaitable *self, PyObject *warnings) {
  PyObject *warned =
      PyObject_CallMethod(warnings, "_warn_unawaited_coroutine", "O", (PyObject *)self);
  if (warned != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) return warned;
  PyErr_Clear();
  int code = PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine 'Cachette.%s' was never awaited",
                              call_signatures[self->kind].name);
  return code == 0 ? Py_NewRef(Py_None) : NULL;
}

void awaitable_warn(awaitable *self) {
  if (self->kind == CALL_KINDS) return;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyObject *warnings = PyImport_ImportModule("warnings");
  PyObject *warned = warnings != NULL ? warn(self, warnings) : NULL;
  if (warnings == NULL) PyErr_Clear(); /* the interpreter is shutting down */
  if (warned == NULL && PyErr_Occurred()) PyErr_WriteUnraisable((PyObject *)self);
  Py_XDECREF(warned);
  Py_XDECREF(warnings);
  PyErr_Restore(type, value, traceback);
}

/* ---- Throw ---- */

static PyObject *raise_not_an_exception(PyObject *type) {
  return PyErr_Format(PyExc_TypeError, "exceptions must derive from BaseException, not %.100s",
                      Py_TYPE(type)->tp_name);
}

bool awaitable_read_throw(PyObject *args, PyObject **type, PyObject **value) {
  PyObject *traceback = NULL;
  *value = NULL;
  if (!PyArg_UnpackTuple(args, "throw", 1, 3, type, value, &traceback)) return false;
  bool is_class = PyExceptionClass_Check(*type);
  if (!is_class && !PyExceptionInstance_Check(*type)) return raise_not_an_exception(*type) != NULL;
  if (*value == Py_None) *value = NULL;
  if (is_class || *value == NULL) return true;
  PyErr_SetString(PyExc_TypeError, "instance exception may not have a separate value");
  return false;
}

PyObject *awaitable_raise(PyObject *type, PyObject *value) {
  if (PyExceptionClass_Check(type))
    PyErr_SetObject(type, value);
  else
    PyErr_SetObject((PyObject *)Py_TYPE(type), type);
  return NULL;
}

/* An exception is made, since a tuple or an exception as the value would be taken apart. */
PyObject *awaitable_stop(PyObject *result) {
  PyObject *stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, result, NULL);
  if (stop != NULL) PyErr_SetObject(PyExc_StopIteration, stop);
  Py_XDECREF(stop);
  Py_DECREF(result);
  return NULL;
}

/* ---- Iteration ---- */

/* `await` uses the slot am_await, so code that iterates over a call forgot to await it. */
PyObject *awaitable_iter(PyObject *self) {
  enum call_kind kind = ((awaitable *)self)->kind;
  if (kind == CALL_KINDS) return Py_NewRef(self); /* from `await Cachette()`, which is not a call */
  return PyErr_Format(PyExc_TypeError,
                      "the call 'Cachette.%s' is not iterable: await it, and iterate over what it "
                      "gives",
                      call_signatures[kind].name);
}

/* For libraries that use call.__await__() directly. Returns an iterator. */
PyObject *awaitable_await(PyObject *self, PyObject *Py_UNUSED(ignored)) {
  if (((awaitable *)self)->kind == CALL_KINDS) return Py_NewRef(self);
  PyObject *calls = PyImport_ImportModule("cachette._calls");
  PyObject *created = calls != NULL ? PyObject_CallMethod(calls, "wait_for", "(O)", self) : NULL;
  PyObject *iterator = created != NULL ? PyObject_CallMethod(created, "__await__", NULL) : NULL;
  Py_XDECREF(created);
  Py_XDECREF(calls);
  return iterator;
}

/* ---- Attributes ---- */

static PyObject *get_name(awaitable *self, void *Py_UNUSED(closure)) {
  if (self->kind == CALL_KINDS) return PyUnicode_FromString("__await__");
  return PyUnicode_FromString(call_signatures[self->kind].name);
}

static PyObject *get_qualname(awaitable *self, void *Py_UNUSED(closure)) {
  return PyUnicode_FromFormat(
      "Cachette.%s", self->kind == CALL_KINDS ? "__await__" : call_signatures[self->kind].name);
}

static PyObject *get_origin(awaitable *self, void *Py_UNUSED(closure)) {
  return Py_NewRef(self->origin != NULL ? self->origin : Py_None);
}

PyGetSetDef awaitable_attributes[] = {
    {"__name__", (getter)get_name, NULL, "The name of the call.", NULL},
    {"__qualname__", (getter)get_qualname, NULL, "The name of the call, with its class.", NULL},
    {"cr_origin", (getter)get_origin, NULL,
     "The frames that created the call, or None unless sys.set_coroutine_origin_tracking_depth() "
     "was called.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
