/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <stddef.h>

#include "arguments.h"

#include <structmember.h>

/* A server's clock may tick between a put and a fetch, and some servers round TTLs up to seconds.
 */
enum { ROUNDING_MS = 1000 };

/* ---- Calls ---- */

int control_init(ext_state *state) {
  state->current_control = PyContextVar_New("cachette.http.control", NULL);
  return state->current_control != NULL ? 0 : -1;
}

void control_configure(config_object *config) {
  config->obeys = cachette_options_number(config->options, "request_control") != 0;
  if (config->obeys) ((ext_state *)PyType_GetModuleState(Py_TYPE(config)))->any_obeys = true;
  config->longest_ttl_ms = cachette_options_number(config->options, "ttl");
}

PyObject *control_any_obeys(PyObject *module, PyObject *Py_UNUSED(ignored)) {
  return PyBool_FromLong(((ext_state *)PyModule_GetState(module))->any_obeys);
}

control *control_current(ext_state *state) {
  PyObject *found;
  if (PyContextVar_Get(state->current_control, NULL, &found) < 0 || found == NULL) return NULL;
  if (Py_IS_TYPE(found, state->control_type) && !((control *)found)->ended) return (control *)found;
  Py_DECREF(found);
  return NULL;
}

void control_note_ttl(config_object *config, int64_t ttl_ms) {
  if (ttl_ms > config->longest_ttl_ms) config->longest_ttl_ms = ttl_ms;
}

bool control_accepts(const control *self, const config_object *config, int64_t left_ms,
                     int64_t ttl_ms) {
  const cachette_http_directives *asked = &self->asked;
  if (left_ms >= 0 && left_ms < asked->min_fresh_ms) return false; /* RFC 9111, 5.2.1.3 */
  if (asked->max_age_ms < 0) return true;
  if (config->touched || left_ms < 0) return false; /* the age is not known */
  if (ttl_ms < 0) ttl_ms = config->longest_ttl_ms;
  if (ttl_ms == 0) ttl_ms = cachette_options_number(config->options, "ttl");
  if (left_ms > ttl_ms + ROUNDING_MS) return false; /* it was put with another TTL */
  return ttl_ms - left_ms <= asked->max_age_ms;     /* RFC 9111, 5.2.1.1 */
}

int control_miss(ext_state *state, control *self) {
  if (!self->asked.only_if_cached) return 0;
  self->missed = true;
  PyErr_SetString(state->only_if_cached,
                  "The value is not in the cache, and the request has only-if-cached.");
  return -1;
}

/* ---- Headers ---- */

static bool is_field(PyObject *name, const char *lower, Py_ssize_t size) {
  if (PyBytes_GET_SIZE(name) != size) return false;
  for (Py_ssize_t i = 0; i < size; i++)
    if (Py_TOLOWER(PyBytes_AS_STRING(name)[i]) != lower[i]) return false;
  return true;
}

/* Appends a header that counts to the list `*kept`, which is NULL before the first. Returns 0, or
 * -1 with an exception set. */
static int keep(PyObject *header, PyObject **kept) {
  PyObject *pair = PySequence_Tuple(header);
  if (pair == NULL) return -1;
  int code = 0;
  if (PyTuple_GET_SIZE(pair) != 2 || !PyBytes_Check(PyTuple_GET_ITEM(pair, 0)) ||
      !PyBytes_Check(PyTuple_GET_ITEM(pair, 1))) {
    PyErr_SetString(PyExc_TypeError, "a header is a name and a value, both bytes");
    code = -1;
  } else if (is_field(PyTuple_GET_ITEM(pair, 0), "cache-control", 13) ||
             is_field(PyTuple_GET_ITEM(pair, 0), "pragma", 6)) {
    if (*kept == NULL) *kept = PyList_New(0);
    code = *kept != NULL ? PyList_Append(*kept, pair) : -1;
  }
  Py_DECREF(pair);
  return code;
}

static PyObject *control_new(ext_state *state, const cachette_http_directives *asked) {
  control *self = PyObject_New(control, state->control_type);
  if (self == NULL) return NULL;
  self->asked = *asked;
  self->ended = self->missed = false;
  return (PyObject *)self;
}

/* Returns the Control of a list of (name, value), or None. */
static PyObject *parse(ext_state *state, PyObject *kept) {
  size_t count = (size_t)PyList_GET_SIZE(kept);
  cachette_http_directives asked;
  cachette_http_field *list = PyMem_Calloc(count, sizeof *list);
  if (list == NULL) return PyErr_NoMemory();
  for (size_t i = 0; i < count; i++) {
    PyObject *pair = PyList_GET_ITEM(kept, (Py_ssize_t)i);
    list[i].name = bytes_slice(PyTuple_GET_ITEM(pair, 0));
    list[i].value = bytes_slice(PyTuple_GET_ITEM(pair, 1));
  }
  bool found = cachette_http_request_directives((cachette_http_fields){list, count}, &asked);
  PyMem_Free(list);
  return found ? control_new(state, &asked) : Py_NewRef(Py_None);
}

PyObject *control_of_headers(PyObject *module, PyObject *headers) {
  PyObject *kept = NULL, *header, *iterator = PyObject_GetIter(headers), *parsed;
  if (iterator == NULL) return NULL;
  while ((header = PyIter_Next(iterator)) != NULL) {
    int code = keep(header, &kept);
    Py_DECREF(header);
    if (code < 0) break;
  }
  Py_DECREF(iterator);
  if (PyErr_Occurred())
    parsed = NULL;
  else
    parsed = kept != NULL ? parse(PyModule_GetState(module), kept) : Py_NewRef(Py_None);
  Py_XDECREF(kept);
  return parsed;
}

/* ---- The type ---- */

static PyObject *control_end(control *self, PyObject *Py_UNUSED(ignored)) {
  self->ended = true;
  Py_RETURN_NONE;
}

/* Returns a duration in seconds, or None if the request does not have it. */
static PyObject *get_seconds(control *self, void *offset) {
  int64_t ms = *(const int64_t *)((const char *)&self->asked + (size_t)offset);
  if (ms < 0) Py_RETURN_NONE;
  return PyLong_FromLongLong(ms / 1000);
}

static void control_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyMethodDef control_methods[] = {
    {"end", (PyCFunction)control_end, METH_NOARGS,
     "end($self, /)\n--\n\nEnds the request: calls no longer obey it."},
    {NULL, NULL, 0, NULL},
};

#define ASKED(name) offsetof(control, asked) + offsetof(cachette_http_directives, name)

static PyMemberDef control_members[] = {
    {"no_cache", T_BOOL, ASKED(no_cache), READONLY, "Whether every entry is a miss."},
    {"no_store", T_BOOL, ASKED(no_store), READONLY, "Whether nothing is stored."},
    {"only_if_cached", T_BOOL, ASKED(only_if_cached), READONLY, "Whether a miss is an error."},
    {"missed", T_BOOL, offsetof(control, missed), READONLY, "Whether a call raised OnlyIfCached."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef control_attributes[] = {
    {"max_age", (getter)get_seconds, NULL, "The highest age of an entry in seconds, or None.",
     (void *)offsetof(cachette_http_directives, max_age_ms)},
    {"min_fresh", (getter)get_seconds, NULL, "The seconds that an entry must have left, or None.",
     (void *)offsetof(cachette_http_directives, min_fresh_ms)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot control_slots[] = {
    {Py_tp_doc, (char *)"What the Cache-Control of a request asks of the calls that answer it."},
    {Py_tp_dealloc, control_dealloc},
    {Py_tp_methods, control_methods},
    {Py_tp_members, control_members},
    {Py_tp_getset, control_attributes},
    {0, NULL},
};

PyType_Spec control_spec = {
    .name = "cachette._cachette.Control",
    .basicsize = sizeof(control),
    .flags = Py_TPFLAGS_DEFAULT
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = control_slots,
};
