/* SPDX-License-Identifier: MIT */
/* TLS settings from the options tls_*, for stores that speak TLS over src/net. */
#ifndef CACHETTE_STORE_SECURE_H
#define CACHETTE_STORE_SECURE_H

#include "../../config/options.h"
#include "../../net/tls.h"

/* Reads the files that the options name. Free `*tls` with cachette__tls_free(). Errors: as
 * cachette__tls_new(). */
int cachette__store_secure(const cachette_options *options, cachette__tls **tls,
                           cachette_error *error);

#endif
