/* SPDX-License-Identifier: MIT */
/* Functions on bytes, and printable text for messages from untrusted bytes. */
#ifndef CACHETTE_SLICE_H
#define CACHETTE_SLICE_H

#include "cachette.h"

/* Returns whether `bytes` contains `head` at the offset `skip`. */
bool cachette__begins(cachette_slice bytes, size_t skip, cachette_slice head);

/* Writes a key as printable ASCII to `text`, cut to `size` bytes including the NUL. Other bytes
 * become `?`. */
void cachette__key_text(cachette_slice key, char *text, size_t size);

/* The same for an option's value. Writes `***` if the value looks like a URL or has a password
 * before an '@', since such a value may have been given to the wrong option. */
void cachette__value_text(const char *value, char *text, size_t size);

/* Overwrites each occurrence of `secret` in `text` with `*`, including one that is cut off at the
 * end of the text. Secrets of less than four bytes are ignored, because ordinary words contain
 * them. NULL is allowed. */
void cachette__redact(char *text, const char *secret);

#endif
