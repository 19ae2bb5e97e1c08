/* SPDX-License-Identifier: MIT */
/*
 * The allocator of the library: malloc(), realloc() and free(), or the functions that
 * cachette_set_allocator() was given. All return NULL when out of memory. Any thread.
 */
#ifndef CACHETTE_ALLOC_H
#define CACHETTE_ALLOC_H

#include <stddef.h>

/* Like malloc(), but a size of 0 allocates too. So does cachette__realloc(). */
void *cachette__malloc(size_t size);

/* Allocates zeroed memory for `count` elements of `size` bytes. Also returns NULL if the product
 * overflows. */
void *cachette__calloc(size_t count, size_t size);

void *cachette__realloc(void *data, size_t size);

/* NULL is allowed. */
void cachette__free(void *data);

/* Returns a NUL-terminated copy of `size` bytes of text. */
char *cachette__strndup(const char *text, size_t size);

/* Zeroes memory that held a secret; the compiler cannot optimize the writes away. */
void cachette__wipe(void *data, size_t size);

#endif
