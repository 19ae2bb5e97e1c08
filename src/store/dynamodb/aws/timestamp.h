/* SPDX-License-Identifier: MIT */
/* Times in the formats of AWS and its tools. */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_TIMESTAMP_H
#define CACHETTE_STORE_DYNAMODB_AWS_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Reads a time such as "2030-01-31T12:34:56Z", "2030-01-31T12:34:56.789+02:00" or "2030-01-31
 * 12:34:56UTC". The default time zone is UTC. Returns milliseconds since the epoch; 0 if it is not
 * a time.
 */
int64_t cachette__timestamp_read(const char *text);

#endif
