/* SPDX-License-Identifier: MIT */
/* A request on its way through the HTTP cache: the object, and its request from an ASGI scope. */
#ifndef CACHETTE_EXT_HTTP_REQUEST_H
#define CACHETTE_EXT_HTTP_REQUEST_H

#include "http_fields.h"
#include "http_policy.h"

/* A response of the application. */
typedef struct http_received http_received;
struct http_received {
  http_received *before;
  cachette_http_response response;
  http_fields fields;
  PyObject *control; /* bytes, or NULL */
};

/*
 * An HttpExchange. The library keeps pointers into what it is handed, so all of it is kept to the
 * end: whatever order the methods are called in, nothing dangles.
 */
typedef struct http_exchange {
  PyObject_HEAD http_policy *policy;
  bool begun;
  bool is_answered; /* the application has answered or failed, and is not to be asked again */
  cachette_http_request request;
  PyObject *method, *scheme, *path, *query, *body; /* of the request; NULL if there is none */
  PyObject *record;                                /* the last one, or NULL */
  PyObject *records;                               /* a list of those before it, or NULL */
  http_received *received;                         /* the last one, or NULL */
  cachette_http_exchange exchange;
  http_fields fields;
} http_exchange;

/* Reads a scope and the body, bytes or None, into the request. Returns false with an exception set.
 */
bool http_request_read(http_exchange *self, ext_state *state, PyObject *scope, PyObject *body);

/* Sets `*slice` to the bytes of an object. `what` names it in the error. Returns false with an
 * exception set. */
bool http_read_bytes(const char *what, PyObject *bytes, cachette_slice *slice);

#endif
