/* SPDX-License-Identifier: MIT */
#include "op.h"

#include "alloc.h"
#include "error.h"

/* The library allocated the value, because the caller has no `alloc`. */
static bool is_owned(const cachette_op *op, const cachette_item *item) {
  return op->alloc == NULL && item->value.data != NULL && item->value.data != item->buffer;
}

void cachette__item_drop(const cachette_op *op, cachette_item *item) {
  if (is_owned(op, item)) cachette__free((void *)item->value.data);
  item->value = (cachette_slice){NULL, 0};
}

void *cachette__item_alloc(cachette_op *op, cachette_item *item, size_t size) {
  cachette__item_drop(op, item);
  void *buffer;
  if (item->buffer != NULL && size <= item->buffer_size)
    buffer = item->buffer;
  else
    buffer = op->alloc != NULL ? op->alloc(op, item, size) : cachette__malloc(size);
  if (buffer == NULL)
    item->status = cachette__fail(op->error, CACHETTE_ENOMEM, NULL, NULL);
  else
    item->value = (cachette_slice){buffer, size};
  return buffer;
}

void cachette__op_reset_items(cachette_op *op) {
  if (!cachette__has_items(op->verb)) return;
  for (size_t i = 0; i < op->count; i++) {
    op->items[i].status = CACHETTE_MISS;
    if (op->verb == CACHETTE_FETCH) op->items[i].value = (cachette_slice){NULL, 0};
  }
}

bool cachette__item_counts(const cachette_op *op, const cachette_item *item) {
  bool counts_writes = op->verb == CACHETTE_PUT || op->verb == CACHETTE_INCREMENT;
  if (!counts_writes) return item->status == CACHETTE_HIT;
  return item->status == CACHETTE_MISS ||
         (item->status == CACHETTE_HIT && !(op->flags & CACHETTE_IF_ABSENT));
}

void cachette__op_complete(cachette_op *op, int status) {
  op->status = status;
  cachette__frame *frame = cachette__op_pop(op);
  frame->done(frame, op);
}

void cachette__op_fail(cachette_op *op, int code, const char *subject, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  cachette__vfail(op->error, code, subject, format, arguments);
  va_end(arguments);
  cachette__op_complete(op, code);
}

void cachette__op_drop_frames(cachette_op *op) {
  while (op->priv.frame->drop != NULL) {
    cachette__frame *frame = cachette__op_pop(op);
    frame->drop(frame, op);
  }
}

void cachette_op_deinit(cachette_op *op) {
  if (op->verb != CACHETTE_FETCH) return;
  for (size_t i = 0; i < op->count; i++) cachette__item_drop(op, &op->items[i]);
}
