/* SPDX-License-Identifier: MIT */
/* Compresses values by zlib and zstd. */
#ifndef CACHETTE_LAYER_ENVELOPE_COMPRESSION_H
#define CACHETTE_LAYER_ENVELOPE_COMPRESSION_H

#include <zstd.h>

#include "cachette.h"

/* These numbers are stored in envelopes. */
enum cachette__compression { CACHETTE__UNCOMPRESSED, CACHETTE__ZLIB, CACHETTE__ZSTD };

/* A value as it is stored. */
typedef struct cachette__compressed {
  enum cachette__compression method;
  uint64_t size;          /* of the value, in bytes */
  cachette_slice payload; /* the value, compressed or not */
} cachette__compressed;

/* The contexts of zstd, each created when it is first needed. Zeroed: none yet. One thread. */
typedef struct cachette__compressor {
  ZSTD_CCtx *compressor;
  ZSTD_DCtx *decompressor;
} cachette__compressor;

void cachette__compressor_deinit(cachette__compressor *compressor);

/*
 * Compresses a value into a buffer of `value.size` bytes. Returns the size of the result, which is
 * smaller than the value. Returns 0 if the result would not be smaller, the value is too large, or
 * memory is out; then store the value uncompressed.
 */
size_t cachette__compress(cachette__compressor *compressor, enum cachette__compression method,
                          cachette_slice value, unsigned char *buffer);

/* Returns whether the stated size of the value is possible for the payload. Check this before you
 * allocate memory for the value. */
bool cachette__compressed_is_plausible(const cachette__compressed *compressed);

/* Writes the value to a buffer of `compressed->size` bytes. Errors: ECODEC (damaged), ENOMEM. */
int cachette__decompress(cachette__compressor *compressor, const cachette__compressed *compressed,
                         void *buffer);

#endif
