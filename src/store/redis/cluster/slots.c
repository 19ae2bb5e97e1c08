/* SPDX-License-Identifier: MIT */
#include "slots.h"

#include <string.h>

/* CRC-16/XMODEM: polynomial 0x1021, no reflection, initial value 0. Without a table: the shifts
 * multiply a byte by the polynomial. */
static unsigned add_checksum(unsigned sum, const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned byte = (sum >> 8) ^ (unsigned char)bytes[i];
    byte ^= byte >> 4;
    sum = ((sum << 8) ^ (byte << 12) ^ (byte << 5) ^ byte) & 0xffff;
  }
  return sum;
}

/* The key that is sent is two slices. Offsets count from the start of the first. */
typedef struct joined {
  cachette_slice prefix, key;
} joined;

/* Returns the offset of the first `byte` at or after `from`; SIZE_MAX if there is none. */
static size_t find(joined text, size_t from, char byte) {
  const char *prefix = text.prefix.data, *key = text.key.data, *found = NULL;
  size_t size = text.prefix.size, skipped = from > size ? from - size : 0;
  if (from < size) found = memchr(prefix + from, byte, size - from);
  if (found != NULL) return (size_t)(found - prefix);
  if (skipped < text.key.size) found = memchr(key + skipped, byte, text.key.size - skipped);
  return found != NULL ? size + (size_t)(found - key) : SIZE_MAX;
}

/* Returns the checksum of the bytes [begin, end). */
static unsigned checksum(joined text, size_t begin, size_t end) {
  const char *prefix = text.prefix.data, *key = text.key.data;
  size_t size = text.prefix.size;
  unsigned sum = 0;
  if (begin < size) sum = add_checksum(sum, prefix + begin, (end < size ? end : size) - begin);
  if (end <= size) return sum;
  size_t skipped = begin > size ? begin - size : 0;
  return add_checksum(sum, key + skipped, end - size - skipped);
}

uint16_t cachette__redis_slot(cachette_slice prefix, cachette_slice key) {
  joined text = {prefix, key};
  size_t begin = 0, end = prefix.size + key.size;
  size_t brace = find(text, 0, '{');
  if (brace != SIZE_MAX) {
    size_t closed = find(text, brace + 1, '}');
    if (closed != SIZE_MAX && closed > brace + 1) {
      begin = brace + 1;
      end = closed;
    }
  }
  return (uint16_t)(checksum(text, begin, end) % CACHETTE__REDIS_SLOTS);
}
