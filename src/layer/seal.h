/* SPDX-License-Identifier: MIT */
/*
 * The envelope that a value is stored in when it is signed or may be compressed.
 *
 *     0  C1 63 68      magic: C1 begins neither UTF-8 nor what any codec writes
 *     3  01            version
 *     4  flags         1: signed; 2: compressed by zlib; 4: by zstd; the others are 0
 *     5  size          of the value, 8 bytes, the least significant first
 *    13  signature     32 bytes, if signed
 *        payload       the value, compressed or not
 *
 * The signature is HMAC-SHA256 (RFC 2104) over the entry's key and the codec's name, each behind
 * its size in 8 bytes, then the 13 bytes of the head, then the payload. So a value cannot be moved
 * to another key, nor be read by another codec. That it must be there is the configuration's word,
 * not the data's: a flag that is missing is a signature that is missing.
 */
#ifndef CACHETTE_LAYER_SEAL_H
#define CACHETTE_LAYER_SEAL_H

#include "../config/options.h"

enum {
  CACHETTE__SEAL_SECRET_LEAST = 16 /* bytes of a key that signs */
};

typedef struct cachette__seal cachette__seal;

/* Whether the options ask for envelopes at all. */
bool cachette__seal_wanted(const cachette_options *options);

/* Looks for faults in the options that concern envelopes: ECONFIG. */
int cachette__seal_check(const cachette_options *options, cachette_error *error);

/* Errors: ENOMEM, EBACKEND (OpenSSL refuses). */
int cachette__seal_new(const cachette_options *options, cachette__seal **seal,
                       cachette_error *error);
void cachette__seal_free(cachette__seal *seal);

/* Whether values are signed. */
bool cachette__seal_signs(const cachette__seal *seal);

/* Bytes of the envelope of a value of `size` bytes, at most. */
size_t cachette__seal_most(size_t size);

/*
 * Writes the envelope of a value to `envelope`, which has cachette__seal_most() bytes of room.
 * Returns how many bytes it has; 0: out of memory.
 */
size_t cachette__seal_close(cachette__seal *seal, cachette_slice key, cachette_slice value,
                            unsigned char *envelope);

/* What is in an envelope, before it is taken out. */
typedef struct cachette__sealed {
  size_t size; /* of the value */
  cachette_slice payload;
  unsigned flags;
} cachette__sealed;

/*
 * Looks into what was stored under a key, and checks its signature. Fills `sealed`, which points
 * into `stored`. Errors: ECODEC (not an envelope, or not ours; `reason` says which, in words that
 * follow on "The value of ..."); ENOMEM.
 */
int cachette__seal_open(cachette__seal *seal, cachette_slice key, cachette_slice stored,
                        cachette__sealed *sealed, const char **reason);

/* Takes the value out to a place of `sealed->size` bytes. Errors: ECODEC (it is damaged), ENOMEM.
 */
int cachette__seal_take(cachette__seal *seal, const cachette__sealed *sealed, void *place,
                        const char **reason);

#endif
