/* SPDX-License-Identifier: MIT */
/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; one round per word
 * and three at the end): a hash whose collisions cannot be found without its key. */
#ifndef CACHETTE_SIPHASH_H
#define CACHETTE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t cachette__siphash13(const uint64_t key[2], const void *data, size_t size);

#endif
