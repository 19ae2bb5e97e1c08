/* SPDX-License-Identifier: MIT */
/* A byte queue: bytes are appended at the end and removed from the front. Zeroed: empty. */
#ifndef CACHETTE_BUFFER_H
#define CACHETTE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cachette__buffer {
  char *data;
  size_t begin, end, capacity; /* the content is data[begin..end) */
} cachette__buffer;

static inline size_t cachette__buffer_size(const cachette__buffer *buffer) {
  return buffer->end - buffer->begin;
}

/*
 * Reserves space for `size` bytes at the end and returns a pointer to it. The caller writes there
 * and then advances `end`. NULL: out of memory; the content is unchanged.
 */
char *cachette__buffer_reserve(cachette__buffer *buffer, size_t size);

/* Removes `size` bytes from the front. A large buffer frees its memory when it becomes empty. */
void cachette__buffer_drop(cachette__buffer *buffer, size_t size);

/* Frees the memory. The buffer is empty then and can be used again. */
void cachette__buffer_deinit(cachette__buffer *buffer);

#endif
