/* SPDX-License-Identifier: MIT */
/* Calls as ops: what the caller gave becomes keys, values and times to live. */
#ifndef CACHETTE_EXT_CALL_H
#define CACHETTE_EXT_CALL_H

#include "codec.h"
#include "lease.h"
#include "signature.h"

/* Several keys at once. */
typedef struct many {
  PyObject *keys; /* a list of str, which hold the bytes of the items' keys */
  encoded_value *encoded;
  size_t count, encoded_count;
  cachette_item items[];
} many;

/* A call's op, with what it refers to. */
typedef struct call {
  cachette_op op;
  cachette_item item; /* of a call on one key */
  cachette_error error;
  enum call_kind kind;
  bool writes;   /* it may change what is stored under its keys */
  PyObject *key; /* or the namespace; NULL: none */
  PyObject *fallback;
  PyObject *returns; /* as decode() takes it */
  encoded_value encoded;
  many *many;         /* of a call on several keys; the library allocates what they fetch */
  lease *lease;       /* for which it stores, or NULL */
  active_write write; /* if the call writes and waits */
} call;

/*
 * Makes the op of a call. The caller sets `error`, `done`, `data` and, for a fetch of one key, the
 * buffer of the value. False with an exception set. Either way call_drop() is due.
 */
bool call_make(ext_state *state, config_object *config, enum call_kind kind, PyObject *const *given,
               call *self);

/* A call whose op has to be waited for begins. Gives a list of the leases whose puts it has to wait
 * for; NULL if there are none, or with an exception set. */
PyObject *call_begin(config_object *config, call *self);

/* The call's op is done. Call it before others learn of it; it may be called again. */
void call_end(call *self);

/* Releases what the call refers to; no op is under way. */
void call_drop(call *self);

/* Prepares an op field by field. What the library fills in itself is left alone. */
void init_op(cachette_op *op, enum cachette_verb verb, cachette_item *items, size_t count);

#endif
