/* SPDX-License-Identifier: MIT */
/*
 * The key of a request (RFC 9111, 2). It is canonical bytes, which are stored with the response and
 * compared on a hit, and their SHA-256, under which the response is stored.
 *
 * The bytes are a sequence of parts, each a tag byte, a size in 4 bytes and the content, so that no
 * two different requests have the same bytes:
 *
 *     'v'  version of this form        's' scheme, lower case
 *     'a'  authority: lower case, without the default port
 *     'p'  path, raw bytes; "/" if it is empty (RFC 9110, 4.2.3)
 *     'q'  query, as query.h writes it; absent without one that matters
 *          Up to here the key is that of the URI.
 *     'm'  method class: absent for GET and HEAD, else "QUERY" or "POST". With it (RFC 10008, 2.7):
 *     't' 'e' 'l'  the lines of Content-Type, Content-Encoding, Content-Language
 *     'b'  the SHA-256 of the body
 *     'c'  a cookie of the policy that the request has: its name, then for each time it occurs
 *     'w'  its value; none if there is no '='
 *
 * Nothing else is normalized. A path is not percent-decoded and its dots are not removed, since
 * servers differ about that. "example.com." and "example.com" are two hosts, since many servers
 * have no virtual host for the first. No X-Forwarded-* counts.
 *
 * A request of another method has the key of the GET, which it may invalidate.
 */
#ifndef CACHETTE_HTTP_KEY_H
#define CACHETTE_HTTP_KEY_H

#include "digest.h"
#include "request.h"

/* Writes the canonical bytes, as many as fit. Returns how many there are; 0: the request has no
 * valid target. */
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

/*
 * Writes the canonical bytes of the GET of a URI reference, as many as fit. Returns how many there
 * are; 0: it is no http or https URI, or malformed.
 *   base       canonical bytes: the reference is resolved against their URI (RFC 3986, 5.2). Empty:
 *              it must be absolute, and its path is taken as it is
 *   reference  its fragment does not count
 */
size_t cachette__http_key_of_uri(const cachette_http_policy *policy, cachette_slice base,
                                 cachette_slice reference, unsigned char *bytes, size_t capacity);

#endif
