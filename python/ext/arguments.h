/* SPDX-License-Identifier: MIT */
/* Arguments of calls: texts, bytes, keys and times to live. */
#ifndef CACHETTE_EXT_ARGUMENTS_H
#define CACHETTE_EXT_ARGUMENTS_H

#include "ext.h"

/* Sets `*slice` to the UTF-8 of a str, which lives as long as the str. `what` names the argument in
 * the error. Returns false with an exception set. */
bool read_text(const char *what, PyObject *text, cachette_slice *slice);

/* Returns the content of a bytes object, which lives as long as the object. */
static inline cachette_slice bytes_slice(PyObject *bytes) {
  return (cachette_slice){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
}

/* Same as read_text() for a key, but also checks its size. For calls that do not send an op at
 * once: the library checks the keys of an op itself. */
bool read_key(PyObject *key, cachette_slice *slice);

/* Converts a time in seconds to milliseconds, rounded up. None becomes 0, which selects the
 * configured TTL. Returns false with an exception set. */
bool read_ttl(PyObject *ttl, int64_t *ttl_ms);

/* check_ttl(ttl): raises the error that a put with this TTL would raise. */
PyObject *check_ttl(PyObject *module, PyObject *ttl);

#endif
