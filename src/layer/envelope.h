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

#include "layer.h"

extern const cachette__layer_kind cachette__envelope_layer;

#endif
