/* SPDX-License-Identifier: MIT */
/* Functions of the module over records and keys, without an exchange. */
#ifndef CACHETTE_EXT_HTTP_RECORD_H
#define CACHETTE_EXT_HTTP_RECORD_H

#include <cachette/http.h>

#include "ext.h"

/* The parts of a body, and what keeps them alive. */
typedef struct http_parts {
  Py_ssize_t count;
  cachette_slice *list;
  Py_buffer *buffers;
} http_parts;

/* Reads a sequence of bytes, or of other objects that have bytes. Returns false with an exception
 * set; there is nothing to free then. */
bool http_parts_read(http_parts *parts, const char *what, PyObject *sequence);

void http_parts_free(http_parts *parts);

/* Returns the str of a key: "http:" and hexadecimal digits. */
PyObject *http_key_text(const unsigned char key[CACHETTE_HTTP_KEY_SIZE]);

/* Reads such a str. Returns false if it is none, without an exception. */
bool http_key_read(PyObject *text, unsigned char key[CACHETTE_HTTP_KEY_SIZE]);

/* Describes a field of HttpRecord, the named tuple that http_describe() returns. */
extern PyStructSequence_Desc http_record_desc;

/* The functions; see their documentation in module.c. */
PyObject *http_describe(PyObject *module, PyObject *record);
PyObject *http_tags(PyObject *module, PyObject *record);
PyObject *http_matches(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *http_uri_key(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *http_reason(PyObject *module, PyObject *token);

#endif
