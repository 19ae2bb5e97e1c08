/* SPDX-License-Identifier: MIT */
/* Answers that are ready to send. */
#ifndef CACHETTE_EXT_HTTP_HIT_H
#define CACHETTE_EXT_HTTP_HIT_H

#include "http_request.h"

/* Returns whether the epoch of a record is below `newest`. After a HIT, the record is one that is
 * complete as far as its head goes. */
bool http_hit_is_purged(PyObject *record, uint64_t newest);

/*
 * Returns both messages of the answer after a HIT: a tuple. None: the record has not the whole
 * body.
 *   cache_status  whether the answer has the field Cache-Status
 */
PyObject *http_hit_messages(http_exchange *self, PyObject *record, bool cache_status);

/* Returns the headers alone. */
PyObject *http_hit_headers(http_exchange *self, bool cache_status);

/* Forgets the messages that are copied. */
void http_hit_clear(ext_state *state);

#endif
