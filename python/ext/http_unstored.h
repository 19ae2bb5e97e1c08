/* SPDX-License-Identifier: MIT */
/*
 * A memory of requests whose last response could not be stored.
 *
 * Such a request is passed on at once: neither the store nor the rules are asked. So it must be
 * certain that this does no harm: the memory is for requests that nothing is stored for, or that
 * may not have what is stored, and an entry is forgotten when a response is stored after all, or
 * after HTTP_UNSHARED_SECONDS. It has at most 1,024 entries, in sets of 4: a new one replaces the
 * oldest of its set.
 */
#ifndef CACHETTE_EXT_HTTP_UNSTORED_H
#define CACHETTE_EXT_HTTP_UNSTORED_H

#include "http_looks.h"

enum { HTTP_UNSHARED_SECONDS = 30 }; /* for which it is known that responses cannot be shared */

typedef struct http_unstored http_unstored;

/* What is known of such a response. */
typedef struct http_remembered {
  double until;     /* how long it is remembered, in seconds of the caller's clock */
  uint64_t number;  /* of the entry: each has another one */
  uint64_t looks;   /* see http_looks_hash() */
  PyObject *line;   /* the line of Cache-Status, a pair; NULL: none is sent */
  PyObject *reason; /* why it is not stored, a str */
} http_remembered;

/* Returns an empty memory; NULL without memory for it. No exception is set. */
http_unstored *http_unstored_new(void);

/* Frees a memory, which may be NULL. */
void http_unstored_free(http_unstored *self);

/* Finds what is known of a request, perhaps no longer: check `until`. What it returns is borrowed,
 * until the memory changes; NULL: nothing is known. */
const http_remembered *http_unstored_find(const http_unstored *self, cachette_slice asked);

/* Remembers a response, and copies what it needs; without memory for that, it does nothing. The
 * number is given here. `key` is the index key of the request. */
void http_unstored_add(http_unstored *self, cachette_slice asked,
                       const unsigned char key[CACHETTE_HTTP_KEY_SIZE],
                       const http_remembered *known, double now);

/* Forgets the entries of a key, since a response was stored. */
void http_unstored_forget(http_unstored *self, const unsigned char key[CACHETTE_HTTP_KEY_SIZE]);

/* A response looked different: the responses to this request are looked at until the entry would
 * have been forgotten. So those that change each time are stored when they can be. */
void http_unstored_suspend(http_unstored *self, uint64_t number);

#endif
