/* SPDX-License-Identifier: MIT */
/* The in-memory store. Each op completes within submit. */
#include "memory.h"

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "../../table/table.h"
#include "shared.h"

typedef struct memory_store {
  cachette__store store;
  cachette__table *table;
} memory_store;

static int open_memory(const cachette__store_context *context, cachette__store **store,
                       cachette_error *error) {
  size_t limit = (size_t)cachette__options_number(context->options, CACHETTE__OPTION_memory_limit);
  const char *name = cachette__options_text(context->options, CACHETTE__OPTION_memory_name);
  memory_store *memory = cachette__malloc(sizeof *memory);
  if (memory == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  memory->store.vtable = &cachette__memory_store;
  int code = cachette__shared_acquire(name, limit, &memory->table, error);
  if (code < 0) {
    cachette__free(memory);
    return code;
  }
  *store = &memory->store;
  return CACHETTE_OK;
}

static void *allocate_value(void *op, cachette_item *item, size_t size) {
  return cachette__item_alloc(op, item, size);
}

static void release_value(void *op, cachette_item *item) { cachette__item_drop(op, item); }

static const cachette__table_allocator allocator = {allocate_value, release_value};

/* Executes an op for one item. Returns CACHETTE_HIT, CACHETTE_MISS or an error. */
static int execute(cachette__table *table, const cachette_op *op, cachette_item *item,
                   cachette_error *error) {
  int64_t now_ms = op->priv.now_ms;
  switch (op->verb) {
    case CACHETTE_PUT:
      return op->flags & CACHETTE_IF_ABSENT ? cachette__table_add(table, item, now_ms, error)
                                            : cachette__table_put(table, item, now_ms, error);
    case CACHETTE_EXISTS:
      return cachette__table_exists(table, item, now_ms);
    case CACHETTE_TOUCH:
      return cachette__table_touch(table, item, now_ms);
    case CACHETTE_INCREMENT:
      return cachette__table_increment(table, item, now_ms, error);
    default:
      return cachette__table_clear(table, item->key, now_ms);
  }
}

static void execute_items(cachette__table *table, cachette_op *op) {
  cachette_error *error = op->error;
  for (size_t i = 0; i < op->count; i++) {
    cachette_item *item = &op->items[i];
    item->status = execute(table, op, item, error);
    if (item->status < 0) error = NULL; /* report the first error only */
    op->number += cachette__item_counts(op, item);
  }
}

static void clear_namespaces(cachette__table *table, cachette_op *op) {
  for (size_t i = 0; i < op->count; i++)
    op->number += cachette__table_clear_namespace(table, op->items[i].key, op->priv.now_ms);
}

static void submit(cachette__store *store, cachette_op *op) {
  cachette__table *table = ((memory_store *)store)->table;
  switch (op->verb) {
    case CACHETTE_FETCH:
      op->number = op->count == 1
                       ? cachette__table_fetch(table, op->items, op->priv.now_ms, &allocator, op)
                       : cachette__table_fetch_many(table, op->items, op->count, op->priv.now_ms,
                                                    &allocator, op);
      break;
    case CACHETTE_PUT:
    case CACHETTE_EXISTS:
    case CACHETTE_TOUCH:
    case CACHETTE_INCREMENT:
    case CACHETTE_CLEAR:
      execute_items(table, op);
      break;
    case CACHETTE_CLEAR_NAMESPACE:
      clear_namespaces(table, op);
      break;
    case CACHETTE_FLUSH:
      op->number = cachette__table_flush(table, op->priv.now_ms);
      break;
    case CACHETTE_FLUSH_EXPIRED:
      op->number = cachette__table_flush_expired(table, op->priv.now_ms);
      break;
    case CACHETTE_PING:
      break;
  }
  cachette__op_complete(op, CACHETTE_OK);
}

static void stats(cachette__store *store, cachette_stats *stats) {
  cachette__table_stats(((memory_store *)store)->table, stats);
}

static void close_memory(cachette__store *store, bool forked) {
  (void)forked; /* a fork copies the table, so both processes free their own */
  cachette__shared_release(((memory_store *)store)->table);
  cachette__free(store);
}

const cachette__store_vtable cachette__memory_store = {
    .immediate = true,
    .open = open_memory,
    .submit = submit,
    .detach = NULL,
    .stats = stats,
    .close = close_memory,
};
