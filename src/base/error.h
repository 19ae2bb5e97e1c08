/* SPDX-License-Identifier: MIT */
/* Filling a caller's error struct. */
#ifndef CACHETTE_ERROR_H
#define CACHETTE_ERROR_H

#include <stdarg.h>

#include "cachette.h"

/*
 * Fills `error` (NULL is allowed) and returns `code`, so that a caller can return what it
 * returns. `subject` is the option or key at fault, or NULL. `format` makes a whole sentence;
 * if it is NULL the sentence of the code stands.
 */
int cachette__fail(cachette_error *error, int code, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

int cachette__vfail(cachette_error *error, int code, const char *subject, const char *format,
                    va_list arguments) __attribute__((format(printf, 4, 0)));

#endif
