/* SPDX-License-Identifier: MIT */
/* A text that grows: the body of a request or a response. JSON is written with it. */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_TEXT_H
#define CACHETTE_STORE_DYNAMODB_AWS_TEXT_H

#include "cachette.h"

/* Zeroed is empty. */
typedef struct cachette__text {
  char *bytes; /* ends with a NUL; or NULL while it is empty */
  size_t size, capacity;
  bool failed; /* memory ran out; from then on nothing is added */
} cachette__text;

void cachette__text_deinit(cachette__text *text);

/* The same, for a text with secrets in it. */
void cachette__text_wipe(cachette__text *text);

/* Empties it and keeps the memory. */
void cachette__text_clear(cachette__text *text);

/* Memory for `size` more bytes at the end; NULL: out of memory. */
char *cachette__text_reserve(cachette__text *text, size_t size);

void cachette__text_add(cachette__text *text, const void *bytes, size_t size);
void cachette__text_puts(cachette__text *text, const char *string);
void cachette__text_printf(cachette__text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a JSON string with its quotes; the slice is UTF-8. */
void cachette__text_string(cachette__text *text, cachette_slice string);

/* Adds bytes in base64, without quotes. */
void cachette__text_base64(cachette__text *text, cachette_slice bytes);

#endif
