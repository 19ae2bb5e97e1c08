/* SPDX-License-Identifier: MIT */
#include "signature.h"

#include <openssl/evp.h>
#include <string.h>

#include "../base/alloc.h"

struct cachette__signer {
  char *codec;
  EVP_MD_CTX *work;
  size_t count;
  EVP_MD_CTX *keys[]; /* each ready to sign, to be copied */
};

/* A context with which a key signs, or NULL. */
static EVP_MD_CTX *key_new(const char *key, size_t size) {
  EVP_PKEY *secret =
      EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, (const unsigned char *)key, size);
  EVP_MD_CTX *made = EVP_MD_CTX_new();
  bool fine = secret != NULL && made != NULL &&
              EVP_DigestSignInit(made, NULL, EVP_sha256(), NULL, secret) == 1;
  EVP_PKEY_free(secret); /* the context has a share in it */
  if (fine) return made;
  EVP_MD_CTX_free(made);
  return NULL;
}

int cachette__signer_new(const char *secret, const char *codec, cachette__signer **made) {
  size_t count = 1;
  for (const char *at = secret; *at != '\0'; at++) count += *at == ',';
  cachette__signer *signer = cachette__calloc(1, sizeof *signer + count * sizeof *signer->keys);
  if (signer == NULL) return CACHETTE_ENOMEM;
  signer->codec = cachette__strndup(codec, strlen(codec));
  signer->work = EVP_MD_CTX_new();
  bool fine = signer->codec != NULL && signer->work != NULL;
  for (const char *at = secret; fine && signer->count < count; at++) {
    size_t size = strcspn(at, ",");
    EVP_MD_CTX *key = key_new(at, size);
    fine = key != NULL;
    if (fine) signer->keys[signer->count++] = key;
    at += size;
  }
  if (fine) {
    *made = signer;
    return CACHETTE_OK;
  }
  cachette__signer_free(signer);
  return CACHETTE_ENOMEM;
}

void cachette__signer_free(cachette__signer *signer) {
  if (signer == NULL) return;
  while (signer->count > 0) EVP_MD_CTX_free(signer->keys[--signer->count]);
  EVP_MD_CTX_free(signer->work);
  cachette__free(signer->codec);
  cachette__free(signer);
}

size_t cachette__signer_keys(const cachette__signer *signer) { return signer->count; }

static bool add_sized(EVP_MD_CTX *work, const void *data, size_t size) {
  unsigned char bytes[8];
  for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)size >> 8 * i);
  return EVP_DigestSignUpdate(work, bytes, sizeof bytes) == 1 &&
         EVP_DigestSignUpdate(work, data, size) == 1;
}

bool cachette__sign(cachette__signer *signer, size_t number, cachette_slice key,
                    const cachette_slice parts[2], unsigned char signature[CACHETTE__SIGNATURE]) {
  EVP_MD_CTX *work = signer->work;
  size_t size = CACHETTE__SIGNATURE;
  return EVP_MD_CTX_copy_ex(work, signer->keys[number]) == 1 &&
         add_sized(work, key.data, key.size) &&
         add_sized(work, signer->codec, strlen(signer->codec)) &&
         EVP_DigestSignUpdate(work, parts[0].data, parts[0].size) == 1 &&
         EVP_DigestSignUpdate(work, parts[1].data, parts[1].size) == 1 &&
         EVP_DigestSignFinal(work, signature, &size) == 1;
}
