/* SPDX-License-Identifier: MIT */
/*
 * The envelopes that Cachette 1.0 wrote. They are read, and no longer written.
 *
 *     0  C1 63 68      magic
 *     3  01            version
 *     4  flags         1: signed; 2: compressed by zlib; 4: by zstd; the others are 0
 *     5  size          of the value, 8 bytes, the lowest first
 *    13  signature     32 bytes, if signed; it covers the 13 bytes before it and the payload
 *        payload       the value, compressed or not
 *
 * A signature of one version never fits an envelope of another: it covers the version.
 */
#ifndef CACHETTE_LAYER_ENVELOPE_VERSION1_H
#define CACHETTE_LAYER_ENVELOPE_VERSION1_H

#include "compression.h"
#include "fields.h"

/* Finds the signature. The payload is `parts[1]`. False: the envelope is damaged. */
bool cachette__version1_split(cachette_slice stored, cachette__signed_parts *envelope);

/* Reads what the head says of the payload. */
enum cachette__fields_status cachette__version1_read(const cachette__signed_parts *envelope,
                                                     cachette__compressed *compressed);

#endif
