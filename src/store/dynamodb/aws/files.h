/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes small files. The calls block, but the files are local, so no call waits for a
 * network.
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_FILES_H
#define CACHETTE_STORE_DYNAMODB_AWS_FILES_H

#include "cachette.h"

/*
 * Reads a whole regular file and appends a NUL. Returns the bytes, which the caller frees, and sets
 * `size`. NULL: failed, with `errno` set (ENOMEM; EFBIG: over 1 MB).
 */
char *cachette__aws_read_file(const char *path, size_t *size);

/* Replaces a file atomically; only its owner may read it. Returns 0 or an errno. */
int cachette__aws_write_file(const char *path, const char *bytes, size_t size);

#endif
