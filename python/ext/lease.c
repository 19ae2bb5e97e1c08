/* SPDX-License-Identifier: MIT */
/*
 * Leases: the right to store what is computed for a key. A flight of cachette._flights takes one
 * before it computes; a write to the key ends it, for what was read before the write must not be
 * stored after it.
 *
 *     lease ... compute ... store              stored
 *     lease ... compute ... WRITE ... store    not stored
 *
 * Where a write has to be waited for, it ends leases when it is made and again when it is
 * answered; one that is taken in between may not store either, for nobody knows on which side of
 * the write it reads. A put that is on the wire when the write is made could overtake it on another
 * connection, so the write is sent when that put has been answered (cachette._flights._order).
 *
 * Everything here happens with the GIL held and runs no Python code. Where no flight is under way,
 * a write costs a few pointers.
 */
#include <stddef.h>
#include <string.h>

#include "ext.h"

#include <structmember.h>

enum { BUCKETS = 256 }; /* of leases by the hash of their keys, a power of two */

struct lease {
  PyObject_HEAD config_object *config;
  PyObject *key; /* holds the bytes of `text` */
  cachette_slice text;
  lease *next, **place; /* in its bucket */
  unsigned forks;
  unsigned long thread; /* that stores */
  char open;            /* nobody has written since it was taken */
  char may_store;       /* and no write was under way then; once only */
  char storing;         /* its put is under way */
  char overtaken;       /* by a write that could not wait for the put */
};

/* How often the process was forked. What the parent had under way never ends in its child, and may
 * lie on the stack of a thread that is not there. */
static unsigned forks;

PyObject *lease_forked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
  forks++;
  Py_RETURN_NONE;
}

/* ---- Which leases a write concerns ---- */

static lease **bucket_of(const config_object *config, cachette_slice key) {
  uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
  const unsigned char *bytes = key.data;
  for (size_t i = 0; i < key.size; i++) hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
  return &config->leases[(hash ^ hash >> 32) & (BUCKETS - 1)];
}

static bool same(cachette_slice one, cachette_slice other) {
  return one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
}

static bool is_below(cachette_slice key, cachette_slice namespace) {
  return key.size > namespace.size && ((const char *)key.data)[namespace.size] == ':' &&
         memcmp(key.data, namespace.data, namespace.size) == 0;
}

static bool is_of_all(const call *self) { return self->op.verb == CACHETTE_FLUSH; }

static bool concerns(const call *self, cachette_slice key) {
  if (is_of_all(self)) return true;
  for (size_t i = 0; i < self->op.count; i++) {
    cachette_slice written = self->op.items[i].key;
    if (self->op.verb == CACHETTE_CLEAR_NAMESPACE ? is_below(key, written) : same(key, written))
      return true;
  }
  return false;
}

typedef int (*visitor)(lease *, void *);

static int visit_key(const config_object *config, cachette_slice key, visitor visit, void *data) {
  int code = 0;
  for (lease *each = *bucket_of(config, key); each != NULL && code == 0; each = each->next)
    if (same(each->text, key)) code = visit(each, data);
  return code;
}

/* Visits the leases that a write concerns, until a visit returns something else than 0. */
static int visit_all(const config_object *config, const call *self, visitor visit, void *data) {
  int code = 0;
  if (!is_of_all(self) && self->op.verb != CACHETTE_CLEAR_NAMESPACE) {
    for (size_t i = 0; i < self->op.count && code == 0; i++)
      code = visit_key(config, self->op.items[i].key, visit, data);
    return code;
  }
  for (size_t i = 0; i < BUCKETS; i++)
    for (lease *each = config->leases[i]; each != NULL && code == 0; each = each->next)
      if (concerns(self, each->text)) code = visit(each, data);
  return code;
}

/* ---- Writes ---- */

static int end_lease(lease *self, void *data) {
  (void)data;
  self->open = self->may_store = false;
  return 0;
}

void lease_end_key(const config_object *config, cachette_slice key) {
  visit_key(config, key, end_lease, NULL);
}

void write_note(const config_object *config, const call *self) {
  if (config->lease_count > 0 && call_writes(self->kind)) visit_all(config, self, end_lease, NULL);
}

void write_begin(config_object *config, call *self) {
  if (!call_writes(self->kind)) return;
  write_note(config, self);
  if (config->writes_forks != forks) config->writes = NULL;
  config->writes_forks = self->forks = forks;
  self->written = config;
  self->next_write = config->writes;
  self->write_place = &config->writes;
  if (self->next_write != NULL) self->next_write->write_place = &self->next_write;
  config->writes = self;
}

void write_end(call *self) {
  config_object *config = self->written;
  if (config == NULL) return;
  self->written = NULL;
  if (self->forks != forks) return;
  *self->write_place = self->next_write;
  if (self->next_write != NULL) self->next_write->write_place = self->write_place;
  write_note(config, self);
}

static bool is_being_written(const config_object *config, cachette_slice key) {
  if (config->writes_forks != forks) return false;
  for (const call *each = config->writes; each != NULL; each = each->next_write)
    if (concerns(each, key)) return true;
  return false;
}

static int add_blocker(lease *self, void *list) {
  return self->storing && self->forks == forks ? PyList_Append(list, (PyObject *)self) : 0;
}

PyObject *write_blockers(const config_object *config, const call *self) {
  if (config->storing == 0 || !call_writes(self->kind)) return NULL;
  PyObject *list = PyList_New(0);
  if (list == NULL) return NULL;
  if (visit_all(config, self, add_blocker, list) == 0 && PyList_GET_SIZE(list) > 0) return list;
  Py_DECREF(list);
  return NULL;
}

/* ---- Storing ---- */

bool lease_begin_store(lease *self, const config_object *config) {
  if (self->config != config || !self->may_store || self->forks != forks) return false;
  self->may_store = false;
  self->storing = true;
  self->thread = PyThread_get_thread_ident();
  self->config->storing++;
  return true;
}

void lease_end_store(lease *self) {
  if (!self->storing) return;
  self->storing = false;
  self->config->storing--;
}

cachette_slice lease_key(const lease *self, PyObject **key) {
  *key = self->key;
  return self->text;
}

/* ---- The type ---- */

static bool make_buckets(config_object *config) {
  if (config->leases == NULL) config->leases = PyMem_Calloc(BUCKETS, sizeof *config->leases);
  if (config->leases == NULL) PyErr_NoMemory();
  return config->leases != NULL;
}

PyObject *lease_new(ext_state *state, config_object *config, PyObject *key) {
  cachette_slice text;
  if (!read_text("key", key, &text) || !make_buckets(config)) return NULL;
  PyObject *plain = PyUnicode_FromObject(key); /* not of a class of the application's own */
  if (plain == NULL || !read_text("key", plain, &text)) {
    Py_XDECREF(plain);
    return NULL;
  }
  lease *self = PyObject_GC_New(lease, state->lease_type);
  if (self == NULL) {
    Py_DECREF(plain);
    return NULL;
  }
  self->config = config;
  Py_INCREF((PyObject *)config);
  self->key = plain;
  self->text = text;
  self->forks = forks;
  self->thread = 0;
  self->open = true;
  self->storing = self->overtaken = false;
  self->may_store = !is_being_written(config, text);
  self->place = bucket_of(config, text);
  self->next = *self->place;
  if (self->next != NULL) self->next->place = &self->next;
  *self->place = self;
  config->lease_count++;
  PyObject_GC_Track(self);
  return (PyObject *)self;
}

/* From here on no write concerns it. */
static int lease_drop(lease *self) {
  if (self->config == NULL) return 0;
  lease_end_store(self);
  self->open = self->may_store = false;
  *self->place = self->next;
  if (self->next != NULL) self->next->place = self->place;
  self->config->lease_count--;
  Py_CLEAR(self->config);
  return 0;
}

static int lease_traverse(lease *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT((PyObject *)self->config);
  return 0;
}

static void lease_dealloc(lease *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  lease_drop(self);
  Py_CLEAR(self->key);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

/* A write does not wait for its put. False: there is none under way. */
static PyObject *lease_overtake(lease *self, PyObject *Py_UNUSED(ignored)) {
  self->overtaken |= self->storing;
  return PyBool_FromLong(self->storing);
}

static PyObject *lease_get_config(lease *self, void *Py_UNUSED(closure)) {
  return Py_NewRef(self->config != NULL ? (PyObject *)self->config : Py_None);
}

static PyMethodDef lease_methods[] = {
    {"overtake", (PyCFunction)lease_overtake, METH_NOARGS,
     "overtake($self)\n--\n\nA write does not wait for its put. False: there is none under way."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef lease_members[] = {
    {"open", T_BOOL, offsetof(lease, open), READONLY, "Nobody has written since it was taken."},
    {"storing", T_BOOL, offsetof(lease, storing), READONLY, "Its put is under way."},
    {"overtaken", T_BOOL, offsetof(lease, overtaken), READONLY,
     "A write did not wait for its put."},
    {"thread", T_ULONG, offsetof(lease, thread), READONLY, "The thread that stores."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef lease_attributes[] = {
    {"config", (getter)lease_get_config, NULL, "The configuration that it is of.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot lease_slots[] = {
    {Py_tp_doc, (char *)"The right to store what is computed for a key."},
    {Py_tp_dealloc, lease_dealloc},
    {Py_tp_traverse, lease_traverse},
    {Py_tp_clear, lease_drop},
    {Py_tp_methods, lease_methods},
    {Py_tp_members, lease_members},
    {Py_tp_getset, lease_attributes},
    {0, NULL},
};

PyType_Spec lease_spec = {
    .name = "cachette._cachette.Lease",
    .basicsize = sizeof(lease),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = lease_slots,
};
