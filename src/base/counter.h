/* SPDX-License-Identifier: MIT */
/* Counters are stored as the decimal digits of a signed 64-bit number, such as "-12". */
#ifndef CACHETTE_COUNTER_H
#define CACHETTE_COUNTER_H

#include "cachette.h"

enum { CACHETTE__COUNTER_DIGITS = 20 }; /* maximum size in bytes */

/*
 * Adds the item's `amount` to a counter, and sets `amount` to the sum.
 *   value   the stored counter
 *   digits  filled with the sum to store; not NUL-terminated
 *   size    set to the number of digits
 * Errors: ECODEC (`value` is not a counter), EINVAL (the sum exceeds 64 bits). On an error nothing
 * is changed, and `error` is filled.
 */
int cachette__counter_add(cachette_item *item, cachette_slice value,
                          char digits[CACHETTE__COUNTER_DIGITS], size_t *size,
                          cachette_error *error);

/* These fill `error` and return ECODEC or EINVAL as above, for stores whose server increments. */
int cachette__counter_fail_value(cachette_slice key, cachette_error *error);
int cachette__counter_fail_range(cachette_slice key, cachette_error *error);

/* Parses a counter. Returns false unless `value` is exactly what cachette__counter_add() writes:
 * no leading zeros, no spaces. */
bool cachette__counter_read(cachette_slice value, int64_t *number);

/* Returns whether `value` is a counter as servers return it. It may end in spaces, because
 * memcached pads a counter that became shorter. */
bool cachette__is_counter(cachette_slice value);

#endif
