/* SPDX-License-Identifier: MIT */
/* Calls as ops: the arguments become keys, values and times to live. */
#ifndef CACHETTE_EXT_CALL_H
#define CACHETTE_EXT_CALL_H

#include "codec.h"
#include "control.h"
#include "lease.h"
#include "signature.h"

/* The keys and values of a call on several keys. */
typedef struct many {
  PyObject *keys; /* a list of str; item keys point into them */
  encoded_value *encoded;
  size_t count, encoded_count;
  cachette_item items[];
} many;

/* The op of a call, with all that it points to. */
typedef struct call {
  cachette_op op;
  cachette_item item; /* for a call on one key */
  cachette_error error;
  enum call_kind kind;
  bool writes;   /* it may change the value of its keys */
  PyObject *key; /* or the namespace; NULL if none */
  PyObject *fallback;
  PyObject *returns; /* as for decode() */
  encoded_value encoded;
  many *many;         /* for a call on several keys; the library allocates the fetched values */
  lease *lease;       /* the lease that it stores under, or NULL */
  control *control;   /* what the request asks for, or NULL */
  int64_t put_ttl_ms; /* with `control`: the TTL of the fetched entry, as for control_accepts() */
  active_write write; /* in use if the call writes and waits */
} call;

/*
 * Prepares the op of a call from its arguments. The caller then sets `error`, `done`, `data` and,
 * for a fetch of one key, the buffer for the value. Returns false with an exception set. In either
 * case the caller must call call_deinit().
 */
bool call_init(ext_state *state, config_object *config, enum call_kind kind,
               PyObject *const *arguments, call *self);

/* Starts a call whose op waits for a server. Returns a list of leases: send the op only when their
 * puts are done. Returns NULL if there are none, or with an exception set. */
PyObject *call_begin(config_object *config, call *self);

/* Ends a call whose op is done. Call it before any Python code runs. A second call does
 * nothing. */
void call_end(call *self);

/* Releases all that the call refers to. The op must not be pending. */
void call_deinit(call *self);

/* Sets the fields of an op that the caller owns. The library sets the others. */
void init_op(cachette_op *op, enum cachette_verb verb, cachette_item *items, size_t count);

#endif
