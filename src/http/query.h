/* SPDX-License-Identifier: MIT */
/*
 * The query of a URI as a part of the key: kept, dropped, sorted, or without the parameters that
 * No-Vary-Search says do not matter (draft-ietf-httpbis-no-vary-search).
 */
#ifndef CACHETTE_HTTP_QUERY_H
#define CACHETTE_HTTP_QUERY_H

#include "cachette/http.h"

/* Writes the query as the policy says, as much as fits. Returns its size. `query.data` is not NULL.
 */
size_t cachette__http_query_write(const cachette_http_policy *policy, cachette_slice query,
                                  unsigned char *bytes, size_t capacity);

/* Returns whether a value of No-Vary-Search is valid. */
bool cachette__http_no_vary_search_is_valid(cachette_slice value);

#endif
