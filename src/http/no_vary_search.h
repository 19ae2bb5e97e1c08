/* SPDX-License-Identifier: MIT */
/*
 * No-Vary-Search (draft-ietf-httpbis-no-vary-search): which parameters of a query do not matter.
 *
 *     key-order                    the order of different names does not matter
 *     params=("a" "b")             these do not matter
 *     except=("a" "b")             all others do not matter
 *     params                       none matters                      } as drafts
 *     params, except=("a" "b")     all but these do not matter       } before 05 wrote it
 *
 * Anything else has no effect at all, except that unknown members are ignored.
 */
#ifndef CACHETTE_HTTP_NO_VARY_SEARCH_H
#define CACHETTE_HTTP_NO_VARY_SEARCH_H

#include "cachette.h"

typedef struct cachette__http_no_vary_search {
  bool key_order;       /* order does not matter */
  bool is_except;       /* all names but the listed ones are ignored; else only the listed ones */
  cachette_slice names; /* the text of an inner list of strings */
} cachette__http_no_vary_search;

/* Parses a value. False: it is invalid, or has no effect; all parameters matter then. */
bool cachette__http_no_vary_search_parse(cachette_slice value,
                                         cachette__http_no_vary_search *variance);

/* Returns whether the parameters with a name, encoded as in the query, do not matter. */
bool cachette__http_no_vary_search_ignores(const cachette__http_no_vary_search *variance,
                                           cachette_slice name);

/* Returns whether a value is valid, and has no unknown member: a policy should not have a word that
 * does nothing. */
bool cachette__http_no_vary_search_is_valid(cachette_slice value);

#endif
