/* SPDX-License-Identifier: MIT */
/* Statistics of a configuration. */
#ifndef CACHETTE_EXT_STATS_H
#define CACHETTE_EXT_STATS_H

#include "ext.h"

/* stats(cls): a dict of numbers, with None for figures that the backend does not report; NULL with
 * an exception set. */
PyObject *stats_of_class(PyObject *module, PyObject *type);

#endif
