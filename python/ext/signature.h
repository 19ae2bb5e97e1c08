/* SPDX-License-Identifier: MIT */
/* Signatures: the calls and their parameters; and those of other functions. */
#ifndef CACHETTE_EXT_SIGNATURE_H
#define CACHETTE_EXT_SIGNATURE_H

#include "ext.h"

enum call_kind {
  CALL_FETCH,
  CALL_FETCH_WITH_TTL,
  CALL_PUT,
  CALL_ADD,
  CALL_EXISTS,
  CALL_TOUCH,
  CALL_INCREMENT,
  CALL_CLEAR,
  CALL_FLUSH,
  CALL_FLUSH_EXPIRED,
  CALL_PING,
  CALL_FETCH_MANY,
  CALL_PUT_MANY,
  CALL_CLEAR_MANY,
  CALL_DELETE,
  CALL_FETCH_AS,   /* a fetch that converts the value to a type, for a put with a TTL */
  CALL_STORE,      /* a put of an encoded value, if its lease is valid */
  CALL_GET_OR_SET, /* only the fetch is C; the rest is Python */
  CALL_KINDS       /* the number of calls */
};

enum { CALL_ARGUMENTS = 4, SIGNATURE_ARGUMENTS = 6 }; /* max arguments of a call, of a function */

typedef struct call_signature {
  const char *name;
  const char *names[SIGNATURE_ARGUMENTS];
  int min_args, max_args;
} call_signature;

extern const call_signature call_signatures[];

/* Binds positional and keyword arguments to parameters. Writes `max_args` values to `arguments`,
 * borrowed; parameters without an argument are None. Returns false with an exception set. */
bool signature_bind(const call_signature *signature, PyObject *const *args, Py_ssize_t count,
                    PyObject *keywords, PyObject **arguments);

/* Same for a call. Writes CALL_ARGUMENTS values; those beyond its parameters are NULL. */
bool call_parse(enum call_kind kind, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                PyObject **arguments);

#endif
