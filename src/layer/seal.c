/* SPDX-License-Identifier: MIT */
#include "seal.h"

#include <openssl/crypto.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "../base/alloc.h"
#include "../base/counter.h"
#include "../base/error.h"
#include "signature.h"

enum {
  HEAD = 13,
  SIGNED = 1,
  BY_ZLIB = 2,
  BY_ZSTD = 4,
  ZLIB_RATIO = 1100 /* more than a value of zlib's grows when it is taken out */
};

#define COMPRESSED_MOST (UINT64_C(1) << 31) /* bytes of a value that may be compressed */

static const unsigned char magic[4] = {0xc1, 'c', 'h', 1};

struct cachette__seal {
  cachette__signer *signer; /* NULL: nothing is signed */
  unsigned compression;     /* flag of the way that values are compressed, or 0 */
  size_t threshold;
  bool accept_plain;
  ZSTD_CCtx *compressor; /* made when first needed */
  ZSTD_DCtx *decompressor;
};

/* ---- Options ---- */

static unsigned compression_flag(const cachette_options *options) {
  const char *name = cachette__options_text(options, CACHETTE__OPTION_compression);
  if (strcmp(name, "zlib") == 0) return BY_ZLIB;
  return strcmp(name, "zstd") == 0 ? BY_ZSTD : 0;
}

bool cachette__seal_wanted(const cachette_options *options) {
  return compression_flag(options) != 0 ||
         cachette__options_text(options, CACHETTE__OPTION_secret) != NULL;
}

int cachette__seal_check(const cachette_options *options, cachette_error *error) {
  const char *secret = cachette__options_text(options, CACHETTE__OPTION_secret);
  if (secret == NULL) return CACHETTE_OK; /* an empty one is a mistake, and is not taken for none */
  for (;; secret++) {
    size_t size = strcspn(secret, ",");
    if (size < CACHETTE__SEAL_SECRET_LEAST)
      return cachette__fail(error, CACHETTE_ECONFIG, "secret",
                            "Each key of the \"secret\" must have at least %d bytes; take a random "
                            "one, as `openssl rand -hex 32` prints it.",
                            CACHETTE__SEAL_SECRET_LEAST);
    secret += size;
    if (*secret == '\0') return CACHETTE_OK;
  }
}

int cachette__seal_new(const cachette_options *options, cachette__seal **made,
                       cachette_error *error) {
  cachette__seal *seal = cachette__calloc(1, sizeof *seal);
  if (seal == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  seal->compression = compression_flag(options);
  seal->threshold =
      (size_t)cachette__options_number(options, CACHETTE__OPTION_compression_threshold);
  seal->accept_plain = cachette__options_number(options, CACHETTE__OPTION_accept_plain) != 0;
  int code = CACHETTE_OK;
  const char *secret = cachette__options_text(options, CACHETTE__OPTION_secret);
  if (secret != NULL) {
    enum cachette__option named = cachette__options_absent(options, CACHETTE__OPTION_codec_name)
                                      ? CACHETTE__OPTION_codec
                                      : CACHETTE__OPTION_codec_name;
    code = cachette__signer_new(secret, cachette__options_text(options, named), &seal->signer);
  }
  if (code < 0) {
    cachette__seal_free(seal);
    return cachette__fail(error, code, NULL, NULL);
  }
  *made = seal;
  return CACHETTE_OK;
}

void cachette__seal_free(cachette__seal *seal) {
  if (seal == NULL) return;
  cachette__signer_free(seal->signer);
  ZSTD_freeCCtx(seal->compressor);
  ZSTD_freeDCtx(seal->decompressor);
  cachette__free(seal);
}

bool cachette__seal_signs(const cachette__seal *seal) { return seal->signer != NULL; }

/* ---- Closing ---- */

size_t cachette__seal_most(size_t size) { return HEAD + CACHETTE__SIGNATURE + size; }

static size_t compress_zlib(cachette_slice value, unsigned char *payload) {
  uLongf size = value.size - 1;
  int code = compress2(payload, &size, value.data, value.size, Z_DEFAULT_COMPRESSION);
  return code == Z_OK ? size : 0;
}

static size_t compress_zstd(cachette__seal *seal, cachette_slice value, unsigned char *payload) {
  if (seal->compressor == NULL) seal->compressor = ZSTD_createCCtx();
  if (seal->compressor == NULL) return 0;
  size_t size = ZSTD_compressCCtx(seal->compressor, payload, value.size - 1, value.data, value.size,
                                  ZSTD_CLEVEL_DEFAULT);
  return ZSTD_isError(size) ? 0 : size;
}

/* The bytes of the payload if the value becomes smaller by it; else 0, out of memory included. */
static size_t compress_value(cachette__seal *seal, cachette_slice value, unsigned char *payload) {
  if (seal->compression == 0 || value.size < seal->threshold || value.size < 2 ||
      value.size > COMPRESSED_MOST)
    return 0;
  return seal->compression == BY_ZLIB ? compress_zlib(value, payload)
                                      : compress_zstd(seal, value, payload);
}

size_t cachette__seal_close(cachette__seal *seal, cachette_slice key, cachette_slice value,
                            unsigned char *envelope) {
  size_t head = HEAD + (seal->signer != NULL ? CACHETTE__SIGNATURE : 0);
  unsigned char *payload = envelope + head;
  size_t size = compress_value(seal, value, payload);
  unsigned flags = seal->signer != NULL ? SIGNED : 0;
  if (size > 0) {
    flags |= seal->compression;
  } else {
    size = value.size;
    if (size > 0) memcpy(payload, value.data, size);
  }
  memcpy(envelope, magic, sizeof magic);
  envelope[4] = (unsigned char)flags;
  for (int i = 0; i < 8; i++) envelope[5 + i] = (unsigned char)((uint64_t)value.size >> 8 * i);
  const cachette_slice parts[] = {{envelope, HEAD}, {payload, size}};
  if (seal->signer != NULL && !cachette__sign(seal->signer, 0, key, parts, envelope + HEAD))
    return 0;
  return head + size;
}

/* ---- Opening ---- */

static int refuse(const char **reason, const char *words) {
  *reason = words;
  return CACHETTE_ECODEC;
}

static bool has_magic(cachette_slice stored) {
  return stored.size >= sizeof magic && memcmp(stored.data, magic, sizeof magic) == 0;
}

/* What has no envelope. A counter never has one, for the server counts it. Where values are signed
 * it is refused all the same: else whoever writes to the server could put a number in any value's
 * place. */
static int open_plain(const cachette__seal *seal, cachette_slice stored, cachette__sealed *sealed,
                      const char **reason) {
  bool counter = cachette__counter_is(stored);
  *sealed = (cachette__sealed){.size = stored.size, .payload = stored};
  if (seal->accept_plain || (counter && seal->signer == NULL)) return CACHETTE_OK;
  if (seal->signer == NULL)
    return refuse(
        reason, "was not put with \"compression\"; clear it, or set \"accept_plain\" for a while");
  return refuse(reason, counter ? "is not signed. It is digits, as a counter is, and counters are "
                                  "not signed: read it by increment(key, 0) in a cache without "
                                  "\"secret\", or clear it"
                                : "is not signed; clear it, or set \"accept_plain\" for a while");
}

static int check_signature(cachette__seal *seal, cachette_slice key, const unsigned char *bytes,
                           cachette_slice payload, const char **reason) {
  unsigned char expected[CACHETTE__SIGNATURE];
  const cachette_slice parts[] = {{bytes, HEAD}, payload};
  for (size_t i = 0; i < cachette__signer_keys(seal->signer); i++) {
    if (!cachette__sign(seal->signer, i, key, parts, expected)) return CACHETTE_ENOMEM;
    if (CRYPTO_memcmp(expected, bytes + HEAD, sizeof expected) == 0) return CACHETTE_OK;
  }
  return refuse(reason, "has a signature that no key of \"secret\" made; clear it");
}

/* Whether the size that the head tells can be that of the payload's value. */
static bool is_plausible(const cachette__sealed *sealed, uint64_t size) {
  unsigned way = sealed->flags & (BY_ZLIB | BY_ZSTD);
  if (way == 0) return size == sealed->payload.size;
  if (size > COMPRESSED_MOST || way == (BY_ZLIB | BY_ZSTD)) return false;
  if (way == BY_ZLIB) return size / ZLIB_RATIO <= sealed->payload.size;
  return ZSTD_getFrameContentSize(sealed->payload.data, sealed->payload.size) == size;
}

int cachette__seal_open(cachette__seal *seal, cachette_slice key, cachette_slice stored,
                        cachette__sealed *sealed, const char **reason) {
  const unsigned char *bytes = stored.data;
  if (!has_magic(stored)) return open_plain(seal, stored, sealed, reason);
  bool is_signed = stored.size > 4 && (bytes[4] & SIGNED);
  size_t head = HEAD + (is_signed ? CACHETTE__SIGNATURE : 0);
  if (stored.size < head || (bytes[4] & ~(SIGNED | BY_ZLIB | BY_ZSTD)) != 0)
    return refuse(reason, "is damaged; clear it");
  if (is_signed != (seal->signer != NULL))
    return refuse(reason, is_signed ? "is signed, and there is no \"secret\" to check it with"
                                    : "is not signed; clear it");
  *sealed = (cachette__sealed){.payload = {bytes + head, stored.size - head}, .flags = bytes[4]};
  if (is_signed) {
    int code = check_signature(seal, key, bytes, sealed->payload, reason);
    if (code < 0) return code;
  }
  uint64_t size = 0;
  for (int i = 0; i < 8; i++) size |= (uint64_t)bytes[5 + i] << 8 * i;
  if (!is_plausible(sealed, size)) return refuse(reason, "is damaged; clear it");
  sealed->size = (size_t)size;
  return CACHETTE_OK;
}

static int take_zlib(const cachette__sealed *sealed, void *place) {
  uLongf size = sealed->size;
  uLong used = sealed->payload.size;
  int code = uncompress2(place, &size, sealed->payload.data, &used);
  if (code == Z_MEM_ERROR) return CACHETTE_ENOMEM;
  bool whole = code == Z_OK && size == sealed->size && used == sealed->payload.size;
  return whole ? CACHETTE_OK : CACHETTE_ECODEC;
}

static int take_zstd(cachette__seal *seal, const cachette__sealed *sealed, void *place) {
  if (seal->decompressor == NULL) seal->decompressor = ZSTD_createDCtx();
  if (seal->decompressor == NULL) return CACHETTE_ENOMEM;
  size_t size = ZSTD_decompressDCtx(seal->decompressor, place, sealed->size, sealed->payload.data,
                                    sealed->payload.size);
  return size == sealed->size ? CACHETTE_OK : CACHETTE_ECODEC;
}

int cachette__seal_take(cachette__seal *seal, const cachette__sealed *sealed, void *place,
                        const char **reason) {
  int code = CACHETTE_OK;
  if (sealed->flags & BY_ZLIB)
    code = take_zlib(sealed, place);
  else if (sealed->flags & BY_ZSTD)
    code = take_zstd(seal, sealed, place);
  else if (sealed->size > 0)
    memcpy(place, sealed->payload.data, sealed->size);
  return code == CACHETTE_ECODEC ? refuse(reason, "is damaged; clear it") : code;
}
