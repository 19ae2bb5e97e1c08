/* SPDX-License-Identifier: MIT */
/* What names, regions and URLs must be like, of the `dynamodb` backend. */
#ifndef CACHETTE_NAMES_H
#define CACHETTE_NAMES_H

#include "../config/options.h"

/*
 * Checks the options of the `dynamodb` backend. Errors: ECONFIG, with a message that says what is
 * allowed; ENOMEM.
 */
int cachette__names_check(const cachette_options *options, cachette_error *error);

#endif
