/* SPDX-License-Identifier: MIT */
/*
 * A handle in an event loop: asyncio's, uvloop's, or any with the same calls.
 *
 * The loop watches the handle's descriptor. What the handle has to do without its descriptor
 * being readable (send what was put off to the end of the turn, end what ran out of time) it does
 * in a callback of call_soon() or call_later(); there is at most one of each.
 *
 * The loop holds the Host by its reader; the Host holds the loop weakly and is closed with
 * it. asyncio does not tell when a loop is closed, so that is when it is freed, or when the next
 * Host of the configuration is opened.
 */
#include <math.h>

#include "ext.h"

enum { ROUNDS = 3 }; /* of the handle in a turn of the loop, at most */

struct host {
  PyObject_HEAD cachette *handle; /* NULL: closed */
  config_object *config;          /* that lists it; not owned; NULL: none any more */
  PyObject *loop;                 /* not owned; NULL when it is gone */
  PyObject *loop_reference;       /* a weak reference, which tells when it goes */
  PyObject *process, *tick;       /* the methods, bound */
  PyObject *timer;                /* of call_later(), or NULL */
  double timer_due;               /* by the machine's clock, in ms */
  int fd;
  bool soon;                  /* call_soon() is under way */
  bool turning;               /* process() or tick() is */
  waiter *woken, *woken_last; /* whose tasks are to be woken, in their order */
};

/* ---- The loop's calls ---- */

static ext_state *host_state(host *self) {
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

static void cancel_timer(ext_state *state, host *self) {
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

static int start_timer(ext_state *state, host *self, int timeout_ms) {
  double due = machine_ms() + timeout_ms;
  /* One that rings too early finds nothing to do and sets the next; that is cheaper than a new one
   * for each op. */
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

/* Sees to it that the handle gets its next turn. */
static int schedule(ext_state *state, host *self) {
  if (self->soon || self->handle == NULL || self->loop == NULL) return 0;
  int timeout = cachette_timeout(self->handle);
  if (timeout < 0) return 0;
  if (timeout > 0) return start_timer(state, self, timeout);
  PyObject *scheduled = PyObject_CallMethodOneArg(self->loop, state->str_call_soon, self->process);
  if (scheduled == NULL) return -1;
  Py_DECREF(scheduled);
  self->soon = true;
  return 0;
}

/* Puts waiters that could not be woken now, for no turn of the loop is under way, into its queue.
 */
static void wake_later(ext_state *state, host *self) {
  while (self->woken != NULL) {
    waiter *first = self->woken;
    self->woken = waiter_next(first);
    if (self->loop == NULL || waiter_wake_later(state, first, self->loop) < 0)
      PyErr_Clear(); /* the loop was closed, and the task with it */
    Py_DECREF((PyObject *)first);
  }
}

/* Wakes tasks; what they submit goes out together. */
static int wake(ext_state *state, host *self) {
  int code = 0;
  while (self->woken != NULL && code == 0) {
    waiter *first = self->woken;
    self->woken = waiter_next(first);
    code = waiter_wake(first);
    Py_DECREF((PyObject *)first);
  }
  if (self->woken == NULL) return code;
  PyObject *type, *value, *traceback; /* KeyboardInterrupt or its like; the others still wait */
  PyErr_Fetch(&type, &value, &traceback);
  wake_later(state, self);
  PyErr_Restore(type, value, traceback);
  return code;
}

void host_wake(host *self, waiter *woken) {
  waiter_finish(woken);
  if (self->woken == NULL)
    self->woken = woken;
  else
    waiter_append(self->woken_last, woken);
  self->woken_last = woken;
  ext_state *state = host_state(self);
  if (!self->turning && state != NULL) wake_later(state, self);
}

static PyObject *turn(host *self) {
  ext_state *state = host_state(self);
  int code = 0;
  if (self->handle == NULL || state == NULL) Py_RETURN_NONE;
  Py_INCREF(self);
  /* What the woken tasks submit is sent at the end of this turn, not in one more. */
  for (int round = 0; round < ROUNDS && code == 0 && self->handle != NULL; round++) {
    if (round > 0 && cachette_timeout(self->handle) != 0) break;
    self->turning = true;
    cachette_process(self->handle);
    self->turning = false;
    if (self->handle != NULL) log_notice(self->handle);
    if (self->woken != NULL) code = wake(state, self);
  }
  if (code == 0) code = schedule(state, self);
  Py_DECREF(self);
  if (code < 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *host_process(host *self, PyObject *Py_UNUSED(ignored)) {
  self->soon = false;
  return turn(self);
}

static PyObject *host_tick(host *self, PyObject *Py_UNUSED(ignored)) {
  Py_CLEAR(self->timer);
  return turn(self);
}

/* ---- Open and close ---- */

/* Takes the timer and the reader out of the loop. */
static void unwatch(ext_state *state, host *self, PyObject *loop) {
  cancel_timer(state, self);
  if (is_closed(state, loop)) return;
  PyObject *fd = PyLong_FromLong(self->fd);
  if (fd != NULL) Py_XDECREF(PyObject_CallMethodOneArg(loop, state->str_remove_reader, fd));
  Py_XDECREF(fd);
  PyErr_Clear();
}

/*
 * The loop, a new reference; NULL if it is gone, or about to be: where it goes together with this
 * host, as garbage, nobody has called loop_gone().
 */
static PyObject *living_loop(const host *self) {
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

void host_close(host *self) {
  ext_state *state = host_state(self);
  cachette *handle = self->handle;
  if (self->config != NULL) stats_add_handle(&self->config->closed, handle);
  self->config = NULL;
  if (handle == NULL) return;
  self->handle = NULL;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyObject *loop = living_loop(self); /* the timer may have held it last */
  /* In a forked child the loop's selector is the parent's too: it is left as it is. */
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

/* Takes a host out of its configuration's list, and closes it. */
static void drop(host *self) {
  config_object *config = self->config;
  Py_INCREF(self);
  for (Py_ssize_t i = 0; config != NULL && i < config->host_count; i++) {
    if (config->hosts[i] != self) continue;
    config->hosts[i] = config->hosts[--config->host_count];
    Py_DECREF(self);
    break;
  }
  host_close(self);
  Py_DECREF(self);
}

static PyObject *host_loop_gone(host *self, PyObject *Py_UNUSED(reference)) {
  self->loop = NULL;
  drop(self);
  Py_RETURN_NONE;
}

/* Adds the reader in an empty context, or the loop would keep the caller's alive. */
static int watch(ext_state *state, host *self) {
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

static int bind(host *self, PyObject *loop) {
  self->process = PyObject_GetAttrString((PyObject *)self, "process");
  self->tick = PyObject_GetAttrString((PyObject *)self, "tick");
  PyObject *gone = PyObject_GetAttrString((PyObject *)self, "loop_gone");
  if (gone != NULL) self->loop_reference = PyWeakref_NewRef(loop, gone);
  Py_XDECREF(gone);
  self->loop = loop;
  return self->process != NULL && self->tick != NULL && self->loop_reference != NULL ? 0 : -1;
}

static host *host_open(ext_state *state, config_object *config, PyObject *loop) {
  host *self = PyObject_GC_New(host, state->host_type);
  if (self == NULL) return NULL;
  self->handle = NULL;
  self->config = NULL;
  self->loop = self->loop_reference = self->process = self->tick = self->timer = NULL;
  self->soon = self->turning = false;
  self->woken = self->woken_last = NULL;
  PyObject_GC_Track(self);
  self->handle = config_take(config, state);
  if (self->handle != NULL) {
    self->fd = cachette_fd(self->handle);
    if (bind(self, loop) == 0 && watch(state, self) == 0) return self;
    host_close(self);
  }
  Py_DECREF(self);
  return NULL;
}

/* ---- Which host ---- */

/* The running event loop or None, a new reference. */
static PyObject *running_loop(ext_state *state) {
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

void host_refuse_loop(void) {
  PyErr_SetString(
      PyExc_RuntimeError,
      "no running event loop: the calls of Cachette need asyncio's or uvloop's. Under "
      "trio use Cachette.sync in a thread, by trio.to_thread.run_sync(); in code without "
      "a loop use it as it is.");
}

PyObject *host_running_loop(PyObject *module, PyObject *Py_UNUSED(ignored)) {
  PyObject *loop = running_loop(PyModule_GetState(module));
  if (loop != Py_None) return loop;
  Py_DECREF(loop);
  host_refuse_loop();
  return NULL;
}

/* Closes the hosts whose loops were closed. Python code runs in between, and other threads with it,
 * so the list may change at every step. */
static void sweep_hosts(ext_state *state, config_object *config) {
  for (Py_ssize_t i = config->host_count; i-- > 0;) {
    if (i >= config->host_count) continue;
    host *each = config->hosts[i];
    PyObject *loop = each->loop;
    Py_INCREF(each);
    Py_XINCREF(loop);
    if (loop == NULL || is_closed(state, loop)) drop(each);
    Py_XDECREF(loop);
    Py_DECREF(each);
  }
}

static int add_host(ext_state *state, config_object *config, PyObject *loop) {
  sweep_hosts(state, config);
  host *opened = host_open(state, config, loop);
  if (opened == NULL) return -1;
  /* From here on no other thread runs. */
  size_t count = (size_t)config->host_count + 1;
  host **hosts = PyMem_Realloc(config->hosts, count * sizeof *hosts);
  if (hosts == NULL) {
    host_close(opened);
    Py_DECREF(opened);
    PyErr_NoMemory();
    return -1;
  }
  config->hosts = hosts;
  opened->config = config;
  hosts[config->host_count++] = opened;
  return 0;
}

static Py_ssize_t place_of(const config_object *config, const PyObject *loop) {
  Py_ssize_t place = 0;
  while (place < config->host_count && config->hosts[place]->loop != loop) place++;
  return place;
}

/* Puts the one that is used now in front. */
static host *promote(config_object *config, Py_ssize_t place) {
  host *found = config->hosts[place];
  config->hosts[place] = config->hosts[0];
  config->hosts[0] = found;
  return found;
}

int host_find(ext_state *state, config_object *config, host **found) {
  PyObject *loop = running_loop(state);
  *found = NULL;
  if (loop == NULL) return -1;
  Py_DECREF(loop); /* it runs, so it stays */
  if (loop == Py_None) return 0;
  Py_ssize_t place = place_of(config, loop);
  if (place == config->host_count) {
    if (add_host(state, config, loop) < 0) return -1;
    place = place_of(config, loop); /* other threads have added and closed theirs meanwhile */
  }
  *found = promote(config, place);
  return 1;
}

int host_release(ext_state *state, config_object *config) {
  PyObject *loop = running_loop(state);
  if (loop == NULL) return -1;
  Py_ssize_t place = place_of(config, loop);
  if (loop != Py_None && place < config->host_count) drop(config->hosts[place]);
  Py_DECREF(loop);
  return 0;
}

/* ---- Ops ---- */

int host_submit(ext_state *state, host *self, cachette_op *op) {
  cachette_submit(self->handle, op);
  return schedule(state, self);
}

void host_cancel(host *self, cachette_op *op) {
  if (self->handle != NULL && cachette_cancel(self->handle, op) == CACHETTE_EFORK)
    host_close(self); /* which lets go of all ops */
}

void host_add_stats(const host *self, cachette_stats *sum) { stats_add_handle(sum, self->handle); }

PyObject *host_loop(const host *self) { return self->loop; }

/* ---- The type ---- */

static int host_traverse(host *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->loop_reference);
  Py_VISIT(self->process);
  Py_VISIT(self->tick);
  Py_VISIT(self->timer);
  return 0;
}

static int host_clear(host *self) {
  host_close(self);
  Py_CLEAR(self->process);
  Py_CLEAR(self->tick);
  Py_CLEAR(self->loop_reference);
  return 0;
}

static void host_dealloc(host *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  host_clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

static PyMethodDef host_methods[] = {
    {"process", (PyCFunction)host_process, METH_NOARGS, "Gives the handle its turn."},
    {"tick", (PyCFunction)host_tick, METH_NOARGS, "The same, for the timer."},
    {"loop_gone", (PyCFunction)host_loop_gone, METH_O, "Closes the handle."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot host_slots[] = {
    {Py_tp_doc, (char *)"A handle in an event loop."},
    {Py_tp_dealloc, host_dealloc},
    {Py_tp_traverse, host_traverse},
    {Py_tp_clear, host_clear},
    {Py_tp_methods, host_methods},
    {0, NULL},
};

PyType_Spec host_spec = {
    .name = "cachette._cachette.Host",
    .basicsize = sizeof(host),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = host_slots,
};
