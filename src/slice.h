/* SPDX-License-Identifier: MIT */
/* Bytes that may come from anywhere, as text for messages. */
#ifndef CACHETTE_SLICE_H
#define CACHETTE_SLICE_H

#include "cachette.h"

/* The slice's first bytes as printable ASCII, cut to `size` with a NUL; a `?` for any other byte.
 */
void cachette__key_text(cachette_slice key, char *text, size_t size);

#endif
