/* SPDX-License-Identifier: MIT */
/* The store for disabled caching: every put succeeds, every fetch misses. */
#include "none.h"

static int open_none(const cachette__store_context *context, cachette__store **store,
                     cachette_error *error) {
  static cachette__store none = {&cachette__none_store};
  (void)context;
  (void)error;
  *store = &none;
  return CACHETTE_OK;
}

/* The core resets all items to a miss, which is the result of each of them. */
static void submit(cachette__store *store, cachette_op *op) {
  (void)store;
  op->number = 0;
  for (size_t i = 0; cachette__has_items(op->verb) && i < op->count; i++)
    op->number += cachette__item_counts(op, &op->items[i]);
  cachette__op_complete(op, CACHETTE_OK);
}

static void stats(cachette__store *store, cachette_stats *stats) {
  (void)store;
  stats->entries = stats->bytes = 0;
}

static void close_none(cachette__store *store, bool forked) {
  (void)store;
  (void)forked;
}

const cachette__store_vtable cachette__none_store = {
    .immediate = true,
    .open = open_none,
    .submit = submit,
    .stats = stats,
    .close = close_none,
};
