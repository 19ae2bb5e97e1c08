/* SPDX-License-Identifier: MIT */
/* Method: a call as a method of a class, such as `Cachette.put`. */
#ifndef CACHETTE_EXT_METHOD_H
#define CACHETTE_EXT_METHOD_H

#include "ext.h"

extern PyType_Spec method_spec;

/* call(declaration) and blocking_call(declaration): return the Method for the call that has the
 * name of the declaration.
 */
PyObject *method_of_call(PyObject *module, PyObject *declaration);
PyObject *method_of_blocking_call(PyObject *module, PyObject *declaration);

#endif
