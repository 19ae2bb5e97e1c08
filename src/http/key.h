/* SPDX-License-Identifier: MIT */
/*
 * The key of a request (RFC 9111, 2). It is canonical bytes, which are stored with the response and
 * compared on a hit, and their SHA-256, under which the response is stored.
 *
 * The bytes are a sequence of parts, each a tag byte, a size in 4 bytes and the content, so that no
 * two different requests have the same bytes:
 *
 *     'v' version of this form         's' scheme, lower case
 *     'a' authority: lower case, without the default port, without a final dot of the host
 *     'p' path, raw bytes              'q' query, as the policy says; absent without '?'
 *     'm' method class: absent for GET and HEAD, else "QUERY" or "POST"
 *     't' Content-Type and 'b' the SHA-256 of the body: QUERY and POST (RFC 10008, 2.7), also
 *     'e' Content-Encoding
 *     'c' a cookie of the policy: its name, then 'v' its value, or nothing if it is absent
 */
#ifndef CACHETTE_HTTP_KEY_H
#define CACHETTE_HTTP_KEY_H

#include "request.h"

/* Writes the canonical bytes, as many as fit. Returns how many there are. */
size_t cachette__http_key_write(const cachette_http_policy *policy,
                                const cachette__http_asked *asked, unsigned char *bytes,
                                size_t capacity);

/* Returns whether a key has more than the URI: a method class, a body or cookies. */
bool cachette__http_key_is_special(cachette_slice canonical);

/* Returns the part of canonical bytes that is the URI's alone: the canonical key of its GET without
 * cookies. */
cachette_slice cachette__http_key_uri(cachette_slice canonical);

/* Writes the origin of canonical bytes, such as "https://example.com", to `text`, as much as fits.
 * Returns its size. */
size_t cachette__http_key_origin(cachette_slice canonical, char *text, size_t capacity);

/* Computes the SHA-256 of some bytes. */
void cachette__http_digest(cachette_slice bytes, unsigned char key[CACHETTE_HTTP_KEY_SIZE]);

/*
 * Writes the canonical bytes of the GET of a URI reference, which is resolved against the URI of
 * `base` (RFC 3986, 5.2; canonical bytes; empty: the reference must be absolute). Returns how many
 * there are; 0: it is no http or https URI, or malformed.
 */
size_t cachette__http_key_of_uri(const cachette_http_policy *policy, cachette_slice base,
                                 cachette_slice reference, unsigned char *bytes, size_t capacity);

#endif
