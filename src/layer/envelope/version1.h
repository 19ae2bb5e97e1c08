/* SPDX-License-Identifier: MIT */
/*
 * The envelopes that Cachette 1.0 wrote. They are only read.
 *
 *     0  C1 63 68      magic
 *     3  01            version
 *     4  flags         1: signed; 2: compressed by zlib; 4: by zstd; other bits are 0
 *     5  size          of the value, 8 bytes, lowest first
 *    13  signature     32 bytes, if signed; it covers the 13 bytes before it and the payload
 *        payload       the value, compressed or not
 *
 * A signature covers the version, so it is not valid for an envelope of another version.
 */
#ifndef CACHETTE_LAYER_ENVELOPE_VERSION1_H
#define CACHETTE_LAYER_ENVELOPE_VERSION1_H

#include "compression.h"
#include "fields.h"

/* Splits an envelope. `parts[1]` is the payload. False: the envelope is damaged. */
bool cachette__version1_split(cachette_slice stored, cachette__signed_parts *envelope);

/* Parses the head of a split envelope. */
enum cachette__fields_status cachette__version1_read(const cachette__signed_parts *envelope,
                                                     cachette__compressed *compressed);

#endif
