/* SPDX-License-Identifier: MIT */
/* Bytes that are written as far as a buffer has room, and counted in any case. */
#ifndef CACHETTE_HTTP_OUTPUT_H
#define CACHETTE_HTTP_OUTPUT_H

#include <string.h>

#include "text.h"

typedef struct cachette__http_output {
  unsigned char *bytes; /* NULL if `capacity` is 0 */
  size_t capacity, size;
} cachette__http_output;

/* Writes bytes. */
static inline void cachette__http_put(cachette__http_output *output, cachette_slice bytes) {
  size_t room = output->size < output->capacity ? output->capacity - output->size : 0;
  size_t fitting = bytes.size < room ? bytes.size : room;
  if (fitting > 0) memcpy(output->bytes + output->size, bytes.data, fitting);
  output->size += bytes.size;
}

static inline void cachette__http_put_byte(cachette__http_output *output, unsigned char byte) {
  if (output->size < output->capacity) output->bytes[output->size] = byte;
  output->size++;
}

/* Writes a text in lower case. */
static inline void cachette__http_put_lower(cachette__http_output *output, cachette_slice text) {
  size_t begin = output->size;
  cachette__http_put(output, text);
  size_t end = output->size < output->capacity ? output->size : output->capacity;
  for (size_t i = begin; i < end; i++)
    output->bytes[i] = (unsigned char)cachette__http_lower((char)output->bytes[i]);
}

/* Writes the lowest `width` bytes of a number, highest first; `width` is at most 8. */
static inline void cachette__http_put_number(cachette__http_output *output, uint64_t number,
                                             unsigned width) {
  unsigned char bytes[8];
  for (unsigned i = 0; i < width; i++) bytes[i] = (unsigned char)(number >> 8 * (width - 1 - i));
  cachette__http_put(output, (cachette_slice){bytes, width});
}

/* Begins content that is preceded by its size in 4 bytes, which cachette__http_put_end() writes.
 * Returns the offset for it. */
static inline size_t cachette__http_put_begin(cachette__http_output *output) {
  output->size += 4;
  return output->size;
}

/* Ends such content. */
static inline void cachette__http_put_end(cachette__http_output *output, size_t begin) {
  size_t end = output->size;
  output->size = begin - 4;
  cachette__http_put_number(output, end - begin, 4);
  output->size = end;
}

/* Takes a number of `width` bytes, and then as many bytes as it says, off the front of `rest`.
 * False: there are not so many. */
static inline bool cachette__http_take(cachette_slice *rest, unsigned width,
                                       cachette_slice *content) {
  const unsigned char *bytes = rest->data;
  uint64_t size = 0;
  if (rest->size < width) return false;
  for (unsigned i = 0; i < width; i++) size = size << 8 | bytes[i];
  if (size > rest->size - width) return false;
  *content = (cachette_slice){bytes + width, (size_t)size};
  *rest = (cachette_slice){bytes + width + size, rest->size - width - (size_t)size};
  return true;
}

#endif
