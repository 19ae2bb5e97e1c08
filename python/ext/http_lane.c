/* SPDX-License-Identifier: MIT */
/*
 * The lane is where hits pass the middleware. In one call it checks a scope, begins an exchange and
 * its fetch. Whatever is not a plain hit leaves the lane: Python then knows what to do.
 *
 *     begin(scope, send) --> a tuple          a hit: both messages of the answer
 *                        --> None             not for the lane
 *                        --> an HttpPassed    its last response could not be stored
 *                        --> an HttpSend      the policy leaves the method out
 *                        --> an exchange      which passes, or whose record Python has to fetch
 *                        --> an awaitable exchange; see http_find.c
 */
#include "http_lane.h"

#include <stddef.h>

#include "arguments.h"
#include "cache.h"
#include "http_exchange.h"
#include "http_find.h"
#include "http_known.h"
#include "http_passed.h"
#include "http_record.h"
#include "http_send.h"
#include "http_steps.h"
#include "http_unstored.h"
#include "signature.h"

#include <structmember.h>

static const double fresh_seconds = 0.5; /* for which the epochs of a server are used */

/* ---- Life ---- */

/* The types of the arguments of HttpLane(). */
static bool check_arguments(const ext_state *state, PyObject *const *arguments) {
  if (!Py_IS_TYPE(arguments[0], state->http_policy_type))
    PyErr_SetString(PyExc_TypeError, "policy must be an HttpPolicy");
  else if (!PyType_Check(arguments[1]))
    PyErr_SetString(PyExc_TypeError, "cls must be a class");
  else if (!PyFrozenSet_Check(arguments[2]))
    PyErr_SetString(PyExc_TypeError, "methods must be a frozenset");
  else if (!PyUnicode_Check(arguments[3]))
    PyErr_SetString(PyExc_TypeError, "mark must be a str");
  else if (!PyDict_Check(arguments[4]))
    PyErr_SetString(PyExc_TypeError, "unshared must be a dict");
  else if (arguments[7] != NULL && !PyType_Check(arguments[7]))
    PyErr_SetString(PyExc_TypeError, "box must be a class");
  else if (arguments[8] != NULL && !PyFrozenSet_Check(arguments[8]))
    PyErr_SetString(PyExc_TypeError, "bodies must be a frozenset");
  else if (!PyObject_TypeCheck(arguments[5], state->http_counters_type))
    PyErr_SetString(PyExc_TypeError, "counters must be an HttpCounters");
  else
    return true;
  return false;
}

static PyObject *lane_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  ext_state *state = PyType_GetModuleState(type);
  PyObject *arguments[9] = {NULL};
  if (keywords != NULL && PyDict_GET_SIZE(keywords) > 0)
    return PyErr_Format(PyExc_TypeError, "HttpLane() takes no keyword arguments");
  if (!PyArg_UnpackTuple(args, "HttpLane", 7, 9, &arguments[0], &arguments[1], &arguments[2],
                         &arguments[3], &arguments[4], &arguments[5], &arguments[6], &arguments[7],
                         &arguments[8]) ||
      !check_arguments(state, arguments))
    return NULL;
  http_lane *self = (http_lane *)type->tp_alloc(type, 0);
  if (self == NULL) return NULL;
  self->policy = (http_policy *)Py_NewRef(arguments[0]);
  self->cls = (PyTypeObject *)Py_NewRef(arguments[1]);
  self->methods = Py_NewRef(arguments[2]);
  self->mark = Py_NewRef(arguments[3]);
  self->unshared = Py_NewRef(arguments[4]);
  self->counters = (http_counters *)Py_NewRef(arguments[5]);
  self->cache_status = arguments[6] == Py_True;
  self->box = Py_XNewRef(arguments[7]);
  self->bodies = Py_XNewRef(arguments[8]);
  return (PyObject *)self;
}

static int lane_traverse(http_lane *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT((PyObject *)self->policy);
  Py_VISIT((PyObject *)self->cls);
  Py_VISIT(self->methods);
  Py_VISIT(self->box);
  Py_VISIT(self->bodies);
  Py_VISIT(self->unshared);
  Py_VISIT((PyObject *)self->counters);
  Py_VISIT((PyObject *)self->config);
  Py_VISIT((PyObject *)self->records);
  Py_VISIT((PyObject *)self->epochs);
  Py_VISIT(self->memo);
  Py_VISIT(self->clock);
  return 0;
}

static void unlink_store(http_lane *self) {
  Py_CLEAR(self->config);
  Py_CLEAR(self->records);
  Py_CLEAR(self->epochs);
  Py_CLEAR(self->memo);
  Py_CLEAR(self->clock);
  http_known_clear(self);
}

/* Without the store, begin() uses nothing of a lane. */
static int lane_clear(http_lane *self) {
  unlink_store(self);
  return 0;
}

static void lane_dealloc(http_lane *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  unlink_store(self);
  http_unstored_free(self->unstored);
  Py_XDECREF((PyObject *)self->policy);
  Py_XDECREF((PyObject *)self->cls);
  Py_XDECREF(self->methods);
  Py_XDECREF(self->mark);
  Py_XDECREF(self->box);
  Py_XDECREF(self->bodies);
  Py_XDECREF(self->unshared);
  Py_XDECREF((PyObject *)self->counters);
  type->tp_free(self);
  Py_DECREF(type);
}

/* ---- Linking ---- */

static void forget_all(http_lane *self) {
  http_unstored_free(self->unstored);
  self->unstored = NULL;
}

static PyObject *lane_link(http_lane *self, PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  if (count != 5) return PyErr_Format(PyExc_TypeError, "link() takes 5 arguments");
  if (!Py_IS_TYPE(args[0], state->config_type) || !PyType_Check(args[1]) ||
      !PyObject_TypeCheck(args[2], state->http_epochs_type) ||
      !(args[3] == Py_None || PyDict_Check(args[3])) || !PyCallable_Check(args[4]))
    return PyErr_Format(PyExc_TypeError,
                        "link() takes a Config, a class, an HttpEpochs, a dict and a callable");
  config_object *records = cache_config(state, (PyTypeObject *)(void *)args[1]);
  if (records == NULL) return NULL;
  http_lane before = *self;
  if (args[0] != (PyObject *)self->config) forget_all(self);
  self->config = (config_object *)Py_NewRef(args[0]);
  self->records = records;
  self->epochs = (http_epochs *)Py_NewRef(args[2]);
  self->memo = args[3] != Py_None ? Py_NewRef(args[3]) : NULL;
  self->clock = Py_NewRef(args[4]);
  http_known_clear(self);
  Py_XDECREF((PyObject *)before.config);
  Py_XDECREF((PyObject *)before.records);
  Py_XDECREF((PyObject *)before.epochs);
  Py_XDECREF(before.memo);
  Py_XDECREF(before.clock);
  Py_RETURN_NONE;
}

/* ---- Which scopes are for the lane ---- */

/* Returns whether the class still has the configuration that the lane was linked for: 1, 0, or -1
 * with an exception set. */
static int is_linked(const http_lane *self, ext_state *state) {
  if (self->config == NULL) return 0;
  config_object *current = cache_config(state, self->cls);
  if (current == NULL) return -1;
  bool is_same = current == self->config;
  Py_DECREF((PyObject *)current);
  return is_same;
}

/* Finds what a scope is: one for the lane; one of a method that the policy leaves out; or another.
 * -1: an exception is set. */
enum { OTHER, IN_LANE, LEFT_OUT };

static int kind_of(const http_lane *self, ext_state *state, PyObject *scope) {
  if (!PyDict_Check(scope)) return OTHER;
  PyObject *type = PyDict_GetItemWithError(scope, state->str_type);
  if (type == NULL || !PyUnicode_Check(type) || PyUnicode_CompareWithASCIIString(type, "http") != 0)
    return PyErr_Occurred() ? -1 : OTHER;
  int is_marked = PyDict_Contains(scope, self->mark);
  if (is_marked != 0) return is_marked < 0 ? -1 : OTHER;
  PyObject *method = PyDict_GetItemWithError(scope, state->str_method);
  if (method == NULL) return PyErr_Occurred() ? -1 : OTHER;
  int is_for = PySet_Contains(self->methods, method);
  if (is_for != 0 || self->bodies == NULL) return is_for;
  int has_body = PySet_Contains(self->bodies, method);
  return has_body == 0 ? LEFT_OUT : has_body < 0 ? -1 : OTHER;
}

/* ---- Methods that the policy leaves out ---- */

/* Returns whether the method of a scope makes nothing invalid. May set an exception. */
static bool is_safe(ext_state *state, PyObject *scope) {
  cachette_slice method;
  PyObject *name = PyDict_GetItemWithError(scope, state->str_method);
  return name != NULL && PyUnicode_Check(name) && read_text("the scope's method", name, &method) &&
         cachette_http_is_safe(method);
}

/* Makes the `send` of the application, marks the scope, and counts. */
static PyObject *pass_on(http_lane *self, ext_state *state, PyObject *const *args) {
  PyObject *scope = args[0], *send = args[1], *shared = args[2], *passed = NULL;
  http_exchange *exchange = NULL;
  if (!is_safe(state, scope) && !PyErr_Occurred())
    exchange = http_exchange_new(state, self->policy, scope, Py_None);
  if (!PyErr_Occurred()) passed = http_send_new(state, shared, send, exchange);
  Py_XDECREF((PyObject *)exchange);
  if (passed == NULL || (PyDict_SetItem(scope, self->mark, Py_True) == 0 &&
                         http_passed_count(self, state, state->str_method) == 0))
    return passed;
  Py_DECREF(passed);
  return NULL;
}

/* ---- Begin ---- */

/* Returns whether a record may be fetched here: it is known what was purged, and nothing speaks
 * against it. 1, 0, or -1 with an exception set. `now` is filled if the store has a server. */
static int may_fetch(const http_lane *self, PyObject *key, double *now) {
  if (PyDict_GET_SIZE(self->unshared) > 0) {
    int is_unshared = PyDict_Contains(self->unshared, key);
    if (is_unshared != 0) return is_unshared < 0 ? -1 : 0;
  }
  *now = 0;
  if (self->memo == NULL) return 1;
  *now = http_lane_now(self);
  if (*now < 0) return PyErr_Occurred() ? -1 : 0;
  return *now - self->epochs->checked <= fresh_seconds;
}

/* Finds an index record that was fetched in the last second: borrowed, or NULL, perhaps with an
 * exception set. */
static PyObject *find_index(const http_lane *self, PyObject *key, double now) {
  if (self->memo == NULL || PyDict_GET_SIZE(self->memo) == 0) return NULL;
  PyObject *known = PyDict_GetItemWithError(self->memo, key);
  if (known == NULL || !PyTuple_Check(known) || PyTuple_GET_SIZE(known) != 2) return NULL;
  double until = PyFloat_AsDouble(PyTuple_GET_ITEM(known, 0));
  return until > now ? PyTuple_GET_ITEM(known, 1) : NULL;
}

/* Begins with what is known of a key. Returns false with an exception set. */
static bool begin_known(http_exchange *exchange, ext_state *state, PyObject *index) {
  Py_INCREF(index);
  bool ok = http_decide_record(exchange, index, NULL, http_lane_now_ms(exchange->lane));
  Py_DECREF(index);
  if (!ok) return false;
  if (exchange->exchange.action != CACHETTE_HTTP_VARIANT) {
    exchange->awaited = Py_NewRef(exchange->record);
    exchange->stage = HTTP_HAS_DECIDED;
    return true;
  }
  PyObject *key = http_key_text(exchange->exchange.key);
  ok = key != NULL && http_find_begin(exchange, state, key);
  Py_XDECREF(key);
  return ok;
}

static bool begin(http_lane *self, ext_state *state, http_exchange *exchange) {
  double now;
  PyObject *key = http_key_text(exchange->exchange.key);
  int may = key != NULL ? may_fetch(self, key, &now) : -1;
  bool ok = may >= 0;
  if (may > 0) {
    exchange->lane = (http_lane *)Py_NewRef((PyObject *)self);
    PyObject *index = find_index(self, key, now);
    if (index != NULL)
      ok = begin_known(exchange, state, index);
    else
      ok = !PyErr_Occurred() && http_find_begin(exchange, state, key);
  }
  Py_XDECREF(key);
  return ok;
}

/* After an error of the store, returns the exchange: Python fetches again, and counts it. Steals
 * the exchange. */
static PyObject *end_failed(http_exchange *exchange, ext_state *state) {
  if (PyErr_ExceptionMatches(state->cachette_error)) {
    PyErr_Clear();
    return (PyObject *)exchange;
  }
  Py_DECREF((PyObject *)exchange);
  return NULL;
}

/* If the store has answered, returns the messages of a hit, or else the exchange with what it has
 * decided on. Steals the exchange. */
static PyObject *end_at_once(http_exchange *exchange, ext_state *state) {
  PyObject *result;
  if (exchange->stage != HTTP_HAS_FETCHED) return (PyObject *)exchange;
  if (http_find_step(exchange, state, &result) < 0) return end_failed(exchange, state);
  if (PyTuple_CheckExact(result)) {
    Py_DECREF((PyObject *)exchange);
    return result;
  }
  exchange->awaited = result;
  exchange->stage = HTTP_HAS_DECIDED;
  return (PyObject *)exchange;
}

static PyObject *lane_begin(http_lane *self, PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  if (count < 1 || count > 3)
    return PyErr_Format(PyExc_TypeError, "begin() takes 1 to 3 arguments");
  PyObject *scope = args[0], *send = count > 1 ? args[1] : NULL;
  int kind = kind_of(self, state, scope);
  if (kind == LEFT_OUT && count == 3) return pass_on(self, state, args);
  if (kind == IN_LANE) kind = is_linked(self, state); /* 1, too */
  if (kind < 0) return NULL;
  if (kind != IN_LANE) Py_RETURN_NONE;
  PyObject *passed = send != NULL ? http_passed_begin(self, state, scope, send) : NULL;
  if (passed != NULL || PyErr_Occurred()) return passed;
  http_exchange *exchange = http_exchange_new(state, self->policy, scope, Py_None);
  if (exchange == NULL) return NULL;
  if (exchange->exchange.action != CACHETTE_HTTP_MISS) return (PyObject *)exchange;
  return begin(self, state, exchange) ? end_at_once(exchange, state) : end_failed(exchange, state);
}

/* ---- What is remembered ---- */

static PyObject *lane_forget(http_lane *self, PyObject *text) {
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  if (self->unstored != NULL && http_key_read(text, key)) http_unstored_forget(self->unstored, key);
  Py_RETURN_NONE;
}

/* ---- The types ---- */

static PyMethodDef lane_methods[] = {
    {"begin", (PyCFunction)(void (*)(void))lane_begin, METH_FASTCALL,
     "begin($self, scope, send=None, shared=None, /)\n--\n\nReturns both messages of a hit in a "
     "tuple, if the store answers at once; None if the scope is\nnot for the lane, or if the class "
     "has another configuration; an HttpPassed if the last response\nto such a request could not "
     "be stored; an HttpSend if the policy leaves the method out; else an\nexchange. If it "
     "`is_awaitable`, await it: the result is both messages, or the record that was\ndecided on, "
     "or None."},
    {"forget", (PyCFunction)lane_forget, METH_O,
     "forget($self, key, /)\n--\n\nForgets that responses of an index key could not be stored."},
    {"link", (PyCFunction)(void (*)(void))lane_link, METH_FASTCALL,
     "link($self, config, records, epochs, memo, clock, /)\n--\n\nSets the store that belongs to a "
     "configuration of the class. `memo` is None if the store is\nlocal."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lane_slots[] = {
    {Py_tp_doc,
     (char *)"HttpLane(policy, cls, methods, mark, unshared, counters, cache_status, "
             "box=None, bodies=None, /)\n--\n\nThe lane on which hits pass the middleware. Without "
             "`box`, the class Box, nothing is remembered."},
    {Py_tp_new, lane_new},
    {Py_tp_dealloc, lane_dealloc},
    {Py_tp_traverse, lane_traverse},
    {Py_tp_clear, lane_clear},
    {Py_tp_methods, lane_methods},
    {0, NULL},
};

#if PY_VERSION_HEX >= 0x030A0000
#define IMMUTABLE Py_TPFLAGS_IMMUTABLETYPE
#else
#define IMMUTABLE 0
#endif

PyType_Spec http_lane_spec = {
    .name = "cachette._cachette.HttpLane",
    .basicsize = sizeof(http_lane),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | IMMUTABLE,
    .slots = lane_slots,
};

static void plain_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyMemberDef counters_members[] = {
    {"hits", T_LONGLONG, offsetof(http_counters, hits), 0, "Answers from the store."},
    {"misses", T_LONGLONG, offsetof(http_counters, misses), 0, "Runs of the application."},
    {"bytes", T_LONGLONG, offsetof(http_counters, bytes), 0, "Bytes of their bodies."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot counters_slots[] = {
    {Py_tp_doc, (char *)"HttpCounters()\n--\n\nWhat the lane counts."},
    {Py_tp_dealloc, plain_dealloc},
    {Py_tp_members, counters_members},
    {0, NULL},
};

PyType_Spec http_counters_spec = {
    .name = "cachette._cachette.HttpCounters",
    .basicsize = sizeof(http_counters),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | IMMUTABLE,
    .slots = counters_slots,
};

static PyMemberDef epochs_members[] = {
    {"newest", T_ULONGLONG, offsetof(http_epochs, newest), 0,
     "The highest number by which a record may be purged."},
    {"_checked", T_DOUBLE, offsetof(http_epochs, checked), 0,
     "When the last successful look at the counter began."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot epochs_slots[] = {
    {Py_tp_doc, (char *)"HttpEpochs()\n--\n\nWhat the lane needs to know of purges."},
    {Py_tp_dealloc, plain_dealloc},
    {Py_tp_members, epochs_members},
    {0, NULL},
};

PyType_Spec http_epochs_spec = {
    .name = "cachette._cachette.HttpEpochs",
    .basicsize = sizeof(http_epochs),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | IMMUTABLE,
    .slots = epochs_slots,
};
