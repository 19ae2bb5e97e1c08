/* SPDX-License-Identifier: MIT */
/* Codecs: Python values become bytes, and bytes become values. */
#ifndef CACHETTE_EXT_CODEC_H
#define CACHETTE_EXT_CODEC_H

#include "ext.h"

/* A value as bytes: a view, and the object that holds them. */
typedef struct encoded_value {
  cachette_slice slice;
  PyObject *owner;
  Py_buffer buffer; /* in use if `obj` is not NULL */
} encoded_value;

/* Chooses the codec of a configuration whose options are set: the application's own of this name,
 * or for None the one that the options name. Returns 0, or -1 with an exception set. */
int codec_choose(config_object *config, PyObject *own_name);

/* Encodes a value; `key` is for the message. False with an exception set, and nothing to release.
 */
bool encode(ext_state *state, config_object *config, PyObject *key, PyObject *value,
            encoded_value *encoded);
void encoded_release(encoded_value *encoded);

/*
 * Decodes the bytes of a value; NULL with an exception set.
 *   bytes    the bytes object that holds the slice, or NULL
 *   returns  a Returns of cachette._returns, by which the text codecs restore types; or None or
 * NULL
 */
PyObject *decode(ext_state *state, config_object *config, PyObject *key, cachette_slice slice,
                 PyObject *bytes, PyObject *returns);

/* has_odd_key(value): whether a dict in the value has a key that is no str. */
PyObject *has_odd_key(PyObject *module, PyObject *value);

#endif
