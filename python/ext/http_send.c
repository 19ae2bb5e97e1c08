/* SPDX-License-Identifier: MIT */
/*
 * What a request that is passed on costs is paid by every request that is not cached. So nothing is
 * made for it but this object, which looks at one message:
 *
 *     before the start    messages go to the server
 *     the start           gets its fields: those that were given, or those of the exchange
 *     after the start     messages go to the server, or to the run that the trial has made since
 *                         the response can be stored
 *
 * A call returns the awaitable of the server's `send` itself, since a coroutine for each message
 * would be a good part of the cost.
 */
#include "http_send.h"

#include <stddef.h>
#include <string.h>

#include "arguments.h"
#include "http_message.h"
#include "http_passed.h"
#include "http_record.h"
#include "http_steps.h"
#include "ready.h"
#include "signature.h"

#include <structmember.h>

typedef struct http_send {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject *shared;
  PyObject *send;          /* of the server */
  PyObject *next;          /* what takes the messages after the start; NULL before it */
  http_exchange *exchange; /* NULL: the response cannot make anything invalid */
  PyObject *added;         /* a list of fields to add; NULL: those of the exchange's answer */
  PyObject *trial;         /* NULL: the response is not stored in any case */
  http_lane *lane;         /* remembers that the response is not stored; or NULL */
  PyObject *key;           /* of http_passed_key(), if there is a lane */
  int64_t requested_ms;    /* if there is a trial */
  bool forgets_target;     /* the response makes the URI of its request invalid, and no other */
} http_send;

/* ---- The start is sent ---- */

/* Awaits a result that is known. Returns 0, or -1 with an exception set. */
static int finish(PyObject *awaitable) {
  PyObject *result = ready_take(awaitable);
  Py_XDECREF(result);
  return result != NULL ? 0 : -1;
}

static PyObject *forget(http_send *self, const ext_state *state) {
  if (!self->forgets_target)
    return PyObject_CallMethodOneArg(self->shared, state->str_invalidate,
                                     (PyObject *)self->exchange);
  PyObject *key = http_key_text(self->exchange->exchange.index_key);
  PyObject *awaitable = NULL;
  if (key != NULL)
    awaitable = PyObject_CallMethodOneArg(self->shared, state->str_invalidate_target, key);
  Py_XDECREF(key);
  return awaitable;
}

/* Lets `shared` forget what the response has made invalid. Sets `*awaitable` to what must be
 * awaited before the response is sent, or to NULL. Returns 0, or -1 with an exception set. */
static int invalidate(http_send *self, const ext_state *state, PyObject **awaitable) {
  *awaitable = forget(self, state);
  if (*awaitable == NULL) return -1;
  if (Py_TYPE(*awaitable) != state->ready_type) return 0;
  int code = finish(*awaitable);
  Py_CLEAR(*awaitable);
  return code;
}

static PyObject *send_start(http_send *self, const ext_state *state, PyObject *start) {
  PyObject *awaitable = NULL;
  bool invalidates = self->exchange != NULL && self->exchange->exchange.invalidates;
  if ((invalidates || self->forgets_target) && invalidate(self, state, &awaitable) < 0) return NULL;
  Py_XSETREF(self->next, Py_NewRef(self->send));
  if (awaitable == NULL) return PyObject_CallOneArg(self->send, start);
  PyObject *result = PyObject_CallMethodObjArgs(self->shared, state->str_send_after, awaitable,
                                                self->send, start, NULL);
  Py_DECREF(awaitable);
  return result;
}

/* ---- Which fields it gets ---- */

/* Hands the response to the exchange. Returns 0, or -1 with an exception set. */
static int receive(http_send *self, PyObject *status, PyObject *headers, PyObject *directives) {
  PyObject *size = PyLong_FromLong(-1), *requested = PyLong_FromLongLong(self->requested_ms);
  PyObject *action = NULL;
  if (size != NULL && requested != NULL) {
    PyObject *arguments[] = {status, headers, size, requested, directives};
    action = http_receive(self->exchange, arguments, 5, NULL);
  }
  Py_XDECREF(size);
  Py_XDECREF(requested);
  Py_XDECREF(action);
  return action != NULL ? 0 : -1;
}

/* Whether a status may make anything invalid. */
static bool is_success(PyObject *status) {
  if (!PyLong_CheckExact(status)) return true; /* receive() says what is wrong */
  int overflow;
  long number = PyLong_AsLongAndOverflow(status, &overflow);
  return overflow == 0 && number == (int)number && cachette_http_status_invalidates((int)number);
}

/* Whether a field may make more invalid than the URI of the request. */
static bool names_others(PyObject *name) {
  return cachette_http_field_invalidates(bytes_slice(name));
}

/* Returns whether all lines are pairs of bytes, and none names others. Then the response need not
 * be received. */
static bool is_about_target(PyObject *headers) {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
    PyObject *pair = PyList_GET_ITEM(headers, i);
    if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2 ||
        !PyBytes_CheckExact(PyTuple_GET_ITEM(pair, 0)) ||
        !PyBytes_CheckExact(PyTuple_GET_ITEM(pair, 1)) || names_others(PyTuple_GET_ITEM(pair, 0)))
      return false;
  }
  return true;
}

/* Adds the fields that were given. `status` may be NULL if there is no exchange. */
static PyObject *add(http_send *self, PyObject *status, PyObject *headers) {
  if (self->exchange != NULL && is_success(status)) {
    self->forgets_target = PyLong_CheckExact(status) && is_about_target(headers);
    if (!self->forgets_target && receive(self, status, headers, Py_None) < 0) return NULL;
  }
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(self->added); i++)
    if (PyList_Append(headers, PyList_GET_ITEM(self->added, i)) < 0) return NULL;
  return Py_NewRef(headers);
}

/* Removes our Cache-Status if the policy wants none. Steals the list, which may be NULL. */
static PyObject *with_or_without_status(http_send *self, const ext_state *state, PyObject *list) {
  if (list == NULL) return NULL;
  PyObject *wanted = PyObject_GetAttr(self->shared, state->str_cache_status);
  int keep = wanted != NULL ? PyObject_IsTrue(wanted) : -1;
  Py_XDECREF(wanted);
  if (keep == 0) return http_without_status(list);
  if (keep < 0) Py_CLEAR(list);
  return list;
}

static bool is_post(const http_exchange *exchange) {
  const cachette_slice *method = &exchange->request.method;
  return method->size == 4 && memcmp(method->data, "POST", 4) == 0;
}

/* Returns the fields of an answer to a request that has nothing to do with the cache. */
static PyObject *answer(http_send *self, const ext_state *state, PyObject *status,
                        PyObject *headers) {
  if (is_post(self->exchange) && receive(self, status, headers, Py_None) < 0) return NULL;
  PyObject *arguments[] = {status, headers};
  return with_or_without_status(self, state, http_answer(self->exchange, arguments, 2, NULL));
}

/* Returns the fields of the start, a new list. */
static PyObject *fields_of(http_send *self, const ext_state *state, PyObject *start,
                           PyObject *headers) {
  if (self->exchange == NULL) return add(self, NULL, headers);
  PyObject *status = http_message_get(start, state->str_status);
  if (status == NULL) return NULL;
  PyObject *fields =
      self->added != NULL ? add(self, status, headers) : answer(self, state, status, headers);
  Py_DECREF(status);
  return fields;
}

/* ---- A trial ---- */

/* What a route wants: directives that count instead of the response's. Sets `*directives` to a new
 * reference. Returns 1, or 0 if the fields change, too; -1 with an exception set. */
static int ask_route(http_send *self, const ext_state *state, PyObject *status,
                     PyObject **directives) {
  PyObject *used = PyObject_GetAttr(self->trial, state->str_is_used);
  int is_used = used != NULL ? PyObject_IsTrue(used) : -1;
  Py_XDECREF(used);
  *directives = is_used == 0 ? Py_NewRef(Py_None) : NULL;
  if (is_used <= 0) return is_used == 0 ? 1 : -1;
  PyObject *vary = PyObject_GetAttr(self->trial, state->str_vary);
  int varies = vary != NULL ? PyObject_IsTrue(vary) : -1;
  Py_XDECREF(vary);
  if (varies != 0) return varies < 0 ? -1 : 0;
  *directives = PyObject_CallMethodOneArg(self->trial, state->str_directives, status);
  return *directives != NULL ? 1 : -1;
}

/* Counts why the response is not stored. */
static int note(http_send *self, const ext_state *state) {
  const char *token = cachette_http_reason_token(self->exchange->exchange.not_stored);
  PyObject *reason = PyUnicode_InternFromString(token), *noted = NULL;
  PyObject *scope = reason != NULL ? PyObject_GetAttr(self->trial, state->str_scope) : NULL;
  if (scope != NULL)
    noted = PyObject_CallMethodObjArgs(self->shared, state->str_note_unstored, scope, reason, NULL);
  Py_XDECREF(scope);
  Py_XDECREF(reason);
  Py_XDECREF(noted);
  return noted != NULL ? 0 : -1;
}

/* Lets the lane remember that the response is not stored. Steals the fields that are sent. */
static PyObject *remember(http_send *self, PyObject *headers, PyObject *directives,
                          PyObject *fields) {
  if (self->lane == NULL || fields == NULL) return fields;
  Py_ssize_t count = PyList_GET_SIZE(fields);
  bool has_line = self->lane->cache_status && count > 0;
  if (http_passed_remember(self->lane, self->key, self->exchange, headers, directives,
                           has_line ? PyList_GET_ITEM(fields, count - 1) : NULL) < 0)
    Py_CLEAR(fields);
  return fields;
}

/* Returns the fields of a response that is not stored; None if it may be. */
static PyObject *try_to_pass(http_send *self, const ext_state *state, PyObject *start,
                             PyObject *headers) {
  PyObject *status = http_message_get(start, state->str_status), *directives = NULL;
  int passes = status != NULL ? ask_route(self, state, status, &directives) : -1;
  if (passes > 0 && receive(self, status, headers, directives) < 0) passes = -1;
  Py_XDECREF(status);
  PyObject *fields = NULL;
  if (passes == 0 || (passes > 0 && self->exchange->exchange.action != CACHETTE_HTTP_PASS)) {
    fields = Py_NewRef(Py_None);
  } else if (passes > 0 && note(self, state) == 0) {
    fields = with_or_without_status(self, state, http_answer_received(self->exchange));
    fields = remember(self, headers, directives, fields);
  }
  Py_XDECREF(directives);
  return fields;
}

/* Hands the start, as the application has sent it, to a run that stores the response. */
static PyObject *take_over(http_send *self, const ext_state *state, PyObject *message) {
  PyObject *requested = PyLong_FromLongLong(self->requested_ms), *next = NULL;
  if (requested != NULL)
    next = PyObject_CallMethodOneArg(self->trial, state->str_take_over, requested);
  Py_XDECREF(requested);
  if (next == NULL) return NULL;
  Py_XSETREF(self->next, next);
  return PyObject_CallOneArg(next, message);
}

/* ---- Calls ---- */

static PyObject *on_start(http_send *self, const ext_state *state, PyObject *message) {
  PyObject *start = http_message_copy(message);
  PyObject *headers = start != NULL ? http_message_headers(state, start) : NULL;
  PyObject *fields = NULL, *result = NULL;
  if (headers != NULL)
    fields = self->trial != NULL ? try_to_pass(self, state, start, headers)
                                 : fields_of(self, state, start, headers);
  if (fields == Py_None)
    result = take_over(self, state, message);
  else if (fields != NULL && PyDict_SetItem(start, state->str_headers, fields) == 0)
    result = send_start(self, state, start);
  Py_XDECREF(fields);
  Py_XDECREF(headers);
  Py_XDECREF(start);
  return result;
}

static PyObject *call(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords) {
  static const call_signature signature = {"send", {"message"}, 1, 1};
  http_send *self = (http_send *)callable;
  PyObject *message;
  if (!signature_bind(&signature, args, PyVectorcall_NARGS(flags), keywords, &message)) return NULL;
  if (self->next != NULL) return PyObject_CallOneArg(self->next, message);
  const ext_state *state = PyType_GetModuleState(Py_TYPE(callable));
  int starts = http_message_starts(state, message);
  if (starts < 0) return NULL;
  return starts ? on_start(self, state, message) : PyObject_CallOneArg(self->send, message);
}

/* ---- Life ---- */

static PyObject *or_null(PyObject *object) { return object != Py_None ? Py_NewRef(object) : NULL; }

static bool check(const ext_state *state, PyObject *const *arguments) {
  PyObject *exchange = arguments[2], *added = arguments[3];
  if (exchange != Py_None && Py_TYPE(exchange) != state->http_exchange_type)
    PyErr_Format(PyExc_TypeError, "exchange must be an HttpExchange, not %.100s",
                 Py_TYPE(exchange)->tp_name);
  else if (added != Py_None && !PyList_CheckExact(added))
    PyErr_Format(PyExc_TypeError, "added must be a list, not %.100s", Py_TYPE(added)->tp_name);
  else if (exchange == Py_None && (added == Py_None || arguments[4] != Py_None))
    PyErr_SetString(PyExc_TypeError, "without an exchange there are fields to add, and no trial");
  else if (arguments[5] != Py_None && !Py_IS_TYPE(arguments[5], state->http_lane_type))
    PyErr_Format(PyExc_TypeError, "lane must be an HttpLane, not %.100s",
                 Py_TYPE(arguments[5])->tp_name);
  else
    return true;
  return false;
}

/* Prepares that the lane remembers the request. The application may change its scope. */
static bool use_lane(http_send *self, const ext_state *state, http_lane *lane) {
  PyObject *scope = PyObject_GetAttr(self->trial, state->str_scope);
  if (scope == NULL) return false;
  self->key = http_passed_key(lane, state, scope, self->exchange);
  Py_DECREF(scope);
  if (self->key == NULL) return false;
  self->lane = (http_lane *)Py_NewRef((PyObject *)lane);
  return true;
}

static http_send *make(PyTypeObject *type, PyObject *shared, PyObject *send) {
  http_send *self = PyObject_GC_New(http_send, type);
  if (self == NULL) return NULL;
  self->vectorcall = call;
  self->shared = Py_NewRef(shared);
  self->send = Py_NewRef(send);
  self->next = self->added = self->trial = self->key = NULL;
  self->exchange = NULL;
  self->lane = NULL;
  self->forgets_target = false;
  self->requested_ms = 0;
  PyObject_GC_Track(self);
  return self;
}

PyObject *http_send_new(ext_state *state, PyObject *shared, PyObject *send,
                        http_exchange *exchange) {
  http_send *self = make(state->http_send_type, shared, send);
  if (self == NULL) return NULL;
  self->exchange = (http_exchange *)Py_XNewRef((PyObject *)exchange);
  self->added = PyObject_GetAttr(shared, state->str_left_out);
  if (self->added != NULL && PyList_CheckExact(self->added)) return (PyObject *)self;
  if (self->added != NULL) PyErr_SetString(PyExc_TypeError, "left_out must be a list");
  Py_DECREF(self);
  return NULL;
}

PyObject *http_send_vectorcall(PyObject *type, PyObject *const *args, size_t count,
                               PyObject *keywords) {
  static const call_signature signature = {
      "HttpSend", {"shared", "send", "exchange", "added", "trial", "lane"}, 2, 6};
  PyObject *arguments[6];
  const ext_state *state = PyType_GetModuleState((PyTypeObject *)type);
  if (state == NULL ||
      !signature_bind(&signature, args, PyVectorcall_NARGS(count), keywords, arguments) ||
      !check(state, arguments))
    return NULL;
  http_send *self = make((PyTypeObject *)(void *)type, arguments[0], arguments[1]);
  if (self == NULL) return NULL;
  self->exchange = (http_exchange *)or_null(arguments[2]);
  self->added = or_null(arguments[3]);
  self->trial = or_null(arguments[4]);
  self->requested_ms = self->trial != NULL ? http_now_ms() : 0;
  if (self->trial != NULL && arguments[5] != Py_None &&
      !use_lane(self, state, (http_lane *)(void *)arguments[5]))
    Py_CLEAR(self);
  return (PyObject *)self;
}

static int send_traverse(http_send *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->shared);
  Py_VISIT(self->send);
  Py_VISIT(self->next);
  Py_VISIT(self->exchange);
  Py_VISIT(self->added);
  Py_VISIT(self->trial);
  Py_VISIT((PyObject *)self->lane);
  return 0;
}

/* A cycle goes through `next`, the run, or through `send` or the trial. Calls need the others. */
static int send_clear(http_send *self) {
  Py_CLEAR(self->next);
  return 0;
}

static void send_dealloc(http_send *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_XDECREF(self->next);
  Py_XDECREF(self->trial);
  Py_XDECREF((PyObject *)self->lane);
  Py_XDECREF(self->key);
  Py_XDECREF(self->added);
  Py_XDECREF((PyObject *)self->exchange);
  Py_DECREF(self->send);
  Py_DECREF(self->shared);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

/* ---- The type ---- */

static PyMemberDef send_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(http_send, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot send_slots[] = {
    {Py_tp_doc, (char *)"HttpSend(shared, send, exchange=None, added=None, trial=None, "
                        "lane=None)\n--\n\nThe `send` of "
                        "the application for a request that is passed on."},
    {Py_tp_dealloc, send_dealloc},
    {Py_tp_traverse, send_traverse},
    {Py_tp_clear, send_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, send_members},
    {0, NULL},
};

/* Its tp_vectorcall makes instances; there is no __new__. */
PyType_Spec http_send_spec = {
    .name = "cachette._cachette.HttpSend",
    .basicsize = sizeof(http_send),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = send_slots,
};
