/* SPDX-License-Identifier: MIT */
/* SHA-256, of bytes that come in parts. It neither fails nor allocates. */
#ifndef CACHETTE_HTTP_DIGEST_H
#define CACHETTE_HTTP_DIGEST_H

#include "cachette/http.h"

/* Private. It collects small parts, since each call of OpenSSL costs as much as a few dozen bytes.
 */
typedef struct cachette__http_hash {
  uint64_t state[16];
  bool is_begun; /* some bytes are in `state` */
  size_t collected;
  unsigned char parts[256];
} cachette__http_hash;

void cachette__http_hash_begin(cachette__http_hash *hash);
void cachette__http_hash_add(cachette__http_hash *hash, cachette_slice bytes);
void cachette__http_hash_end(cachette__http_hash *hash,
                             unsigned char digest[CACHETTE_HTTP_KEY_SIZE]);

/* Computes the SHA-256 of some bytes. */
void cachette__http_digest(cachette_slice bytes, unsigned char digest[CACHETTE_HTTP_KEY_SIZE]);

/* The same for keys, of which a few are asked for again and again: it remembers digests of short
 * ones. Any thread. */
void cachette__http_key_digest(cachette_slice bytes, unsigned char digest[CACHETTE_HTTP_KEY_SIZE]);

#endif
