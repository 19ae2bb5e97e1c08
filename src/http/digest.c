/* SPDX-License-Identifier: MIT */
/*
 * The functions of OpenSSL that are used here are deprecated since 3.0. But those that replace them
 * look up the algorithm and allocate a context for each digest: 1.3 us instead of 0.1 us for a key,
 * and an error to handle, where these cannot fail.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "digest.h"

#include <openssl/sha.h>
#include <string.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof((cachette__http_hash *)NULL)->state, "the state fits");
_Static_assert(SHA256_DIGEST_LENGTH == CACHETTE_HTTP_KEY_SIZE, "a key is a digest");

#define CONTEXT(hash) ((SHA256_CTX *)(void *)(hash)->state)

void cachette__http_hash_begin(cachette__http_hash *hash) {
  SHA256_Init(CONTEXT(hash));
  hash->collected = 0;
}

static void flush(cachette__http_hash *hash) {
  SHA256_Update(CONTEXT(hash), hash->parts, hash->collected);
  hash->collected = 0;
}

void cachette__http_hash_add(cachette__http_hash *hash, cachette_slice bytes) {
  if (bytes.size == 0) return;
  if (bytes.size > sizeof hash->parts - hash->collected) flush(hash);
  if (bytes.size > sizeof hash->parts) {
    SHA256_Update(CONTEXT(hash), bytes.data, bytes.size);
    return;
  }
  memcpy(hash->parts + hash->collected, bytes.data, bytes.size);
  hash->collected += bytes.size;
}

void cachette__http_hash_end(cachette__http_hash *hash,
                             unsigned char digest[CACHETTE_HTTP_KEY_SIZE]) {
  flush(hash);
  SHA256_Final(digest, CONTEXT(hash));
}

void cachette__http_digest(cachette_slice bytes, unsigned char digest[CACHETTE_HTTP_KEY_SIZE]) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data, bytes.size);
  SHA256_Final(digest, &context);
}
