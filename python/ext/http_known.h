/* SPDX-License-Identifier: MIT */
/*
 * What a lane knows of records that hit again and again: the head, read, and both messages of the
 * answer. A record is known by all its bytes, so nothing here can outlive what the store has.
 */
#ifndef CACHETTE_EXT_HTTP_KNOWN_H
#define CACHETTE_EXT_HTTP_KNOWN_H

#include "http_request.h"

typedef struct http_known {
  size_t references;
  size_t size; /* bytes, about */
  PyObject *record;
  cachette_http_head head;
  int status;
  int64_t body_size;
  PyObject *start, *rest; /* messages to copy; `start` has no headers */
  PyObject *headers;      /* a list to copy, for an answer of this age and time to live; or NULL */
  int64_t age_s, ttl_s;
} http_known;

/* Finds what is known of the record of a key: a new reference, or NULL. */
http_known *http_known_find(const http_lane *lane, const unsigned char key[CACHETTE_HTTP_KEY_SIZE],
                            PyObject *record);

void http_known_release(http_known *known);

/* Takes it that a record was a hit, with these messages. The second time in a row, it becomes
 * known. Lack of memory does no harm. */
void http_known_note(http_exchange *exchange, PyObject *record, PyObject *messages);

/* Returns both messages of a hit on a known record. NULL: an exception is set, or, without one, the
 * answer is not the whole of the record. */
PyObject *http_known_messages(http_exchange *exchange, ext_state *state, http_known *known);

/* Forgets all. */
void http_known_clear(http_lane *lane);

#endif
