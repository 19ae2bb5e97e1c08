/* SPDX-License-Identifier: MIT */
/*
 * Wraps values in envelopes and unwraps them: compresses and signs them as the options say.
 *
 * The options decide whether a value must be signed, never the stored bytes: if there is a
 * `secret`, an envelope without a signature is refused.
 */
#ifndef CACHETTE_LAYER_ENVELOPE_WRAP_H
#define CACHETTE_LAYER_ENVELOPE_WRAP_H

#include "../../config/options.h"
#include "compression.h"

enum {
  CACHETTE__SECRET_KEY_MIN = 16 /* minimum bytes of each key in `secret` */
};

typedef struct cachette__wrapper cachette__wrapper;

/* Returns whether the options enable compression or signatures. */
bool cachette__wrapper_wanted(const cachette_options *options);

/* Checks the option `secret`. Errors: ECONFIG. */
int cachette__wrapper_check(const cachette_options *options, cachette_error *error);

/* Errors: ENOMEM. */
int cachette__wrapper_new(const cachette_options *options, cachette__wrapper **wrapper,
                          cachette_error *error);
/* NULL is allowed. */
void cachette__wrapper_free(cachette__wrapper *wrapper);

/* Returns whether values are signed. */
bool cachette__wrapper_signs(const cachette__wrapper *wrapper);

/* Returns the maximum size of the envelope of a value of `size` bytes. */
size_t cachette__wrapped_size_max(size_t size);

/*
 * Writes the envelope of a value to a buffer of cachette__wrapped_size_max(value.size) bytes.
 * Returns the size of the envelope; 0: out of memory.
 */
size_t cachette__wrapper_wrap(cachette__wrapper *wrapper, cachette_slice key, cachette_slice value,
                              unsigned char *buffer);

/*
 * Checks the bytes stored under a key, and fills `value`, whose payload points into `stored`. Its
 * size is plausible, so it is safe to allocate memory for it. Errors: ECODEC (`reason` completes
 * the sentence "The value of KEY ..."; static), ENOMEM.
 */
int cachette__wrapper_open(cachette__wrapper *wrapper, cachette_slice key, cachette_slice stored,
                           cachette__compressed *value, const char **reason);

/* Writes the value to a buffer of `value->size` bytes. Errors: ECODEC (it is damaged; `reason` is
 * set as above), ENOMEM. */
int cachette__wrapper_extract(cachette__wrapper *wrapper, const cachette__compressed *value,
                              void *buffer, const char **reason);

#endif
