/* SPDX-License-Identifier: MIT */
#include "alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cachette.h"

static struct {
  void *(*malloc_fn)(size_t);
  void *(*realloc_fn)(void *, size_t);
  void (*free_fn)(void *);
} allocator = {malloc, realloc, free};

int cachette_set_allocator(void *(*malloc_fn)(size_t), void *(*realloc_fn)(void *, size_t),
                           void (*free_fn)(void *)) {
  if (malloc_fn == NULL || realloc_fn == NULL || free_fn == NULL) return CACHETTE_EINVAL;
  allocator.malloc_fn = malloc_fn;
  allocator.realloc_fn = realloc_fn;
  allocator.free_fn = free_fn;
  return CACHETTE_OK;
}

void *cachette__malloc(size_t size) { return allocator.malloc_fn(size > 0 ? size : 1); }

void *cachette__calloc(size_t count, size_t size) {
  if (size > 0 && count > SIZE_MAX / size) return NULL;
  void *data = cachette__malloc(count * size);
  if (data != NULL) memset(data, 0, count * size);
  return data;
}

void *cachette__realloc(void *data, size_t size) {
  return allocator.realloc_fn(data, size > 0 ? size : 1);
}

void cachette__free(void *data) {
  if (data != NULL) allocator.free_fn(data);
}

void cachette_free(const void *data) { cachette__free((void *)data); }

char *cachette__strndup(const char *text, size_t size) {
  char *copy = cachette__malloc(size + 1);
  if (copy == NULL) return NULL;
  memcpy(copy, text, size);
  copy[size] = '\0';
  return copy;
}

void cachette__wipe(void *data, size_t size) {
  volatile unsigned char *byte = data;
  while (size-- > 0) *byte++ = 0;
}
