/* SPDX-License-Identifier: MIT */
/* Functions that fill the caller's error struct. */
#ifndef CACHETTE_ERROR_H
#define CACHETTE_ERROR_H

#include <stdarg.h>

#include "cachette.h"

/*
 * Fills `error` and returns `code`, so that a caller can write `return cachette__fail(...)`.
 *   error    NULL is allowed
 *   subject  the option or key that caused the error, or NULL
 *   format   a whole sentence, as for printf(); NULL: the sentence of cachette_strerror(code)
 */
int cachette__fail(cachette_error *error, int code, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

int cachette__vfail(cachette_error *error, int code, const char *subject, const char *format,
                    va_list arguments) __attribute__((format(printf, 4, 0)));

#endif
