/* SPDX-License-Identifier: MIT */
/*
 * The copy of an op that a job works on. The job runs on another thread, and its op may be
 * completed or cancelled meanwhile, so the job never touches the op itself:
 *
 *     handle's thread   init                                  give -> the op's results
 *     a thread                 reads the items, sets results
 *
 * The copy is part of the store's job. The items lie behind the job in the same allocation, and
 * behind them the bytes of their keys and values:
 *
 *     | job, with the copy | items[0] items[1] ... | key 0 | value 0 | key 1 | ... |
 */
#ifndef CACHETTE_STORE_OP_COPY_H
#define CACHETTE_STORE_OP_COPY_H

#include "../../base/error.h"
#include "../../base/op.h"

typedef struct cachette__item_copy {
  cachette_slice key;   /* with the prefix; clear_namespace: what the keys to clear begin with */
  cachette_slice value; /* put: the new value */
  int64_t ttl_ms;       /* put, touch, increment: the time to live; fetch: the time left */
  int64_t amount, sum;  /* increment: what to add, and the counter after that */
  int status;
  bool retry;  /* for the store's use: this item has to be tried again */
  void *found; /* fetch: the value, allocated; NULL on a miss */
  size_t found_size;
} cachette__item_copy;

typedef struct cachette__op_copy {
  cachette_op *original; /* for the handle's thread alone; NULL: detached, nobody waits any more */
  enum cachette_verb verb;
  unsigned flags;
  size_t prefix_size; /* bytes of each key that the caller does not know of */
  int64_t number;
  int code;             /* the error that the whole op fails with, or 0 */
  cachette_error error; /* why the op failed, or the last of its items that did */
  size_t count;
  cachette__item_copy *items;
} cachette__op_copy;

/* Whether a verb changes no entry. */
static inline bool cachette__is_read(enum cachette_verb verb) {
  return verb == CACHETTE_FETCH || verb == CACHETTE_EXISTS || verb == CACHETTE_PING;
}

/* Bytes that the items of a copy take. `prefix` goes before each key. */
size_t cachette__op_copy_size(const cachette_op *op, const char *prefix);

/* Copies an op. `memory` has space for its items; see cachette__op_copy_size(). */
void cachette__op_copy_init(cachette__op_copy *copy, cachette_op *op, const char *prefix,
                            void *memory);

/* Frees the values that were found. */
void cachette__op_copy_deinit(cachette__op_copy *copy);

/*
 * Gives the results to the op. Handle's thread. Returns the op, which the caller completes with
 * the copy's code once the job is freed; NULL: the op was detached.
 */
cachette_op *cachette__op_copy_deliver(const cachette__op_copy *copy);

/* Fails the whole op with ENOMEM. */
void cachette__op_copy_fail_memory(cachette__op_copy *copy);

/* The key as the caller knows it: without the prefix. */
cachette_slice cachette__op_copy_key(const cachette__op_copy *copy,
                                     const cachette__item_copy *item);

/* Copies a value that was found into its item. Out of memory: the item fails. */
void cachette__op_copy_found(cachette__op_copy *copy, cachette__item_copy *item,
                             cachette_slice value);

#endif
