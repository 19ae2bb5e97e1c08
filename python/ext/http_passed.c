/* SPDX-License-Identifier: MIT */
/*
 * For a request that the lane remembers, the application is run without an exchange and without a
 * call of the store:
 *
 *     begin(scope, send) --> HttpPassed   the `send` of the application, and the box of its route
 *                                 |
 *     the start of the response   +-----> looks like the remembered one: gets the same Cache-Status
 *                                 +-----> looks different: it is sent on, too, and the memory of it
 *                                         is suspended, so that the next response can be stored
 *
 * What it sends on is never stored, so a wrong guess costs no more than that.
 */
#include "http_passed.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "http_find.h"
#include "http_message.h"
#include "http_record.h"
#include "http_steps.h"
#include "http_unstored.h"
#include "signature.h"

#include <structmember.h>

typedef struct http_passed {
  PyObject_HEAD vectorcallfunc vectorcall;
  http_lane *lane;
  PyObject *scope;
  PyObject *send; /* of the server */
  PyObject *box;  /* what the route wants, or NULL */
  bool has_started;
  http_remembered known; /* it owns the objects */
} http_passed;

/* ---- Remembering ---- */

PyObject *http_passed_key(const http_lane *lane, const ext_state *state, PyObject *scope,
                          const http_exchange *exchange) {
  unsigned char bytes[HTTP_ASKED_MAX];
  const cachette_http_exchange *verdict = &exchange->exchange;
  /* With another key there is an index, so other variants may be stored. */
  if (lane->box == NULL || memcmp(verdict->key, verdict->index_key, sizeof verdict->key) != 0)
    Py_RETURN_NONE;
  size_t size = http_asked_write(state, &lane->policy->policy, scope, bytes);
  if (size == 0) Py_RETURN_NONE;
  return PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)size);
}

/* Whether a reason holds for each response that looks alike. Others depend on what is not looked
 * at, such as the size, or on values that differ each time. */
static bool is_lasting(enum cachette_http_reason reason) {
  switch (reason) {
    case CACHETTE_HTTP_BECAUSE_METHOD:
    case CACHETTE_HTTP_BECAUSE_CREDENTIALS:
    case CACHETTE_HTTP_BECAUSE_UNCACHEABLE_STATUS:
    case CACHETTE_HTTP_BECAUSE_NO_STORE:
    case CACHETTE_HTTP_BECAUSE_PRIVATE_RESPONSE:
    case CACHETTE_HTTP_BECAUSE_NO_CACHE:
    case CACHETTE_HTTP_BECAUSE_SET_COOKIE:
    case CACHETTE_HTTP_BECAUSE_VARY_ANY:
    case CACHETTE_HTTP_BECAUSE_VARY_USER:
    case CACHETTE_HTTP_BECAUSE_NO_FRESHNESS:
      return true;
    default:
      return false;
  }
}

/* Returns the directives of a route, which has none if they are not bytes. */
static cachette_slice slice_of(PyObject *directives) {
  bool is_bytes = directives != NULL && PyBytes_Check(directives);
  return is_bytes ? bytes_slice(directives) : (cachette_slice){NULL, 0};
}

/* Finds how long to remember: as long as `unshared` does, which may have begun before.
 * Returns false with an exception set. */
static bool find_end(const http_lane *lane, const http_exchange *exchange, double now,
                     double *until) {
  *until = now + HTTP_UNSHARED_SECONDS;
  if (PyDict_GET_SIZE(lane->unshared) == 0) return true;
  PyObject *key = http_key_text(exchange->exchange.index_key);
  PyObject *end = key != NULL ? PyDict_GetItemWithError(lane->unshared, key) : NULL;
  Py_XDECREF(key);
  if (end != NULL) *until = PyFloat_AsDouble(end);
  return !PyErr_Occurred();
}

static int remember(http_lane *lane, PyObject *key, const http_exchange *exchange,
                    http_remembered *known) {
  double now = http_lane_now(lane);
  if (now < 0 || !find_end(lane, exchange, now, &known->until)) return -1;
  if (lane->unstored == NULL) lane->unstored = http_unstored_new();
  if (lane->unstored == NULL) return 0;
  known->reason =
      PyUnicode_InternFromString(cachette_http_reason_token(exchange->exchange.not_stored));
  if (known->reason == NULL) return -1;
  http_unstored_add(lane->unstored, bytes_slice(key), exchange->exchange.index_key, known, now);
  Py_DECREF(known->reason);
  return 0;
}

int http_passed_remember(http_lane *lane, PyObject *key, const http_exchange *exchange,
                         PyObject *headers, PyObject *directives, PyObject *line) {
  int status = exchange->received->response.status;
  http_remembered known = {.line = line};
  if (key == Py_None || lane->clock == NULL || status >= 500 ||
      !is_lasting(exchange->exchange.not_stored) ||
      !http_looks_hash(&lane->policy->policy, status, headers, slice_of(directives), &known.looks))
    return 0;
  return remember(lane, key, exchange, &known);
}

/* ---- What the route wants ---- */

/* What the box of a route has, as a new reference; NULL with an exception set, if it has raised. */
static PyObject *use(http_passed *self, PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  if (count != 2) return PyErr_Format(PyExc_TypeError, "use() takes 2 arguments");
  if (self->box == NULL) self->box = PyObject_CallOneArg(self->lane->box, self->scope);
  if (self->box == NULL) return NULL;
  return PyObject_CallMethodObjArgs(self->box, state->str_use, args[0], args[1], NULL);
}

static PyObject *get_plan(http_passed *self, void *Py_UNUSED(closure)) {
  const ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  return self->box != NULL ? PyObject_GetAttr(self->box, state->str_plan) : Py_NewRef(Py_None);
}

static int set_plan(http_passed *self, PyObject *plan, void *Py_UNUSED(closure)) {
  const ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  if (self->box != NULL) return PyObject_SetAttr(self->box, state->str_plan, plan);
  PyErr_SetString(PyExc_AttributeError, "plan can be set after use()");
  return -1;
}

/* Adds the line of Vary that a route wants. Returns 1, or 0 if it wants none; -1 with an exception
 * set. */
static int add_vary(const http_passed *self, const ext_state *state, PyObject *headers) {
  PyObject *names = PyObject_GetAttr(self->box, state->str_vary);
  int varies = names != NULL ? PyObject_IsTrue(names) : -1;
  PyObject *separator = varies > 0 ? PyUnicode_FromString(", ") : NULL;
  PyObject *text = separator != NULL ? PyUnicode_Join(separator, names) : NULL;
  PyObject *value = text != NULL ? PyUnicode_AsASCIIString(text) : NULL;
  PyObject *line = value != NULL ? Py_BuildValue("(yO)", "vary", value) : NULL;
  if (varies > 0 && (line == NULL || PyList_Append(headers, line) < 0)) varies = -1;
  Py_XDECREF(names);
  Py_XDECREF(separator);
  Py_XDECREF(text);
  Py_XDECREF(value);
  Py_XDECREF(line);
  return varies;
}

/* ---- The start of the response ---- */

int http_passed_count(const http_lane *lane, const ext_state *state, PyObject *reason) {
  PyObject *passed = PyObject_GetAttr((PyObject *)lane->counters, state->str_passed);
  PyObject *before = passed != NULL ? PyDict_GetItemWithError(passed, reason) : NULL;
  long so_far = before != NULL ? PyLong_AsLong(before) : 0;
  PyObject *after = !PyErr_Occurred() ? PyLong_FromLong(so_far + 1) : NULL;
  int code = after != NULL ? PyDict_SetItem(passed, reason, after) : -1;
  Py_XDECREF(after);
  Py_XDECREF(passed);
  return code;
}

/* Makes the line of Cache-Status of a response that looks different: the remembered one up to the
 * status. */
static PyObject *other_line(const http_passed *self, int status) {
  static const char end[] = ";fwd-status=";
  char text[256];
  const char *line = PyBytes_AS_STRING(PyTuple_GET_ITEM(self->known.line, 1));
  const char *found = strstr(line, end);
  int size = (int)(found != NULL ? found - line : 0);
  snprintf(text, sizeof text, "%.*s%s%d;detail=remembered", size, line, end, status);
  return Py_BuildValue("(Oy)", PyTuple_GET_ITEM(self->known.line, 0), text);
}

/* Adds the fields of a response that looks different. */
static int differ(http_passed *self, const ext_state *state, int status, PyObject *headers) {
  if (self->lane->unstored != NULL) http_unstored_suspend(self->lane->unstored, self->known.number);
  if (self->known.line != NULL) {
    PyObject *line = other_line(self, status);
    int code = line != NULL ? PyList_Append(headers, line) : -1;
    Py_XDECREF(line);
    if (code < 0) return -1;
  }
  return http_passed_count(self->lane, state, state->str_remembered);
}

/* Asks the box what counts instead of the response's fields. Sets `*directives` to a new reference,
 * or to NULL. Returns 1; 0 if the response gets a Vary; -1 with an exception set. */
static int ask_route(const http_passed *self, const ext_state *state, PyObject *status,
                     PyObject *headers, PyObject **directives) {
  *directives = NULL;
  if (self->box == NULL) return 1;
  int varies = add_vary(self, state, headers);
  if (varies != 0) return varies < 0 ? -1 : 0;
  *directives = PyObject_CallMethodOneArg(self->box, state->str_directives, status);
  return *directives != NULL ? 1 : -1;
}

/* Adds the fields that a response gets. */
static int complete(http_passed *self, const ext_state *state, PyObject *status,
                    PyObject *headers) {
  PyObject *directives;
  uint64_t looks;
  int number;
  if (!http_read_status(status, &number)) return -1;
  int is_same = ask_route(self, state, status, headers, &directives);
  if (is_same > 0)
    is_same = http_looks_hash(&self->lane->policy->policy, number, headers, slice_of(directives),
                              &looks) &&
              looks == self->known.looks;
  Py_XDECREF(directives);
  if (is_same <= 0) return is_same < 0 ? -1 : differ(self, state, number, headers);
  if (self->known.line != NULL && PyList_Append(headers, self->known.line) < 0) return -1;
  return http_passed_count(self->lane, state, self->known.reason);
}

static PyObject *on_start(http_passed *self, const ext_state *state, PyObject *message) {
  PyObject *result = NULL, *start = http_message_copy(message);
  PyObject *headers = start != NULL ? http_message_headers(state, start) : NULL;
  PyObject *status = headers != NULL ? http_message_get(start, state->str_status) : NULL;
  if (status != NULL && complete(self, state, status, headers) == 0 &&
      PyDict_SetItem(start, state->str_headers, headers) == 0) {
    self->has_started = true;
    result = PyObject_CallOneArg(self->send, start);
  }
  Py_XDECREF(status);
  Py_XDECREF(headers);
  Py_XDECREF(start);
  return result;
}

static PyObject *call(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords) {
  static const call_signature signature = {"send", {"message"}, 1, 1};
  http_passed *self = (http_passed *)callable;
  PyObject *message;
  if (!signature_bind(&signature, args, PyVectorcall_NARGS(flags), keywords, &message)) return NULL;
  if (self->has_started) return PyObject_CallOneArg(self->send, message);
  const ext_state *state = PyType_GetModuleState(Py_TYPE(callable));
  int starts = http_message_starts(state, message);
  if (starts < 0) return NULL;
  return starts ? on_start(self, state, message) : PyObject_CallOneArg(self->send, message);
}

/* ---- Life ---- */

static PyObject *make(http_lane *lane, ext_state *state, PyObject *scope, PyObject *send,
                      const http_remembered *known) {
  http_remembered kept = *known; /* the memory may change */
  Py_XINCREF(kept.line);
  Py_INCREF(kept.reason);
  http_passed *self = PyObject_GC_New(http_passed, state->http_passed_type);
  if (self == NULL) {
    Py_XDECREF(kept.line);
    Py_DECREF(kept.reason);
    return NULL;
  }
  self->vectorcall = call;
  self->lane = (http_lane *)Py_NewRef((PyObject *)lane);
  self->scope = Py_NewRef(scope);
  self->send = Py_NewRef(send);
  self->box = NULL;
  self->has_started = false;
  self->known = kept;
  PyObject_GC_Track(self);
  return (PyObject *)self;
}

/* Returns whether what is known is not too old; false, too, with an exception set. The clock may be
 * any callable, so it is asked when the entry is no longer needed. */
static bool is_current(const http_lane *lane, PyObject *passed) {
  double now = http_lane_now(lane);
  return now >= 0 && now < ((const http_passed *)(void *)passed)->known.until;
}

PyObject *http_passed_begin(http_lane *lane, ext_state *state, PyObject *scope, PyObject *send) {
  unsigned char bytes[HTTP_ASKED_MAX];
  if (lane->unstored == NULL || atomic_load(&lane->config->stopped_ms) != 0) return NULL;
  size_t size = http_asked_write(state, &lane->policy->policy, scope, bytes);
  const http_remembered *known =
      size > 0 ? http_unstored_find(lane->unstored, (cachette_slice){bytes, size}) : NULL;
  PyObject *passed = known != NULL ? make(lane, state, scope, send, known) : NULL;
  if (passed != NULL && !is_current(lane, passed)) Py_CLEAR(passed);
  if (passed != NULL && PyDict_SetItem(scope, lane->mark, Py_True) < 0) Py_CLEAR(passed);
  if (passed != NULL) lane->counters->misses++;
  return passed;
}

static int passed_traverse(http_passed *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT((PyObject *)self->lane);
  Py_VISIT(self->scope);
  Py_VISIT(self->send);
  Py_VISIT(self->box);
  return 0;
}

/* A cycle goes through the box, or through `scope` or `send`, which can be cleared themselves.
 * Calls need the others. */
static int passed_clear(http_passed *self) {
  Py_CLEAR(self->box);
  return 0;
}

static void passed_dealloc(http_passed *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_XDECREF(self->box);
  Py_XDECREF(self->known.line);
  Py_DECREF(self->known.reason);
  Py_DECREF(self->send);
  Py_DECREF(self->scope);
  Py_DECREF((PyObject *)self->lane);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

/* ---- The type ---- */

static PyMethodDef passed_methods[] = {
    {"use", (PyCFunction)(void (*)(void))use, METH_FASTCALL,
     "use($self, plan, values, /)\n--\n\nTakes what the route wants; see Box.use()."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef passed_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(http_passed, vectorcall), READONLY, NULL},
    {"scope", T_OBJECT, offsetof(http_passed, scope), READONLY, "That of the request."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef passed_attributes[] = {
    {"plan", (getter)get_plan, (setter)set_plan, "The plan that counts, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot passed_slots[] = {
    {Py_tp_doc, (char *)"The `send` of the application for a request that passes at once, and the "
                        "box of its route. HttpLane.begin() makes it."},
    {Py_tp_dealloc, passed_dealloc},
    {Py_tp_traverse, passed_traverse},
    {Py_tp_clear, passed_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_methods, passed_methods},
    {Py_tp_members, passed_members},
    {Py_tp_getset, passed_attributes},
    {0, NULL},
};

/* HttpLane.begin() makes instances; there is no __new__. */
PyType_Spec http_passed_spec = {
    .name = "cachette._cachette.HttpPassed",
    .basicsize = sizeof(http_passed),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = passed_slots,
};
