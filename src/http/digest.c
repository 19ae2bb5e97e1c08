/* SPDX-License-Identifier: MIT */
/*
 * The functions of OpenSSL that are used here are deprecated since 3.0. But those that replace them
 * look up the algorithm and allocate a context for each digest: 1.3 us instead of 0.1 us for a key,
 * and an error to handle, where these cannot fail.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "digest.h"

#include <openssl/sha.h>
#include <stdatomic.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof((cachette__http_hash *)NULL)->state, "the state fits");
_Static_assert(SHA256_DIGEST_LENGTH == CACHETTE_HTTP_KEY_SIZE, "a key is a digest");

#define CONTEXT(hash) ((SHA256_CTX *)(void *)(hash)->state)

void cachette__http_hash_begin(cachette__http_hash *hash) {
  hash->is_begun = false;
  hash->collected = 0;
}

static void flush(cachette__http_hash *hash) {
  if (!hash->is_begun) SHA256_Init(CONTEXT(hash));
  hash->is_begun = true;
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
  if (!hash->is_begun) {
    cachette__http_key_digest((cachette_slice){hash->parts, hash->collected}, digest);
    return;
  }
  flush(hash);
  SHA256_Final(digest, CONTEXT(hash));
}

void cachette__http_digest(cachette_slice bytes, unsigned char digest[CACHETTE_HTTP_KEY_SIZE]) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data, bytes.size);
  SHA256_Final(digest, &context);
}

/* ---- Digests that are remembered ---- */

/*
 * All threads share a table, in which a row belongs to whoever holds it. Nobody waits for a row:
 * who finds it held computes the digest. So a child of a fork in which a row stays held is right,
 * too. A row is only used for the same bytes, so whoever makes others collide only costs time.
 */
enum { ROWS = 1024, REMEMBERED_MAX = 220 /* bytes of a key */ };

typedef struct row {
  atomic_bool is_held;
  uint16_t size; /* 0: the row is empty */
  unsigned char digest[CACHETTE_HTTP_KEY_SIZE];
  unsigned char bytes[REMEMBERED_MAX];
} row;
_Static_assert(sizeof(row) == 256, "a short key is in one or two cache lines");

static _Alignas(64) row rows[ROWS];

static bool hold(row *self) {
  return !atomic_exchange_explicit(&self->is_held, true, memory_order_acquire);
}

static void let_go(row *self) {
  atomic_store_explicit(&self->is_held, false, memory_order_release);
}

static bool recall(row *self, cachette_slice bytes, unsigned char *digest) {
  if (!hold(self)) return false;
  bool is_found = self->size == bytes.size && memcmp(self->bytes, bytes.data, bytes.size) == 0;
  if (is_found) memcpy(digest, self->digest, sizeof self->digest);
  let_go(self);
  return is_found;
}

static void remember(row *self, cachette_slice bytes, const unsigned char *digest) {
  if (!hold(self)) return;
  self->size = (uint16_t)bytes.size;
  memcpy(self->bytes, bytes.data, bytes.size);
  memcpy(self->digest, digest, sizeof self->digest);
  let_go(self);
}

void cachette__http_key_digest(cachette_slice bytes, unsigned char digest[CACHETTE_HTTP_KEY_SIZE]) {
  if (bytes.size == 0 || bytes.size > REMEMBERED_MAX) {
    cachette__http_digest(bytes, digest);
    return;
  }
  row *own = &rows[XXH3_64bits(bytes.data, bytes.size) % ROWS];
  if (recall(own, bytes, digest)) return;
  cachette__http_digest(bytes, digest);
  remember(own, bytes, digest);
}
