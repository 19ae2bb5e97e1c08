/* SPDX-License-Identifier: MIT */
/* The options tls_*, for stores that use TLS over src/net. */
#ifndef CACHETTE_STORE_SECURE_H
#define CACHETTE_STORE_SECURE_H

#include "../../config/options.h"
#include "../../net/tls.h"

/* Creates a TLS context from the files that the options name. Free `*tls` with
 * cachette__tls_free(). Errors: as cachette__tls_new(). */
int cachette__store_tls_new(const cachette_options *options, cachette__tls **tls,
                            cachette_error *error);

/*
 * Warns if a TLS file is given although the connection is not encrypted. `remedy` says how to
 * encrypt it; it is the start of a sentence ("Set ... to true"). Returns true and fills `warning`
 * if there is such a file.
 */
bool cachette__store_warn_unused_tls(const cachette_options *options, const char *remedy,
                                     cachette_error *warning);

#endif
