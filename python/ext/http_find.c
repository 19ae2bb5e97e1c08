/* SPDX-License-Identifier: MIT */
/*
 * An exchange that a lane has begun is an awaitable, so that a hit needs no coroutine between the
 * middleware and the store:
 *
 *     begin --> fetch --> decide --> a hit: both messages of the answer
 *                 ^          |
 *                 |          +-----> else: the record, or None
 *                 +--- VARIANT
 *
 * A store that answers at once has done so when begin() returns.
 */
#include "http_find.h"

#include "awaitable.h"
#include "errors.h"
#include "handle.h"
#include "http_hit.h"
#include "http_known.h"
#include "http_record.h"
#include "http_steps.h"
#include "immediate.h"
#include "pending.h"

enum { MEMO_MAX = 1024 }; /* index records */
static const double memo_seconds = 1.0;

/* ---- The fetch ---- */

bool http_find_begin(http_exchange *self, ext_state *state, PyObject *key) {
  PyObject *arguments[CALL_ARGUMENTS] = {key, Py_None, NULL, NULL};
  config_object *records = self->lane->records;
  bool invalid;
  int waits = handle_waits(records, state);
  if (waits > 0)
    self->awaited = pending_call(state, records, CALL_FETCH, arguments);
  else if (waits == 0)
    self->awaited = immediate_call(state, records, CALL_FETCH, arguments, &invalid);
  if (self->awaited == NULL) return false;
  self->stage = waits > 0 ? HTTP_FETCHES : HTTP_HAS_FETCHED;
  return true;
}

/* Takes the value of the StopIteration that is set. */
static PyObject *take_stop(void) {
  if (!PyErr_ExceptionMatches(PyExc_StopIteration)) return NULL;
  PyObject *stop = take_exception();
  PyObject *value = stop != NULL ? PyObject_GetAttrString(stop, "value") : NULL;
  Py_XDECREF(stop);
  return value;
}

/* Advances the fetch. Returns 1 and the record or None, 0 and the future to wait on, or -1 with an
 * exception set. */
static int fetch(http_exchange *self, ext_state *state, PyObject **result) {
  PyObject *call = self->awaited;
  if (Py_IS_TYPE(call, state->pending_type)) return pending_step((pending *)(void *)call, result);
  *result = Py_TYPE(call)->tp_iternext(call); /* a Ready: the op could not be submitted */
  if (*result != NULL) return 0;
  *result = take_stop();
  return *result != NULL ? 1 : -1;
}

/* ---- Time ---- */

double http_lane_now(const http_lane *lane) {
  PyObject *time = PyObject_CallObject(lane->clock, NULL);
  double seconds = time != NULL ? PyFloat_AsDouble(time) : -1;
  Py_XDECREF(time);
  return PyErr_Occurred() ? -1 : seconds;
}

int64_t http_lane_now_ms(const http_lane *lane) {
  int64_t stopped_ms = atomic_load(&lane->config->stopped_ms);
  return stopped_ms != 0 ? stopped_ms : http_now_ms();
}

/* ---- Index records ---- */

/* Keeps an index record, so that for a second it is not fetched. */
static bool remember(const http_exchange *self, PyObject *record) {
  const http_lane *lane = self->lane;
  if (lane->memo == NULL) return true;
  double now = http_lane_now(lane);
  if (now < 0) return false;
  PyObject *key = http_key_text(self->exchange.index_key);
  PyObject *value = Py_BuildValue("(dO)", now + memo_seconds, record);
  if (PyDict_GET_SIZE(lane->memo) >= MEMO_MAX) PyDict_Clear(lane->memo);
  bool ok = key != NULL && value != NULL && PyDict_SetItem(lane->memo, key, value) == 0;
  Py_XDECREF(key);
  Py_XDECREF(value);
  return ok;
}

/* Goes on to the record of a variant. */
static bool follow(http_exchange *self, ext_state *state, PyObject *index) {
  if (!remember(self, index)) return false;
  PyObject *key = http_key_text(self->exchange.key);
  bool ok = key != NULL && http_find_begin(self, state, key);
  Py_XDECREF(key);
  return ok;
}

/* ---- The result ---- */

static void count(http_counters *counters, const cachette_http_exchange *exchange) {
  counters->hits++;
  if (exchange->send_body) counters->bytes += exchange->body_size;
}

/* Returns the messages of a hit, or None. `known` is what is known of the record, or NULL. */
static PyObject *make_messages(http_exchange *self, ext_state *state, PyObject *record,
                               http_known *known) {
  const http_lane *lane = self->lane;
  if (http_hit_is_purged(record, lane->epochs->newest)) Py_RETURN_NONE;
  PyObject *messages = known != NULL ? http_known_messages(self, state, known) : NULL;
  if (messages != NULL || PyErr_Occurred()) return messages;
  messages = http_hit_messages(self, record, lane->cache_status);
  if (known == NULL && messages != NULL && messages != Py_None)
    http_known_note(self, record, messages);
  return messages;
}

/* Makes the answer of a decided exchange. Steals the record. */
static PyObject *make_result(http_exchange *self, ext_state *state, PyObject *record,
                             http_known *known) {
  if (self->exchange.action != CACHETTE_HTTP_HIT || record == Py_None) return record;
  PyObject *messages = make_messages(self, state, record, known);
  if (messages == Py_None) {
    Py_DECREF(messages);
    return record;
  }
  Py_DECREF(record);
  if (messages != NULL) count(self->lane->counters, &self->exchange);
  return messages;
}

/* Decides on a fetched record, which it steals. Returns the result; or NULL if there is another
 * record to fetch, or with an exception set. */
static PyObject *decide(http_exchange *self, ext_state *state, PyObject *record) {
  PyObject *result = NULL;
  http_known *known = http_known_find(self->lane, self->exchange.key, record);
  if (known != NULL) Py_SETREF(record, Py_NewRef(known->record)); /* its head points into this */
  if (!http_decide_record(self, record, known != NULL ? &known->head : NULL,
                          http_lane_now_ms(self->lane)))
    Py_DECREF(record);
  else if (self->exchange.action != CACHETTE_HTTP_VARIANT)
    result = make_result(self, state, record, known);
  else {
    follow(self, state, record);
    Py_DECREF(record);
  }
  http_known_release(known);
  return result;
}

/* ---- Awaiting ---- */

/* Takes what was awaited. */
static PyObject *take(http_exchange *self) {
  PyObject *taken = self->awaited;
  self->awaited = NULL;
  self->stage = HTTP_FINDS_NOTHING;
  return taken;
}

int http_find_step(http_exchange *self, ext_state *state, PyObject **result) {
  *result = NULL;
  while (self->stage == HTTP_FETCHES || self->stage == HTTP_HAS_FETCHED) {
    PyObject *record = NULL;
    if (self->stage == HTTP_HAS_FETCHED) {
      record = take(self);
    } else {
      int code = fetch(self, state, result);
      if (code <= 0) return code; /* after an error, too, another task may wait for the call */
      record = *result;
      Py_XDECREF(take(self));
    }
    *result = decide(self, state, record);
    if (*result != NULL || PyErr_Occurred()) return *result != NULL ? 1 : -1;
  }
  if (self->stage == HTTP_HAS_DECIDED)
    *result = take(self);
  else
    PyErr_SetString(PyExc_RuntimeError, "the exchange has nothing to await");
  return *result != NULL ? 1 : -1;
}

static int step(http_exchange *self, PyObject **result) {
  return http_find_step(self, PyType_GetModuleState(Py_TYPE(self)), result);
}

#if PY_VERSION_HEX >= 0x030A0000
PySendResult http_find_send(http_exchange *self, PyObject *value, PyObject **result) {
  (void)value;
  int code = step(self, result);
  return code > 0 ? PYGEN_RETURN : code == 0 ? PYGEN_NEXT : PYGEN_ERROR;
}
#endif

/* Returns the future, or raises StopIteration with the result. */
PyObject *http_find_next(http_exchange *self) {
  PyObject *result;
  int code = step(self, &result);
  return code <= 0 ? result : awaitable_stop(result);
}

PyObject *http_find_method_send(http_exchange *self, PyObject *Py_UNUSED(value)) {
  return http_find_next(self);
}

/* Gives up the fetch, whose op is cancelled. */
static void give_up(http_exchange *self) {
  bool fetches = self->stage == HTTP_FETCHES;
  PyObject *call = take(self);
  PyObject *closed = fetches ? PyObject_CallMethod(call, "close", NULL) : NULL;
  if (fetches && closed == NULL) PyErr_WriteUnraisable(call);
  Py_XDECREF(closed);
  Py_XDECREF(call);
}

PyObject *http_find_throw(http_exchange *self, PyObject *args) {
  PyObject *type, *value;
  if (!awaitable_read_throw(args, &type, &value)) return NULL;
  give_up(self);
  return awaitable_raise(type, value);
}

PyObject *http_find_close(http_exchange *self, PyObject *Py_UNUSED(ignored)) {
  give_up(self);
  Py_RETURN_NONE;
}
