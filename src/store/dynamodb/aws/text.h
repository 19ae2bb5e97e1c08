/* SPDX-License-Identifier: MIT */
/* A growing text: the body of a request or a response. JSON is written with it. */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_TEXT_H
#define CACHETTE_STORE_DYNAMODB_AWS_TEXT_H

#include "cachette.h"

/* Zeroed is empty. */
typedef struct cachette__text {
  char *bytes; /* NUL-terminated; or NULL while nothing was added */
  size_t size, capacity;
  bool failed; /* out of memory; later additions do nothing */
} cachette__text;

void cachette__text_deinit(cachette__text *text);

/* Wipes and frees a text that contains secrets. */
void cachette__text_wipe(cachette__text *text);

/* Empties a text, but keeps its memory. */
void cachette__text_clear(cachette__text *text);

/* Reserves `size` more bytes at the end and returns them; NULL: out of memory. */
char *cachette__text_reserve(cachette__text *text, size_t size);

void cachette__text_add(cachette__text *text, const void *bytes, size_t size);
void cachette__text_puts(cachette__text *text, const char *string);
void cachette__text_printf(cachette__text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a JSON string with its quotes. `string` must be UTF-8. */
void cachette__text_string(cachette__text *text, cachette_slice string);

/* Adds bytes in base64, without quotes. */
void cachette__text_base64(cachette__text *text, cachette_slice bytes);

#endif
