/* SPDX-License-Identifier: MIT */
/*
 * Accept-Encoding and Accept-Language in a form in which fewer values differ, so that a response
 * that varies on them has fewer variants (RFC 9111, 4.1).
 *
 * Accept-Encoding: what the client accepts, without weights: codings in lower case, sorted and
 * unique; x-gzip is gzip and x-compress is compress. `identity` is only there if it is refused, as
 * `identity;q=0`, since else it is accepted (RFC 9110, 12.5.3). Refused codings are only there if
 * `*` accepts the others.
 *
 * Accept-Language: language ranges in lower case, by falling weight, without weights. Equal weights
 * keep their order, because many servers take it for a preference. Refused ranges are only there,
 * at the end, if an accepted one contains them: `en, en-gb;q=0`.
 *
 * A normalized value normalizes to itself. So a value that is used as it is, because it has no such
 * form, is never mistaken for one.
 */
#ifndef CACHETTE_HTTP_NORMALIZE_H
#define CACHETTE_HTTP_NORMALIZE_H

#include "names.h"

enum { CACHETTE__HTTP_NORMALIZED_MAX = 256 }; /* bytes of a normalized value */

/*
 * Normalizes the value of Accept-Encoding or Accept-Language (`name`), which the message must have.
 *   value  filled; it points into `space`
 * False: it is malformed or too long. Then it has to be used as it is.
 */
bool cachette__http_normalize(const cachette__http_message *message, enum cachette__http_name name,
                              char space[CACHETTE__HTTP_NORMALIZED_MAX], cachette_slice *value);

#endif
