/* SPDX-License-Identifier: MIT */
/* Counters as they are stored: a decimal number of 64 bits, with a minus sign if it is below zero.
 */
#ifndef CACHETTE_COUNTER_H
#define CACHETTE_COUNTER_H

#include "cachette.h"

enum { CACHETTE__COUNTER_DIGITS = 20 }; /* bytes in a counter, at most */

/*
 * Adds the item's `amount` to the counter that a value holds, and sets `amount` to what it is then.
 *   digits   filled with the new value, of which `size` becomes the number of bytes
 * Errors: ECODEC (the value is no counter), EINVAL (more than 64 bits); nothing is changed then.
 */
int cachette__counter_add(cachette_item *item, cachette_slice value,
                          char digits[CACHETTE__COUNTER_DIGITS], size_t *size,
                          cachette_error *error);

/* The errors of it, for stores whose server does the sum. */
int cachette__counter_fail_value(cachette_slice key, cachette_error *error);
int cachette__counter_fail_range(cachette_slice key, cachette_error *error);

/* The number that a value holds. False: none, or not as cachette__counter_add() writes it. */
bool cachette__counter_read(cachette_slice value, int64_t *number);

/* Whether a value is a counter as a server gives it back: memcached keeps the length of one that
 * became shorter, and fills it up with blanks. */
bool cachette__is_counter(cachette_slice value);

#endif
