/* SPDX-License-Identifier: MIT */
/*
 * What a response to an unsafe request makes invalid (RFC 9111, 4.4; RFC 9875, 3).
 */
#ifndef CACHETTE_HTTP_INVALIDATE_H
#define CACHETTE_HTTP_INVALIDATE_H

#include "request.h"
#include "response.h"

/* Returns whether a response invalidates anything: 2xx and 3xx of unsafe and unknown methods, POST
 * among them, even if the policy caches it. */
bool cachette__http_invalidates(const cachette__http_asked *asked,
                                const cachette__http_answered *answered);

/*
 * Finds the item of an index: the target URI, Location, Content-Location (only those of the same
 * origin), then the groups of Cache-Group-Invalidation.
 *   canonical  the canonical key of the request, whose digest is `digest`
 *   key        of a URI; zeroed for a group
 *   space      for the tag, which points into it; a longer one is left out. The target URI of a
 *              cached POST whose response has explicit freshness has none: it asks a question, like
 *              QUERY, and does not change the answers to others
 */
bool cachette__http_invalidated_item(const cachette_http_policy *policy,
                                     const cachette__http_asked *asked,
                                     const cachette__http_answered *answered,
                                     cachette_slice canonical,
                                     const unsigned char digest[CACHETTE_HTTP_KEY_SIZE],
                                     size_t index, unsigned char key[CACHETTE_HTTP_KEY_SIZE],
                                     char *space, size_t capacity, cachette_slice *tag);

#endif
