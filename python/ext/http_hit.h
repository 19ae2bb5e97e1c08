/* SPDX-License-Identifier: MIT */
/* Answers that are ready to send. */
#ifndef CACHETTE_EXT_HTTP_HIT_H
#define CACHETTE_EXT_HTTP_HIT_H

#include "http_request.h"

/*
 * Returns both messages of the answer after a HIT: a tuple. None: the record has not the whole
 * body, or its epoch is below `newest`.
 *   cache_status  whether the answer has the field Cache-Status
 */
PyObject *http_hit_messages(http_exchange *self, PyObject *record, uint64_t newest,
                            bool cache_status);

/* Forgets the messages that are copied. */
void http_hit_clear(ext_state *state);

#endif
