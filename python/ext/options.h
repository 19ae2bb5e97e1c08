/* SPDX-License-Identifier: MIT */
/* Options: Python values become the library's options. */
#ifndef CACHETTE_EXT_OPTIONS_H
#define CACHETTE_EXT_OPTIONS_H

#include "ext.h"

/* Sets options from (name, value) pairs, then checks them. Appends what is wrong to `errors`, a
 * list of (name, message). `lenient` skips names that are no options. Returns -1 with an exception
 * set only if Python fails. */
int options_read(cachette_options *options, PyObject *pairs, bool lenient, PyObject *errors);

/* The row of an option's name, upper or lower case; NULL if there is none. */
const cachette_option_info *options_find(const char *name);

/* Copies all options but the name of the in-memory store. Returns 0, or -1 with an exception set.
 */
int options_copy(cachette_options *options, const cachette_options *from);

/* options(): the library's table of options, a dict each. */
PyObject *options_list(PyObject *module, PyObject *ignored);

#endif
