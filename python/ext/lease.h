/* SPDX-License-Identifier: MIT */
/* Leases: the right to store what was computed for a key. */
#ifndef CACHETTE_EXT_LEASE_H
#define CACHETTE_EXT_LEASE_H

#include "ext.h"

extern PyType_Spec lease_spec;

/* A write whose op has to be waited for, in its configuration's list of such writes. */
struct active_write {
  config_object *config; /* not owned; NULL: not in the list */
  const cachette_op *op;
  active_write *next, **link; /* `*link` is this one */
  unsigned forks;             /* how many had happened when it began */
};

/* A new lease on a key; NULL with an exception set. */
PyObject *lease_new(ext_state *state, config_object *config, PyObject *key);

/* The lease's key, borrowed, and its text. */
cachette_slice lease_key(const lease *self, PyObject **key);

/* Begins and ends the lease's put. False: the lease may not store in this configuration, or no
 * longer. */
bool lease_begin_store(lease *self, const config_object *config);
void lease_end_store(lease *self);

/* Ends the leases on one key. Call it only if the configuration has leases. */
void leases_end_key(const config_object *config, cachette_slice key);

/* Ends the leases on all keys that a write concerns. */
void leases_end(const config_object *config, const cachette_op *op);

/* A write whose op has to be waited for begins and ends; each ends the leases that it concerns.
 * write_end() may be called again. */
void write_begin(config_object *config, active_write *self, const cachette_op *op);
void write_end(active_write *self);

/* A list of the leases whose puts a write has to wait for. NULL if there are none, or with an
 * exception set. */
PyObject *write_blockers(const config_object *config, const cachette_op *op);

/* forked(): this process is the child of a fork. */
PyObject *lease_forked(PyObject *module, PyObject *ignored);

#endif
