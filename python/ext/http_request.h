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

/* What an HttpCounters counts. */
typedef struct http_counters {
  PyObject_HEAD long long hits, misses, bytes;
} http_counters;

/* What an HttpEpochs knows. */
typedef struct http_epochs {
  PyObject_HEAD unsigned long long newest;
  double checked; /* when the last successful look began, by the clock of the lane */
} http_epochs;

/* An HttpLane: what all hits of a policy and a cache need. */
typedef struct http_lane {
  PyObject_HEAD http_policy *policy;
  PyTypeObject *cls;       /* the class of the cache */
  PyObject *methods;       /* a frozenset */
  PyObject *mark;          /* a scope with this key is not for the lane */
  PyObject *unshared;      /* a dict: its keys are not fetched */
  http_counters *counters; /* or NULL */
  bool cache_status;       /* whether answers have the field */
  PyObject *box;           /* the class of boxes of routes; NULL: nothing is remembered */
  PyObject *bodies;        /* a frozenset of methods that Python serves, or NULL */

  struct http_unstored *unstored; /* see http_unstored.h; NULL: nothing is remembered yet */

  /* Of link(); NULL before it was called. */
  config_object *config;  /* of `cls`, for which all below is */
  config_object *records; /* of the class that fetches */
  http_epochs *epochs;
  PyObject *memo;  /* a dict: key -> (until when, index record); NULL: the store is local */
  PyObject *clock; /* a callable: seconds */

  struct http_known_table *known; /* see http_known.h; NULL until used */
} http_lane;

/* What awaiting an exchange does, with what `awaited` has: nothing; a call; what a call returned;
 * the record that was decided on, or None. */
enum http_find_stage { HTTP_FINDS_NOTHING, HTTP_FETCHES, HTTP_HAS_FETCHED, HTTP_HAS_DECIDED };

/*
 * An HttpExchange. The library keeps pointers into what it is handed, so all of it is kept to the
 * end: whatever order the methods are called in, nothing dangles.
 */
struct http_exchange {
  PyObject_HEAD http_policy *policy;
  bool begun;
  bool is_answered; /* the application has answered or failed, and is not to be asked again */
  cachette_http_request request;
  PyObject *method, *scheme, *path, *query, *body; /* of the request; NULL if there is none */
  PyObject *record;                                /* the last one, or NULL */
  PyObject *records;                               /* a list of those before it, or NULL */
  http_received *received;                         /* the last one, or NULL */
  http_lane *lane;                                 /* NULL: nothing is awaited */
  enum http_find_stage stage;
  PyObject *awaited;
  cachette_http_exchange exchange;
  http_fields fields;
};

/* Reads a scope and the body, bytes or None, into the request. Returns false with an exception set.
 */
bool http_request_read(http_exchange *self, ext_state *state, PyObject *scope, PyObject *body);

/* Sets `*slice` to the bytes of an object. `what` names it in the error. Returns false with an
 * exception set. */
bool http_read_bytes(const char *what, PyObject *bytes, cachette_slice *slice);

#endif
