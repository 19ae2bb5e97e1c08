/* SPDX-License-Identifier: MIT */
/* Leases: a lease is the right to store a computed value under a key. */
#ifndef CACHETTE_EXT_LEASE_H
#define CACHETTE_EXT_LEASE_H

#include "ext.h"

extern PyType_Spec lease_spec;

/* A write whose op waits for a server, as a node in the list of pending writes of its
 * configuration. */
struct active_write {
  config_object *config; /* borrowed; NULL if not in the list */
  const cachette_op *op;
  active_write *next, **link; /* `*link` points to this node */
  unsigned forks;             /* value of the fork counter when it began */
};

/* Returns a new lease on a key, or NULL with an exception set. */
PyObject *lease_new(ext_state *state, config_object *config, PyObject *key);

/* Returns the text of the key. Sets `*key` to the str, borrowed. */
cachette_slice lease_key(const lease *self, PyObject **key);

/* Begin and end the put of a lease. lease_begin_store() returns false if the lease does not allow a
 * put in this configuration, for example after a write. */
bool lease_begin_store(lease *self, const config_object *config);
void lease_end_store(lease *self);

/* Ends the leases on one key. The configuration must have leases (`lease_count`). */
void leases_end_key(const config_object *config, cachette_slice key);

/* Ends the leases on all keys that a write affects. */
void leases_end(const config_object *config, const cachette_op *op);

/* Begin and end a write whose op waits for a server. Each ends the leases that the write affects. A
 * second write_end() does nothing. */
void write_begin(config_object *config, active_write *self, const cachette_op *op);
void write_end(active_write *self);

/* Returns a list of the leases whose puts must be done before a write is sent. Returns NULL if
 * there are none, or with an exception set. */
PyObject *write_blockers(const config_object *config, const cachette_op *op);

/* forked(): tells that this process is the child of a fork. */
PyObject *lease_forked(PyObject *module, PyObject *ignored);

/* Returns how often lease_forked() was called, to tell that this process is another. */
unsigned lease_forks(void);

#endif
