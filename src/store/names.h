/* SPDX-License-Identifier: MIT */
/* What names, regions and paths must be like, of backends whose own rules are known here. */
#ifndef CACHETTE_NAMES_H
#define CACHETTE_NAMES_H

#include "../config/options.h"

/*
 * Looks at the options of the `dynamodb` and `pickle` backends. Errors: ECONFIG, with a message
 * that says what is allowed; ENOMEM.
 */
int cachette__names_check(const cachette_options *options, cachette_error *error);

#endif
