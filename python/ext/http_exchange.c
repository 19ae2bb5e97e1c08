/* SPDX-License-Identifier: MIT */
#include "http_exchange.h"

#include <stddef.h>

#include "errors.h"
#include "http_find.h"
#include "http_keep.h"
#include "http_record.h"
#include "http_request.h"
#include "http_steps.h"
#include "signature.h"

#include <structmember.h>

/* ---- Life ---- */

/* Initializes all but what the request and the library fill. */
static void init(http_exchange *self) {
  self->policy = NULL;
  self->begun = self->is_answered = false;
  self->request = (cachette_http_request){.path = {NULL, 0}};
  self->method = self->scheme = self->path = self->query = self->body = NULL;
  self->record = self->records = NULL;
  self->received = NULL;
  self->fields.count = 0;
  self->fields.list = self->fields.inline_list;
  self->lane = NULL;
  self->stage = HTTP_FINDS_NOTHING;
  self->awaited = NULL;
}

static http_exchange *allocate(ext_state *state) {
  http_exchange *self;
  if (state->exchange_free_count == 0)
    return PyObject_GC_New(http_exchange, state->http_exchange_type);
  self = state->exchange_freelist[--state->exchange_free_count];
  PyObject_Init((PyObject *)self, state->http_exchange_type);
  return self;
}

void http_exchange_freelist_clear(ext_state *state) {
  PyTypeObject *type = state->http_exchange_type;
  state->http_exchange_type = NULL;
  while (state->exchange_free_count > 0)
    PyObject_GC_Del(state->exchange_freelist[--state->exchange_free_count]); /* uses the type */
  Py_XDECREF(type);
}

static bool begin(http_exchange *self, ext_state *state, http_policy *policy, PyObject *scope,
                  PyObject *body) {
  self->policy = (http_policy *)Py_NewRef((PyObject *)policy);
  if (!http_request_read(self, state, scope, body)) return false;
  int code = cachette_http_begin(&self->exchange, &self->policy->policy, &self->request);
  if (code < 0) return raise_error(state, code, NULL) == 0;
  self->begun = true;
  return true;
}

http_exchange *http_exchange_new(ext_state *state, http_policy *policy, PyObject *scope,
                                 PyObject *body) {
  http_exchange *self = allocate(state);
  if (self == NULL) return NULL;
  init(self);
  PyObject_GC_Track(self);
  if (begin(self, state, policy, scope, body)) return self;
  Py_DECREF(self);
  return NULL;
}

PyObject *http_exchange_vectorcall(PyObject *type, PyObject *const *args, size_t count,
                                   PyObject *keywords) {
  static const call_signature signature = {"HttpExchange", {"policy", "scope", "body"}, 2, 3};
  PyObject *arguments[3];
  ext_state *state = PyType_GetModuleState((PyTypeObject *)type);
  if (state == NULL ||
      !signature_bind(&signature, args, PyVectorcall_NARGS(count), keywords, arguments))
    return NULL;
  if (Py_TYPE(arguments[0]) != state->http_policy_type)
    return PyErr_Format(PyExc_TypeError, "policy must be an HttpPolicy, not %.100s",
                        Py_TYPE(arguments[0])->tp_name);
  return (PyObject *)http_exchange_new(state, (http_policy *)(void *)arguments[0], arguments[1],
                                       arguments[2]);
}

static int exchange_traverse(http_exchange *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->policy);
  Py_VISIT(self->records);
  Py_VISIT((PyObject *)self->lane);
  Py_VISIT(self->awaited);
  for (size_t i = 0; i < self->fields.count; i++) Py_VISIT(self->fields.owners[i]);
  for (const http_received *each = self->received; each != NULL; each = each->before)
    for (size_t i = 0; i < each->fields.count; i++) Py_VISIT(each->fields.owners[i]);
  return 0;
}

/* What is left refers to no other object, or only to what lives as long as the middleware. */
static int exchange_clear(http_exchange *self) {
  self->stage = HTTP_FINDS_NOTHING;
  Py_CLEAR(self->awaited);
  return 0;
}

/* Puts an exchange into the free list, or frees it. */
static void release(http_exchange *self, PyTypeObject *type) {
  PyObject *module = ((PyHeapTypeObject *)type)->ht_module;
  ext_state *state = module != NULL ? PyModule_GetState(module) : NULL;
  if (state != NULL && type == state->http_exchange_type &&
      state->exchange_free_count < EXCHANGE_FREELIST_SIZE)
    state->exchange_freelist[state->exchange_free_count++] = self;
  else
    PyObject_GC_Del(self);
}

static void exchange_dealloc(http_exchange *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (self->begun) cachette_http_end(&self->exchange);
  http_received_free(self);
  http_fields_free(&self->fields);
  Py_XDECREF(self->method);
  Py_XDECREF(self->scheme);
  Py_XDECREF(self->path);
  Py_XDECREF(self->query);
  Py_XDECREF(self->body);
  Py_XDECREF(self->record);
  Py_XDECREF(self->records);
  Py_XDECREF(self->policy);
  Py_XDECREF(self->awaited);
  Py_XDECREF((PyObject *)self->lane);
  release(self, type);
  Py_DECREF(type);
}

/* ---- The verdict ---- */

static PyObject *get_action(http_exchange *self, void *Py_UNUSED(closure)) {
  return PyLong_FromLong((long)self->exchange.action);
}

static PyObject *reason_token(enum cachette_http_reason reason) {
  return PyUnicode_InternFromString(cachette_http_reason_token(reason));
}

static PyObject *get_forwarded(http_exchange *self, void *Py_UNUSED(closure)) {
  return reason_token(self->exchange.forwarded);
}

static PyObject *get_not_stored(http_exchange *self, void *Py_UNUSED(closure)) {
  return reason_token(self->exchange.not_stored);
}

static PyObject *get_key(http_exchange *self, void *Py_UNUSED(closure)) {
  return http_key_text(self->exchange.key);
}

static PyObject *get_index_key(http_exchange *self, void *Py_UNUSED(closure)) {
  return http_key_text(self->exchange.index_key);
}

static PyObject *get_is_awaitable(http_exchange *self, void *Py_UNUSED(closure)) {
  return PyBool_FromLong(self->stage != HTTP_FINDS_NOTHING);
}

static PyGetSetDef exchange_attributes[] = {
    {"is_awaitable", (getter)get_is_awaitable, NULL,
     "Whether a lane has begun it, and its record is still to come.", NULL},
    {"action", (getter)get_action, NULL, "What to do next: one of HTTP_PASS, HTTP_MISS...", NULL},
    {"forwarded", (getter)get_forwarded, NULL, "Why the application is asked: a token, or ''.",
     NULL},
    {"not_stored", (getter)get_not_stored, NULL,
     "Why the response is not stored: a token, or ''; see http_reason().", NULL},
    {"key", (getter)get_key, NULL, "The key to fetch or store.", NULL},
    {"index_key", (getter)get_index_key, NULL, "The key of index().", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define MEMBER(name, type, text) \
  { #name, type, offsetof(http_exchange, exchange.name), READONLY, text }
static PyMemberDef exchange_members[] = {
    MEMBER(status, T_INT, "The status of an answer from the record, or of HTTP_ERROR."),
    MEMBER(send_body, T_BOOL, "Whether the answer has a body."),
    MEMBER(body_first, T_LONGLONG, "Where the answer's body begins in that of the record."),
    MEMBER(body_size, T_LONGLONG, "The bytes of the answer's body."),
    MEMBER(age_ms, T_LONGLONG, "The age of the record."),
    MEMBER(ttl_ms, T_LONGLONG, "What is left of the record's lifetime; negative: it is stale."),
    MEMBER(coalesce, T_BOOL, "Whether requests of this key may wait for one response."),
    MEMBER(refresh, T_BOOL, "HTTP_STALE: whether to fetch the record anew in the background."),
    MEMBER(usable_if_error, T_BOOL, "Whether fail() will answer from the record."),
    MEMBER(keep_ms, T_LONGLONG, "How long the record is worth keeping."),
    MEMBER(store_index, T_BOOL, "Whether to store index() under index_key, too."),
    MEMBER(invalidates, T_BOOL, "Whether the response made others invalid; see invalidated()."),
    {NULL, 0, 0, 0, NULL},
};
#undef MEMBER

int http_add_actions(PyObject *module) {
#define ADD(name, text) \
  if (PyModule_AddIntConstant(module, "HTTP_" #name, CACHETTE_HTTP_##name) < 0) return -1;
  CACHETTE_HTTP_ACTIONS(ADD)
#undef ADD
  return 0;
}

/* ---- The type ---- */

#define FASTCALL(function) (PyCFunction)(void (*)(void)) function
static PyMethodDef exchange_methods[] = {
    {"decide", FASTCALL(http_decide), METH_FASTCALL | METH_KEYWORDS,
     "decide($self, record, now_ms=None)\n--\n\nDecides what to do with what the store has for "
     "`key`, and returns the action.\n\nYou may call it again with another record until the "
     "application has answered."},
    {"answer", FASTCALL(http_answer), METH_FASTCALL | METH_KEYWORDS,
     "answer($self, status=None, headers=None, collapsed=False)\n--\n\nReturns the headers of the "
     "answer: to a response of the application, or from the record.\n\n`collapsed` tells that the "
     "request waited for another's response."},
    {"forward", (PyCFunction)http_forward, METH_NOARGS,
     "forward($self, /)\n--\n\nReturns the headers to ask the application with."},
    {"receive", FASTCALL(http_receive), METH_FASTCALL | METH_KEYWORDS,
     "receive($self, status, headers, body_size, requested_ms, control=b'', now_ms=None)\n--\n\n"
     "Takes the application's response, and returns the action.\n\n"
     "`body_size` is None or -1 if it is not known. `control` has directives of Cache-Control\n"
     "that count instead of those of the headers, and are not sent."},
    {"fail", FASTCALL(http_fail), METH_FASTCALL | METH_KEYWORDS,
     "fail($self, now_ms=None)\n--\n\nTakes it that the application failed, and returns the "
     "action."},
    {"record", FASTCALL(http_record), METH_FASTCALL | METH_KEYWORDS,
     "record($self, body, tags=(), epoch=0)\n--\n\nReturns the head of the record to store. The "
     "body "
     "belongs behind it.\n\nRaises ValueError if the body is not complete or too large; "
     "`not_stored` has the reason."},
    {"index", (PyCFunction)http_index, METH_NOARGS,
     "index($self, /)\n--\n\nReturns the index record to store under index_key."},
    {"invalidated", (PyCFunction)http_invalidated, METH_NOARGS,
     "invalidated($self, /)\n--\n\nReturns what the response made invalid: pairs of a key, or "
     "None, and a tag."},
    {"combine", FASTCALL(http_combine), METH_FASTCALL,
     "combine($self, stored_body, part, /)\n--\n\nReturns the stored part and a partial response "
     "as one body, or None."},
    {"body", (PyCFunction)http_body, METH_O,
     "body($self, record, /)\n--\n\nReturns the answer's body from that of a record. None: the "
     "record has not all of it."},
    {"send", (PyCFunction)http_find_method_send, METH_O,
     "send($self, value, /)\n--\n\nAdvances the fetch, like a coroutine."},
    {"throw", (PyCFunction)http_find_throw, METH_VARARGS,
     "throw($self, type, value=None, traceback=None, /)\n--\n\nCancels the fetch and raises an "
     "exception."},
    {"close", (PyCFunction)http_find_close, METH_NOARGS,
     "close($self, /)\n--\n\nCancels the fetch."},
    {NULL, NULL, 0, NULL},
};
#undef FASTCALL

static PyType_Slot exchange_slots[] = {
    {Py_tp_doc,
     (char *)"HttpExchange(policy, scope, body=None)\n--\n\nOne request on its way through the "
             "HTTP cache.\n\n"
             "It begins with the scope of an HTTP request; for QUERY, and for POST if the policy "
             "caches\n"
             "it, also with the body. It keeps what it is handed until it is deleted. A method "
             "that does\n"
             "not fit the action raises RuntimeError."},
    {Py_tp_dealloc, exchange_dealloc},
    {Py_tp_traverse, exchange_traverse},
    {Py_tp_clear, exchange_clear},
    {Py_tp_iternext, http_find_next},
    {Py_am_await, PyObject_SelfIter},
#if PY_VERSION_HEX >= 0x030A0000
    {Py_am_send, http_find_send},
#endif
    {Py_tp_methods, exchange_methods},
    {Py_tp_members, exchange_members},
    {Py_tp_getset, exchange_attributes},
    {0, NULL},
};

/* Its tp_vectorcall makes instances; there is no __new__. */
PyType_Spec http_exchange_spec = {
    .name = "cachette._cachette.HttpExchange",
    .basicsize = sizeof(http_exchange),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = exchange_slots,
};
