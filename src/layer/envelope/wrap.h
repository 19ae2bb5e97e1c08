/* SPDX-License-Identifier: MIT */
/*
 * Puts values into envelopes, and takes them out: compression and signature together, as the
 * options ask for them.
 *
 * The options decide whether a value must be signed, never the stored bytes: with a `secret` an
 * envelope without a signature is refused.
 */
#ifndef CACHETTE_LAYER_ENVELOPE_WRAP_H
#define CACHETTE_LAYER_ENVELOPE_WRAP_H

#include "../../config/options.h"
#include "compression.h"

enum {
  CACHETTE__SECRET_KEY_MIN = 16 /* bytes of a key that signs */
};

typedef struct cachette__wrapper cachette__wrapper;

/* Whether the options ask for envelopes at all. */
bool cachette__wrapper_wanted(const cachette_options *options);

/* Checks the options that concern envelopes. Errors: ECONFIG. */
int cachette__wrapper_check(const cachette_options *options, cachette_error *error);

/* Errors: ENOMEM. */
int cachette__wrapper_new(const cachette_options *options, cachette__wrapper **wrapper,
                          cachette_error *error);
void cachette__wrapper_free(cachette__wrapper *wrapper);

/* Whether values are signed. */
bool cachette__wrapper_signs(const cachette__wrapper *wrapper);

/* Bytes of the envelope of a value of `size` bytes, at most. */
size_t cachette__wrapped_size_max(size_t size);

/*
 * Writes the envelope of a value to a buffer of cachette__wrapped_size_max() bytes. Returns the
 * size of the envelope; 0: out of memory.
 */
size_t cachette__wrapper_wrap(cachette__wrapper *wrapper, cachette_slice key, cachette_slice value,
                              unsigned char *buffer);

/*
 * Checks what is stored under a key. Fills `value`, which points into `stored`; its size is
 * plausible, so memory may be allocated for it. Errors: ECODEC (`reason` continues the sentence
 * "The value of ..."), ENOMEM.
 */
int cachette__wrapper_open(cachette__wrapper *wrapper, cachette_slice key, cachette_slice stored,
                           cachette__compressed *value, const char **reason);

/* Writes the value to a buffer of `value->size` bytes. Errors: ECODEC (it is damaged), ENOMEM. */
int cachette__wrapper_extract(cachette__wrapper *wrapper, const cachette__compressed *value,
                              void *buffer, const char **reason);

#endif
