/* SPDX-License-Identifier: MIT */
/* What Ready and Pending have in common with coroutines. */
#ifndef CACHETTE_EXT_AWAITABLE_H
#define CACHETTE_EXT_AWAITABLE_H

#include "signature.h"

/* The common first member of both structs. */
typedef struct awaitable {
  PyObject_HEAD enum call_kind kind; /* CALL_KINDS: not a call, so it never warns */
  PyObject *origin;                  /* the frames that created it, a tuple; NULL: not traced */
} awaitable;

/* Records the frames that created the awaitable. Debug mode asks for this. */
void awaitable_trace(awaitable *self, int depth);

static inline void awaitable_init(awaitable *self, enum call_kind kind) {
  self->kind = kind;
  self->origin = NULL;
  int depth = PyThreadState_Get()->coroutine_origin_tracking_depth;
  if (depth > 0) awaitable_trace(self, depth);
}

/* Warns that the call was never awaited, as Python does for a coroutine. Preserves the exception
 * that is set. */
void awaitable_warn(awaitable *self);

/* Reads the arguments of throw(exception) and of the older throw(type, value, traceback). Sets
 * `*type` to a class or an exception and `*value` to a value or NULL, both borrowed. Returns false
 * with an exception set. */
bool awaitable_read_throw(PyObject *args, PyObject **type, PyObject **value);

/* Raises the exception that awaitable_read_throw() returned. Returns NULL. */
PyObject *awaitable_raise(PyObject *type, PyObject *value);

/* Raises StopIteration with a result, which it steals. Returns NULL. */
PyObject *awaitable_stop(PyObject *result);

/* The `__iter__` and `__await__` of both types. */
PyObject *awaitable_iter(PyObject *self);
PyObject *awaitable_await(PyObject *self, PyObject *ignored);

extern PyGetSetDef awaitable_attributes[];

#endif
