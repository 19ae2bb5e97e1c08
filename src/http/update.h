/* SPDX-License-Identifier: MIT */
/*
 * What a response means for the response that is stored already (RFC 9111, 3.3, 3.4, 4.3.3 to
 * 4.3.5).
 */
#ifndef CACHETTE_HTTP_UPDATE_H
#define CACHETTE_HTTP_UPDATE_H

#include "freshness.h"
#include "request.h"

enum cachette__http_relation {
  CACHETTE__HTTP_UNRELATED,   /* a response of its own: may_store() decides */
  CACHETTE__HTTP_FRESHENS,    /* 304, or a HEAD that agrees: update the stored fields */
  CACHETTE__HTTP_CONTRADICTS, /* 304 for something else: another tag or date, another Vary */
  CACHETTE__HTTP_OUTDATES,    /* a HEAD that disagrees: the stored response is stale */
  CACHETTE__HTTP_COMPLETES,   /* 206 of the same representation: combine the bodies */
  CACHETTE__HTTP_NOT_OURS     /* 304 to a validator of the client */
};

/* Relates a response to the stored one. `stored` may be NULL: nothing is stored. `was_validated`:
 * the request that was sent had the stored validators instead of the client's. */
enum cachette__http_relation cachette__http_relate(const cachette_http_policy *policy,
                                                   const cachette__http_asked *asked,
                                                   const cachette__http_answered *answered,
                                                   const cachette__http_stored *stored,
                                                   bool was_validated);

/*
 * Fills `updated` with what the stored response becomes: numbers from the fields of both (RFC 9111,
 * 3.2), and after a 206 the bytes of both. For FRESHENS and COMPLETES only. Key, selector,
 * generation and checksum are those of `stored`.
 *
 * Returns NONE, or why the updated response must not be stored. It may still answer the request
 * that it was validated for. `updated` is filled in either case; its entity tag points into
 * `stored` or `answered`.
 */
enum cachette_http_reason cachette__http_freshen(const cachette_http_policy *policy,
                                                 const cachette__http_asked *asked,
                                                 const cachette__http_answered *answered,
                                                 const cachette__http_stored *stored,
                                                 cachette__http_stored *updated);

/*
 * The fields of the updated response, as a source for record.h: those of `answered` that are
 * stored, except fields that frame or encode the body; then those of `stored` that they do not
 * replace. The stored Date is always replaced: without one in `answered`, the updated response was
 * made when that was received.
 */
typedef struct cachette__http_merge {
  const cachette_http_policy *policy;
  const cachette__http_answered *answered;
  const cachette__http_stored
      *stored; /* NULL: only the fields of `answered`, all that are stored */
} cachette__http_merge;
bool cachette__http_next_merged(const void *merge, size_t *at, cachette_http_field *field);

/* Which bytes a combined response has. */
typedef struct cachette__http_combination {
  int64_t first, size, total; /* total -1: it is whole now */
} cachette__http_combination;

/* Combines the ranges of a stored response and of a 206. False: they have a gap between them, or
 * are of representations of different sizes. */
bool cachette__http_combine_ranges(const cachette__http_answered *answered,
                                   const cachette__http_stored *stored,
                                   cachette__http_combination *combination);

#endif
