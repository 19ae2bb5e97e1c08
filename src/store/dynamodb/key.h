/* SPDX-License-Identifier: MIT */
/*
 * Keys as DynamoDB takes them: UTF-8 of at most 2,048 bytes. Any other is stored as its head, `~`
 * and the SHA-256 of the whole in hex; the whole stands beside it, as bytes in the attribute `raw`.
 */
#ifndef CACHETTE_STORE_DYNAMODB_KEY_H
#define CACHETTE_STORE_DYNAMODB_KEY_H

#include "cachette.h"

enum { CACHETTE__DYNAMO_KEY = 2048 };

typedef struct cachette__dynamo_key {
  cachette_slice text; /* as it is stored */
  cachette_slice raw;  /* the whole, if it is stored in another form; else empty */
} cachette__dynamo_key;

/* Bytes that cachette__dynamo_key_make() needs for it, at most. */
size_t cachette__dynamo_key_room(cachette_slice prefix, cachette_slice key);

/*
 * Makes the stored form of prefix and key together in `at`. Returns where the rest of the room
 * begins; NULL: out of memory.
 */
char *cachette__dynamo_key_make(cachette_slice prefix, cachette_slice key, char *at,
                                cachette__dynamo_key *made);

/* How many bytes of it are well-formed UTF-8 and no NUL, up to the first that is not. */
size_t cachette__dynamo_key_valid(const char *bytes, size_t size);

/* The longest head that every stored form keeps, whatever the rest of its key. */
enum { CACHETTE__DYNAMO_HEAD = CACHETTE__DYNAMO_KEY - 65 };

#endif
