/* SPDX-License-Identifier: MIT */
/*
 * Keys as DynamoDB accepts them: UTF-8 of at most 2,048 bytes. Any other key is stored as its head,
 * `~` and the SHA-256 of the full key in hex; the attribute `raw` contains the full key as bytes.
 */
#ifndef CACHETTE_STORE_DYNAMODB_KEY_H
#define CACHETTE_STORE_DYNAMODB_KEY_H

#include "cachette.h"

enum { CACHETTE__DYNAMO_KEY_MAX = 2048 };

typedef struct cachette__dynamo_key {
  cachette_slice text; /* the stored form */
  cachette_slice raw;  /* the full key, if the stored form differs; else empty */
} cachette__dynamo_key;

/* The maximum number of bytes that cachette__dynamo_key_make() writes. */
size_t cachette__dynamo_key_capacity(cachette_slice prefix, cachette_slice key);

/*
 * Writes the stored form of prefix and key to `at`. `result` points into these bytes. Returns their
 * end; NULL: out of memory.
 */
char *cachette__dynamo_key_make(cachette_slice prefix, cachette_slice key, char *at,
                                cachette__dynamo_key *result);

/* Returns how many bytes at the start are well-formed UTF-8 without NUL. */
size_t cachette__dynamo_valid_utf8(const char *bytes, size_t size);

/* Bytes of a head that the stored form of every key retains. */
enum { CACHETTE__DYNAMO_HEAD_MAX = CACHETTE__DYNAMO_KEY_MAX - 65 };

#endif
