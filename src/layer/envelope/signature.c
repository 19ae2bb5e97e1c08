/* SPDX-License-Identifier: MIT */
#include "signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "../../base/alloc.h"

struct cachette__signer {
  char *codec;
  EVP_MD_CTX *context; /* for the signature being computed */
  size_t count;
  EVP_MD_CTX *keys[]; /* initialized contexts, which sign() copies */
};

/* Creates a context that signs with a key. NULL: out of memory. */
static EVP_MD_CTX *key_new(const char *bytes, size_t size) {
  EVP_PKEY *key =
      EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, (const unsigned char *)bytes, size);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool is_ready = key != NULL && context != NULL &&
                  EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1;
  EVP_PKEY_free(key); /* the context keeps a reference */
  if (is_ready) return context;
  EVP_MD_CTX_free(context);
  return NULL;
}

static bool add_keys(cachette__signer *signer, const char *secret, size_t count) {
  for (const char *begin = secret; signer->count < count; begin++) {
    size_t size = strcspn(begin, ",");
    EVP_MD_CTX *key = key_new(begin, size);
    if (key == NULL) return false;
    signer->keys[signer->count++] = key;
    begin += size;
  }
  return true;
}

int cachette__signer_new(const char *secret, const char *codec, cachette__signer **signer) {
  size_t count = 1;
  for (const char *at = secret; *at != '\0'; at++) count += *at == ',';
  cachette__signer *self = cachette__calloc(1, sizeof *self + count * sizeof *self->keys);
  if (self == NULL) return CACHETTE_ENOMEM;
  self->codec = cachette__strndup(codec, strlen(codec));
  self->context = EVP_MD_CTX_new();
  if (self->codec == NULL || self->context == NULL || !add_keys(self, secret, count)) {
    cachette__signer_free(self);
    return CACHETTE_ENOMEM;
  }
  *signer = self;
  return CACHETTE_OK;
}

void cachette__signer_free(cachette__signer *signer) {
  if (signer == NULL) return;
  while (signer->count > 0) EVP_MD_CTX_free(signer->keys[--signer->count]);
  EVP_MD_CTX_free(signer->context);
  cachette__free(signer->codec);
  cachette__free(signer);
}

static bool add_bytes(EVP_MD_CTX *context, cachette_slice bytes) {
  return EVP_DigestSignUpdate(context, bytes.data, bytes.size) == 1;
}

/* Adds the size first, so that the border between two parts is signed, too. */
static bool add_sized(EVP_MD_CTX *context, cachette_slice bytes) {
  unsigned char size[8];
  for (int i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)bytes.size >> 8 * i);
  return add_bytes(context, (cachette_slice){size, sizeof size}) && add_bytes(context, bytes);
}

/* Signs with the key at an index. */
static bool sign(cachette__signer *signer, size_t index, cachette_slice key,
                 const cachette_slice parts[2], unsigned char *signature) {
  EVP_MD_CTX *context = signer->context;
  size_t size = CACHETTE__SIGNATURE_SIZE;
  return EVP_MD_CTX_copy_ex(context, signer->keys[index]) == 1 && add_sized(context, key) &&
         add_sized(context, cachette_str(signer->codec)) && add_bytes(context, parts[0]) &&
         add_bytes(context, parts[1]) && EVP_DigestSignFinal(context, signature, &size) == 1;
}

bool cachette__signer_sign(cachette__signer *signer, cachette_slice key,
                           const cachette_slice parts[2],
                           unsigned char signature[CACHETTE__SIGNATURE_SIZE]) {
  return sign(signer, 0, key, parts, signature);
}

int cachette__signer_verify(cachette__signer *signer, cachette_slice key,
                            const cachette__signed_parts *envelope) {
  unsigned char expected[CACHETTE__SIGNATURE_SIZE];
  for (size_t i = 0; i < signer->count; i++) {
    if (!sign(signer, i, key, envelope->parts, expected)) return CACHETTE_ENOMEM;
    if (CRYPTO_memcmp(expected, envelope->signature, sizeof expected) == 0) return CACHETTE_OK;
  }
  return CACHETTE_ECODEC;
}
