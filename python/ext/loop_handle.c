/* SPDX-License-Identifier: MIT */
/*
 * A handle in an event loop: asyncio's, uvloop's, or another with the same methods.
 *
 * The loop watches the file descriptor of the handle. Work that does not depend on the descriptor
 * runs in callbacks of call_soon() and call_later(): sending ops at the end of the turn, and ending
 * ops at their deadline. There is at most one of each.
 *
 * The loop owns the LoopHandle through its reader. The LoopHandle refers to the loop weakly and is
 * closed with it. asyncio does not notify when a loop closes. So the LoopHandle is closed when the
 * loop is freed, or when the configuration opens its next LoopHandle.
 */
#include "loop_handle.h"

#include <math.h>

#include "handle.h"
#include "log.h"

enum { ROUNDS = 3 }; /* max turns of the handle in one turn of the loop */

struct loop_handle {
  PyObject_HEAD cachette *handle; /* NULL if closed */
  config_object *config;          /* borrowed; the configuration whose list it is in, or NULL */
  PyObject *loop;                 /* borrowed; NULL after the loop is freed */
  PyObject *loop_reference;       /* a weak reference with loop_gone() as its callback */
  PyObject *process, *tick;       /* bound methods */
  PyObject *timer;                /* from call_later(), or NULL */
  double timer_due;               /* on the monotonic clock, in ms */
  int fd;
  bool is_scheduled;              /* a call_soon() callback is scheduled */
  bool processing;                /* inside cachette_process() */
  future *wake_first, *wake_last; /* list of futures whose tasks to wake, in this order */
};

/* ---- Scheduling ---- */

static ext_state *state_of(loop_handle *self) {
  PyObject *module = ((PyHeapTypeObject *)Py_TYPE(self))->ht_module;
  return module != NULL ? PyModule_GetState(module) : NULL;
}

static bool is_closed(ext_state *state, PyObject *loop) {
  PyObject *answer = PyObject_CallMethodNoArgs(loop, state->str_is_closed);
  bool closed = answer == NULL || PyObject_IsTrue(answer) == 1;
  PyErr_Clear();
  Py_XDECREF(answer);
  return closed;
}

static void cancel_timer(ext_state *state, loop_handle *self) {
  if (self->timer == NULL) return;
  PyObject *timer = self->timer;
  self->timer = NULL;
  Py_XDECREF(PyObject_CallMethodNoArgs(timer, state->str_cancel));
  PyErr_Clear();
  Py_DECREF(timer);
}

static double machine_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int start_timer(ext_state *state, loop_handle *self, int timeout_ms) {
  double due = machine_ms() + timeout_ms;
  /* Keep an earlier timer: it fires, finds nothing to do and starts the next one. That is cheaper
   * than a new timer for each op. */
  if (self->timer != NULL && due >= self->timer_due - 1) return 0;
  cancel_timer(state, self);
  PyObject *delay = PyFloat_FromDouble((double)timeout_ms / 1e3 + 0.001);
  if (delay == NULL) return -1;
  self->timer =
      PyObject_CallMethodObjArgs(self->loop, state->str_call_later, delay, self->tick, NULL);
  self->timer_due = due;
  Py_DECREF(delay);
  return self->timer != NULL ? 0 : -1;
}

/* Schedules the next turn of the handle. Returns 0, or -1 with an exception set. */
static int schedule(ext_state *state, loop_handle *self) {
  if (self->is_scheduled || self->handle == NULL || self->loop == NULL) return 0;
  int timeout = cachette_timeout(self->handle);
  if (timeout < 0) return 0;
  if (timeout > 0) return start_timer(state, self, timeout);
  PyObject *scheduled = PyObject_CallMethodOneArg(self->loop, state->str_call_soon, self->process);
  if (scheduled == NULL) return -1;
  Py_DECREF(scheduled);
  self->is_scheduled = true;
  return 0;
}

/* Wakes tasks by call_soon(), because the caller may be inside a task. */
static void wake_later(ext_state *state, loop_handle *self) {
  while (self->wake_first != NULL) {
    future *first = self->wake_first;
    self->wake_first = future_next(first);
    if (self->loop == NULL || future_wake_later(state, first) < 0)
      PyErr_Clear(); /* the loop is closed, and so is the task */
    Py_DECREF((PyObject *)first);
  }
}

/* Wakes tasks at once, so that the ops that they submit are sent together. */
static int wake(ext_state *state, loop_handle *self) {
  int code = 0;
  while (self->wake_first != NULL && code == 0) {
    future *first = self->wake_first;
    self->wake_first = future_next(first);
    code = future_wake(first);
    Py_DECREF((PyObject *)first);
  }
  if (self->wake_first == NULL) return code;
  PyObject *type, *value, *traceback; /* such as KeyboardInterrupt; the other tasks still wait */
  PyErr_Fetch(&type, &value, &traceback);
  wake_later(state, self);
  PyErr_Restore(type, value, traceback);
  return code;
}

void loop_handle_wake(loop_handle *self, future *woken) {
  future_finish(woken);
  if (self->wake_first == NULL)
    self->wake_first = woken;
  else
    future_append(self->wake_last, woken);
  self->wake_last = woken;
  ext_state *state = state_of(self);
  if (!self->processing && state != NULL) wake_later(state, self);
}

/* Runs a turn of the handle, and wakes the tasks whose ops are done. */
static PyObject *turn(loop_handle *self) {
  ext_state *state = state_of(self);
  int code = 0;
  if (self->handle == NULL || state == NULL) Py_RETURN_NONE;
  Py_INCREF(self);
  /* Ops that the woken tasks submit are sent at the end of this turn, not in the next one. */
  for (int round = 0; round < ROUNDS && code == 0 && self->handle != NULL; round++) {
    if (round > 0 && cachette_timeout(self->handle) != 0) break;
    self->processing = true;
    cachette_process(self->handle);
    self->processing = false;
    if (self->handle != NULL) log_notice(self->handle);
    if (self->wake_first != NULL) code = wake(state, self);
  }
  if (code == 0) code = schedule(state, self);
  Py_DECREF(self);
  if (code < 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *loop_handle_process(loop_handle *self, PyObject *Py_UNUSED(ignored)) {
  self->is_scheduled = false;
  return turn(self);
}

static PyObject *loop_handle_tick(loop_handle *self, PyObject *Py_UNUSED(ignored)) {
  Py_CLEAR(self->timer);
  return turn(self);
}

/* ---- Open and close ---- */

/* Removes the timer and the reader from the loop. */
static void unwatch(ext_state *state, loop_handle *self, PyObject *loop) {
  cancel_timer(state, self);
  if (is_closed(state, loop)) return;
  PyObject *fd = PyLong_FromLong(self->fd);
  if (fd != NULL) Py_XDECREF(PyObject_CallMethodOneArg(loop, state->str_remove_reader, fd));
  Py_XDECREF(fd);
  PyErr_Clear();
}

/*
 * Returns the loop, a new reference; or NULL if it is freed or being freed. `loop` alone does not
 * tell: if the garbage collector frees loop and LoopHandle together, it does not call loop_gone().
 */
static PyObject *get_live_loop(const loop_handle *self) {
  PyObject *loop = NULL;
  if (self->loop == NULL || self->loop_reference == NULL) return NULL;
#if PY_VERSION_HEX >= 0x030D0000
  if (PyWeakref_GetRef(self->loop_reference, &loop) < 0) PyErr_Clear();
#else
  loop = PyWeakref_GetObject(self->loop_reference);
  if (loop == Py_None) loop = NULL;
  Py_XINCREF(loop);
#endif
  return loop;
}

static void close_handle(loop_handle *self) {
  ext_state *state = state_of(self);
  cachette *handle = self->handle;
  if (self->config != NULL) stats_add_handle(&self->config->closed, handle);
  self->config = NULL;
  if (handle == NULL) return;
  self->handle = NULL;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyObject *loop = get_live_loop(self); /* the timer may own the last reference */
  /* In a forked child the selector of the loop is shared with the parent, so do not change it. */
  if (state != NULL && loop != NULL && cachette_fd(handle) >= 0) unwatch(state, self, loop);
  Py_CLEAR(self->timer);
  cachette_close(handle);
  Py_CLEAR(self->process);
  Py_CLEAR(self->tick);
  Py_CLEAR(self->loop_reference);
  self->loop = NULL;
  Py_XDECREF(loop);
  PyErr_Restore(type, value, traceback);
}

/* Removes the handle from the list of its configuration, and closes it. */
static void remove_and_close(loop_handle *self) {
  config_object *config = self->config;
  Py_INCREF(self);
  for (Py_ssize_t i = 0; config != NULL && i < config->loop_handle_count; i++) {
    if (config->loop_handles[i] != self) continue;
    config->loop_handles[i] = config->loop_handles[--config->loop_handle_count];
    Py_DECREF(self);
    break;
  }
  close_handle(self);
  Py_DECREF(self);
}

static PyObject *loop_handle_loop_gone(loop_handle *self, PyObject *Py_UNUSED(reference)) {
  self->loop = NULL;
  remove_and_close(self);
  Py_RETURN_NONE;
}

/* Adds the reader in an empty context. Otherwise the loop would keep the caller's context alive. */
static int watch(ext_state *state, loop_handle *self) {
  PyObject *context = PyContext_New();
  if (context == NULL) return -1;
  if (PyContext_Enter(context) < 0) {
    Py_DECREF(context);
    return -1;
  }
  PyObject *fd = PyLong_FromLong(self->fd);
  PyObject *added = fd == NULL ? NULL
                               : PyObject_CallMethodObjArgs(self->loop, state->str_add_reader, fd,
                                                            self->process, NULL);
  Py_XDECREF(fd);
  bool failed = PyContext_Exit(context) < 0 || added == NULL;
  Py_XDECREF(added);
  Py_DECREF(context);
  return failed ? -1 : 0;
}

static int bind(loop_handle *self, PyObject *loop) {
  self->process = PyObject_GetAttrString((PyObject *)self, "process");
  self->tick = PyObject_GetAttrString((PyObject *)self, "tick");
  PyObject *gone = PyObject_GetAttrString((PyObject *)self, "loop_gone");
  if (gone != NULL) self->loop_reference = PyWeakref_NewRef(loop, gone);
  Py_XDECREF(gone);
  self->loop = loop;
  return self->process != NULL && self->tick != NULL && self->loop_reference != NULL ? 0 : -1;
}

static loop_handle *loop_handle_open(ext_state *state, config_object *config, PyObject *loop) {
  loop_handle *self = PyObject_GC_New(loop_handle, state->loop_handle_type);
  if (self == NULL) return NULL;
  self->handle = NULL;
  self->config = NULL;
  self->loop = self->loop_reference = self->process = self->tick = self->timer = NULL;
  self->is_scheduled = self->processing = false;
  self->wake_first = self->wake_last = NULL;
  PyObject_GC_Track(self);
  self->handle = handle_take(config, state);
  if (self->handle != NULL) {
    self->fd = cachette_fd(self->handle);
    if (bind(self, loop) == 0 && watch(state, self) == 0) return self;
    close_handle(self);
  }
  Py_DECREF(self);
  return NULL;
}

/* ---- The running loop ---- */

/* Returns the running event loop or None: a new reference, or NULL with an exception set. */
static PyObject *find_running_loop(ext_state *state) {
  if (state->get_running_loop == NULL) {
    PyObject *asyncio = PyImport_ImportModule("asyncio");
    if (asyncio == NULL) return NULL;
    Py_XSETREF(state->cancelled_error, PyObject_GetAttrString(asyncio, "CancelledError"));
    if (state->cancelled_error != NULL)
      state->get_running_loop = PyObject_GetAttrString(asyncio, "_get_running_loop");
    Py_DECREF(asyncio);
    if (state->get_running_loop == NULL) return NULL;
  }
  return PyObject_CallNoArgs(state->get_running_loop);
}

void loop_handle_raise_no_loop(void) {
  PyErr_SetString(PyExc_RuntimeError,
                  "no running event loop: the calls of Cachette need asyncio or uvloop. Under "
                  "trio, use Cachette.sync in a thread with trio.to_thread.run_sync(). In code "
                  "without an event loop, use Cachette.sync.");
}

PyObject *running_loop(PyObject *module, PyObject *Py_UNUSED(ignored)) {
  PyObject *loop = find_running_loop(PyModule_GetState(module));
  if (loop != Py_None) return loop;
  Py_DECREF(loop);
  loop_handle_raise_no_loop();
  return NULL;
}

/* ---- The list of a configuration ---- */

/* Closes the handles of closed loops. Python code and other threads run in between, so the list may
 * change at every step. */
static void close_stale_handles(ext_state *state, config_object *config) {
  for (Py_ssize_t i = config->loop_handle_count; i-- > 0;) {
    if (i >= config->loop_handle_count) continue;
    loop_handle *each = config->loop_handles[i];
    PyObject *loop = each->loop;
    Py_INCREF(each);
    Py_XINCREF(loop);
    if (loop == NULL || is_closed(state, loop)) remove_and_close(each);
    Py_XDECREF(loop);
    Py_DECREF(each);
  }
}

static int add_loop_handle(ext_state *state, config_object *config, PyObject *loop) {
  close_stale_handles(state, config);
  loop_handle *opened = loop_handle_open(state, config, loop);
  if (opened == NULL) return -1;
  /* No other thread runs from here on. */
  size_t count = (size_t)config->loop_handle_count + 1;
  loop_handle **list = PyMem_Realloc(config->loop_handles, count * sizeof *list);
  if (list == NULL) {
    close_handle(opened);
    Py_DECREF(opened);
    PyErr_NoMemory();
    return -1;
  }
  config->loop_handles = list;
  opened->config = config;
  list[config->loop_handle_count++] = opened;
  return 0;
}

static Py_ssize_t index_of(const config_object *config, const PyObject *loop) {
  Py_ssize_t index = 0;
  while (index < config->loop_handle_count && config->loop_handles[index]->loop != loop) index++;
  return index;
}

/* Moves the handle in use to the front of the list. */
static loop_handle *promote(config_object *config, Py_ssize_t index) {
  loop_handle *found = config->loop_handles[index];
  config->loop_handles[index] = config->loop_handles[0];
  config->loop_handles[0] = found;
  return found;
}

int loop_handle_find(ext_state *state, config_object *config, loop_handle **found) {
  PyObject *loop = find_running_loop(state);
  *found = NULL;
  if (loop == NULL) return -1;
  Py_DECREF(loop); /* it is running, so it stays alive */
  if (loop == Py_None) return 0;
  Py_ssize_t index = index_of(config, loop);
  if (index == config->loop_handle_count) {
    if (add_loop_handle(state, config, loop) < 0) return -1;
    index = index_of(config, loop); /* other threads may have changed the list */
  }
  *found = promote(config, index);
  return 1;
}

int loop_handle_release(ext_state *state, config_object *config) {
  PyObject *loop = find_running_loop(state);
  if (loop == NULL) return -1;
  Py_ssize_t index = index_of(config, loop);
  if (loop != Py_None && index < config->loop_handle_count)
    remove_and_close(config->loop_handles[index]);
  Py_DECREF(loop);
  return 0;
}

void loop_handles_close(config_object *config) {
  while (config->loop_handle_count > 0) {
    loop_handle *last = config->loop_handles[--config->loop_handle_count];
    close_handle(last);
    Py_DECREF(last);
  }
}

void loop_handles_add_stats(const config_object *config, cachette_stats *sum) {
  for (Py_ssize_t i = 0; i < config->loop_handle_count; i++)
    stats_add_handle(sum, config->loop_handles[i]->handle);
}

/* ---- Ops ---- */

int loop_handle_submit(ext_state *state, loop_handle *self, cachette_op *op) {
  cachette_submit(self->handle, op);
  return schedule(state, self);
}

void loop_handle_cancel(loop_handle *self, cachette_op *op) {
  if (self->handle != NULL && cachette_cancel(self->handle, op) == CACHETTE_EFORK)
    close_handle(self); /* this completes all ops */
}

future *loop_handle_future(ext_state *state, loop_handle *self, future_on_cancel *on_cancel,
                           void *owner) {
  if (self->loop != NULL) return future_new(state, self->loop, on_cancel, owner);
  PyErr_SetString(PyExc_RuntimeError, "the event loop is closed");
  return NULL;
}

/* ---- The type ---- */

static int loop_handle_traverse(loop_handle *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->loop_reference);
  Py_VISIT(self->process);
  Py_VISIT(self->tick);
  Py_VISIT(self->timer);
  return 0;
}

static int loop_handle_clear(loop_handle *self) {
  close_handle(self);
  Py_CLEAR(self->process);
  Py_CLEAR(self->tick);
  Py_CLEAR(self->loop_reference);
  return 0;
}

static void loop_handle_dealloc(loop_handle *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  loop_handle_clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

static PyMethodDef loop_handle_methods[] = {
    {"process", (PyCFunction)loop_handle_process, METH_NOARGS,
     "process($self, /)\n--\n\nRuns a turn of the handle."},
    {"tick", (PyCFunction)loop_handle_tick, METH_NOARGS,
     "tick($self, /)\n--\n\nRuns a turn of the handle when its timer fires."},
    {"loop_gone", (PyCFunction)loop_handle_loop_gone, METH_O,
     "loop_gone($self, weakref, /)\n--\n\nCloses the handle after its loop was freed."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot loop_handle_slots[] = {
    {Py_tp_doc, (char *)"A handle in an event loop."},
    {Py_tp_dealloc, loop_handle_dealloc},
    {Py_tp_traverse, loop_handle_traverse},
    {Py_tp_clear, loop_handle_clear},
    {Py_tp_methods, loop_handle_methods},
    {0, NULL},
};

PyType_Spec loop_handle_spec = {
    .name = "cachette._cachette.LoopHandle",
    .basicsize = sizeof(loop_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = loop_handle_slots,
};
