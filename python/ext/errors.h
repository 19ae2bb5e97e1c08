/* SPDX-License-Identifier: MIT */
/* Errors: codes and messages of libcachette as Python exceptions. */
#ifndef CACHETTE_EXT_ERRORS_H
#define CACHETTE_EXT_ERRORS_H

#include "ext.h"

/* Converts a message of libcachette to a str: a new reference, or NULL with an exception set. If
 * the message was cut inside a character, drops the rest of that character. */
PyObject *message_text(const char *message);

/* Raises the exception for a code of libcachette. `error` has the message; if it is NULL, the
 * message is the general one of the code. Returns -1. */
int raise_error(ext_state *state, int code, const cachette_error *error);

/* Clears the exception that is set and returns it with its traceback: a new reference. */
PyObject *take_exception(void);

#endif
