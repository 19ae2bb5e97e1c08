/* SPDX-License-Identifier: MIT */
/* Bytes in a queue: appended at the end, taken from the front. */
#ifndef CACHETTE_NET_BUFFER_H
#define CACHETTE_NET_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cachette__buffer {
  char *data;
  size_t begin, end, capacity; /* data[begin..end) is in it */
} cachette__buffer;

static inline size_t cachette__buffer_size(const cachette__buffer *buffer) {
  return buffer->end - buffer->begin;
}

/* Room for `size` bytes at the end, or NULL when out of memory; used by moving `end`. */
char *cachette__buffer_reserve(cachette__buffer *buffer, size_t size);

/* Drops `size` bytes from the front. An emptied buffer that had grown large gives its memory back.
 */
void cachette__buffer_drop(cachette__buffer *buffer, size_t size);

void cachette__buffer_deinit(cachette__buffer *buffer);

#endif
