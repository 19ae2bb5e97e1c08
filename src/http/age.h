/* SPDX-License-Identifier: MIT */
/* The field Age (RFC 9111, 5.1). */
#ifndef CACHETTE_HTTP_AGE_H
#define CACHETTE_HTTP_AGE_H

#include "cachette.h"

/* Parses the first value of an Age field; others are ignored. A number above 2^31, of any length,
 * becomes 2^31 (RFC 9111, 1.2.2). False: the value is not a number; `seconds` is unchanged. */
bool cachette__http_age_parse(cachette_slice text, int64_t *seconds);

#endif
