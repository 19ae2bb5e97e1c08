/* SPDX-License-Identifier: MIT */
/*
 * URIs of http and https (RFC 3986; RFC 9110, 4.2): their parts, and what of a path remains when a
 * reference is resolved. No I/O, no allocation.
 */
#ifndef CACHETTE_HTTP_URI_H
#define CACHETTE_HTTP_URI_H

#include "cachette.h"

/* The parts of a URI reference, raw. `data` is NULL if a part is absent; a path is always there. */
typedef struct cachette__http_uri {
  cachette_slice scheme, authority, path, query;
} cachette__http_uri;

/* Splits a URI reference (RFC 3986, appendix B); its fragment is left out. False: it has a control
 * character or a space. Scheme and authority are not checked. */
bool cachette__http_uri_split(cachette_slice reference, cachette__http_uri *uri);

/* Returns whether a scheme is http or https, in any case. */
bool cachette__http_scheme_is_known(cachette_slice scheme);

/*
 * Checks an authority, and finds what identifies it: `host` as it stands there, and `port`, which
 * is empty for the default of the scheme.
 *
 * False: it is not a host with or without a port. Hosts are names of letters, digits and -._~, IPv4
 * addresses, and IPv6 addresses in brackets. RFC 3986 allows more, such as commas and
 * percent-encoding; no host on the web is named so, but parsers disagree about them. Users and
 * passwords are refused, too (RFC 9110, 4.2.4).
 */
bool cachette__http_authority_split(cachette_slice scheme, cachette_slice authority,
                                    cachette_slice *host, cachette_slice *port);

/* Returns whether two authorities of a scheme are the same, in any case and with or without the
 * default port. Both must be valid. */
bool cachette__http_authority_equals(cachette_slice scheme, cachette_slice left,
                                     cachette_slice right);

/*
 * Resolves the path of a reference, which is not empty, against that of its base (RFC 3986, 5.2.3
 * and 5.2.4): without the segments `.` and `..`. Returns its size. Writes it if `capacity`
 * suffices, and else nothing.
 */
size_t cachette__http_path_resolve(cachette_slice base, cachette_slice path, unsigned char *bytes,
                                   size_t capacity);

#endif
