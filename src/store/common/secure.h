/* SPDX-License-Identifier: MIT */
/* TLS settings from the options tls_*, for stores that speak TLS over src/net. */
#ifndef CACHETTE_STORE_SECURE_H
#define CACHETTE_STORE_SECURE_H

#include "../../config/options.h"
#include "../../net/tls.h"

/* Reads the files that the options name. Free `*tls` with cachette__tls_free(). Errors: as
 * cachette__tls_new(). */
int cachette__store_tls_new(const cachette_options *options, cachette__tls **tls,
                            cachette_error *error);

/*
 * For a connection that is not encrypted: warns of a file for TLS that is given all the same.
 *   remedy  how to encrypt the connection, as a sentence without its end
 * Returns whether there is such a file.
 */
bool cachette__store_warn_unused_tls(const cachette_options *options, const char *remedy,
                                     cachette_error *warning);

#endif
