/* SPDX-License-Identifier: MIT */
/*
 * The grammar that all HTTP fields share (RFC 9110, 5.5 and 5.6): tokens, whitespace, lists,
 * quoted strings, numbers. These functions read slices only: no I/O, no allocation.
 */
#ifndef CACHETTE_HTTP_TEXT_H
#define CACHETTE_HTTP_TEXT_H

#include "cachette.h"

/* 1 for the characters of a token (RFC 9110, 5.6.2): letters, digits and !#$%&'*+-.^_`|~ */
extern const unsigned char cachette__http_token_chars[256];

static inline bool cachette__http_is_token_char(char character) {
  return cachette__http_token_chars[(unsigned char)character] != 0;
}

/* Optional whitespace (RFC 9110, 5.6.3). */
static inline bool cachette__http_is_blank(char character) {
  return character == ' ' || character == '\t';
}

/* Returns whether `text` is a token: not empty, and token characters only. */
bool cachette__http_is_token(cachette_slice text);

/* Returns an ASCII letter in lower case, and any other character as it is. */
static inline char cachette__http_lower(char character) {
  return character >= 'A' && character <= 'Z' ? (char)(character | 0x20) : character;
}

/* Returns whether two texts are equal; ASCII letters match without regard to case. */
bool cachette__http_equals(cachette_slice left, cachette_slice right);

/* Compares two texts in this way: negative, 0 or positive. */
int cachette__http_compare(cachette_slice left, cachette_slice right);

/* Returns whether a text equals a C string, which must be in lower case. */
bool cachette__http_is(cachette_slice text, const char *lower);

/* Returns the offset of the first such character; the size of the text: it has none. */
size_t cachette__http_find(cachette_slice text, char character);

/* Returns `text` without spaces and tabs at both ends. */
cachette_slice cachette__http_trim(cachette_slice text);

/* Returns whether `text` has CR, LF or NUL, which no field may have (RFC 9110, 5.5). */
bool cachette__http_is_dangerous(cachette_slice text);

/*
 * Takes the next element of a comma-separated list (RFC 9110, 5.6.1) off the front of `rest`.
 * Commas inside quoted strings do not separate. Empty elements are skipped; whitespace around the
 * element is removed. A quoted string that does not end extends to the end of the list. False:
 * there is no further element.
 */
bool cachette__http_next(cachette_slice *rest, cachette_slice *element);

/* The same for a list with another separator, such as ';'. */
bool cachette__http_next_of(cachette_slice *rest, char separator, cachette_slice *element);

/*
 * Parses digits, and nothing else, to a number of at most `most`; a larger one, of any length,
 * becomes `most`. False: `text` is empty or has another character; `number` is unchanged.
 */
bool cachette__http_number(cachette_slice text, int64_t most, int64_t *number);

/* Returns the part of `text` from an offset, which must not exceed the size. */
static inline cachette_slice cachette__http_from(cachette_slice text, size_t offset) {
  if (offset == 0) return text; /* `data` may be NULL, to which nothing may be added */
  return (cachette_slice){(const char *)text.data + offset, text.size - offset};
}

/* Returns the first `size` bytes. */
static inline cachette_slice cachette__http_first(cachette_slice text, size_t size) {
  return (cachette_slice){text.data, size};
}

/* Returns the character at an offset, which must be less than the size. */
static inline char cachette__http_at(cachette_slice text, size_t offset) {
  return ((const char *)text.data)[offset];
}

#endif
