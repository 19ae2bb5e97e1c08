/* SPDX-License-Identifier: MIT */
/*
 * A Config has checked options, a codec, and the handles, leases and writes of the files below.
 * Each of those files uses only its own fields of struct config_object (ext.h). This file creates
 * and frees them.
 */
#include "config.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "arguments.h"
#include "codec.h"
#include "control.h"
#include "errors.h"
#include "lease.h"
#include "loop_handle.h"
#include "options.h"
#include "thread_handle.h"

#include <structmember.h>

/* ---- Life cycle ---- */

static config_object *config_new(ext_state *state) {
  config_object *self = PyObject_GC_New(config_object, state->config_type);
  if (self == NULL) return NULL;
  self->origin = NULL;
  self->fetch_timeout_ms = 0;
  self->link = NULL;
  self->codec = self->dumps = self->loads = NULL;
  self->vanilla = self->textual = self->codec_own = self->waits = false;
  self->obeys = self->touched = false;
  self->longest_ttl_ms = 0;
  self->handle = NULL;
  self->closed = (cachette_stats){0};
  self->loop_handles = NULL;
  self->loop_handle_count = 0;
  self->local = NULL;
  self->thread_handles = NULL;
  self->leases = NULL;
  self->lease_count = self->storing = 0;
  self->writes = NULL;
  self->writes_forks = 0;
  atomic_init(&self->stopped_ms, 0);
  self->options = cachette_options_new();
  PyObject_GC_Track(self);
  if (self->options != NULL) return self;
  Py_DECREF(self);
  PyErr_NoMemory();
  return NULL;
}

/* Names the in-memory store after this configuration, unless the application set a name. */
static int name_store(config_object *self) {
  const char *name_option = cachette_options_get(self->options, "memory_name");
  if (name_option != NULL && *name_option != '\0') return 0;
  char name[40];
  PyOS_snprintf(name, sizeof name, "python:%p", (void *)self);
  if (cachette_options_set(self->options, "memory_name", name, NULL) == CACHETTE_OK) return 0;
  PyErr_NoMemory();
  return -1;
}

PyObject *config_load(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyModule_GetState(module);
  if (count != 3) {
    PyErr_SetString(PyExc_TypeError, "load() takes pairs, lenient and codec");
    return NULL;
  }
  PyObject *errors = PyList_New(0);
  int lenient = PyObject_IsTrue(args[1]);
  config_object *self = errors != NULL && lenient >= 0 ? config_new(state) : NULL;
  if (self == NULL || options_read(self->options, args[0], lenient, errors) < 0 ||
      name_store(self) < 0 || codec_choose(self, args[2]) < 0) {
    Py_XDECREF(errors);
    Py_XDECREF(self);
    return NULL;
  }
  control_configure(self);
  return Py_BuildValue("(NN)", self, errors);
}

static int config_traverse(config_object *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT((PyObject *)self->origin);
  Py_VISIT(self->link);
  Py_VISIT(self->codec);
  Py_VISIT(self->dumps);
  Py_VISIT(self->loads);
  for (Py_ssize_t i = 0; i < self->loop_handle_count; i++)
    Py_VISIT((PyObject *)self->loop_handles[i]);
  Py_VISIT(self->local);
  return 0;
}

static int config_clear(config_object *self) {
  loop_handles_close(self);
  thread_handles_forget(self);
  Py_CLEAR(self->link);
  Py_CLEAR(self->local);
  Py_CLEAR(self->codec);
  Py_CLEAR(self->dumps);
  Py_CLEAR(self->loads);
  return 0;
}

static void config_dealloc(config_object *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  config_clear(self);
  PyMem_Free(self->loop_handles);
  PyMem_Free(self->leases);
  cachette_close(self->handle);
  cachette_options_free(self->options);
  Py_XDECREF((PyObject *)self->origin); /* only now: the handle used its clock */
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

/* ---- Options ---- */

/* Returns the text of an option that is not secret, or None. */
static PyObject *config_get(config_object *self, PyObject *name) {
  const char *text = PyUnicode_AsUTF8(name);
  if (text == NULL) return NULL;
  const cachette_option_info *info = options_find(text);
  if (info == NULL || info->exposure != CACHETTE_SHOWN) Py_RETURN_NONE;
  if (strcmp(info->name, "codec") == 0) return Py_NewRef(self->codec); /* perhaps a custom codec */
  const char *value = cachette_options_get(self->options, text);
  if (value == NULL) Py_RETURN_NONE;
  return PyUnicode_FromString(value);
}

/* Returns a warning about options that are valid but probably a mistake, or None. */
static PyObject *config_warning(config_object *self, PyObject *Py_UNUSED(ignored)) {
  cachette_error warning;
  if (!cachette_options_warn(self->options, &warning)) Py_RETURN_NONE;
  return message_text(warning.message);
}

/* ---- For flights ---- */

static PyObject *config_lease(config_object *self, PyObject *key) {
  return lease_new(PyType_GetModuleState(Py_TYPE(self)), self, key);
}

/* encode(key, value): bytes, or a str if the codec stores text. */
static PyObject *config_encode(config_object *self, PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  encoded_value encoded;
  if (count != 2 || !PyUnicode_Check(args[0])) {
    PyErr_SetString(PyExc_TypeError, "encode() takes a key and a value");
    return NULL;
  }
  if (!encode(state, self, args[0], args[1], &encoded)) return NULL;
  bool whole = PyBytes_CheckExact(encoded.owner) || PyUnicode_CheckExact(encoded.owner);
  PyObject *data =
      whole ? Py_NewRef(encoded.owner)
            : PyBytes_FromStringAndSize(encoded.slice.data, (Py_ssize_t)encoded.slice.size);
  encoded_release(&encoded);
  return data;
}

/* decode(key, data, returns): the value that a fetch of this data returns. */
static PyObject *config_decode(config_object *self, PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  if (count != 3 || !PyUnicode_Check(args[0]) ||
      !(PyBytes_Check(args[1]) || PyUnicode_Check(args[1]))) {
    PyErr_SetString(PyExc_TypeError, "decode() takes a key, what encode() gave, and a type");
    return NULL;
  }
  if (PyUnicode_Check(args[1])) return Py_NewRef(args[1]);
  cachette_slice slice = bytes_slice(args[1]);
  return decode(state, self, args[0], slice, args[1], args[2]);
}

/* ---- For HTTP ---- */

static void use_bytes(config_object *self, PyObject *name) {
  self->codec = Py_NewRef(name);
  self->codec_own = true;
  self->dumps = Py_NewRef((PyObject *)&PyBytes_Type); /* bytes(b) is b */
  self->loads = Py_NewRef((PyObject *)&PyBytes_Type);
}

/* Copies the options. Returns 0, or -1 when out of memory. */
static int copy_options(config_object *copy, const config_object *from, const char *codec,
                        bool is_signed) {
  cachette_options *options = cachette_options_copy(from->options);
  if (options == NULL) return -1;
  cachette_options_free(copy->options);
  copy->options = options;
  if (cachette_options_set(options, "codec_name", codec, NULL) < 0) return -1;
  return is_signed ? 0 : cachette_options_set(options, "secret", NULL, NULL);
}

/*
 * raw(codec, fetch_timeout_ms, is_signed): a copy whose values are bytes. It shares the store, also
 * if that is in memory. Signatures cover the name of the codec, so a value of the original is not
 * taken for one of the copy. A copy that does not sign can have counters. It obeys no request,
 * which is for the calls of the application.
 */
static PyObject *config_raw(config_object *self, PyObject *args) {
  PyObject *codec;
  long long fetch_timeout_ms;
  int is_signed;
  if (!PyArg_ParseTuple(args, "ULp", &codec, &fetch_timeout_ms, &is_signed)) return NULL;
  const char *name = PyUnicode_AsUTF8(codec);
  config_object *copy = name != NULL ? config_new(PyType_GetModuleState(Py_TYPE(self))) : NULL;
  if (copy == NULL) return NULL;
  copy->origin = (config_object *)Py_NewRef((PyObject *)self);
  copy->fetch_timeout_ms = fetch_timeout_ms;
  use_bytes(copy, codec);
  if (copy_options(copy, self, name, is_signed) == 0) return (PyObject *)copy;
  Py_DECREF(copy);
  return PyErr_NoMemory();
}

/* Whether values are signed. */
static PyObject *config_is_signed(config_object *self, PyObject *Py_UNUSED(ignored)) {
  const char *secret = cachette_options_get(self->options, "secret");
  return PyBool_FromLong(secret != NULL && *secret != '\0');
}

/* check_miss(): raises OnlyIfCached if a miss must not lead to a computation. */
static PyObject *config_check_miss(config_object *self, PyObject *Py_UNUSED(ignored)) {
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  control *asked = self->obeys ? control_current(state) : NULL;
  int code = asked != NULL ? control_miss(state, asked) : PyErr_Occurred() ? -1 : 0;
  Py_XDECREF((PyObject *)asked);
  if (code < 0) return NULL;
  Py_RETURN_NONE;
}

/* ---- For tests ---- */

/* Returns a copy with another backend, which must not need options. */
static PyObject *config_like(config_object *self, PyObject *backend) {
  const char *name = PyUnicode_AsUTF8(backend);
  config_object *copy = name != NULL ? config_new(PyType_GetModuleState(Py_TYPE(self))) : NULL;
  if (copy == NULL) return NULL;
  copy->codec = Py_NewRef(self->codec);
  copy->vanilla = self->vanilla;
  copy->textual = self->textual;
  cachette_error error;
  if (options_copy(copy->options, self->options) == 0 && name_store(copy) == 0) {
    control_configure(copy);
    if (cachette_options_set(copy->options, "backend", name, &error) == CACHETTE_OK)
      return (PyObject *)copy;
    PyErr_SetString(PyExc_ValueError, error.message);
  }
  Py_DECREF(copy);
  return NULL;
}

static int64_t read_stopped(void *data) {
  return atomic_load_explicit(&((config_object *)data)->stopped_ms, memory_order_relaxed);
}

/* Stops the clock. Call it before the first handle opens. */
static PyObject *config_stop_clock(config_object *self, PyObject *Py_UNUSED(ignored)) {
  atomic_store(&self->stopped_ms, (int64_t)time(NULL) * 1000);
  cachette_options_set_clock(self->options, read_stopped, self);
  Py_RETURN_NONE;
}

/* The time of the stopped clock in ms, or None. */
static PyObject *config_stopped_ms(config_object *self, PyObject *Py_UNUSED(ignored)) {
  int64_t ms = atomic_load(&self->stopped_ms);
  if (ms == 0) Py_RETURN_NONE;
  return PyLong_FromLongLong(ms);
}

static PyObject *config_advance(config_object *self, PyObject *ms) {
  long long by = PyLong_AsLongLong(ms);
  if (by == -1 && PyErr_Occurred()) return NULL;
  atomic_fetch_add(&self->stopped_ms, by);
  Py_RETURN_NONE;
}

static PyMethodDef config_methods[] = {
    {"lease", (PyCFunction)config_lease, METH_O,
     "lease($self, key, /)\n--\n\nReturns a lease: the right to store a value that is computed for "
     "a key from now on."},
    {"encode", (PyCFunction)(void (*)(void))config_encode, METH_FASTCALL,
     "encode($self, key, value, /)\n--\n\nEncodes a value for store(): bytes, or a str if the "
     "codec stores text. Raises CodecError."},
    {"decode", (PyCFunction)(void (*)(void))config_decode, METH_FASTCALL,
     "decode($self, key, data, returns, /)\n--\n\nDecodes a result of encode(), as a fetch would. "
     "Raises CodecError."},
    {"check_miss", (PyCFunction)config_check_miss, METH_NOARGS,
     "check_miss($self, /)\n--\n\nRaises OnlyIfCached if the request must not lead to a "
     "computation."},
    {"stop_clock", (PyCFunction)config_stop_clock, METH_NOARGS,
     "stop_clock($self, /)\n--\n\nStops the clock of times to live; advance() moves it. Call it "
     "before the cache is first used."},
    {"advance", (PyCFunction)config_advance, METH_O,
     "advance($self, ms, /)\n--\n\nMoves the stopped clock forward by milliseconds."},
    {"like", (PyCFunction)config_like, METH_O,
     "like($self, backend, /)\n--\n\nReturns a copy with another backend, which must not need "
     "options. An in-memory store starts empty."},
    {"stopped_ms", (PyCFunction)config_stopped_ms, METH_NOARGS,
     "stopped_ms($self, /)\n--\n\nReturns the time of the stopped clock in milliseconds, or None."},
    {"raw", (PyCFunction)config_raw, METH_VARARGS,
     "raw($self, codec, fetch_timeout_ms, is_signed, /)\n--\n\nReturns a copy that shares the "
     "store and whose values are bytes. Fetches have a time limit of their own."},
    {"is_signed", (PyCFunction)config_is_signed, METH_NOARGS,
     "is_signed($self, /)\n--\n\nReturns whether values are signed."},
    {"get", (PyCFunction)config_get, METH_O,
     "get($self, name, /)\n--\n\nReturns the text of an option that is not secret, or None."},
    {"warning", (PyCFunction)config_warning, METH_NOARGS,
     "warning($self, /)\n--\n\nReturns a warning about options that are valid but probably a "
     "mistake, "
     "or None."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef config_members[] = {
    {"textual", T_BOOL, offsetof(config_object, textual), READONLY,
     "Whether the codec stores text and numbers, but no Python types."},
    {"link", T_OBJECT, offsetof(config_object, link), 0,
     "What cachette.http keeps with the configuration, or None."},
    {"obeys", T_BOOL, offsetof(config_object, obeys), READONLY,
     "Whether calls obey the Cache-Control of the request."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot config_slots[] = {
    {Py_tp_doc, (char *)"A checked configuration."},
    {Py_tp_dealloc, config_dealloc},
    {Py_tp_traverse, config_traverse},
    {Py_tp_clear, config_clear},
    {Py_tp_methods, config_methods},
    {Py_tp_members, config_members},
    {0, NULL},
};

PyType_Spec config_spec = {
    .name = "cachette._cachette.Config",
    .basicsize = sizeof(config_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = config_slots,
};
