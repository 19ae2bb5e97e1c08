/* SPDX-License-Identifier: MIT */
/*
 * Commands as a Redis server reads them: an array of bulk strings.
 *
 * Each call appends one command, whole or not at all, and answers false when out of memory.
 */
#ifndef CACHETTE_REDIS_WRITER_H
#define CACHETTE_REDIS_WRITER_H

#include "../../base/buffer.h"
#include "cachette.h"

/* A key as the server knows it: what stands before every key, and the key. */
typedef struct cachette__redis_key {
  cachette_slice prefix, key;
} cachette__redis_key;

bool cachette__redis_get(cachette__buffer *output, cachette__redis_key key);
bool cachette__redis_pttl(cachette__buffer *output, cachette__redis_key key);
bool cachette__redis_exists(cachette__buffer *output, cachette__redis_key key);
bool cachette__redis_pexpire(cachette__buffer *output, cachette__redis_key key, int64_t ttl_ms);

/* SET with PX; `if_absent`: and NX. */
bool cachette__redis_set(cachette__buffer *output, cachette__redis_key key, cachette_slice value,
                         int64_t ttl_ms, bool if_absent);

/*
 * INCRBY of a counter that is made before if there is none, in one transaction: the counter could
 * end between two commands, and the second would make one that never ends. It has four replies: to
 * MULTI, SET, INCRBY, and EXEC, which holds what came of the two.
 */
bool cachette__redis_increment(cachette__buffer *output, cachette__redis_key key, int64_t amount,
                               int64_t ttl_ms);

bool cachette__redis_incrby(cachette__buffer *output, cachette__redis_key key, int64_t amount);

/* UNLINK, or DEL for a server that is too `old`. */
bool cachette__redis_unlink(cachette__buffer *output, cachette__redis_key key, bool legacy);

/* SCAN of the keys that match, about a thousand at a time. */
bool cachette__redis_scan(cachette__buffer *output, cachette_slice cursor, cachette_slice pattern);

/* Any other command, of up to eight words. */
bool cachette__redis_words(cachette__buffer *output, const cachette_slice *words, size_t count);

/* The head of a command of `count` words, the first of which is `word`; the others follow by
 * ..._bulk(). */
bool cachette__redis_head(cachette__buffer *output, size_t count, cachette_slice word);
bool cachette__redis_bulk(cachette__buffer *output, cachette_slice word);

/* Writes the head of a bulk string, at most 24 bytes; returns the place behind it. */
char *cachette__redis_bulk_head(char *at, size_t size);

/*
 * The pattern of all keys that begin with the texts, one behind the other, whatever characters are
 * in them.
 */
bool cachette__redis_pattern(cachette__buffer *output, cachette_slice first, cachette_slice second,
                             cachette_slice third);

#endif
