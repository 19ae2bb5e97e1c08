/* SPDX-License-Identifier: MIT */
/* Arguments of calls: keys and times to live. */
#ifndef CACHETTE_EXT_ARGUMENTS_H
#define CACHETTE_EXT_ARGUMENTS_H

#include "ext.h"

/* Gives a view of a str's UTF-8, which lives as long as the str. `what` names the argument in the
 * error. False with an exception set. */
bool read_text(const char *what, PyObject *text, cachette_slice *slice);

/* The same for a key, whose size is checked too. For calls that send no op at first: the library
 * checks the keys of ops itself. */
bool read_key(PyObject *key, cachette_slice *slice);

/* Converts seconds to milliseconds, rounded up. None becomes 0, which stands for the configured
 * time to live. False with an exception set. */
bool read_ttl(PyObject *ttl, int64_t *ttl_ms);

/* check_ttl(ttl): raises what a put with this time to live would. */
PyObject *check_ttl(PyObject *module, PyObject *ttl);

#endif
