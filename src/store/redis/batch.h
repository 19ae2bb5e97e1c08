/* SPDX-License-Identifier: MIT */
/*
 * Keys with the same beginning on one server: SCAN finds some of them, UNLINK deletes these, and so
 * on. This file encodes the commands and parses the replies; clear.c sends them.
 */
#ifndef CACHETTE_REDIS_BATCH_H
#define CACHETTE_REDIS_BATCH_H

#include "internal.h"

typedef struct cachette__redis_batch {
  bool unlinking; /* the commands in flight are UNLINK; else SCAN */
  bool each;      /* they are one a key */
  bool legacy;    /* DEL instead of UNLINK */
  bool refused;   /* the server refused UNLINK: resend the same keys with DEL */
  bool in_keys;   /* parsing the reply to SCAN: after the cursor */
  bool in_key;    /* and within a key */
  char cursor[24];
  size_t cursor_size;
  cachette__buffer pattern, keys; /* keys: as bulk strings, ready to send */
  size_t key_count;
  size_t key_start;         /* the offset in `keys` of the key being received */
  size_t replied;           /* how many replies to UNLINK are complete */
  int64_t removed;          /* keys, since the caller last set it to 0 */
  cachette__buffer foreign; /* which keys were redirected: their indexes, each a size_t */
  int code;                 /* 0, or the error to fail with when the reply is complete */
  char message[256];
} cachette__redis_batch;

/* Starts to look for the keys that start with the three texts, one after another. Returns false if
 * out of memory. */
bool cachette__redis_batch_start(cachette__redis_batch *self, cachette_slice first,
                                 cachette_slice second, cachette_slice third);

/* Forgets the keys of this batch. The next command is the SCAN for more of them. */
void cachette__redis_batch_begin(cachette__redis_batch *self);

/* Returns whether SCAN has listed all keys. */
bool cachette__redis_batch_is_last(const cachette__redis_batch *self);

/* Encodes the next commands. `each`: one UNLINK a key. Returns their number; 0: out of memory. */
size_t cachette__redis_batch_encode(cachette__redis_batch *self, const cachette__redis_node *node,
                                    cachette__buffer *output, bool each);

/* Takes a token of a reply other than an error. Returns false if it does not match the command. */
bool cachette__redis_batch_take(cachette__redis_batch *self, const cachette__resp_token *token);

/* Notes that the key whose reply came is on another server; all of them if there is one reply. */
void cachette__redis_batch_note_foreign(cachette__redis_batch *self);

/* Returns the number of keys on other servers. */
size_t cachette__redis_batch_count_foreign(const cachette__redis_batch *self);

/* Sets the keys of as many items to these keys, without their first `prefix` bytes. The slices are
 * valid until the next batch begins. */
void cachette__redis_batch_list_foreign(const cachette__redis_batch *self, cachette_item *items,
                                        size_t prefix);

/* Fails when the reply is complete. Keeps the first error. */
void cachette__redis_batch_fail(cachette__redis_batch *self, int code, const char *message);

void cachette__redis_batch_deinit(cachette__redis_batch *self);

#endif
