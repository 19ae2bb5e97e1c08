/* SPDX-License-Identifier: MIT */
/*
 * The layer that signs and compresses values: it stores them in envelopes.
 *
 * A put goes down with items of the layer's own, whose values are the envelopes. A fetch goes down
 * with items of its own too, so that the store allocates memory for the envelopes; when it comes
 * back, the layer writes each value to the caller's buffer. All other ops pass.
 *
 *     envelope.c       the layer
 *     wrap.c           a value to an envelope, and back, as the options ask
 *     fields.c         the bytes of an envelope
 *     version1.c       the bytes of envelopes that Cachette 1.0 wrote
 *     compression.c    zlib and zstd
 *     signature.c      HMAC-SHA256
 */
#ifndef CACHETTE_LAYER_ENVELOPE_ENVELOPE_H
#define CACHETTE_LAYER_ENVELOPE_ENVELOPE_H

#include "../layer.h"

extern const cachette__layer_kind cachette__envelope_layer;

#endif
