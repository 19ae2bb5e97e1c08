/* SPDX-License-Identifier: MIT */
/*
 * The calls of a cache as functions.
 *
 * Python itself only takes functions that are written in Python for coroutine functions, and so do
 * the frameworks that ask inspect or asyncio before they await: a task queue, a dependency, an
 * endpoint. So each call has a face, a coroutine function in cachette._calls without a body, and a
 * Function answers as its face does to everything but a call, which the extension carries out:
 *
 *     cachette.put('key', 'value')  -> Function -> call_asynchronously() or call_blocking()
 *     inspect.signature(cachette.put), its __doc__, __code__, annotations  -> the face
 *
 * It is a method descriptor with a vectorcall, so a call makes no bound method on its way.
 */
#include <stddef.h>

#include "ext.h"

#include <structmember.h>

typedef struct function {
  PyObject_HEAD vectorcallfunc vectorcall;
  enum call_kind kind;
  bool blocking;
  PyObject *face;
  PyObject *weak_references;
} function;

/* ---- Calling one ---- */

/* Somebody called it on the class: names the call and says how it is made. */
static PyObject *refuse_class(const function *self) {
  const char *name = call_signatures[self->kind].name;
  return PyErr_Format(PyExc_TypeError,
                      self->blocking ? "%s() was called without a cache: call it as in "
                                       "Cachette.sync.%s(...)"
                                     : "%s() was called on the class: call it on an instance, as "
                                       "in Cachette().%s(...), or use Cachette.sync",
                      name, name);
}

static PyObject *function_vectorcall(PyObject *callable, PyObject *const *args, size_t flags,
                                     PyObject *keywords) {
  function *self = (function *)callable;
  ext_state *state = PyType_GetModuleState(Py_TYPE(callable));
  Py_ssize_t count = PyVectorcall_NARGS(flags);
  PyTypeObject *owner = self->blocking ? state->sync_type : state->cache_type;
  if (count == 0 || !PyObject_TypeCheck(args[0], owner)) return refuse_class(self);
  PyObject *given[CALL_ARGUMENTS];
  if (!call_parse(self->kind, args + 1, count - 1, keywords, given)) return NULL;
  return self->blocking ? sync_call(state, args[0], self->kind, given)
                        : cache_call(state, args[0], self->kind, given);
}

/* ---- What it is taken for ---- */

static PyObject *function_get(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(owner)) {
  if (instance == NULL || instance == Py_None) return Py_NewRef(self);
  return PyMethod_New(self, instance);
}

static PyObject *function_getattro(function *self, PyObject *name) {
  PyObject *own = PyObject_GenericGetAttr((PyObject *)self, name);
  if (own != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) return own;
  PyErr_Clear();
  return PyObject_GetAttr(self->face, name);
}

/* isinstance() believes this, and inspect.isfunction() believes isinstance(). */
static PyObject *get_class(function *Py_UNUSED(self), void *Py_UNUSED(closure)) {
  return Py_NewRef((PyObject *)&PyFunction_Type);
}

/* Of what the type has itself, and is to be the face's. */
static PyObject *get_of_face(function *self, void *name) {
  return PyObject_GetAttrString(self->face, name);
}

static PyObject *function_repr(function *self) { return PyObject_Repr(self->face); }

/* Pickled and copied by its name, as functions are. */
static PyObject *function_reduce(function *self, PyObject *Py_UNUSED(ignored)) {
  return PyObject_GetAttrString(self->face, "__qualname__");
}

/* ---- Making one ---- */

static int find_kind(PyObject *face, enum call_kind *kind) {
  PyObject *name = PyObject_GetAttrString(face, "__name__");
  if (name == NULL) return -1;
  int found = 0;
  for (int i = 0; i < CALL_KINDS && !found; i++) {
    found = PyUnicode_CompareWithASCIIString(name, call_signatures[i].name) == 0;
    if (found) *kind = (enum call_kind)i;
  }
  if (!found) PyErr_Format(PyExc_ValueError, "there is no call %R", name);
  Py_DECREF(name);
  return found ? 0 : -1;
}

static PyObject *function_new(PyObject *module, PyObject *face, bool blocking) {
  ext_state *state = PyModule_GetState(module);
  enum call_kind kind;
  if (!PyFunction_Check(face)) return PyErr_Format(PyExc_TypeError, "a face is a function");
  if (find_kind(face, &kind) < 0) return NULL;
  function *self = PyObject_GC_New(function, state->function_type);
  if (self == NULL) return NULL;
  self->vectorcall = function_vectorcall;
  self->kind = kind;
  self->blocking = blocking;
  self->face = Py_NewRef(face);
  self->weak_references = NULL;
  PyObject_GC_Track(self);
  return (PyObject *)self;
}

PyObject *function_of_call(PyObject *module, PyObject *face) {
  return function_new(module, face, false);
}

PyObject *function_of_blocking_call(PyObject *module, PyObject *face) {
  return function_new(module, face, true);
}

/* ---- The type ---- */

/* It has no tp_clear: a cycle through a face is broken in the dicts that it passes. */
static int function_traverse(function *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->face);
  return 0;
}

static void function_dealloc(function *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (self->weak_references != NULL) PyObject_ClearWeakRefs((PyObject *)self);
  Py_DECREF(self->face);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

static PyMethodDef function_methods[] = {
    {"__reduce__", (PyCFunction)function_reduce, METH_NOARGS, "The name by which it is found."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef function_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(function, vectorcall), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(function, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef function_attributes[] = {
    {"__class__", (getter)get_class, NULL, NULL, NULL},
    {"__doc__", (getter)get_of_face, NULL, NULL, "__doc__"},
    {"__module__", (getter)get_of_face, NULL, NULL, "__module__"},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot function_slots[] = {
    {Py_tp_dealloc, function_dealloc},   {Py_tp_traverse, function_traverse},
    {Py_tp_call, PyVectorcall_Call},     {Py_tp_descr_get, function_get},
    {Py_tp_getattro, function_getattro}, {Py_tp_repr, function_repr},
    {Py_tp_methods, function_methods},   {Py_tp_members, function_members},
    {Py_tp_getset, function_attributes}, {0, NULL},
};

PyType_Spec function_spec = {
    .name = "cachette._cachette.Function",
    .basicsize = sizeof(function),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_METHOD_DESCRIPTOR
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = function_slots,
};
