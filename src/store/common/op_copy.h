/* SPDX-License-Identifier: MIT */
/*
 * The copy of an op that a job works on. The job runs on another thread, and its op may be
 * completed or cancelled meanwhile, so the job never accesses the op itself:
 *
 *     handle's thread   init                                  deliver -> the op's results
 *     pool thread              reads the items, sets results
 *
 * The copy is a member of the store's job struct. One allocation contains the job, the items, and
 * the bytes of their keys and values:
 *
 *     | job, with the copy | items[0] items[1] ... | key 0 | value 0 | key 1 | ... |
 */
#ifndef CACHETTE_STORE_OP_COPY_H
#define CACHETTE_STORE_OP_COPY_H

#include "../../base/error.h"
#include "../../base/op.h"

typedef struct cachette__item_copy {
  cachette_slice key;   /* with the prefix; clear_namespace: the prefix of the keys to clear */
  cachette_slice value; /* put: the new value */
  int64_t ttl_ms;       /* put, touch, increment: the new TTL; fetch: the remaining TTL */
  int64_t amount, sum;  /* increment: the amount to add, and the result */
  int status;
  bool retry;  /* for the store's use: try this item again */
  void *found; /* fetch: the value, owned; NULL on a miss */
  size_t found_size;
} cachette__item_copy;

typedef struct cachette__op_copy {
  cachette_op *original; /* used by the handle's thread only; NULL: detached */
  enum cachette_verb verb;
  unsigned flags;
  size_t prefix_size; /* bytes of the prefix in each key */
  int64_t number;
  int code;             /* 0, or the error of the whole op */
  cachette_error error; /* the reason for the failure of the op, or of the last item that failed */
  size_t count;
  cachette__item_copy *items;
} cachette__op_copy;

/* Returns whether a verb only reads. */
static inline bool cachette__is_read(enum cachette_verb verb) {
  return verb == CACHETTE_FETCH || verb == CACHETTE_EXISTS || verb == CACHETTE_PING;
}

/* Returns the bytes that the items of a copy need. Each key gets the prefix. */
size_t cachette__op_copy_size(const cachette_op *op, const char *prefix);

/* Copies an op. `memory` must have cachette__op_copy_size() bytes, and stays the caller's. */
void cachette__op_copy_init(cachette__op_copy *copy, cachette_op *op, const char *prefix,
                            void *memory);

/* Frees the fetched values. */
void cachette__op_copy_deinit(cachette__op_copy *copy);

/*
 * Copies the results to the op. Handle's thread. Returns the op, which the caller must complete
 * with the copy's code after it has freed the job; NULL if the op was detached.
 */
cachette_op *cachette__op_copy_deliver(const cachette__op_copy *copy);

/* Fails the whole op with ENOMEM. */
void cachette__op_copy_fail_memory(cachette__op_copy *copy);

/* Returns the key of an item without the prefix, as the caller knows it. */
cachette_slice cachette__op_copy_key(const cachette__op_copy *copy,
                                     const cachette__item_copy *item);

/* Copies a fetched value to its item. If out of memory, the item fails with ENOMEM. */
void cachette__op_copy_found(cachette__op_copy *copy, cachette__item_copy *item,
                             cachette_slice value);

#endif
