/* SPDX-License-Identifier: MIT */
/*
 * The layer that signs and compresses values. It stores each value in an envelope.
 *
 * Puts and fetches go down with copies of the caller's items. In a put, their values are envelopes.
 * In a fetch, the library allocates memory for the envelopes; when the op comes back, the layer
 * checks them and writes the values to the caller's buffers. Other ops are passed on.
 *
 *     envelope.c       the layer
 *     wrap.c           turns values into envelopes and back, as the options say
 *     fields.c         reads and writes the bytes of an envelope
 *     version1.c       reads the envelopes that Cachette 1.0 wrote
 *     compression.c    zlib and zstd
 *     signature.c      HMAC-SHA256
 */
#ifndef CACHETTE_LAYER_ENVELOPE_ENVELOPE_H
#define CACHETTE_LAYER_ENVELOPE_ENVELOPE_H

#include "../layer.h"

extern const cachette__layer_kind cachette__envelope_layer;

#endif
