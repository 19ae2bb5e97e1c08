/* SPDX-License-Identifier: MIT */
/* Signatures: which calls there are, and their arguments. */
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
  CALL_FETCH_AS,   /* a fetch that restores a type */
  CALL_STORE,      /* a put of an encoded value, if its lease still holds */
  CALL_GET_OR_SET, /* a fetch here; the rest is Python code */
  CALL_KINDS       /* how many there are */
};

enum { CALL_ARGUMENTS = 4 }; /* of a call, at most */

typedef struct call_signature {
  const char *name;
  const char *names[CALL_ARGUMENTS];
  int least, most; /* how many arguments */
} call_signature;

extern const call_signature call_signatures[];

/* Sorts positional and named arguments into `given`; those that are left out become None. False
 * with an exception set. */
bool call_parse(enum call_kind kind, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                PyObject **given);

#endif
