/* SPDX-License-Identifier: MIT */
/* HMAC-SHA256 (RFC 2104) by OpenSSL, over an entry's key, a codec's name, and bytes. */
#ifndef CACHETTE_LAYER_SIGNATURE_H
#define CACHETTE_LAYER_SIGNATURE_H

#include "cachette.h"

enum { CACHETTE__SIGNATURE = 32 };

typedef struct cachette__signer cachette__signer;

/* `secret`: keys, separated by commas; the first signs. Errors: ENOMEM, EBACKEND. */
int cachette__signer_new(const char *secret, const char *codec, cachette__signer **signer);
void cachette__signer_free(cachette__signer *signer);

size_t cachette__signer_keys(const cachette__signer *signer);

/* Signs two parts with one of the keys. False: out of memory. */
bool cachette__sign(cachette__signer *signer, size_t number, cachette_slice key,
                    const cachette_slice parts[2], unsigned char signature[CACHETTE__SIGNATURE]);

#endif
