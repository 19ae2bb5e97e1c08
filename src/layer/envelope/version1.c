/* SPDX-License-Identifier: MIT */
#include "version1.h"

enum { HEAD = 13, SIGNED = 1, ZLIB = 2, ZSTD = 4 };

bool cachette__version1_split(cachette_slice stored, cachette__signed_parts *envelope) {
  const unsigned char *bytes = stored.data;
  if (stored.size < HEAD || (bytes[4] & ~(SIGNED | ZLIB | ZSTD)) != 0) return false;
  bool is_signed = bytes[4] & SIGNED;
  size_t head = HEAD + (is_signed ? CACHETTE__SIGNATURE_SIZE : 0);
  if (stored.size < head) return false;
  envelope->signature = is_signed ? bytes + HEAD : NULL;
  envelope->parts[0] = (cachette_slice){bytes, HEAD};
  envelope->parts[1] = (cachette_slice){bytes + head, stored.size - head};
  return true;
}

enum cachette__fields_status cachette__version1_read(const cachette__signed_parts *envelope,
                                                     cachette__compressed *compressed) {
  static const enum cachette__compression methods[] = {
      [0] = CACHETTE__UNCOMPRESSED, [ZLIB] = CACHETTE__ZLIB, [ZSTD] = CACHETTE__ZSTD};
  const unsigned char *head = envelope->parts[0].data;
  unsigned flags = head[4] & (ZLIB | ZSTD);
  uint64_t size = 0;
  for (int i = 0; i < 8; i++) size |= (uint64_t)head[5 + i] << 8 * i;
  if (flags == (ZLIB | ZSTD)) return CACHETTE__FIELDS_DAMAGED;
  *compressed = (cachette__compressed){methods[flags], size, envelope->parts[1]};
  return CACHETTE__FIELDS_OK;
}
