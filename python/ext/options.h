/* SPDX-License-Identifier: MIT */
/* Options: converts Python values to options of the library. */
#ifndef CACHETTE_EXT_OPTIONS_H
#define CACHETTE_EXT_OPTIONS_H

#include "ext.h"

/* Sets options from (name, value) pairs, and then checks them. Appends a (name, message) to the
 * list `errors` for each error. `lenient` skips names that are not options. Returns 0, or -1 with
 * an exception set if Python itself fails. */
int options_read(cachette_options *options, PyObject *pairs, bool lenient, PyObject *errors);

/* Finds an option by its name, in any case. Returns NULL if there is none. */
const cachette_option_info *options_find(const char *name);

/* Copies all options except for the name of the in-memory store. Returns 0, or -1 with an exception
 * set. */
int options_copy(cachette_options *options, const cachette_options *from);

/* options(): the table of options of the library, a dict for each option. */
PyObject *options_list(PyObject *module, PyObject *ignored);

#endif
