/* SPDX-License-Identifier: MIT */
/*
 * A configuration: options that were checked, the codec, and the handle opened with them.
 *
 * In-memory ops complete inside cachette_submit() while the GIL is held, so one handle serves
 * every thread and event loop; holding it also keeps the entries while loops come and go.
 */
#include "ext.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

/* ---- From Python values to options ---- */

static const char *type_name(enum cachette_option_type type) {
  switch (type) {
    case CACHETTE_OPTION_SECONDS:
    case CACHETTE_OPTION_DURATION:
      return "a number of seconds or a timedelta";
    case CACHETTE_OPTION_NUMBER:
      return "an int";
    case CACHETTE_OPTION_BOOLEAN:
      return "a bool";
    case CACHETTE_OPTION_SIZE:
      return "an int (bytes) or a str such as \"64M\"";
    default:
      return "a str";
  }
}

/* One that does not fit 64 bits is out of every option's range; it is for the message. */
static PyObject *int_text(PyObject *value) {
  int overflow;
  long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow == 0) return PyUnicode_FromFormat("%lld", number);
  PyObject *digits = PyNumber_ToBase(value, 10);
  if (digits != NULL || !PyErr_ExceptionMatches(PyExc_ValueError)) return digits;
  PyErr_Clear(); /* it has more digits than Python prints */
  return PyUnicode_FromString(overflow < 0 ? "-9999999999999999999..." : "9999999999999999999...");
}

/* Seconds to the nearest millisecond, without needless zeros. */
static PyObject *float_text(double seconds) {
  bool plain = seconds >= 0.0005 && seconds < 1e15;
  char *digits = plain ? PyOS_double_to_string(seconds, 'f', 3, 0, NULL)
                       : PyOS_double_to_string(seconds, 'r', 0, 0, NULL);
  if (digits == NULL) return NULL;
  size_t size = strlen(digits);
  while (plain && digits[size - 1] == '0') size--;
  if (plain && digits[size - 1] == '.') size--;
  PyObject *text = PyUnicode_FromStringAndSize(digits, (Py_ssize_t)size);
  PyMem_Free(digits);
  return text;
}

static PyObject *time_text(PyObject *value) {
  PyObject *times = PyImport_ImportModule("cachette._times");
  PyObject *seconds =
      times != NULL ? PyObject_CallMethod(times, "read_seconds", "(O)", value) : NULL;
  PyObject *text = NULL;
  if (seconds != NULL && PyLong_Check(seconds)) text = int_text(seconds);
  if (seconds != NULL && PyFloat_Check(seconds)) text = float_text(PyFloat_AS_DOUBLE(seconds));
  Py_XDECREF(times);
  Py_XDECREF(seconds);
  return text;
}

/* The text of what is an int, one of NumPy's too. */
static PyObject *index_text(PyObject *value) {
  if (PyBool_Check(value) || !PyIndex_Check(value)) return NULL;
  PyObject *number = PyNumber_Index(value);
  if (number == NULL) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) PyErr_Clear(); /* several numbers, say */
    return NULL;
  }
  PyObject *text = int_text(number);
  Py_DECREF(number);
  return text;
}

/* The option's value as text, a new reference; NULL, perhaps with an exception, if its type is
 * wrong. Text the library reads. */
static PyObject *value_text(const cachette_option_info *info, PyObject *value) {
  if (PyUnicode_Check(value)) return Py_NewRef(value);
  switch (info->type) {
    case CACHETTE_OPTION_BOOLEAN:
      if (!PyBool_Check(value)) return NULL;
      return PyUnicode_FromString(value == Py_True ? "true" : "false");
    case CACHETTE_OPTION_SECONDS:
    case CACHETTE_OPTION_DURATION:
      return time_text(value);
    case CACHETTE_OPTION_NUMBER:
    case CACHETTE_OPTION_SIZE:
      return index_text(value);
    default:
      return NULL;
  }
}

static const cachette_option_info *find_info(const char *name) {
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  for (size_t i = 0; i < count; i++)
    if (PyOS_stricmp(table[i].name, name) == 0) return &table[i];
  return NULL;
}

/* A message as a str. What was cut to fit may end in the middle of a character; that goes. */
static PyObject *message_text(const char *message) {
  return PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "ignore");
}

static int add_fault(PyObject *faults, const char *name, const char *message) {
  PyObject *fault = Py_BuildValue("(sN)", name, message_text(message));
  if (fault == NULL) return -1;
  int code = PyList_Append(faults, fault);
  Py_DECREF(fault);
  return code;
}

static int add_type_fault(PyObject *faults, const cachette_option_info *info, PyObject *value) {
  char message[256];
  PyOS_snprintf(message, sizeof message, "The \"%s\" value must be %s, not %.50s.", info->name,
                type_name(info->type), Py_TYPE(value)->tp_name);
  return add_fault(faults, info->name, message);
}

/* Sets one option; a fault goes to the list. Returns -1 with an exception only if Python fails. */
static int set_option(config_object *self, PyObject *name, PyObject *value, bool lenient,
                      PyObject *faults) {
  const char *name_text = PyUnicode_AsUTF8(name);
  if (name_text == NULL) return -1;
  const cachette_option_info *info = find_info(name_text);
  if (info == NULL && lenient) return 0;

  cachette_error error;
  PyObject *text = NULL;
  const char *bytes = NULL;
  if (info != NULL && value != Py_None) {
    text = value_text(info, value);
    if (text == NULL) return PyErr_Occurred() ? -1 : add_type_fault(faults, info, value);
    Py_ssize_t size;
    bytes = PyUnicode_AsUTF8AndSize(text, &size);
    if (bytes == NULL && !PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
      Py_DECREF(text);
      return -1;
    }
    PyErr_Clear();
    /* A NUL or half a surrogate pair: refused as a control character. */
    if (bytes == NULL || strlen(bytes) != (size_t)size) bytes = "\x01";
  }
  int code = cachette_options_set(self->options, name_text, bytes, &error);
  if (info != NULL && strcmp(info->name, "codec") == 0) self->codec_named = value != Py_None;
  Py_XDECREF(text);
  if (code == CACHETTE_ENOMEM) {
    PyErr_NoMemory();
    return -1;
  }
  return code < 0 ? add_fault(faults, error.subject, error.message) : 0;
}

/* Whether an option has a fault already; -1 with an exception set. */
static int has_fault(PyObject *faults, const char *name) {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(faults); i++) {
    const char *faulty = PyUnicode_AsUTF8(PyTuple_GET_ITEM(PyList_GET_ITEM(faults, i), 0));
    if (faulty == NULL) return -1;
    if (strcmp(faulty, name) == 0) return 1;
  }
  return 0;
}

/* What was refused is not said to be missing, too. */
static int add_check_faults(config_object *self, PyObject *faults) {
  cachette_error found[16];
  size_t count = cachette_options_check(self->options, found, 16);
  for (size_t i = 0; i < count && i < 16; i++) {
    int known = has_fault(faults, found[i].subject);
    if (known < 0 || (known == 0 && add_fault(faults, found[i].subject, found[i].message) < 0))
      return -1;
  }
  return 0;
}

static int set_options(config_object *self, PyObject *pairs, bool lenient, PyObject *faults) {
  PyObject *sequence = PySequence_Fast(pairs, "pairs must be a sequence");
  if (sequence == NULL) return -1;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); i++) {
    PyObject *name, *value;
    if (!PyArg_ParseTuple(PySequence_Fast_GET_ITEM(sequence, i), "UO", &name, &value) ||
        set_option(self, name, value, lenient, faults) < 0) {
      Py_DECREF(sequence);
      return -1;
    }
  }
  Py_DECREF(sequence);
  return add_check_faults(self, faults);
}

/* Names the in-memory store after this configuration, unless the application named it. */
static int name_store(config_object *self) {
  const char *named = cachette_options_get(self->options, "memory_name");
  if (named != NULL && *named != '\0') return 0;
  char name[40];
  PyOS_snprintf(name, sizeof name, "python:%p", (void *)self);
  if (cachette_options_set(self->options, "memory_name", name, NULL) == CACHETTE_OK) return 0;
  PyErr_NoMemory();
  return -1;
}

static config_object *config_new(ext_state *state) {
  config_object *self = PyObject_GC_New(config_object, state->config_type);
  if (self == NULL) return NULL;
  self->waits = false;
  self->handle = NULL;
  self->hosts = NULL;
  self->host_count = 0;
  self->local = NULL;
  self->syncs = NULL;
  atomic_init(&self->stopped_ms, 0);
  self->closed = (cachette_stats){0};
  self->codec = self->dumps = self->loads = NULL;
  self->vanilla = self->textual = self->codec_named = self->codec_own = false;
  self->leases = NULL;
  self->lease_count = self->storing = 0;
  self->writes = NULL;
  self->writes_forks = 0;
  self->options = cachette_options_new();
  PyObject_GC_Track(self);
  if (self->options != NULL) return self;
  Py_DECREF(self);
  PyErr_NoMemory();
  return NULL;
}

/* What earlier releases put into a file were pickles. */
static bool keeps_pickles(const config_object *self) {
  const char *backend = cachette_options_get(self->options, "backend");
  return strcmp(backend, "pickle") == 0 || strcmp(backend, "file") == 0;
}

static int name_codec(config_object *self, PyObject *codec) {
  if (codec != Py_None) {
    const char *own = PyUnicode_AsUTF8(codec);
    if (own == NULL) return -1;
    /* What signatures cover. A name that no option can have is covered by none, as before. */
    if (cachette_options_set(self->options, "codec_name", own, NULL) == CACHETTE_ENOMEM) {
      PyErr_NoMemory();
      return -1;
    }
    self->codec = Py_NewRef(codec);
    return 0;
  }
  if (!self->codec_named && keeps_pickles(self) &&
      cachette_options_set(self->options, "codec", "pickle", NULL) < 0) {
    PyErr_NoMemory();
    return -1;
  }
  const char *name = cachette_options_get(self->options, "codec");
  self->vanilla = strcmp(name, "vanilla") == 0;
  self->textual =
      strcmp(name, "json") == 0 || strcmp(name, "orjson") == 0 || strcmp(name, "msgpack") == 0;
  self->codec = PyUnicode_FromString(name);
  return self->codec != NULL ? 0 : -1;
}

PyObject *config_load(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyModule_GetState(module);
  if (count != 3) {
    PyErr_SetString(PyExc_TypeError, "load() takes pairs, lenient and codec");
    return NULL;
  }
  PyObject *faults = PyList_New(0);
  config_object *self = faults != NULL ? config_new(state) : NULL;
  if (self == NULL || set_options(self, args[0], PyObject_IsTrue(args[1]), faults) < 0 ||
      name_store(self) < 0 || name_codec(self, args[2]) < 0) {
    Py_XDECREF(faults);
    Py_XDECREF(self);
    return NULL;
  }
  return Py_BuildValue("(NN)", self, faults);
}

static const char *type_word(enum cachette_option_type type) {
  static const char *const words[] = {
      [CACHETTE_OPTION_CHOICE] = "choice",   [CACHETTE_OPTION_STRING] = "string",
      [CACHETTE_OPTION_SECONDS] = "seconds", [CACHETTE_OPTION_DURATION] = "duration",
      [CACHETTE_OPTION_BOOLEAN] = "boolean", [CACHETTE_OPTION_SIZE] = "size",
      [CACHETTE_OPTION_NUMBER] = "number",   [CACHETTE_OPTION_PATH] = "path",
  };
  return words[type];
}

static const char *exposure_word(enum cachette_option_exposure exposure) {
  static const char *const words[] = {
      [CACHETTE_SHOWN] = "shown", [CACHETTE_SHOWN_URL] = "url", [CACHETTE_SECRET] = "secret"};
  return words[exposure];
}

PyObject *config_options(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  PyObject *list = PyList_New(0);
  for (size_t i = 0; i < count && list != NULL; i++) {
    PyObject *row = Py_BuildValue(
        "{ss ss sz sz sL sL ss ss ss}", "name", table[i].name, "type", type_word(table[i].type),
        "default", table[i].fallback, "choices", table[i].choices, "least",
        (long long)table[i].least, "most", (long long)table[i].most, "needed_by",
        table[i].needed_by, "exposure", exposure_word(table[i].exposure), "help", table[i].help);
    if (row == NULL || PyList_Append(list, row) < 0) Py_CLEAR(list);
    Py_XDECREF(row);
  }
  return list;
}

/* ---- Errors ---- */

int raise_error(ext_state *state, int code, const cachette_error *error) {
  PyObject *type = state->backend_error;
  switch (code) {
    case CACHETTE_EINVAL:
      type = PyExc_ValueError;
      break;
    case CACHETTE_ECONFIG:
      type = state->config_error;
      break;
    case CACHETTE_ENOMEM:
      PyErr_NoMemory();
      return -1;
    case CACHETTE_ECODEC:
      type = state->codec_error;
      break;
    case CACHETTE_ETIMEDOUT:
      type = state->backend_timeout;
      break;
    case CACHETTE_EUNAVAILABLE:
    case CACHETTE_ECLOSED:
    case CACHETTE_EFORK:
      type = state->backend_unavailable;
      break;
    default:
      break;
  }
  PyObject *message = message_text(error != NULL ? error->message : cachette_strerror(code));
  if (message != NULL) PyErr_SetObject(type, message);
  Py_XDECREF(message);
  return -1;
}

void log_notice(cachette *handle) {
  char said[512];
  if (!cachette_take_notice(handle, said, sizeof said)) return;
  PyObject *logging = PyImport_ImportModule("logging");
  PyObject *logger =
      logging != NULL ? PyObject_CallMethod(logging, "getLogger", "s", "cachette") : NULL;
  PyObject *text = logger != NULL ? message_text(said) : NULL;
  PyObject *done = text != NULL ? PyObject_CallMethod(logger, "warning", "sO", "%s", text) : NULL;
  if (done == NULL) PyErr_WriteUnraisable(logger);
  Py_XDECREF(done);
  Py_XDECREF(text);
  Py_XDECREF(logger);
  Py_XDECREF(logging);
}

/* ---- The handle ---- */

static int config_open(config_object *self, ext_state *state, cachette **handle) {
  cachette_error error;
  int code = cachette_open(self->options, handle, &error);
  return code < 0 ? raise_error(state, code, &error) : 0;
}

/* Opens a handle, in the place of one from before a fork if there is one. The old one goes last,
 * for it holds the entries. */
static int open_handle(config_object *self, ext_state *state) {
  cachette *opened;
  if (config_open(self, state, &opened) < 0) return -1;
  cachette_close(self->handle);
  self->handle = opened;
  return 0;
}

int config_look(config_object *self, ext_state *state) {
  if (open_handle(self, state) < 0) return -1;
  self->waits = !cachette_immediate(self->handle);
  return self->waits;
}

cachette *config_take(config_object *self, ext_state *state) {
  cachette *handle = self->handle;
  self->handle = NULL;
  if (handle != NULL && cachette_fd(handle) >= 0) return handle;
  cachette_close(handle); /* from before a fork */
  return config_open(self, state, &handle) == 0 ? handle : NULL;
}

int config_submit(config_object *self, ext_state *state, cachette_op *op) {
  if (self->handle == NULL && open_handle(self, state) < 0) return -1;
  cachette_submit(self->handle, op);
  if (op->status != CACHETTE_EFORK) return 0;
  if (open_handle(self, state) < 0) return -1;
  cachette_submit(self->handle, op);
  return 0;
}

int config_run(config_object *self, ext_state *state, cachette_op *op) {
  cachette_error error;
  op->error = &error;
  if (config_submit(self, state, op) < 0) return -1;
  int status = op->status < 0 ? op->status : op->items[0].status;
  op->error = NULL;
  if (status >= 0) return 0;
  if (!PyErr_Occurred()) raise_error(state, status, &error);
  return op->status == CACHETTE_EINVAL ? CONFIG_REFUSED : -1;
}

int config_find_codec(config_object *self, ext_state *state) {
  (void)state;
  PyObject *codecs = PyImport_ImportModule("cachette._codecs");
  if (codecs == NULL) return -1;
  PyObject *own = PyObject_CallMethod(codecs, "is_own", "O", self->codec);
  PyObject *pair = own != NULL ? PyObject_CallMethod(codecs, "find", "O", self->codec) : NULL;
  Py_DECREF(codecs);
  Py_XDECREF(own); /* True or False, which stay */
  if (pair == NULL) return -1;
  PyObject *dumps, *loads;
  int parsed = PyArg_ParseTuple(pair, "OO", &dumps, &loads);
  if (parsed && self->dumps == NULL) { /* the import may have let another thread in */
    self->codec_own = own == Py_True;
    self->dumps = Py_NewRef(dumps);
    self->loads = Py_NewRef(loads);
  }
  Py_DECREF(pair);
  return parsed ? 0 : -1;
}

/* ---- The type ---- */

static int config_traverse(config_object *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->codec);
  Py_VISIT(self->dumps);
  Py_VISIT(self->loads);
  for (Py_ssize_t i = 0; i < self->host_count; i++) Py_VISIT((PyObject *)self->hosts[i]);
  Py_VISIT(self->local);
  return 0;
}

static int config_clear(config_object *self) {
  while (self->host_count > 0) {
    host *last = self->hosts[--self->host_count];
    host_close(last);
    Py_DECREF((PyObject *)last);
  }
  sync_forget(self);
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
  PyMem_Free(self->hosts);
  PyMem_Free(self->leases);
  cachette_close(self->handle);
  cachette_options_free(self->options);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

/* The text of an option that may be shown, or None. */
static PyObject *config_get(config_object *self, PyObject *name) {
  const char *text = PyUnicode_AsUTF8(name);
  if (text == NULL) return NULL;
  const cachette_option_info *info = find_info(text);
  if (info == NULL || info->exposure != CACHETTE_SHOWN) Py_RETURN_NONE;
  if (strcmp(info->name, "codec") == 0) return Py_NewRef(self->codec); /* perhaps of their own */
  const char *value = cachette_options_get(self->options, text);
  if (value == NULL) Py_RETURN_NONE;
  return PyUnicode_FromString(value);
}

/* ---- For flights ---- */

static PyObject *config_lease(config_object *self, PyObject *key) {
  return lease_new(PyType_GetModuleState(Py_TYPE(self)), self, key);
}

/* encode(key, value): bytes, or the text itself if that is what the codec keeps. */
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

/* decode(key, data, returns): what a fetch of these data gives. */
static PyObject *config_decode(config_object *self, PyObject *const *args, Py_ssize_t count) {
  ext_state *state = PyType_GetModuleState(Py_TYPE(self));
  if (count != 3 || !PyUnicode_Check(args[0]) ||
      !(PyBytes_Check(args[1]) || PyUnicode_Check(args[1]))) {
    PyErr_SetString(PyExc_TypeError, "decode() takes a key, what encode() gave, and a type");
    return NULL;
  }
  if (PyUnicode_Check(args[1])) return Py_NewRef(args[1]);
  cachette_slice slice = {PyBytes_AS_STRING(args[1]), (size_t)PyBytes_GET_SIZE(args[1])};
  return decode(state, self, args[0], slice, args[1], args[2]);
}

/* ---- For tests ---- */

/* Copies what was set, but for the name of the in-memory store. */
static int copy_options(config_object *self, const config_object *from) {
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  for (size_t i = 0; i < count; i++) {
    const char *value = cachette_options_get(from->options, table[i].name);
    if (value == NULL || strcmp(table[i].name, "memory_name") == 0) continue;
    if (cachette_options_set(self->options, table[i].name, value, NULL) == CACHETTE_OK) continue;
    PyErr_NoMemory();
    return -1;
  }
  return 0;
}

/* The same configuration of a backend that needs no options. */
static PyObject *config_like(config_object *self, PyObject *backend) {
  const char *name = PyUnicode_AsUTF8(backend);
  config_object *made = name != NULL ? config_new(PyType_GetModuleState(Py_TYPE(self))) : NULL;
  if (made == NULL) return NULL;
  made->codec = Py_NewRef(self->codec);
  made->vanilla = self->vanilla;
  made->textual = self->textual;
  cachette_error error;
  if (copy_options(made, self) == 0 && name_store(made) == 0) {
    if (cachette_options_set(made->options, "backend", name, &error) == CACHETTE_OK)
      return (PyObject *)made;
    PyErr_SetString(PyExc_ValueError, error.message);
  }
  Py_DECREF(made);
  return NULL;
}

static int64_t read_stopped(void *data) {
  return atomic_load_explicit(&((config_object *)data)->stopped_ms, memory_order_relaxed);
}

/* To be called before the handle is opened. */
static PyObject *config_stop_clock(config_object *self, PyObject *Py_UNUSED(ignored)) {
  atomic_store(&self->stopped_ms, (int64_t)time(NULL) * 1000);
  cachette_options_set_clock(self->options, read_stopped, self);
  Py_RETURN_NONE;
}

static PyObject *config_advance(config_object *self, PyObject *ms) {
  long long by = PyLong_AsLongLong(ms);
  if (by == -1 && PyErr_Occurred()) return NULL;
  atomic_fetch_add(&self->stopped_ms, by);
  Py_RETURN_NONE;
}

static PyMethodDef config_methods[] = {
    {"lease", (PyCFunction)config_lease, METH_O,
     "lease($self, key, /)\n--\n\nThe right to store what is computed for a key from now on."},
    {"encode", (PyCFunction)(void (*)(void))config_encode, METH_FASTCALL,
     "encode($self, key, value, /)\n--\n\nWhat the codec makes of a value, to be stored."},
    {"decode", (PyCFunction)(void (*)(void))config_decode, METH_FASTCALL,
     "decode($self, key, data, returns, /)\n--\n\nThe value of what encode() gave, as a fetch "
     "gives it."},
    {"stop_clock", (PyCFunction)config_stop_clock, METH_NOARGS,
     "stop_clock($self)\n--\n\nTimes to live stand still from now on, but for advance(). To be "
     "called before the cache is first used."},
    {"advance", (PyCFunction)config_advance, METH_O,
     "advance($self, ms, /)\n--\n\nMoves the clock that was stopped on, by milliseconds."},
    {"like", (PyCFunction)config_like, METH_O,
     "like($self, backend, /)\n--\n\nThe same configuration of another backend, one that needs no "
     "options; an in-memory store of its own."},
    {"get", (PyCFunction)config_get, METH_O,
     "get($self, name, /)\n--\n\nThe text of an option that may be shown, or None."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef config_members[] = {
    {"textual", T_BOOL, offsetof(config_object, textual), READONLY,
     "Whether the codec keeps text and numbers, and no types of Python's."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot config_slots[] = {
    {Py_tp_doc, (char *)"A configuration that was checked."},
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
