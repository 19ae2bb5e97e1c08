/* SPDX-License-Identifier: MIT */
#include "wrap.h"

#include <string.h>

#include "../../base/alloc.h"
#include "../../base/counter.h"
#include "../../base/error.h"
#include "signature.h"
#include "version1.h"

enum {
  COMPRESSION_SIZE = 5, /* bytes of the content of a compression field */
  HEAD_MAX = CACHETTE__ENVELOPE_MAGIC + 3 * CACHETTE__FIELD_HEAD_MAX + CACHETTE__SIGNATURE_SIZE +
             COMPRESSION_SIZE /* maximum bytes of an envelope before the payload */
};

static const char damaged[] = "is damaged; clear it";

struct cachette__wrapper {
  cachette__signer *signer; /* NULL: values are not signed */
  enum cachette__compression compression;
  size_t threshold; /* values of at least this many bytes are compressed */
  bool accept_plain;
  cachette__compressor compressor;
};

/* ---- Options ---- */

static enum cachette__compression compression_of(const cachette_options *options) {
  const char *name = cachette__options_text(options, CACHETTE__OPTION_compression);
  if (strcmp(name, "zlib") == 0) return CACHETTE__ZLIB;
  return strcmp(name, "zstd") == 0 ? CACHETTE__ZSTD : CACHETTE__UNCOMPRESSED;
}

bool cachette__wrapper_wanted(const cachette_options *options) {
  return compression_of(options) != CACHETTE__UNCOMPRESSED ||
         cachette__options_text(options, CACHETTE__OPTION_secret) != NULL;
}

int cachette__wrapper_check(const cachette_options *options, cachette_error *error) {
  const char *secret = cachette__options_text(options, CACHETTE__OPTION_secret);
  if (secret == NULL) return CACHETTE_OK; /* but an empty secret is an error */
  for (;; secret++) {
    size_t size = strcspn(secret, ",");
    if (size < CACHETTE__SECRET_KEY_MIN)
      return cachette__fail(error, CACHETTE_ECONFIG, "secret",
                            "Each key of \"secret\" must have at least %d bytes. Generate one with "
                            "`openssl rand -hex 32`.",
                            CACHETTE__SECRET_KEY_MIN);
    secret += size;
    if (*secret == '\0') return CACHETTE_OK;
  }
}

static int signer_of(const cachette_options *options, cachette__signer **signer) {
  const char *secret = cachette__options_text(options, CACHETTE__OPTION_secret);
  if (secret == NULL) return CACHETTE_OK;
  enum cachette__option name = cachette__options_absent(options, CACHETTE__OPTION_codec_name)
                                   ? CACHETTE__OPTION_codec
                                   : CACHETTE__OPTION_codec_name;
  return cachette__signer_new(secret, cachette__options_text(options, name), signer);
}

int cachette__wrapper_new(const cachette_options *options, cachette__wrapper **wrapper,
                          cachette_error *error) {
  cachette__wrapper *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->compression = compression_of(options);
  self->threshold =
      (size_t)cachette__options_number(options, CACHETTE__OPTION_compression_threshold);
  self->accept_plain = cachette__options_number(options, CACHETTE__OPTION_accept_plain) != 0;
  int code = signer_of(options, &self->signer);
  if (code < 0) {
    cachette__wrapper_free(self);
    return cachette__fail(error, code, NULL, NULL);
  }
  *wrapper = self;
  return CACHETTE_OK;
}

void cachette__wrapper_free(cachette__wrapper *wrapper) {
  if (wrapper == NULL) return;
  cachette__signer_free(wrapper->signer);
  cachette__compressor_deinit(&wrapper->compressor);
  cachette__free(wrapper);
}

bool cachette__wrapper_signs(const cachette__wrapper *wrapper) { return wrapper->signer != NULL; }

/* ---- Writing an envelope ---- */

size_t cachette__wrapped_size_max(size_t size) { return HEAD_MAX + size; }

static unsigned char *write_compression(unsigned char *bytes, enum cachette__compression method,
                                        size_t size) {
  bytes = cachette__field_begin(bytes, CACHETTE__FIELD_COMPRESSION, COMPRESSION_SIZE);
  *bytes++ = (unsigned char)method;
  for (int i = 0; i < 4; i++) *bytes++ = (unsigned char)(size >> 8 * i);
  return bytes;
}

/* Compresses a value into the buffer if that makes it smaller. Returns the payload to store. */
static cachette_slice compress(cachette__wrapper *wrapper, cachette_slice value,
                               unsigned char *buffer) {
  if (value.size < wrapper->threshold) return value;
  size_t size = cachette__compress(&wrapper->compressor, wrapper->compression, value, buffer);
  return size > 0 ? (cachette_slice){buffer, size} : value;
}

size_t cachette__wrapper_wrap(cachette__wrapper *wrapper, cachette_slice key, cachette_slice value,
                              unsigned char *buffer) {
  /* The fields before the payload end before HEAD_MAX, so they do not overwrite it. */
  cachette_slice payload = compress(wrapper, value, buffer + HEAD_MAX);
  unsigned char *fields = cachette__envelope_begin(buffer);
  if (wrapper->signer != NULL)
    fields = cachette__field_begin(fields, CACHETTE__FIELD_SIGNATURE, CACHETTE__SIGNATURE_SIZE) +
             CACHETTE__SIGNATURE_SIZE;
  unsigned char *end = fields;
  if (payload.data != value.data) end = write_compression(end, wrapper->compression, value.size);
  end = cachette__field_begin(end, CACHETTE__FIELD_VALUE, payload.size);
  if (payload.size > 0) memmove(end, payload.data, payload.size);
  end += payload.size;
  if (wrapper->signer == NULL) return (size_t)(end - buffer);
  unsigned char *signature = fields - CACHETTE__SIGNATURE_SIZE;
  const cachette_slice parts[] = {{buffer, (size_t)(signature - buffer)},
                                  {fields, (size_t)(end - fields)}};
  bool is_signed = cachette__signer_sign(wrapper->signer, key, parts, signature);
  return is_signed ? (size_t)(end - buffer) : 0;
}

/* ---- Reading an envelope ---- */

static int refuse(const char **reason, const char *text) {
  *reason = text;
  return CACHETTE_ECODEC;
}

/* Reads a value without an envelope. Counters never have one, because the server increments them.
 * If values are signed, counters are refused too: otherwise anyone who can write to the server
 * could replace any value by a number. */
static int open_plain(const cachette__wrapper *wrapper, cachette_slice stored,
                      cachette__compressed *value, const char **reason) {
  bool is_counter = cachette__is_counter(stored);
  *value = (cachette__compressed){CACHETTE__UNCOMPRESSED, stored.size, stored};
  if (wrapper->accept_plain || (is_counter && wrapper->signer == NULL)) return CACHETTE_OK;
  if (wrapper->signer == NULL)
    return refuse(reason,
                  "was stored without \"compression\"; clear it, or set \"accept_plain\" until "
                  "such values have expired");
  return refuse(
      reason,
      is_counter
          ? "is not signed. It looks like a counter, and counters are never signed: read it with "
            "increment(key, 0) in a cache without \"secret\", or clear it"
          : "is not signed; clear it, or set \"accept_plain\" until such values have expired");
}

/* Checks that an envelope is signed if there is a secret, by one of its keys, and only then. */
static int verify(cachette__wrapper *wrapper, cachette_slice key,
                  const cachette__signed_parts *envelope, const char **reason) {
  bool is_signed = envelope->signature != NULL;
  if (is_signed != (wrapper->signer != NULL))
    return refuse(
        reason,
        is_signed ? "is signed, but no \"secret\" is set to verify it; set \"secret\", or clear it"
                  : "is not signed; clear it");
  if (!is_signed) return CACHETTE_OK;
  int code = cachette__signer_verify(wrapper->signer, key, envelope);
  if (code != CACHETTE_ECODEC) return code;
  return refuse(reason, "has a signature that matches no key of \"secret\"; clear it");
}

static enum cachette__fields_status read_fields(cachette_slice fields,
                                                cachette__compressed *value) {
  cachette_slice compression;
  enum cachette__fields_status status = cachette__fields_check(fields);
  if (status != CACHETTE__FIELDS_OK) return status;
  if (!cachette__fields_find(fields, CACHETTE__FIELD_VALUE, &value->payload))
    return CACHETTE__FIELDS_DAMAGED;
  value->method = CACHETTE__UNCOMPRESSED;
  value->size = value->payload.size;
  if (!cachette__fields_find(fields, CACHETTE__FIELD_COMPRESSION, &compression))
    return CACHETTE__FIELDS_OK;
  const unsigned char *bytes = compression.data;
  if (compression.size != COMPRESSION_SIZE || bytes[0] == CACHETTE__UNCOMPRESSED)
    return CACHETTE__FIELDS_DAMAGED;
  if (bytes[0] > CACHETTE__ZSTD) return CACHETTE__FIELDS_UNKNOWN;
  value->method = bytes[0];
  value->size = 0;
  for (int i = 0; i < 4; i++) value->size |= (uint64_t)bytes[1 + i] << 8 * i;
  return CACHETTE__FIELDS_OK;
}

int cachette__wrapper_open(cachette__wrapper *wrapper, cachette_slice key, cachette_slice stored,
                           cachette__compressed *value, const char **reason) {
  static const char newer[] = "was stored by a newer version of Cachette; upgrade, or clear it";
  cachette__signed_parts envelope;
  int version = cachette__envelope_version(stored);
  if (version == 0) return open_plain(wrapper, stored, value, reason);
  if (version > CACHETTE__ENVELOPE_VERSION) return refuse(reason, newer);
  if (version == CACHETTE__ENVELOPE_VERSION)
    cachette__envelope_split(stored, &envelope);
  else if (!cachette__version1_split(stored, &envelope))
    return refuse(reason, damaged);
  int code = verify(wrapper, key, &envelope, reason);
  if (code < 0) return code;
  enum cachette__fields_status status = version == CACHETTE__ENVELOPE_VERSION
                                            ? read_fields(envelope.parts[1], value)
                                            : cachette__version1_read(&envelope, value);
  if (status == CACHETTE__FIELDS_UNKNOWN) return refuse(reason, newer);
  if (status != CACHETTE__FIELDS_OK || !cachette__compressed_is_plausible(value))
    return refuse(reason, damaged);
  return CACHETTE_OK;
}

int cachette__wrapper_extract(cachette__wrapper *wrapper, const cachette__compressed *value,
                              void *buffer, const char **reason) {
  int code = cachette__decompress(&wrapper->compressor, value, buffer);
  return code == CACHETTE_ECODEC ? refuse(reason, damaged) : code;
}
