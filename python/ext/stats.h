/* SPDX-License-Identifier: MIT */
/* Statistics of a configuration. */
#ifndef CACHETTE_EXT_STATS_H
#define CACHETTE_EXT_STATS_H

#include "ext.h"

/* stats(cls): a dict of numbers, or None where the backend does not tell; NULL with an exception
 * set. */
PyObject *stats_of_class(PyObject *module, PyObject *type);

#endif
