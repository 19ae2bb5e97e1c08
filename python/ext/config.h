/* SPDX-License-Identifier: MIT */
/* Config: checked options, a codec, and the handles that were opened with them. */
#ifndef CACHETTE_EXT_CONFIG_H
#define CACHETTE_EXT_CONFIG_H

#include "ext.h"

extern PyType_Spec config_spec;

/* load(pairs, lenient, codec): a Config, and a list of (name, message), one for each error. */
PyObject *config_load(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
