/* SPDX-License-Identifier: MIT */
/* What a path must be like. */
#ifndef CACHETTE_NAMES_H
#define CACHETTE_NAMES_H

#include "../config/options.h"

/*
 * Looks at the options of the `pickle` backend. Errors: ECONFIG, with a message
 * that says what is allowed; ENOMEM.
 */
int cachette__names_check(const cachette_options *options, cachette_error *error);

#endif
