/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the reader of envelopes. The first byte of an input selects the use of the others: as
 * stored bytes for a reader with or without a secret, as fields to be signed with the secret, or as
 * a value for a round trip. An envelope with a valid signature must be refused after one of its
 * bits flips.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer/envelope/signature.h"
#include "layer/envelope/wrap.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

#define SECRET "0123456789abcdef-first"

enum { EXTRACT_MAX = 1 << 24 }; /* bytes; larger values take too long */

static const cachette_slice key = {"greeting", 8};

/* Creates a wrapper with this configuration. */
static cachette__wrapper *create_wrapper(bool is_signed, const char *compression,
                                         bool accept_plain) {
  cachette__wrapper *wrapper;
  cachette_options *options = cachette_options_new();
  CHECK(options != NULL);
  CHECK(cachette_options_set(options, "codec_name", "raw", NULL) == 0);
  CHECK(cachette_options_set(options, "compression", compression, NULL) == 0);
  CHECK(cachette_options_set(options, "compression_threshold", "0", NULL) == 0);
  CHECK(cachette_options_set(options, "accept_plain", accept_plain ? "true" : "false", NULL) == 0);
  if (is_signed) CHECK(cachette_options_set(options, "secret", SECRET, NULL) == 0);
  CHECK(cachette__wrapper_new(options, &wrapper, NULL) == CACHETTE_OK);
  cachette_options_free(options);
  return wrapper;
}

/* Reads stored bytes from a buffer of exactly their size. Returns whether they have a value. */
static bool read_stored(cachette__wrapper *wrapper, const unsigned char *data, size_t size) {
  unsigned char *stored = malloc(size > 0 ? size : 1);
  cachette__compressed value;
  const char *reason = NULL;
  CHECK(stored != NULL);
  memcpy(stored, data, size);
  int code = cachette__wrapper_open(wrapper, key, (cachette_slice){stored, size}, &value, &reason);
  CHECK((code == CACHETTE_OK) == (reason == NULL));
  if (code == CACHETTE_OK && value.size <= EXTRACT_MAX) {
    void *buffer = malloc(value.size > 0 ? value.size : 1);
    CHECK(buffer != NULL);
    code = cachette__wrapper_extract(wrapper, &value, buffer, &reason);
    CHECK((code == CACHETTE_OK) == (reason == NULL));
    free(buffer);
  }
  free(stored);
  return code == CACHETTE_OK;
}

/* Reads bytes with a secret. If they have a value, a flipped bit must be refused. */
static void read_signed(cachette__wrapper *wrapper, const unsigned char *data, size_t size,
                        size_t chosen) {
  if (!read_stored(wrapper, data, size)) return;
  unsigned char *flipped = malloc(size);
  CHECK(flipped != NULL);
  memcpy(flipped, data, size);
  flipped[chosen % size] ^= (unsigned char)(1 << chosen % 8);
  CHECK(!read_stored(wrapper, flipped, size));
  free(flipped);
}

/* Signs the fields and reads the resulting envelope. */
static void read_fields(cachette__wrapper *wrapper, const unsigned char *data, size_t size,
                        size_t chosen) {
  unsigned char *bytes =
      malloc(CACHETTE__ENVELOPE_MAGIC + CACHETTE__FIELD_HEAD_MAX + CACHETTE__SIGNATURE_SIZE + size);
  CHECK(bytes != NULL);
  unsigned char *signature = cachette__field_begin(
      cachette__envelope_begin(bytes), CACHETTE__FIELD_SIGNATURE, CACHETTE__SIGNATURE_SIZE);
  unsigned char *fields = signature + CACHETTE__SIGNATURE_SIZE;
  memcpy(fields, data, size);
  const cachette_slice parts[] = {{bytes, (size_t)(signature - bytes)}, {fields, size}};
  cachette__signer *signer;
  CHECK(cachette__signer_new(SECRET, "raw", &signer) == CACHETTE_OK);
  CHECK(cachette__signer_sign(signer, key, parts, signature));
  cachette__signer_free(signer);
  read_signed(wrapper, bytes, (size_t)(fields - bytes) + size, chosen);
  free(bytes);
}

/* Wraps a value, reads it and compares. */
static void wrap_value(cachette__wrapper *wrapper, const unsigned char *data, size_t size) {
  unsigned char *stored = malloc(cachette__wrapped_size_max(size));
  unsigned char *buffer = malloc(size > 0 ? size : 1);
  cachette__compressed value;
  const char *reason;
  CHECK(stored != NULL && buffer != NULL);
  size_t used = cachette__wrapper_wrap(wrapper, key, (cachette_slice){data, size}, stored);
  CHECK(used > 0 && used <= cachette__wrapped_size_max(size));
  CHECK(cachette__wrapper_open(wrapper, key, (cachette_slice){stored, used}, &value, &reason) == 0);
  CHECK(value.size == size);
  CHECK(cachette__wrapper_extract(wrapper, &value, buffer, &reason) == CACHETTE_OK);
  CHECK(memcmp(buffer, data, size) == 0);
  free(stored);
  free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static cachette__wrapper *plain, *compressing, *signing;
  if (plain == NULL) {
    plain = create_wrapper(false, "zstd", true);
    compressing = create_wrapper(false, "zlib", false);
    signing = create_wrapper(true, "zstd", false);
  }
  if (size < 1) return 0;
  unsigned choice = data[0] % 4, chosen = data[0] / 4;
  data++;
  size--;
  if (choice == 0) {
    read_stored(compressing, data, size);
    read_stored(plain, data, size);
  } else if (choice == 1) {
    read_signed(signing, data, size, chosen);
  } else if (choice == 2) {
    read_fields(signing, data, size, chosen);
  } else {
    wrap_value(compressing, data, size);
    wrap_value(signing, data, size);
  }
  return 0;
}
