/* SPDX-License-Identifier: MIT */
/*
 * Handles with different options that share one in-memory store, and access to the stored bytes. A
 * test program keeps one handle open as long as it needs the store.
 */
#ifndef CACHETTE_TESTS_STORED_H
#define CACHETTE_TESTS_STORED_H

#include "support.h"

#define SECRET "0123456789abcdef-first"

/* Opens a handle with up to two options. A name that is NULL stands for none. */
cachette *open_with(const char *name, const char *value, const char *second,
                    const char *second_value);

/* Opens a handle without options. */
cachette *open_plain(void);

/* Returns the bytes that are stored under a key. The caller frees them. */
cachette_slice stored(const char *key);

/* Stores bytes unchanged. */
void store(const char *key, const void *bytes, size_t size);

/* Puts bytes through a handle. */
void put_bytes(cachette *handle, const char *key, const void *bytes, size_t size);

/* Checks that a fetch through the handle returns these bytes. */
void expect_bytes(cachette *handle, const char *key, const void *bytes, size_t size);

/* Checks that a fetch fails with ECODEC and a message that contains `words`. */
void expect_refused(cachette *handle, const char *key, const char *words);

#endif
