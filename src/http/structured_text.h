/* SPDX-License-Identifier: MIT */
/* What the parser and the writer of Structured Fields share: the characters of keys and tokens, and
 * the decoded bytes of a text, one at a time, so that neither needs a buffer. */
#ifndef CACHETTE_HTTP_STRUCTURED_TEXT_H
#define CACHETTE_HTTP_STRUCTURED_TEXT_H

#include "http/structured.h"

/* Returns the size of the key, or of the token, that `text` begins with; 0: there is none. */
size_t cachette__sf_key_size(cachette_slice text);
size_t cachette__sf_token_size(cachette_slice text);

/* Returns the value of a hexadecimal digit in lower case, or of a character of Base64; -1: the
 * character is another. */
int cachette__sf_hex(char character);
int cachette__sf_base64(char character);

/* A position in the text of an item. */
typedef struct cachette__sf_bytes {
  cachette_slice rest;
  enum cachette__sf_type encoding; /* of an encoded text; CACHETTE__SF_TOKEN: it is plain */
  unsigned bits, bit_count;        /* of Base64: bits that are not yet a byte */
} cachette__sf_bytes;

cachette__sf_bytes cachette__sf_bytes_of(const cachette__sf_item *item);

/* Takes the next decoded byte. False: the text ends, or it is not encoded as its type says. */
bool cachette__sf_next_byte(cachette__sf_bytes *bytes, unsigned char *byte);

/* Returns whether the decoded text is UTF-8: without surrogates, and each character in its shortest
 * form. */
bool cachette__sf_is_utf8(const cachette__sf_item *item);

#endif
