/* SPDX-License-Identifier: MIT */
/* Text that grows: what is sent, and what comes. JSON is written with it, and read by Jansson. */
#ifndef CACHETTE_STORE_DYNAMODB_TEXT_H
#define CACHETTE_STORE_DYNAMODB_TEXT_H

#include "cachette.h"

/* Zeroed is empty. */
typedef struct cachette__text {
  char *bytes; /* with a NUL behind them, or NULL while there are none */
  size_t size, room;
  bool failed; /* there was no memory for some of it; nothing is added from then on */
} cachette__text;

void cachette__text_deinit(cachette__text *text);

/* Forgets the bytes and keeps the memory. */
void cachette__text_clear(cachette__text *text);

/* Room for `size` bytes more, behind what is there; NULL if there is no memory. */
char *cachette__text_room(cachette__text *text, size_t size);

void cachette__text_add(cachette__text *text, const void *bytes, size_t size);
void cachette__text_puts(cachette__text *text, const char *string);
void cachette__text_printf(cachette__text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a JSON string, with its quotes; the slice is UTF-8. */
void cachette__text_string(cachette__text *text, cachette_slice string);

/* Adds bytes in base64, without quotes. */
void cachette__text_base64(cachette__text *text, cachette_slice bytes);

#endif
