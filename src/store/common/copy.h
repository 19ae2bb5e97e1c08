/* SPDX-License-Identifier: MIT */
/*
 * The items of an op, copied for a job that works on another thread: the op may end above
 * meanwhile.
 *
 * The copies lie at the end of the job's own memory, and behind them the bytes of keys and values:
 *
 *     | job ... items[0] items[1] ... | key 0 | value 0 | key 1 | ... |
 */
#ifndef CACHETTE_STORE_COPY_H
#define CACHETTE_STORE_COPY_H

#include "../../base/op.h"

/* An item of a job, and what became of it. */
typedef struct cachette__copy {
  cachette_slice key;   /* with the prefix; of a namespace: what its keys begin with */
  cachette_slice value; /* put: what is put */
  int64_t ttl_ms;       /* put, touch, ...: its life; fetch: what is left of it */
  int64_t amount, sum;  /* increment: what is added, and the counter then */
  int status;
  bool again;  /* the store's own: to be tried once more */
  void *found; /* fetch: the value, allocated; NULL on a miss */
  size_t found_size;
} cachette__copy;

/* How many copies a job of this op has. */
size_t cachette__copy_count(const cachette_op *op);

/* Bytes that they take, what they point at included. `prefix` stands before each key. */
size_t cachette__copy_size(const cachette_op *op, const char *prefix);

/* Makes them at `copies`, where there are so many bytes. */
void cachette__copy_make(const cachette_op *op, const char *prefix, cachette__copy *copies);

/* Frees what was found; the copies themselves are the job's. */
void cachette__copy_free(cachette__copy *copies, size_t count);

/* Hands over what became of them. On the thread of the op's handle. */
void cachette__copy_give(const cachette__copy *copies, size_t count, cachette_op *op);

#endif
