/* SPDX-License-Identifier: MIT */
/* The library's allocator: malloc and its kin, unless cachette_set_allocator() replaced them. */
#ifndef CACHETTE_ALLOC_H
#define CACHETTE_ALLOC_H

#include <stddef.h>

/* As malloc(); a size of 0 gives a pointer that can be freed. */
void *cachette__malloc(size_t size);

/* Zeroed memory for `count` things of `size` bytes; NULL too if the product overflows. */
void *cachette__calloc(size_t count, size_t size);

void *cachette__realloc(void *data, size_t size);
void cachette__free(void *data);

/* A NUL-terminated copy of `size` bytes of text. */
char *cachette__strndup(const char *text, size_t size);

/* Overwrites memory in a way that the compiler keeps; for secrets. */
void cachette__wipe(void *data, size_t size);

#endif
