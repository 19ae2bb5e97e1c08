/* SPDX-License-Identifier: MIT */
/*
 * A call as a method of a class: `Cachette.put`, or `put` of `Cachette.sync`.
 *
 * Python accepts only functions that are written in Python as coroutine functions. Frameworks ask
 * inspect or asyncio about a task, a dependency or an endpoint before they await it. So each call
 * has a declaration, a coroutine function without a body in cachette._core. Apart from being
 * called, a Method behaves like its declaration:
 *
 *     cachette.put('key', 'value')  -> Method -> cache_call() or sync_call()
 *     inspect.signature(cachette.put), its __doc__, __code__, annotations  -> the declaration
 *
 * It is a method descriptor with a vectorcall, so a call creates no bound method.
 */
#include "method.h"

#include <stddef.h>

#include "cache.h"
#include "signature.h"
#include "sync.h"

#include <structmember.h>

typedef struct method {
  PyObject_HEAD vectorcallfunc vectorcall;
  enum call_kind kind;
  bool blocking;
  PyObject *declaration;
  PyObject *weak_references;
} method;

/* ---- Calls ---- */

/* The method was called on the class. The error explains how to call it. */
static PyObject *raise_called_on_class(const method *self) {
  const char *name = call_signatures[self->kind].name;
  return PyErr_Format(PyExc_TypeError,
                      self->blocking ? "%s() was called without a cache: call it as in "
                                       "Cachette.sync.%s(...)"
                                     : "%s() was called on the class: call it on an instance, as "
                                       "in Cachette().%s(...), or use Cachette.sync",
                      name, name);
}

static PyObject *method_vectorcall(PyObject *callable, PyObject *const *args, size_t flags,
                                   PyObject *keywords) {
  method *self = (method *)callable;
  ext_state *state = PyType_GetModuleState(Py_TYPE(callable));
  Py_ssize_t count = PyVectorcall_NARGS(flags);
  PyTypeObject *owner = self->blocking ? state->sync_type : state->cache_type;
  if (count == 0 || !PyObject_TypeCheck(args[0], owner)) return raise_called_on_class(self);
  PyObject *arguments[CALL_ARGUMENTS];
  if (!call_parse(self->kind, args + 1, count - 1, keywords, arguments)) return NULL;
  return self->blocking ? sync_call(state, args[0], self->kind, arguments)
                        : cache_call(state, args[0], self->kind, arguments);
}

/* ---- Attributes ---- */

static PyObject *method_get(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(owner)) {
  if (instance == NULL || instance == Py_None) return Py_NewRef(self);
  return PyMethod_New(self, instance);
}

static PyObject *method_getattro(method *self, PyObject *name) {
  PyObject *own = PyObject_GenericGetAttr((PyObject *)self, name);
  if (own != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) return own;
  PyErr_Clear();
  return PyObject_GetAttr(self->declaration, name);
}

/* isinstance() uses this, and inspect.isfunction() uses isinstance(). */
static PyObject *get_class(method *Py_UNUSED(self), void *Py_UNUSED(closure)) {
  return Py_NewRef((PyObject *)&PyFunction_Type);
}

/* Attributes that the type would provide itself, but that must come from the declaration. */
static PyObject *get_of_stub(method *self, void *name) {
  return PyObject_GetAttrString(self->declaration, name);
}

static PyObject *method_repr(method *self) { return PyObject_Repr(self->declaration); }

/* Pickled and copied by name, like a function. */
static PyObject *method_reduce(method *self, PyObject *Py_UNUSED(ignored)) {
  return PyObject_GetAttrString(self->declaration, "__qualname__");
}

/* ---- Creation ---- */

/* Finds the call that has the name of the declaration. Returns 0, or -1 with an exception set. */
static int find_kind(PyObject *declaration, enum call_kind *kind) {
  PyObject *name = PyObject_GetAttrString(declaration, "__name__");
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

static PyObject *method_new(PyObject *module, PyObject *declaration, bool blocking) {
  ext_state *state = PyModule_GetState(module);
  enum call_kind kind;
  if (!PyFunction_Check(declaration))
    return PyErr_Format(PyExc_TypeError, "a declaration is a function");
  if (find_kind(declaration, &kind) < 0) return NULL;
  method *self = PyObject_GC_New(method, state->method_type);
  if (self == NULL) return NULL;
  self->vectorcall = method_vectorcall;
  self->kind = kind;
  self->blocking = blocking;
  self->declaration = Py_NewRef(declaration);
  self->weak_references = NULL;
  PyObject_GC_Track(self);
  return (PyObject *)self;
}

PyObject *method_of_call(PyObject *module, PyObject *declaration) {
  return method_new(module, declaration, false);
}

PyObject *method_of_blocking_call(PyObject *module, PyObject *declaration) {
  return method_new(module, declaration, true);
}

/* ---- The type ---- */

/* There is no tp_clear: the garbage collector breaks a cycle through a declaration at the dicts in
 * it. */
static int method_traverse(method *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->declaration);
  return 0;
}

static void method_dealloc(method *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (self->weak_references != NULL) PyObject_ClearWeakRefs((PyObject *)self);
  Py_DECREF(self->declaration);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

static PyMethodDef method_methods[] = {
    {"__reduce__", (PyCFunction)method_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nPickles the method by its name."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef method_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(method, vectorcall), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(method, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef method_attributes[] = {
    {"__class__", (getter)get_class, NULL, NULL, NULL},
    {"__doc__", (getter)get_of_stub, NULL, NULL, (void *)"__doc__"},
    {"__module__", (getter)get_of_stub, NULL, NULL, (void *)"__module__"},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot method_slots[] = {
    {Py_tp_dealloc, method_dealloc},   {Py_tp_traverse, method_traverse},
    {Py_tp_call, PyVectorcall_Call},   {Py_tp_descr_get, method_get},
    {Py_tp_getattro, method_getattro}, {Py_tp_repr, method_repr},
    {Py_tp_methods, method_methods},   {Py_tp_members, method_members},
    {Py_tp_getset, method_attributes}, {0, NULL},
};

PyType_Spec method_spec = {
    .name = "cachette._cachette.Method",
    .basicsize = sizeof(method),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_METHOD_DESCRIPTOR
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = method_slots,
};
