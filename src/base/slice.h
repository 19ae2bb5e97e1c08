/* SPDX-License-Identifier: MIT */
/* Bytes that may come from anywhere, as text for messages. */
#ifndef CACHETTE_SLICE_H
#define CACHETTE_SLICE_H

#include "cachette.h"

/* Whether a head stands in the bytes, behind `skip` of them. */
bool cachette__begins(cachette_slice bytes, size_t skip, cachette_slice head);

/* The slice's first bytes as printable ASCII, cut to `size` with a NUL; a `?` for any other byte.
 */
void cachette__key_text(cachette_slice key, char *text, size_t size);

/* The value of an option as it may be shown, in the same form; `***` if it may be a URL, or a
 * password before an '@', that came to the wrong option. */
void cachette__value_text(const char *value, char *text, size_t size);

/* Overwrites a secret (or NULL) with `*` wherever it stands in a text, also at its end where it was
 * cut. One of less than four bytes is left, for others' words are full of such. */
void cachette__redact(char *text, const char *secret);

#endif
