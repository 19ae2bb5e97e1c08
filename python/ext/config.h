/* SPDX-License-Identifier: MIT */
/* Config: options that were checked, a codec, and what was opened with them. */
#ifndef CACHETTE_EXT_CONFIG_H
#define CACHETTE_EXT_CONFIG_H

#include "ext.h"

extern PyType_Spec config_spec;

/* load(pairs, lenient, codec): a Config, and a list of (name, message) with what is wrong. */
PyObject *config_load(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
