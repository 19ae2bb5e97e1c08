/* SPDX-License-Identifier: MIT */
/*
 * A flight of cachette._flights takes a lease on a key before it computes a value. A write to the
 * key ends the lease, because what was read before the write must not be stored after it:
 *
 *     lease ... compute ... store              stored
 *     lease ... compute ... WRITE ... store    not stored
 *
 * A write whose op has to be waited for ends leases twice: when it begins, and when its answer is
 * there. A lease taken in between may not store either, because the value may come from before or
 * after the write.
 *
 * A store that is on the wire when a write begins could arrive after it, on another connection. So
 * the write is sent when the answer to that store is there (cachette._flights._order).
 *
 * No Python code runs here. While no flight is under way, a write costs a few pointers.
 */
#include "lease.h"

#include <stddef.h>
#include <string.h>

#include "arguments.h"

#include <structmember.h>

enum { BUCKETS = 256 }; /* of leases by the hash of their keys, a power of two */

struct lease {
  PyObject_HEAD config_object *config;
  PyObject *key; /* holds the bytes of `text` */
  cachette_slice text;
  lease *next, **link; /* in its bucket; `*link` is this one */
  unsigned forks;
  unsigned long thread; /* that stores */
  char open;            /* nobody has written since it was taken */
  char may_store;       /* and no write was under way then; once only */
  char storing;         /* its put is under way */
  char overtaken;       /* by a write that could not wait for the put */
};

/* How often the process was forked. What was under way in the parent never ends in the child, and
 * may be on the stack of a thread that the child does not have. */
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

static bool concerns(const cachette_op *op, cachette_slice key) {
  if (op->verb == CACHETTE_FLUSH) return true;
  for (size_t i = 0; i < op->count; i++) {
    cachette_slice written = op->items[i].key;
    if (op->verb == CACHETTE_CLEAR_NAMESPACE ? is_below(key, written) : same(key, written))
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
static int visit_all(const config_object *config, const cachette_op *op, visitor visit,
                     void *data) {
  int code = 0;
  if (op->verb != CACHETTE_FLUSH && op->verb != CACHETTE_CLEAR_NAMESPACE) {
    for (size_t i = 0; i < op->count && code == 0; i++)
      code = visit_key(config, op->items[i].key, visit, data);
    return code;
  }
  for (size_t i = 0; i < BUCKETS; i++)
    for (lease *each = config->leases[i]; each != NULL && code == 0; each = each->next)
      if (concerns(op, each->text)) code = visit(each, data);
  return code;
}

/* ---- Writes ---- */

static int end_lease(lease *self, void *data) {
  (void)data;
  self->open = self->may_store = false;
  return 0;
}

void leases_end_key(const config_object *config, cachette_slice key) {
  visit_key(config, key, end_lease, NULL);
}

void leases_end(const config_object *config, const cachette_op *op) {
  if (config->lease_count > 0) visit_all(config, op, end_lease, NULL);
}

void write_begin(config_object *config, active_write *self, const cachette_op *op) {
  leases_end(config, op);
  if (config->writes_forks != forks) config->writes = NULL;
  config->writes_forks = self->forks = forks;
  self->config = config;
  self->op = op;
  self->next = config->writes;
  self->link = &config->writes;
  if (self->next != NULL) self->next->link = &self->next;
  config->writes = self;
}

void write_end(active_write *self) {
  config_object *config = self->config;
  if (config == NULL) return;
  self->config = NULL;
  if (self->forks != forks) return;
  *self->link = self->next;
  if (self->next != NULL) self->next->link = self->link;
  leases_end(config, self->op);
}

static bool is_being_written(const config_object *config, cachette_slice key) {
  if (config->writes_forks != forks) return false;
  for (const active_write *each = config->writes; each != NULL; each = each->next)
    if (concerns(each->op, key)) return true;
  return false;
}

static int add_blocker(lease *self, void *list) {
  return self->storing && self->forks == forks ? PyList_Append(list, (PyObject *)self) : 0;
}

PyObject *write_blockers(const config_object *config, const cachette_op *op) {
  if (config->storing == 0) return NULL;
  PyObject *list = PyList_New(0);
  if (list == NULL) return NULL;
  if (visit_all(config, op, add_blocker, list) == 0 && PyList_GET_SIZE(list) > 0) return list;
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
  PyObject *plain = PyUnicode_FromObject(key); /* a str proper, if it was of a subclass */
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
  self->link = bucket_of(config, text);
  self->next = *self->link;
  if (self->next != NULL) self->next->link = &self->next;
  *self->link = self;
  config->lease_count++;
  PyObject_GC_Track(self);
  return (PyObject *)self;
}

/* Takes the lease out of its configuration: no write concerns it from then on. */
static int lease_drop(lease *self) {
  if (self->config == NULL) return 0;
  lease_end_store(self);
  self->open = self->may_store = false;
  *self->link = self->next;
  if (self->next != NULL) self->next->link = self->link;
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

/* Marks that a write does not wait for its put. False: no put is under way. */
static PyObject *lease_overtake(lease *self, PyObject *Py_UNUSED(ignored)) {
  self->overtaken |= self->storing;
  return PyBool_FromLong(self->storing);
}

static PyObject *lease_get_config(lease *self, void *Py_UNUSED(closure)) {
  return Py_NewRef(self->config != NULL ? (PyObject *)self->config : Py_None);
}

static PyMethodDef lease_methods[] = {
    {"overtake", (PyCFunction)lease_overtake, METH_NOARGS,
     "overtake($self)\n--\n\nMarks that a write does not wait for its put. False: no put is under "
     "way."},
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
    {"config", (getter)lease_get_config, NULL, "Its configuration.", NULL},
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
