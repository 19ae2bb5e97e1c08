/* SPDX-License-Identifier: MIT */
/* Codecs: convert Python values to bytes and back. */
#ifndef CACHETTE_EXT_CODEC_H
#define CACHETTE_EXT_CODEC_H

#include "ext.h"

/* An encoded value: a view of the bytes, and the object that owns them. */
typedef struct encoded_value {
  cachette_slice slice;
  PyObject *owner;
  Py_buffer buffer; /* in use if `obj` is not NULL */
} encoded_value;

/* Sets the codec of a configuration whose options are set. `own_name` names a codec that the
 * application registered; None selects the codec in the options. Returns 0, or -1 with an exception
 * set. */
int codec_choose(config_object *config, PyObject *own_name);

/* Encodes a value. `key` is for the error message. Returns false with an exception set, and then
 * there is nothing to release. */
bool encode(ext_state *state, config_object *config, PyObject *key, PyObject *value,
            encoded_value *encoded);
void encoded_release(encoded_value *encoded);

/*
 * Decodes a value. Returns a new reference, or NULL with an exception set.
 *   bytes    the bytes object that holds the slice, or NULL
 *   returns  a Returns of cachette._returns, by which the text codecs restore types, or None or
 * NULL
 */
PyObject *decode(ext_state *state, config_object *config, PyObject *key, cachette_slice slice,
                 PyObject *bytes, PyObject *returns);

/* has_odd_key(value): whether a dict in the value has a key that is not a str. */
PyObject *has_odd_key(PyObject *module, PyObject *value);

#endif
