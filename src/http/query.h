/* SPDX-License-Identifier: MIT */
/*
 * The query of a URI as a part of the key: kept, dropped, sorted, or without the parameters that
 * No-Vary-Search says do not matter.
 *
 * The bytes begin with their form, so that queries of different forms never have the same bytes:
 *
 *     '?'  the query, byte for byte
 *     's'  its parameters, raw, sorted by name, joined by '&'
 *     'n'  parameters that matter, sorted by name: for each its decoded name and its decoded value,
 *          both preceded by their size in 4 bytes
 *     'o'  the same in the order of the query
 *
 * No bytes: there is no query, or none that matters.
 *
 * More than CACHETTE__HTTP_SORT_MAX parameters are not sorted, which costs time and space, but kept
 * in their order, as '?' or 'o'. Then another order is another key, which is never wrong.
 */
#ifndef CACHETTE_HTTP_QUERY_H
#define CACHETTE_HTTP_QUERY_H

#include "cachette/http.h"
#include "no_vary_search.h"

enum { CACHETTE__HTTP_SORT_MAX = 64 };

/* Writes the query as the policy says, as much as fits. Returns its size. */
size_t cachette__http_query_write(const cachette_http_policy *policy, cachette_slice query,
                                  unsigned char *bytes, size_t capacity);

#endif
