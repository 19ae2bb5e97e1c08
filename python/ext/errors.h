/* SPDX-License-Identifier: MIT */
/* Errors: libcachette's codes and messages as Python exceptions. */
#ifndef CACHETTE_EXT_ERRORS_H
#define CACHETTE_EXT_ERRORS_H

#include "ext.h"

/* A message of libcachette as a str. A message that was cut may end in the middle of a character,
 * which is dropped. */
PyObject *message_text(const char *message);

/* Raises the exception for a code of libcachette. `error` may be NULL. Returns -1. */
int raise_error(ext_state *state, int code, const cachette_error *error);

/* Takes the exception that is set: a new reference to it, with its traceback. */
PyObject *take_exception(void);

#endif
