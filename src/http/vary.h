/* SPDX-License-Identifier: MIT */
/*
 * Vary (RFC 9111, 4.1; RFC 9110, 12.5.5): which fields of a request select among stored responses.
 *
 * What a response varies on is stored as a selector: for each name, in lower case, sorted and
 * unique:
 *
 *     size of the name, 2 bytes; the name
 *     size of the value, 4 bytes; the value      FFFFFFFF: the request does not have the field
 *
 * The value is all lines of the field, each trimmed, joined with ", ". If the policy says so,
 * Accept-Encoding and Accept-Language are normalized. Available-Dictionary is never.
 */
#ifndef CACHETTE_HTTP_VARY_H
#define CACHETTE_HTTP_VARY_H

#include "request.h"

/*
 * Checks the Vary lines of a response. Returns NONE (also without Vary), VARY_ANY (a `*` among the
 * names, or a name that is not a token), or VARY_USER (Cookie or Authorization, unless the policy
 * allows it or the cache is private).
 */
enum cachette_http_reason cachette__http_vary_check(const cachette_http_policy *policy,
                                                    const cachette__http_message *response);

/*
 * Writes the selector of a request for the names of a response's Vary and those of `known`, another
 * selector, which may be empty. The response may be NULL. Writes as much as fits; returns the size.
 */
size_t cachette__http_vary_write(const cachette_http_policy *policy,
                                 const cachette__http_asked *asked,
                                 const cachette__http_message *response, cachette_slice known,
                                 unsigned char *bytes, size_t capacity);

/* Returns whether a request has the values of a selector. An empty selector matches all. False,
 * too, for bytes that are not a selector. */
bool cachette__http_vary_matches(const cachette_http_policy *policy,
                                 const cachette__http_asked *asked, cachette_slice selector);

/* Returns whether two selectors have the same names. */
bool cachette__http_vary_same_names(cachette_slice left, cachette_slice right);

/*
 * Computes the key of a variant: of the canonical key, the generation of its index, and the values
 * that the request has for the names of a selector.
 */
void cachette__http_vary_key(const cachette_http_policy *policy, const cachette__http_asked *asked,
                             cachette_slice canonical, cachette_slice selector, uint64_t generation,
                             unsigned char key[CACHETTE_HTTP_KEY_SIZE]);

#endif
