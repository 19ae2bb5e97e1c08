/* SPDX-License-Identifier: MIT */
#include "compression.h"

#include <string.h>
#include <zlib.h>

#define VALUE_MAX (UINT64_C(1) << 31) /* bytes; larger values are not compressed */

/* The maximum ratio of a value's size to the size of its payload. */
enum {
  ZLIB_RATIO_MAX = 1100,
  ZSTD_RATIO_MAX = 32768 /* a block of 128 KiB takes at least 4 bytes */
};

void cachette__compressor_deinit(cachette__compressor *compressor) {
  ZSTD_freeCCtx(compressor->compressor);
  ZSTD_freeDCtx(compressor->decompressor);
}

/* ---- Compressing ---- */

static size_t compress_zlib(cachette_slice value, unsigned char *buffer) {
  uLongf size = value.size - 1;
  int code = compress2(buffer, &size, value.data, value.size, Z_DEFAULT_COMPRESSION);
  return code == Z_OK ? size : 0;
}

static size_t compress_zstd(cachette__compressor *self, cachette_slice value,
                            unsigned char *buffer) {
  if (self->compressor == NULL) self->compressor = ZSTD_createCCtx();
  if (self->compressor == NULL) return 0;
  size_t size = ZSTD_compressCCtx(self->compressor, buffer, value.size - 1, value.data, value.size,
                                  ZSTD_CLEVEL_DEFAULT);
  return ZSTD_isError(size) ? 0 : size;
}

size_t cachette__compress(cachette__compressor *compressor, enum cachette__compression method,
                          cachette_slice value, unsigned char *buffer) {
  if (method == CACHETTE__UNCOMPRESSED || value.size < 2 || value.size > VALUE_MAX) return 0;
  return method == CACHETTE__ZLIB ? compress_zlib(value, buffer)
                                  : compress_zstd(compressor, value, buffer);
}

/* ---- Decompressing ---- */

bool cachette__compressed_is_plausible(const cachette__compressed *compressed) {
  cachette_slice payload = compressed->payload;
  uint64_t size = compressed->size;
  if (compressed->method == CACHETTE__UNCOMPRESSED) return size == payload.size;
  if (size > VALUE_MAX) return false;
  if (compressed->method == CACHETTE__ZLIB) return size / ZLIB_RATIO_MAX <= payload.size;
  return size / ZSTD_RATIO_MAX <= payload.size &&
         ZSTD_getFrameContentSize(payload.data, payload.size) == size;
}

static int decompress_zlib(const cachette__compressed *compressed, void *buffer) {
  uLongf size = compressed->size;
  uLong used = compressed->payload.size;
  int code = uncompress2(buffer, &size, compressed->payload.data, &used);
  if (code == Z_MEM_ERROR) return CACHETTE_ENOMEM;
  bool is_whole = code == Z_OK && size == compressed->size && used == compressed->payload.size;
  return is_whole ? CACHETTE_OK : CACHETTE_ECODEC;
}

static int decompress_zstd(cachette__compressor *self, const cachette__compressed *compressed,
                           void *buffer) {
  if (self->decompressor == NULL) self->decompressor = ZSTD_createDCtx();
  if (self->decompressor == NULL) return CACHETTE_ENOMEM;
  size_t size = ZSTD_decompressDCtx(self->decompressor, buffer, compressed->size,
                                    compressed->payload.data, compressed->payload.size);
  return size == compressed->size ? CACHETTE_OK : CACHETTE_ECODEC;
}

int cachette__decompress(cachette__compressor *compressor, const cachette__compressed *compressed,
                         void *buffer) {
  if (compressed->method == CACHETTE__ZLIB) return decompress_zlib(compressed, buffer);
  if (compressed->method == CACHETTE__ZSTD) return decompress_zstd(compressor, compressed, buffer);
  if (compressed->size > 0) memcpy(buffer, compressed->payload.data, compressed->size);
  return CACHETTE_OK;
}
