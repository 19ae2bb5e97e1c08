/* SPDX-License-Identifier: MIT */
/* Header fields: lists of Python as those of the library, and back. */
#ifndef CACHETTE_EXT_HTTP_FIELDS_H
#define CACHETTE_EXT_HTTP_FIELDS_H

#include <cachette/http.h>

#include "ext.h"

enum { HTTP_FIELDS_INLINE = 24 }; /* lines that need no allocation */

/* The field lines of a message, and the tuples that own their bytes. It is not moved. */
typedef struct http_fields {
  size_t count;
  cachette_http_field *list;
  PyObject **owners;
  cachette_http_field inline_list[HTTP_FIELDS_INLINE];
  PyObject *inline_owners[HTTP_FIELDS_INLINE];
} http_fields;

/* Reads any iterable of pairs of bytes, and removes whitespace at the ends of values. Returns false
 * with an exception set; there is nothing to free then. */
bool http_fields_read(http_fields *fields, PyObject *headers);

void http_fields_free(http_fields *fields);

static inline cachette_http_fields http_fields_of(const http_fields *fields) {
  return (cachette_http_fields){fields->list, fields->count};
}

/* Returns fields as a list of pairs of bytes, with names in lower case. */
PyObject *http_fields_list(ext_state *state, const cachette_http_field *fields, size_t count);

/* The same for lines that a message has for the most part: a pair of it is used again, if it can
 * be. */
PyObject *http_fields_list_from(ext_state *state, const cachette_http_field *lines, size_t count,
                                const http_fields *source);

/* Continues a hash with a text. It begins with 0, or with another number. */
uint64_t http_mix(uint64_t hash, cachette_slice text);

/* Forgets the pairs that http_fields_list() has kept. */
void http_pairs_clear(ext_state *state);

#endif
