/* SPDX-License-Identifier: MIT */
/* Compression of values by zlib and zstd. */
#ifndef CACHETTE_LAYER_ENVELOPE_COMPRESSION_H
#define CACHETTE_LAYER_ENVELOPE_COMPRESSION_H

#include <zstd.h>

#include "cachette.h"

/* These numbers are stored in envelopes. */
enum cachette__compression { CACHETTE__UNCOMPRESSED, CACHETTE__ZLIB, CACHETTE__ZSTD };

/* A value, compressed or not. */
typedef struct cachette__compressed {
  enum cachette__compression method;
  uint64_t size; /* of the value */
  cachette_slice payload;
} cachette__compressed;

/* The contexts of zstd, each made when it is first needed. Zeroed: none yet. */
typedef struct cachette__compressor {
  ZSTD_CCtx *compressor;
  ZSTD_DCtx *decompressor;
} cachette__compressor;

void cachette__compressor_deinit(cachette__compressor *compressor);

/*
 * Compresses a value into a buffer of its size. Returns the size of the result, which is smaller
 * than the value; 0: it would not be smaller, the value is too large, or memory is out.
 */
size_t cachette__compress(cachette__compressor *compressor, enum cachette__compression method,
                          cachette_slice value, unsigned char *buffer);

/* Whether the payload can be that of a value of the size that is told. To be asked before memory is
 * allocated for the value. */
bool cachette__compressed_is_plausible(const cachette__compressed *compressed);

/* Writes the value to a buffer of its size. Errors: ECODEC (it is damaged), ENOMEM. */
int cachette__decompress(cachette__compressor *compressor, const cachette__compressed *compressed,
                         void *buffer);

#endif
