/* SPDX-License-Identifier: MIT */
/*
 * Handles with different options on one in-memory store, and the bytes that are stored there. A
 * test program keeps one handle open for as long as the store must live.
 */
#ifndef CACHETTE_TESTS_STORED_H
#define CACHETTE_TESTS_STORED_H

#include "support.h"

#define SECRET "0123456789abcdef-first"

/* Opens the store with up to two options; NULL: with none. */
cachette *open_with(const char *name, const char *value, const char *second,
                    const char *second_value);
cachette *open_plain(void);

/* The bytes that are stored under a key. The caller frees them. */
cachette_slice stored(const char *key);

/* Stores bytes as they are. */
void store(const char *key, const void *bytes, size_t size);

/* Puts and fetches through a handle. `words` must be in the message of the error. */
void put_bytes(cachette *handle, const char *key, const void *bytes, size_t size);
void expect_bytes(cachette *handle, const char *key, const void *bytes, size_t size);
void expect_refused(cachette *handle, const char *key, const char *words);

#endif
