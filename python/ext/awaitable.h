/* SPDX-License-Identifier: MIT */
/* What Ready and Pending have in common with coroutines. */
#ifndef CACHETTE_EXT_AWAITABLE_H
#define CACHETTE_EXT_AWAITABLE_H

#include "signature.h"

/* The head of both structs. */
typedef struct awaitable {
  PyObject_HEAD enum call_kind kind; /* CALL_KINDS: it is no call, and does not warn */
  PyObject *origin;                  /* where it was made, a tuple of frames; NULL: not traced */
} awaitable;

/* Records where it was made, which debug mode asks for. */
void awaitable_trace(awaitable *self, int depth);

static inline void awaitable_init(awaitable *self, enum call_kind kind) {
  self->kind = kind;
  self->origin = NULL;
  int depth = PyThreadState_Get()->coroutine_origin_tracking_depth;
  if (depth > 0) awaitable_trace(self, depth);
}

/* Warns that it was never awaited, as for a coroutine. Keeps the exception that is set. */
void awaitable_warn(awaitable *self);

/* Reads the arguments of throw(exception) and of the older throw(type, value, traceback): a class
 * or an exception, and a value or NULL; borrowed. False with an exception set. */
bool awaitable_read_throw(PyObject *args, PyObject **type, PyObject **value);

/* Raises that exception. Returns NULL. */
PyObject *awaitable_raise(PyObject *type, PyObject *value);

/* Their `__iter__` and `__await__`. */
PyObject *awaitable_iter(PyObject *self);
PyObject *awaitable_await(PyObject *self, PyObject *ignored);

extern PyGetSetDef awaitable_attributes[];

#endif
