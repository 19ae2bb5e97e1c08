/* SPDX-License-Identifier: MIT */
/*
 * Signatures of envelopes: HMAC-SHA256 (RFC 2104), by OpenSSL.
 *
 * A signature covers the entry's key, the name of the codec and the two parts of the envelope. So a
 * value cannot be moved to another key or read by another codec. Key and name are each preceded by
 * their size, 8 bytes, lowest first.
 */
#ifndef CACHETTE_LAYER_ENVELOPE_SIGNATURE_H
#define CACHETTE_LAYER_ENVELOPE_SIGNATURE_H

#include "fields.h"

typedef struct cachette__signer cachette__signer;

/* `secret` contains keys, separated by commas. Errors: ENOMEM (also for an error of OpenSSL). */
int cachette__signer_new(const char *secret, const char *codec, cachette__signer **signer);
/* NULL is allowed. */
void cachette__signer_free(cachette__signer *signer);

/* Signs an envelope with the first key of the secret. False: out of memory. */
bool cachette__signer_sign(cachette__signer *signer, cachette_slice key,
                           const cachette_slice parts[2],
                           unsigned char signature[CACHETTE__SIGNATURE_SIZE]);

/* Checks a signature against each key of the secret. Errors: ECODEC (none matches), ENOMEM. */
int cachette__signer_verify(cachette__signer *signer, cachette_slice key,
                            const cachette__signed_parts *envelope);

#endif
