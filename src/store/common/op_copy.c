/* SPDX-License-Identifier: MIT */
#include "op_copy.h"

#include <string.h>

#include "../../base/alloc.h"

/* The separator after a namespace. */
static const char *separator_of(const cachette_op *op) {
  return op->verb == CACHETTE_CLEAR_NAMESPACE ? ":" : "";
}

static size_t count_items(const cachette_op *op) {
  return cachette__has_items(op->verb) ? op->count : 0;
}

size_t cachette__op_copy_size(const cachette_op *op, const char *prefix) {
  size_t count = count_items(op), each = strlen(prefix) + strlen(separator_of(op));
  size_t bytes = count * (sizeof(cachette__item_copy) + each);
  for (size_t i = 0; i < count; i++) {
    bytes += op->items[i].key.size;
    if (op->verb == CACHETTE_PUT) bytes += op->items[i].value.size;
  }
  return bytes;
}

static char *append_bytes(char *to, const void *bytes, size_t size) {
  if (size > 0) memcpy(to, bytes, size);
  return to + size;
}

void cachette__op_copy_init(cachette__op_copy *copy, cachette_op *op, const char *prefix,
                            void *memory) {
  *copy = (cachette__op_copy){
      .original = op,
      .verb = op->verb,
      .flags = op->flags,
      .prefix_size = strlen(prefix),
      .count = count_items(op),
      .items = memory,
  };
  char *to = (char *)&copy->items[copy->count];
  for (size_t i = 0; i < copy->count; i++) {
    const cachette_item *from = &op->items[i];
    char *key = to;
    to = append_bytes(to, prefix, copy->prefix_size);
    to = append_bytes(to, from->key.data, from->key.size);
    to = append_bytes(to, separator_of(op), strlen(separator_of(op)));
    copy->items[i] = (cachette__item_copy){
        .key = {key, (size_t)(to - key)},
        .ttl_ms = from->ttl_ms,
        .amount = from->amount,
    };
    if (op->verb != CACHETTE_PUT) continue;
    copy->items[i].value = (cachette_slice){to, from->value.size};
    to = append_bytes(to, from->value.data, from->value.size);
  }
}

void cachette__op_copy_deinit(cachette__op_copy *copy) {
  for (size_t i = 0; i < copy->count; i++) cachette__free(copy->items[i].found);
}

/* ---- Results ---- */

static void deliver_value(const cachette__item_copy *copy, cachette_op *op, cachette_item *item) {
  void *buffer = cachette__item_alloc(op, item, copy->found_size);
  if (buffer == NULL) return;
  memcpy(buffer, copy->found, copy->found_size);
  if (op->flags & CACHETTE_WITH_TTL) item->ttl_ms = copy->ttl_ms;
}

static void deliver_item(const cachette__item_copy *copy, cachette_op *op, cachette_item *item) {
  item->status = copy->status;
  if (op->verb == CACHETTE_INCREMENT && item->status >= 0) item->amount = copy->sum;
  if (op->verb == CACHETTE_FETCH && item->status == CACHETTE_HIT) deliver_value(copy, op, item);
  if (op->verb != CACHETTE_CLEAR_NAMESPACE) op->number += cachette__item_counts(op, item);
}

cachette_op *cachette__op_copy_deliver(const cachette__op_copy *copy) {
  cachette_op *op = copy->original;
  if (op == NULL) return NULL;
  if (copy->error.code < 0)
    cachette__fail(op->error, copy->error.code, copy->error.subject, "%s", copy->error.message);
  if (copy->code != CACHETTE_OK) return op;
  op->number = copy->number;
  for (size_t i = 0; i < copy->count; i++) deliver_item(&copy->items[i], op, &op->items[i]);
  return op;
}

void cachette__op_copy_fail_memory(cachette__op_copy *copy) {
  copy->code = cachette__fail(&copy->error, CACHETTE_ENOMEM, NULL, NULL);
}

cachette_slice cachette__op_copy_key(const cachette__op_copy *copy,
                                     const cachette__item_copy *item) {
  size_t prefix = copy->prefix_size;
  return (cachette_slice){(const char *)item->key.data + prefix, item->key.size - prefix};
}

void cachette__op_copy_found(cachette__op_copy *copy, cachette__item_copy *item,
                             cachette_slice value) {
  item->found = cachette__malloc(value.size);
  if (item->found == NULL) {
    item->status = cachette__fail(&copy->error, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  if (value.size > 0) memcpy(item->found, value.data, value.size);
  item->found_size = value.size;
}
