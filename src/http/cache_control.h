/* SPDX-License-Identifier: MIT */
/*
 * Cache-Control (RFC 9111, 5.2; stale-*: RFC 5861; immutable: RFC 8246), of requests and of
 * responses, and fields that are targeted at a kind of cache (RFC 9213). No I/O, no allocation.
 *
 * The parser fails closed. Whatever it does not understand makes a response less cacheable, never
 * more:
 *
 * - Restrictive directives (no-store, no-cache, private, must-revalidate, proxy-revalidate,
 *   no-transform, only-if-cached) count with any argument and with junk after them.
 * - Permissive ones (public, immutable, must-understand) count only without an argument.
 * - private and no-cache are qualified, that is limited to some fields, only by a quoted list of
 *   field names: private="a, b". With another argument, such as private="" or the unquoted
 *   private=a, they are unqualified.
 * - A number is digits, or digits in quotes. One above 2^31 is 2^31, however long it is. If it is
 *   missing, negative, a decimal or otherwise odd it is 0, but min-fresh is 2^31. So the directive
 *   is present then: an odd s-maxage is not "no s-maxage".
 * - max-stale without an argument accepts any staleness: 2^31.
 * - Of several values the most careful counts: the largest of min-fresh, else the smallest.
 * - Names have no case. Unknown directives are ignored.
 *
 * A line that does not match the grammar is handled as follows. This includes whitespace around
 * "=", which HTTP does not allow:
 *
 * - Without quotes and control characters, only the damaged elements of the list are in doubt. In
 *   an element in doubt, every word (run of token characters) that names a restrictive directive
 *   counts, wherever it stands. Numbers that it names are 0, or 2^31 for min-fresh. Nothing
 *   permissive counts.
 * - Otherwise the whole line is in doubt, because nobody knows where a quote that is out of place
 *   should have ended. So `foo="bar, no-store` and `a"b, private, "c` are no-store and private.
 */
#ifndef CACHETTE_HTTP_CACHE_CONTROL_H
#define CACHETTE_HTTP_CACHE_CONTROL_H

#include "cachette.h"

/* The largest number of seconds (RFC 9111, 1.2.2). */
#define CACHETTE__HTTP_SECONDS_MAX (INT64_C(1) << 31)

/* Directives without a number. */
enum {
  CACHETTE__HTTP_NO_STORE = 1 << 0,
  CACHETTE__HTTP_NO_CACHE = 1 << 1,
  CACHETTE__HTTP_PRIVATE = 1 << 2,
  CACHETTE__HTTP_MUST_REVALIDATE = 1 << 3,
  CACHETTE__HTTP_PROXY_REVALIDATE = 1 << 4,
  CACHETTE__HTTP_NO_TRANSFORM = 1 << 5,
  CACHETTE__HTTP_ONLY_IF_CACHED = 1 << 6,
  /* Qualified. These do not imply the bit of the unqualified directive, but both may be set: then
   * the unqualified one counts. A request has no qualified no-cache, so there this is no-cache. */
  CACHETTE__HTTP_PRIVATE_FIELDS = 1 << 7,
  CACHETTE__HTTP_NO_CACHE_FIELDS = 1 << 8,
  CACHETTE__HTTP_RESTRICTIVE = (1 << 9) - 1, /* all above */
  /* Permissive. */
  CACHETTE__HTTP_PUBLIC = 1 << 9,
  CACHETTE__HTTP_IMMUTABLE = 1 << 10,
  CACHETTE__HTTP_MUST_UNDERSTAND = 1 << 11,
};

/* What a message says about caching. Numbers are seconds, at most CACHETTE__HTTP_SECONDS_MAX; -1:
 * the directive is absent. */
typedef struct cachette__http_cache_control {
  unsigned directives;
  int64_t max_age, s_maxage, stale_while_revalidate, stale_if_error, min_fresh, max_stale;
} cachette__http_cache_control;

/* Initialises it for a message without Cache-Control. */
void cachette__http_cache_control_init(cachette__http_cache_control *control);

/* Adds a Cache-Control line. Several lines of a message are one list (RFC 9110, 5.3), so add each;
 * their order does not matter. A line never removes a restrictive directive, and never makes a
 * number that is already there less careful. */
void cachette__http_cache_control_add(cachette__http_cache_control *control, cachette_slice line);

/*
 * Parses all lines of a targeted field, such as CDN-Cache-Control, as a dictionary (RFC 9213, 2.1).
 * Parameters are ignored. A value whose type is wrong for the directive is odd, in the sense above;
 * a restrictive directive counts even if it is false (?0). If a key occurs several times, all of
 * its values count as above, though the last one would suffice; of permissive directives only the
 * last.
 *
 * False: the field does not parse or is empty, so it counts as absent (2.2). `control` is unchanged
 * then, and else is that field alone. A field of unknown directives is present.
 */
bool cachette__http_cache_control_targeted(cachette__http_cache_control *control,
                                           const cachette_slice *lines, size_t count);

/* Returns whether a qualified `directive` ("private" or "no-cache") in a Cache-Control line names a
 * response field. False for a line in doubt, whose directives are all unqualified. */
bool cachette__http_names_field(cachette_slice line, const char *directive, cachette_slice field);

/* The same for all lines of a targeted field. */
bool cachette__http_targeted_names_field(const cachette_slice *lines, size_t count,
                                         const char *directive, cachette_slice field);

#endif
