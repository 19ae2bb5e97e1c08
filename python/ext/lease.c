/* SPDX-License-Identifier: MIT */
/*
 * A flight of cachette._flights takes a lease on a key before it computes a value. A write to the
 * key ends the lease, because a value that was read before the write must not be stored after it:
 *
 *     lease ... compute ... store              stored
 *     lease ... compute ... WRITE ... store    not stored
 *
 * A write that waits for a server ends leases twice: when it begins and when it is done. A lease
 * that is taken in between cannot store either, because its value may be older than the write.
 *
 * If a put of a lease is pending when a write begins, the put could arrive after the write, over
 * another connection. So the write is sent when the put is done (cachette._flights._order).
 *
 * No Python code runs here. While there are no flights, a write costs a few pointer operations.
 */
#include "lease.h"

#include <stddef.h>
#include <string.h>

#include "arguments.h"

#include <structmember.h>

enum { BUCKETS = 256 }; /* in the hash table of leases; a power of two */

struct lease {
  PyObject_HEAD config_object *config;
  PyObject *key; /* owns the bytes of `text` */
  cachette_slice text;
  lease *next, **link; /* in its bucket; `*link` points to this lease */
  unsigned forks;
  unsigned long thread; /* the thread that puts */
  char open;            /* no write since the lease was taken */
  char may_store;       /* and no write was pending then; allows one put */
  char storing;         /* its put is pending */
  char overtaken;       /* a write did not wait for the put */
};

/* Counts the forks of the process. An op that was pending in the parent never ends in the child,
 * and may be on the stack of a thread that the child does not have. */
static unsigned forks;

PyObject *lease_forked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
  forks++;
  Py_RETURN_NONE;
}

unsigned lease_forks(void) { return forks; }

/* ---- The leases that a write affects ---- */

static lease **bucket_of(const config_object *config, cachette_slice key) {
  uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
  const unsigned char *bytes = key.data;
  for (size_t i = 0; i < key.size; i++) hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
  return &config->leases[(hash ^ hash >> 32) & (BUCKETS - 1)];
}

static bool is_equal(cachette_slice one, cachette_slice other) {
  return one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
}

static bool is_below(cachette_slice key, cachette_slice namespace) {
  return key.size > namespace.size && ((const char *)key.data)[namespace.size] == ':' &&
         memcmp(key.data, namespace.data, namespace.size) == 0;
}

static bool affects(const cachette_op *op, cachette_slice key) {
  if (op->verb == CACHETTE_FLUSH) return true;
  for (size_t i = 0; i < op->count; i++) {
    cachette_slice written = op->items[i].key;
    if (op->verb == CACHETTE_CLEAR_NAMESPACE ? is_below(key, written) : is_equal(key, written))
      return true;
  }
  return false;
}

typedef int (*visitor)(lease *, void *);

static int visit_key(const config_object *config, cachette_slice key, visitor visit, void *data) {
  int code = 0;
  for (lease *each = *bucket_of(config, key); each != NULL && code == 0; each = each->next)
    if (is_equal(each->text, key)) code = visit(each, data);
  return code;
}

/* Visits the leases that a write affects, until a visit returns a nonzero code. */
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
      if (affects(op, each->text)) code = visit(each, data);
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
    if (affects(each->op, key)) return true;
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

static bool create_buckets(config_object *config) {
  if (config->leases == NULL) config->leases = PyMem_Calloc(BUCKETS, sizeof *config->leases);
  if (config->leases == NULL) PyErr_NoMemory();
  return config->leases != NULL;
}

PyObject *lease_new(ext_state *state, config_object *config, PyObject *key) {
  cachette_slice text;
  if (!read_text("key", key, &text) || !create_buckets(config)) return NULL;
  PyObject *plain = PyUnicode_FromObject(key); /* an exact str, if it was of a subclass */
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

/* Removes the lease from its configuration, so writes no longer affect it. */
static int lease_clear(lease *self) {
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
  lease_clear(self);
  Py_CLEAR(self->key);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

/* Marks that a write does not wait for the put. Returns False if no put is pending. */
static PyObject *lease_overtake(lease *self, PyObject *Py_UNUSED(ignored)) {
  self->overtaken |= self->storing;
  return PyBool_FromLong(self->storing);
}

static PyObject *lease_get_config(lease *self, void *Py_UNUSED(closure)) {
  return Py_NewRef(self->config != NULL ? (PyObject *)self->config : Py_None);
}

static PyMethodDef lease_methods[] = {
    {"overtake", (PyCFunction)lease_overtake, METH_NOARGS,
     "overtake($self, /)\n--\n\nMarks that a write does not wait for the put. Returns False if no "
     "put "
     "is pending."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef lease_members[] = {
    {"open", T_BOOL, offsetof(lease, open), READONLY,
     "Whether there was no write since the lease was taken."},
    {"storing", T_BOOL, offsetof(lease, storing), READONLY, "Whether its put is pending."},
    {"overtaken", T_BOOL, offsetof(lease, overtaken), READONLY,
     "Whether a write did not wait for its put."},
    {"thread", T_ULONG, offsetof(lease, thread), READONLY, "The id of the thread that puts."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef lease_attributes[] = {
    {"config", (getter)lease_get_config, NULL, "The configuration of the lease.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot lease_slots[] = {
    {Py_tp_doc, (char *)"The right to store a value that is computed for a key."},
    {Py_tp_dealloc, lease_dealloc},
    {Py_tp_traverse, lease_traverse},
    {Py_tp_clear, lease_clear},
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
