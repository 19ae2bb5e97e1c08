/* SPDX-License-Identifier: MIT */
/*
 * The library trusts its caller to make the steps in their order. These methods do not: each checks
 * that it fits the action.
 */
#include "http_steps.h"

#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif

#include "lease.h"
#include "signature.h"

static const char *const action_names[] = {
#define NAME(name, text) #name,
    CACHETTE_HTTP_ACTIONS(NAME)
#undef NAME
};

bool http_check_action(const http_exchange *self, const char *method, unsigned actions) {
  enum cachette_http_action action = self->exchange.action;
  if ((actions >> action & 1) != 0) return true;
  PyErr_Format(PyExc_RuntimeError, "%s() does not fit the action %s", method, action_names[action]);
  return false;
}

/* Whether the application may be asked, and has not been yet. */
static bool check_unanswered(const http_exchange *self, const char *method) {
  unsigned actions = HTTP_ACTION(PASS) | HTTP_ACTION(MISS) | HTTP_ACTION(REVALIDATE) |
                     HTTP_ACTION(REFETCH) | HTTP_ACTION(STALE);
  if (!http_check_action(self, method, actions)) return false;
  if (!self->is_answered || self->exchange.action == CACHETTE_HTTP_REFETCH) return true;
  PyErr_Format(PyExc_RuntimeError, "%s() was called after the application has answered", method);
  return false;
}

/* Whether a response may be taken: the first one, or another instead of one that was to be stored,
 * such as the same with an ETag. */
static bool check_receives(const http_exchange *self, const char *method) {
  return self->exchange.action == CACHETTE_HTTP_STORE || check_unanswered(self, method);
}

/* ---- Arguments ---- */

static bool read_int64(const char *what, PyObject *value, int64_t *number) {
  if (!PyLong_Check(value)) {
    PyErr_Format(PyExc_TypeError, "%s must be an int, not %.100s", what, Py_TYPE(value)->tp_name);
    return false;
  }
  *number = PyLong_AsLongLong(value);
  return *number != -1 || !PyErr_Occurred();
}

int64_t http_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads a time, or the clock if it is None. */
static bool read_now(PyObject *value, int64_t *now_ms) {
  if (value != Py_None) return read_int64("now_ms", value, now_ms);
  *now_ms = http_now_ms();
  return true;
}

bool http_read_status(PyObject *value, int *status) {
  int64_t number;
  if (!read_int64("status", value, &number)) return false;
  *status = (int)number;
  if (number >= 200 && number <= 999) return true;
  PyErr_Format(PyExc_ValueError, "status must be that of a final response, 200 to 999, not %R",
               value);
  return false;
}

/* ---- Decide ---- */

/* Keeps a record to the end, since the library may point into it. */
static bool keep_record(http_exchange *self, PyObject *record) {
  if (self->record == NULL) {
    self->record = Py_NewRef(record);
    return true;
  }
  if (self->record == record) return true;
  if (self->records == NULL) self->records = PyList_New(0);
  if (self->records == NULL || PyList_Append(self->records, self->record) < 0) return false;
  Py_SETREF(self->record, Py_NewRef(record));
  return true;
}

bool http_decide_record(http_exchange *self, PyObject *record, const cachette_http_head *head,
                        int64_t now_ms) {
  cachette_slice bytes = {NULL, 0};
  if (self->is_answered) {
    PyErr_SetString(PyExc_RuntimeError, "decide() was called after the application has answered");
    return false;
  }
  if (record != Py_None &&
      (!http_read_bytes("record", record, &bytes) || !keep_record(self, record)))
    return false;
  if (head != NULL)
    cachette_http_decide_head(&self->exchange, head, now_ms);
  else
    cachette_http_decide(&self->exchange, bytes, now_ms);
  return true;
}

PyObject *http_decide(http_exchange *self, PyObject *const *args, Py_ssize_t count,
                      PyObject *keywords) {
  static const call_signature signature = {"decide", {"record", "now_ms"}, 1, 2};
  PyObject *arguments[2];
  int64_t now_ms;
  if (!signature_bind(&signature, args, count, keywords, arguments) ||
      !read_now(arguments[1], &now_ms) || !http_decide_record(self, arguments[0], NULL, now_ms))
    return NULL;
  return PyLong_FromLong((long)self->exchange.action);
}

/* ---- Lists of fields ---- */

enum { LINES = 48 }; /* of an answer or a request that need no allocation */

/* What a list is made of: an answer to `origin`, or to nothing; or the fields to forward. */
struct listing {
  cachette_http_exchange *exchange;
  const cachette_http_response *origin;
  bool is_forward, collapsed;
};

static size_t fill(const struct listing *listing, cachette_http_field *lines, size_t capacity) {
  if (listing->is_forward) return cachette_http_forward(listing->exchange, lines, capacity);
  return cachette_http_answer(listing->exchange, listing->origin, listing->collapsed, lines,
                              capacity);
}

static PyObject *make_list(http_exchange *self, const struct listing *listing) {
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  cachette_http_field lines[LINES], *more;
  if (state == NULL) return NULL;
  size_t count = fill(listing, lines, LINES);
  if (count <= LINES) return http_fields_list(state, lines, count);
  more = PyMem_Malloc(count * sizeof *more);
  if (more == NULL) return PyErr_NoMemory();
  fill(listing, more, count);
  PyObject *list = http_fields_list(state, more, count);
  PyMem_Free(more);
  return list;
}

static PyObject *answer_of_origin(http_exchange *self, PyObject *status, PyObject *headers,
                                  bool collapsed) {
  cachette_http_response origin = {.body_size = -1};
  http_fields fields = {.count = 0};
  if (!http_read_status(status, &origin.status) || !http_fields_read(&fields, headers)) return NULL;
  origin.fields = http_fields_of(&fields);
  struct listing listing = {&self->exchange, &origin, false, collapsed};
  PyObject *list = make_list(self, &listing);
  http_fields_free(&fields);
  return list;
}

PyObject *http_list_answer(http_exchange *self, bool collapsed) {
  struct listing listing = {&self->exchange, NULL, false, collapsed};
  return make_list(self, &listing);
}

PyObject *http_without_status(PyObject *headers) {
  Py_ssize_t count = PyList_GET_SIZE(headers);
  if (count > 0 && PyList_SetSlice(headers, count - 1, count, NULL) < 0) Py_CLEAR(headers);
  return headers;
}

PyObject *http_answer_received(http_exchange *self) {
  struct listing listing = {&self->exchange, &self->received->response, false, false};
  cachette_http_field lines[LINES];
  size_t count = fill(&listing, lines, LINES);
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  if (count > LINES || state == NULL) return make_list(self, &listing);
  return http_fields_list_from(state, lines, count, &self->received->fields);
}

PyObject *http_answer(http_exchange *self, PyObject *const *args, Py_ssize_t count,
                      PyObject *keywords) {
  static const call_signature signature = {"answer", {"status", "headers", "collapsed"}, 0, 3};
  PyObject *arguments[3];
  if (!signature_bind(&signature, args, count, keywords, arguments)) return NULL;
  int collapsed = PyObject_IsTrue(arguments[2]);
  if (collapsed < 0) return NULL;
  if (arguments[0] != Py_None)
    return answer_of_origin(self, arguments[0], arguments[1], collapsed != 0);
  if (!http_check_action(
          self, "answer",
          HTTP_ACTION(HIT) | HTTP_ACTION(STALE) | HTTP_ACTION(FRESHEN) | HTTP_ACTION(ERROR)))
    return NULL;
  return http_list_answer(self, collapsed != 0);
}

PyObject *http_forward(http_exchange *self, PyObject *Py_UNUSED(ignored)) {
  if (!check_unanswered(self, "forward")) return NULL;
  struct listing listing = {&self->exchange, NULL, true, false};
  return make_list(self, &listing);
}

/* ---- Receive ---- */

static void received_free(http_received *received) {
  http_fields_free(&received->fields);
  Py_XDECREF(received->control);
  PyMem_Free(received);
}

void http_received_free(http_exchange *self) {
  while (self->received != NULL) {
    http_received *last = self->received;
    self->received = last->before;
    received_free(last);
  }
}

/* Takes a random number. The system is asked for many at once, since that costs more than all else
 * here. A child of a fork must not use those of its parent: a number that was used could make an
 * old variant valid again. */
static bool next_random(ext_state *state, uint64_t *number) {
  if (state->random_left == 0 || state->random_forks != lease_forks()) {
    if (getentropy(state->randoms, sizeof state->randoms) < 0) {
      PyErr_SetFromErrno(PyExc_OSError);
      return false;
    }
    state->random_left = RANDOMS;
    state->random_forks = lease_forks();
  }
  *number = state->randoms[--state->random_left];
  return true;
}

/* Fills a response from the arguments of receive(). */
static bool read_response(ext_state *state, http_received *received, PyObject *const *arguments,
                          int64_t now_ms) {
  cachette_http_response *response = &received->response;
  *response = (cachette_http_response){.body_size = -1, .received_ms = now_ms};
  if (!http_read_status(arguments[0], &response->status) ||
      !http_fields_read(&received->fields, arguments[1]) ||
      (arguments[2] != Py_None && !read_int64("body_size", arguments[2], &response->body_size)) ||
      !read_int64("requested_ms", arguments[3], &response->requested_ms))
    return false;
  response->fields = http_fields_of(&received->fields);
  if (response->body_size < 0) response->body_size = -1;
  if (arguments[4] != Py_None) {
    if (!http_read_bytes("control", arguments[4], &response->control)) return false;
    received->control = Py_NewRef(arguments[4]);
  }
  return next_random(state, &response->random);
}

PyObject *http_receive(http_exchange *self, PyObject *const *args, Py_ssize_t count,
                       PyObject *keywords) {
  static const call_signature signature = {
      "receive", {"status", "headers", "body_size", "requested_ms", "control", "now_ms"}, 4, 6};
  PyObject *arguments[6];
  int64_t now_ms;
  if (!signature_bind(&signature, args, count, keywords, arguments) ||
      !read_now(arguments[5], &now_ms))
    return NULL;
  http_received *received = PyMem_Malloc(sizeof *received);
  if (received == NULL) return PyErr_NoMemory();
  received->control = NULL;
  received->fields.count = 0;
  received->fields.list = received->fields.inline_list;
  /* Reading the headers may run Python code, which may call this too. So check behind it. */
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  if (!read_response(state, received, arguments, now_ms) || !check_receives(self, "receive")) {
    received_free(received);
    return NULL;
  }
  received->before = self->received;
  self->received = received;
  self->is_answered = true;
  cachette_http_receive(&self->exchange, &received->response, now_ms);
  return PyLong_FromLong((long)self->exchange.action);
}

PyObject *http_fail(http_exchange *self, PyObject *const *args, Py_ssize_t count,
                    PyObject *keywords) {
  static const call_signature signature = {"fail", {"now_ms"}, 0, 1};
  PyObject *now;
  int64_t now_ms;
  if (!signature_bind(&signature, args, count, keywords, &now) || !read_now(now, &now_ms) ||
      !check_receives(self, "fail"))
    return NULL;
  self->is_answered = true;
  cachette_http_receive(&self->exchange, NULL, now_ms);
  return PyLong_FromLong((long)self->exchange.action);
}
