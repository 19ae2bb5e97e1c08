/* SPDX-License-Identifier: MIT */
/* What a request and a response look like to a cache: whether two are the same to it. */
#ifndef CACHETTE_EXT_HTTP_LOOKS_H
#define CACHETTE_EXT_HTTP_LOOKS_H

#include "http_request.h"

enum { HTTP_ASKED_MAX = 512 }; /* bytes of a request */

/*
 * Writes all that a request is to a cache: method, URI, host, Cache-Control, which credentials it
 * has. Two requests with the same bytes are decided alike as long as nothing is stored for them.
 * Returns the size; 0: the request has a condition, a range or the like, is too long, or has a form
 * that ASGI does not have. Sets no exception.
 */
size_t http_asked_write(const ext_state *state, const cachette_http_policy *policy, PyObject *scope,
                        unsigned char bytes[HTTP_ASKED_MAX]);

/*
 * Hashes what a response is to a cache: status, Cache-Control and so on, and the directives of the
 * route, which may be empty. Fields whose values differ each time only count as being there.
 *   headers  a list
 * Returns false if the fields cannot be sent as they are: one is not a tuple of bytes, is not in
 * lower case, or is about the connection. Sets no exception.
 */
bool http_looks_hash(const cachette_http_policy *policy, long status, PyObject *headers,
                     cachette_slice directives, uint64_t *hash);

#endif
