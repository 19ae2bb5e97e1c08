/* SPDX-License-Identifier: MIT */
#include "buffer.h"

#include <stdint.h>
#include <string.h>

#include "alloc.h"

/* In bytes. */
enum {
  CAPACITY_MIN = 4096,
  IDLE_CAPACITY_MAX = 1 << 18 /* an empty buffer with more frees its memory */
};

char *cachette__buffer_reserve(cachette__buffer *buffer, size_t size) {
  size_t used = cachette__buffer_size(buffer);
  if (buffer->capacity - buffer->end >= size && buffer->data != NULL)
    return buffer->data + buffer->end;
  if (size > SIZE_MAX / 2 - used) return NULL;
  /* Moving the content is worth it only if at most half of the buffer is in use. */
  if (buffer->data != NULL && used + size <= buffer->capacity && used <= buffer->capacity / 2) {
    memmove(buffer->data, buffer->data + buffer->begin, used);
  } else {
    size_t capacity = buffer->capacity > 0 ? 2 * buffer->capacity : CAPACITY_MIN;
    while (capacity < used + size) capacity *= 2;
    char *data = cachette__malloc(capacity);
    if (data == NULL) return NULL;
    if (used > 0) memcpy(data, buffer->data + buffer->begin, used);
    cachette__free(buffer->data);
    buffer->data = data;
    buffer->capacity = capacity;
  }
  buffer->begin = 0;
  buffer->end = used;
  return buffer->data + used;
}

void cachette__buffer_drop(cachette__buffer *buffer, size_t size) {
  buffer->begin += size;
  if (buffer->begin < buffer->end) return;
  buffer->begin = buffer->end = 0;
  if (buffer->capacity > IDLE_CAPACITY_MAX) cachette__buffer_deinit(buffer);
}

void cachette__buffer_deinit(cachette__buffer *buffer) {
  cachette__free(buffer->data);
  *buffer = (cachette__buffer){0};
}
