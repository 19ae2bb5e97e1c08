/* SPDX-License-Identifier: MIT */
/*
 * Encodes commands of the Redis protocol: arrays of bulk strings.
 *
 * Each function appends one command to `output`, unless it says otherwise. If out of memory, it
 * returns false; then the caller must drop what was appended, as a part of the command may be
 * there.
 */
#ifndef CACHETTE_REDIS_WRITER_H
#define CACHETTE_REDIS_WRITER_H

#include "../../base/buffer.h"
#include "cachette.h"

/* The key of an entry on the server: `prefix` followed by `key`. */
typedef struct cachette__redis_key {
  cachette_slice prefix, key;
} cachette__redis_key;

bool cachette__redis_get(cachette__buffer *output, cachette__redis_key key);
bool cachette__redis_pttl(cachette__buffer *output, cachette__redis_key key);
bool cachette__redis_exists(cachette__buffer *output, cachette__redis_key key);
bool cachette__redis_pexpire(cachette__buffer *output, cachette__redis_key key, int64_t ttl_ms);

/* SET with PX; with NX too if `if_absent`. */
bool cachette__redis_set(cachette__buffer *output, cachette__redis_key key, cachette_slice value,
                         int64_t ttl_ms, bool if_absent);

/*
 * Creates a counter if it does not exist, then increments it, in one transaction. Else the counter
 * could expire between the two commands, and INCRBY would create one that never expires. There are
 * four replies: to MULTI, SET, INCRBY and EXEC; the last contains the results of SET and INCRBY.
 */
bool cachette__redis_increment(cachette__buffer *output, cachette__redis_key key, int64_t amount,
                               int64_t ttl_ms);

bool cachette__redis_incrby(cachette__buffer *output, cachette__redis_key key, int64_t amount);

/* UNLINK; DEL if `legacy`, for old servers. */
bool cachette__redis_unlink(cachette__buffer *output, cachette__redis_key key, bool legacy);

/* SCAN for keys that match the pattern, about 1000 at a time. */
bool cachette__redis_scan(cachette__buffer *output, cachette_slice cursor, cachette_slice pattern);

/* Any other command: its name and arguments. */
bool cachette__redis_words(cachette__buffer *output, const cachette_slice *words, size_t count);

/* Appends the head of a command of `count` words and the first word. Append the others with
 * cachette__redis_bulk(). */
bool cachette__redis_head(cachette__buffer *output, size_t count, cachette_slice word);
bool cachette__redis_bulk(cachette__buffer *output, cachette_slice word);

/* Writes the head of a bulk string to `at`, at most 24 bytes. Returns its end. */
char *cachette__redis_bulk_head(char *at, size_t size);

/* Appends the pattern for all keys that start with the three texts, one after another. Special
 * characters in them are escaped. */
bool cachette__redis_pattern(cachette__buffer *output, cachette_slice first, cachette_slice second,
                             cachette_slice third);

#endif
