/* SPDX-License-Identifier: MIT */
/* HttpPolicy: what the HTTP cache may do. */
#ifndef CACHETTE_EXT_HTTP_POLICY_H
#define CACHETTE_EXT_HTTP_POLICY_H

#include <cachette/http.h>

#include "ext.h"

typedef struct http_policy {
  PyObject_HEAD cachette_http_policy policy;
  PyObject *texts; /* a list, which owns the bytes that `policy` points to */
} http_policy;

extern PyType_Spec http_policy_spec;

#endif
