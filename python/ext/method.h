/* SPDX-License-Identifier: MIT */
/* Method: a call as a method of a class, such as `Cachette.put`. */
#ifndef CACHETTE_EXT_METHOD_H
#define CACHETTE_EXT_METHOD_H

#include "ext.h"

extern PyType_Spec method_spec;

/* call(face) and blocking_call(face): the Method whose call is named like the face. */
PyObject *method_of_call(PyObject *module, PyObject *face);
PyObject *method_of_blocking_call(PyObject *module, PyObject *face);

#endif
