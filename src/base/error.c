/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <stdio.h>
#include <string.h>

const char *cachette_strerror(int code) {
  switch (code) {
    case CACHETTE_OK:
      return "no error";
#define X(name, number, text) \
  case CACHETTE_##name:       \
    return text;
      CACHETTE_CODES(X)
#undef X
    default:
      return "an unknown error";
  }
}

int cachette__vfail(cachette_error *error, int code, const char *subject, const char *format,
                    va_list arguments) {
  if (error == NULL) return code;
  error->code = code;
  snprintf(error->subject, sizeof error->subject, "%s", subject != NULL ? subject : "");
  if (format != NULL)
    vsnprintf(error->message, sizeof error->message, format, arguments);
  else
    snprintf(error->message, sizeof error->message, "%s", cachette_strerror(code));
  return code;
}

int cachette__fail(cachette_error *error, int code, const char *subject, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  cachette__vfail(error, code, subject, format, arguments);
  va_end(arguments);
  return code;
}
