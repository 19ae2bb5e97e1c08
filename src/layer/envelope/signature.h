/* SPDX-License-Identifier: MIT */
/*
 * HMAC-SHA256 (RFC 2104), by OpenSSL, over an entry's key and the codec's name, each after its size
 * in 8 bytes, the lowest first, and then the two parts of an envelope. So a value can neither be
 * moved to another key nor be read by another codec.
 */
#ifndef CACHETTE_LAYER_ENVELOPE_SIGNATURE_H
#define CACHETTE_LAYER_ENVELOPE_SIGNATURE_H

#include "fields.h"

typedef struct cachette__signer cachette__signer;

/* `secret`: keys, separated by commas; the first one signs. Errors: ENOMEM (also if OpenSSL
 * refuses). */
int cachette__signer_new(const char *secret, const char *codec, cachette__signer **signer);
void cachette__signer_free(cachette__signer *signer);

/* Signs with the first key. False: out of memory. */
bool cachette__signer_sign(cachette__signer *signer, cachette_slice key,
                           const cachette_slice parts[2],
                           unsigned char signature[CACHETTE__SIGNATURE_SIZE]);

/* Checks a signature with each key. Errors: ECODEC (no key made it), ENOMEM. */
int cachette__signer_verify(cachette__signer *signer, cachette_slice key,
                            const cachette__signed_parts *envelope);

#endif
