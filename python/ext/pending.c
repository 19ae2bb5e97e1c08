/* SPDX-License-Identifier: MIT */
/*
 * A call whose op waits for a server. The op is submitted before the call returns. `await` waits on
 * a Future, unless the answer has arrived already.
 *
 * A Pending has the methods of a coroutine, so asyncio accepts it as one. If it is cancelled,
 * closed or never awaited, its op is cancelled.
 */
#include "pending.h"

#include "awaitable.h"
#include "call.h"
#include "errors.h"
#include "flights.h"
#include "loop_handle.h"
#include "ready.h"
#include "result.h"

/* UNSENT: the op is submitted when the call is awaited. FINISHED: the result was taken, or there
 * will be none. */
enum { UNSENT, WAITING, ANSWERED, FINISHED };

struct pending {
  awaitable base;
  call call;
  int stage;
  bool started; /* it was awaited or closed, so it does not warn */
  bool finalized;
  loop_handle *handle;
  config_object *config;
  future *future;  /* the future that a task waits on, or NULL */
  PyObject *bytes; /* a fetched value that did not fit the buffer */
  char buffer[1024];
};

static ext_state *pending_state(pending *self) {
  PyObject *module = ((PyHeapTypeObject *)Py_TYPE(self))->ht_module;
  return module != NULL ? PyModule_GetState(module) : NULL;
}

/* ---- The op ---- */

static void *alloc_value(cachette_op *op, cachette_item *item, size_t size) {
  pending *self = op->data;
  (void)item;
  Py_XDECREF(self->bytes);
  self->bytes = size <= PY_SSIZE_T_MAX ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size) : NULL;
  if (self->bytes == NULL) PyErr_Clear(); /* the op fails with ENOMEM */
  return self->bytes != NULL ? PyBytes_AS_STRING(self->bytes) : NULL;
}

/* The op is done: wakes the task that waits for it. */
static void on_done(cachette_op *op) {
  pending *self = op->data;
  call_end(&self->call);
  if (self->stage == WAITING) self->stage = ANSWERED;
  future *woken = self->future;
  if (woken == NULL) return;
  self->future = NULL;
  future_detach(woken);
  loop_handle_wake(self->handle, woken);
}

/* ---- Creation ---- */

/* Allocates a Pending whose call is not initialized. The garbage collector does not track it yet.
 */
static pending *pending_new(ext_state *state, config_object *config, enum call_kind kind) {
  pending *self;
  if (state->pending_free_count > 0) {
    self = state->pending_freelist[--state->pending_free_count];
    PyObject_Init((PyObject *)self, state->pending_type);
  } else {
    self = PyObject_GC_New(pending, state->pending_type);
    if (self == NULL) return NULL;
  }
  awaitable_init(&self->base, kind);
  self->stage = FINISHED;
  self->started = self->finalized = false;
  self->handle = NULL;
  self->bytes = NULL;
  self->future = NULL;
  self->config = config;
  Py_INCREF((PyObject *)config);
  return self;
}

/* Submits the op. Returns 1; 0 if no event loop is running; or -1 with an exception set. */
static int send_op(ext_state *state, pending *self) {
  loop_handle *found;
  int code = loop_handle_find(state, self->config, &found);
  if (code <= 0) return code;
  self->handle = (loop_handle *)Py_NewRef((PyObject *)found);
  self->stage = WAITING;
  return loop_handle_submit(state, found, &self->call.op) < 0 ? -1 : 1;
}

/* Ends a call that failed before or while its op was submitted. Steals `self`. Returns the result
 * of ready_fail(). */
static PyObject *fail(ext_state *state, pending *self) {
  PyObject *failed = ready_fail(state, self->base.kind);
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  self->started = true; /* no one can await it, so it must not warn */
  Py_DECREF(self);
  PyErr_Restore(type, value, traceback);
  return failed;
}

/* Submits the op and returns the call. If the op must not overtake puts of leases, returns a
 * coroutine that first waits for these puts and then for the call. Returns NULL with an exception
 * set. */
static PyObject *start_op(ext_state *state, pending *self) {
  PyObject *blockers = call_begin(self->config, &self->call);
  if (blockers == NULL)
    return !PyErr_Occurred() && send_op(state, self) >= 0 ? Py_NewRef((PyObject *)self) : NULL;
  PyObject *coroutine =
      flights_import(state) < 0
          ? NULL
          : PyObject_CallFunctionObjArgs(state->write_after_puts, self, blockers, NULL);
  Py_DECREF(blockers);
  return coroutine;
}

/*
 * The op is submitted at once, so ops of several calls are sent together, even before the first
 * call is awaited. If no loop is running yet, as in asyncio.run(cachette.fetch('key')), the op is
 * submitted when the call is awaited. A wrong argument is an error of the call; an error of the
 * backend is raised when the call is awaited.
 */
static PyObject *begin(ext_state *state, pending *self, bool initialized) {
  if (!initialized) return fail(state, self);
  self->stage = UNSENT;
  PyObject_GC_Track(self);
  PyObject *result = start_op(state, self);
  if (result == NULL) return fail(state, self);
  if (self->stage == ANSWERED && self->call.op.status == CACHETTE_EINVAL) {
    Py_DECREF(result); /* it is `self` */
    raise_error(state, CACHETTE_EINVAL, &self->call.error);
    return fail(state, self);
  }
  Py_DECREF(self);
  return result;
}

PyObject *pending_call(ext_state *state, config_object *config, enum call_kind kind,
                       PyObject *const *arguments) {
  pending *self = pending_new(state, config, kind);
  if (self == NULL) return NULL;
  bool ok = call_init(state, config, kind, arguments, &self->call);
  cachette_op *op = &self->call.op;
  op->done = on_done;
  op->data = self;
  op->error = &self->call.error;
  if (op->verb == CACHETTE_FETCH && self->call.many == NULL) {
    op->alloc = alloc_value;
    self->call.item.buffer = self->buffer;
    self->call.item.buffer_size = sizeof self->buffer;
  }
  return begin(state, self, ok);
}

/* ---- Awaiting ---- */

/* Cancels the op if it is pending. */
static void cancel_op(void *owner) {
  pending *self = owner;
  bool waited = self->stage == WAITING;
  future *detached = self->future;
  self->future = NULL;
  if (detached != NULL) future_detach(detached);
  if (waited) loop_handle_cancel(self->handle, &self->call.op);
  Py_XDECREF((PyObject *)detached);
}

/* Releases all references. Cancels the op if it is pending. */
static int pending_clear(pending *self) {
  cancel_op(self);
  self->stage = FINISHED;
  call_deinit(&self->call);
  Py_CLEAR(self->bytes);
  Py_CLEAR(self->handle);
  Py_CLEAR(self->config);
  return 0;
}

int pending_step(pending *self, PyObject **result) {
  ext_state *state = pending_state(self);
  *result = NULL;
  self->started = true;
  if (self->stage == FINISHED || state == NULL) {
    PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    return -1;
  }
  if (self->stage == UNSENT) {
    int code = send_op(state, self);
    if (code == 0) loop_handle_raise_no_loop();
    if (code <= 0) return -1;
  }
  if (self->stage == ANSWERED) {
    self->stage = FINISHED;
    *result = call_result(state, self->config, &self->call, self->bytes);
    pending_clear(self);
    return *result != NULL ? 1 : -1;
  }
  if (self->future == NULL) {
    self->future = loop_handle_future(state, self->handle, cancel_op, self);
  } else if (!future_block(self->future)) {
    PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
    return -1;
  }
  *result = (PyObject *)self->future;
  Py_XINCREF(*result);
  return *result != NULL ? 0 : -1;
}

#if PY_VERSION_HEX >= 0x030A0000
static PySendResult pending_am_send(pending *self, PyObject *value, PyObject **result) {
  (void)value;
  int code = pending_step(self, result);
  return code > 0 ? PYGEN_RETURN : code == 0 ? PYGEN_NEXT : PYGEN_ERROR;
}
#endif

/* Returns the future, or raises StopIteration with the result. */
static PyObject *pending_next(pending *self) {
  PyObject *result;
  int code = pending_step(self, &result);
  return code <= 0 ? result : awaitable_stop(result);
}

static PyObject *pending_send(pending *self, PyObject *value) {
  if (value != Py_None && self->future == NULL && self->stage != FINISHED) {
    PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
    return NULL;
  }
  return pending_next(self);
}

static PyObject *pending_close(pending *self, PyObject *Py_UNUSED(ignored)) {
  self->started = true;
  pending_clear(self);
  Py_RETURN_NONE;
}

/* throw(exception) and the older throw(type, value, traceback). */
static PyObject *pending_throw(pending *self, PyObject *args) {
  PyObject *type, *value;
  if (self->stage == FINISHED) {
    PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    return NULL;
  }
  if (!awaitable_read_throw(args, &type, &value)) return NULL;
  self->started = true;
  pending_clear(self);
  return awaitable_raise(type, value);
}

/* ---- The type ---- */

void pending_freelist_clear(ext_state *state) {
  PyTypeObject *type = state->pending_type;
  state->pending_type = NULL;
  while (state->pending_free_count > 0)
    PyObject_GC_Del(state->pending_freelist[--state->pending_free_count]); /* this uses the type */
  Py_XDECREF(type);
}

static int pending_traverse(pending *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT((PyObject *)self->handle);
  Py_VISIT((PyObject *)self->config);
  Py_VISIT(self->call.fallback);
  Py_VISIT(self->call.returns);
  Py_VISIT((PyObject *)self->future);
  Py_VISIT(self->call.encoded.owner);
  Py_VISIT((PyObject *)self->call.lease);
  return 0;
}

static void pending_finalize(PyObject *object) {
  pending *self = (pending *)object;
  self->finalized = true;
  if (!self->started) awaitable_warn(&self->base);
}

static void pending_dealloc(pending *self) {
  PyTypeObject *type = Py_TYPE(self);
  if (!self->started && PyObject_CallFinalizerFromDealloc((PyObject *)self) < 0) return;
  bool reusable =
      !self->finalized; /* Python finalizes an object only once, so a reused one would not warn */
  PyObject_GC_UnTrack(self);
  Py_TRASHCAN_BEGIN(self, pending_dealloc) /* they may form a long chain */
      pending_clear(self);
  Py_CLEAR(self->base.origin);
  ext_state *state = pending_state(self);
  if (reusable && state != NULL && state->pending_free_count < PENDING_FREELIST_SIZE &&
      type == state->pending_type)
    state->pending_freelist[state->pending_free_count++] = self;
  else
    PyObject_GC_Del(self);
  Py_DECREF(type);
  Py_TRASHCAN_END
}

static PyMethodDef pending_methods[] = {
    {"send", (PyCFunction)pending_send, METH_O,
     "send($self, value, /)\n--\n\nAdvances the call, like a coroutine."},
    {"throw", (PyCFunction)pending_throw, METH_VARARGS,
     "throw($self, type, value=None, traceback=None, /)\n--\n\nCancels the call and raises an "
     "exception."},
    {"__await__", awaitable_await, METH_NOARGS | METH_COEXIST,
     "__await__($self, /)\n--\n\nReturns an iterator, for `yield from`."},
    {"close", (PyCFunction)pending_close, METH_NOARGS, "close($self, /)\n--\n\nCancels the call."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot pending_slots[] = {
    {Py_tp_doc, (char *)"An awaitable whose call is pending."},
    {Py_tp_dealloc, pending_dealloc},
    {Py_tp_traverse, pending_traverse},
    {Py_tp_clear, pending_clear},
    {Py_tp_finalize, pending_finalize},
    {Py_tp_methods, pending_methods},
    {Py_tp_getset, awaitable_attributes},
    {Py_tp_iter, awaitable_iter},
    {Py_tp_iternext, pending_next},
    {Py_am_await, PyObject_SelfIter},
#if PY_VERSION_HEX >= 0x030A0000
    {Py_am_send, pending_am_send},
#endif
    {0, NULL},
};

PyType_Spec pending_spec = {
    .name = "cachette._cachette.Pending",
    .basicsize = sizeof(pending),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = pending_slots,
};
