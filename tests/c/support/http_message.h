/* SPDX-License-Identifier: MIT */
/*
 * HTTP messages as text, so that a row of a table shows what it is about:
 *
 *     GET https://example.com/a?b          200
 *     Cookie: id=1                         Cache-Control: max-age=60
 *                                          Date: @-10
 *
 * - Lines end with \n. A line is a name, a colon and a value, which is trimmed.
 * - The value `@N` is an HTTP date: HTTP_NOW plus N seconds.
 * - `^` and one of @A-Z[\]^_ is a control character: `^J` is LF, `^M` is CR, `^@` is NUL.
 *
 * Each part is a heap block of its exact size, so that ASan sees every read beyond it. Blocks of
 * cmocka's test_malloc() would not do: their ends are padded.
 */
#ifndef CACHETTE_TESTS_HTTP_MESSAGE_H
#define CACHETTE_TESTS_HTTP_MESSAGE_H

#include "cachette/http.h"
#include "support.h"

/* The time of the tests, in seconds and in milliseconds: Sun, 06 Nov 2044 08:49:37 GMT. */
#define HTTP_NOW INT64_C(2362034977)
#define HTTP_NOW_MS (HTTP_NOW * 1000)

/* Parses field lines. The caller frees them. */
cachette_http_fields http_fields_new(const char *text);
void http_fields_free(cachette_http_fields fields);

/* Parses a request: a line with the method and an absolute URI or a path, then field lines. Without
 * a query, `query.data` is NULL. It has no body. The caller frees it. */
cachette_http_request *http_request_new(const char *text);
void http_request_free(cachette_http_request *request);

/*
 * Parses a response: a line with the status, then field lines. It was asked for and received at
 * HTTP_NOW, and the size of its body is not known, unless words follow the status:
 *
 *     200 asked=-1500 received=500 body=10     milliseconds from HTTP_NOW, and bytes
 *
 * A first line `(control): max-age=60`, whose name no field can have, is the application's own
 * control. The caller frees it.
 */
cachette_http_response *http_response_new(const char *text);
void http_response_free(cachette_http_response *response);

/* Returns a copy of bytes in a block of their exact size; {NULL, 0} if there are none. */
cachette_slice http_copy(const void *bytes, size_t size);

/* Frees such a copy. */
void http_free(cachette_slice copy);

/* Returns the value of the only line of a field, or an empty slice if it has none or several. Case
 * of names is ignored. */
cachette_slice http_value(cachette_http_fields fields, const char *name);

#endif
