/* SPDX-License-Identifier: MIT */
/*
 * The layer that signs and compresses: values go down in envelopes (seal.h) and come up out of
 * them.
 *
 * A fetch goes down with items of the layer's own, so that what is stored comes to memory of its
 * own; when it is back, each value is taken out to the place that the caller wants it in. A put
 * goes down with items whose values are envelopes. Everything else passes.
 */
#ifndef CACHETTE_LAYER_ENVELOPE_H
#define CACHETTE_LAYER_ENVELOPE_H

#include "../store/store.h"

/* Puts the layer above a store if the options ask for it. On failure the store is closed. Errors:
 * ENOMEM, EBACKEND. */
int cachette__envelope_wrap(const cachette__store_context *context, cachette__store **store,
                            cachette_error *error);

#endif
