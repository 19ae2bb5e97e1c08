/* SPDX-License-Identifier: MIT */
#include "copy.h"

#include <string.h>

#include "../../base/alloc.h"

/* What follows a namespace in the keys that are of it. */
static const char *tail_of(const cachette_op *op) {
  return op->verb == CACHETTE_CLEAR_NAMESPACE ? ":" : "";
}

size_t cachette__copy_count(const cachette_op *op) {
  return cachette__has_items(op->verb) ? op->count : 0;
}

size_t cachette__copy_size(const cachette_op *op, const char *prefix) {
  size_t count = cachette__copy_count(op), each = strlen(prefix) + strlen(tail_of(op));
  size_t bytes = count * (sizeof(cachette__copy) + each);
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

void cachette__copy_make(const cachette_op *op, const char *prefix, cachette__copy *copies) {
  size_t count = cachette__copy_count(op);
  char *to = (char *)&copies[count];
  for (size_t i = 0; i < count; i++) {
    const cachette_item *from = &op->items[i];
    char *key = to;
    to = append_bytes(to, prefix, strlen(prefix));
    to = append_bytes(to, from->key.data, from->key.size);
    to = append_bytes(to, tail_of(op), strlen(tail_of(op)));
    copies[i] = (cachette__copy){
        .key = {key, (size_t)(to - key)},
        .ttl_ms = from->ttl_ms,
        .amount = from->amount,
    };
    if (op->verb != CACHETTE_PUT) continue;
    copies[i].value = (cachette_slice){to, from->value.size};
    to = append_bytes(to, from->value.data, from->value.size);
  }
}

void cachette__copy_free(cachette__copy *copies, size_t count) {
  for (size_t i = 0; i < count; i++) cachette__free(copies[i].found);
}

static void give_value(const cachette__copy *copy, cachette_op *op, cachette_item *item) {
  void *place = cachette__item_place(op, item, copy->found_size);
  if (place == NULL) return;
  memcpy(place, copy->found, copy->found_size);
  if (op->flags & CACHETTE_WITH_TTL) item->ttl_ms = copy->ttl_ms;
}

void cachette__copy_give(const cachette__copy *copies, size_t count, cachette_op *op) {
  for (size_t i = 0; i < count; i++) {
    cachette_item *item = &op->items[i];
    item->status = copies[i].status;
    if (op->verb == CACHETTE_INCREMENT && item->status >= 0) item->amount = copies[i].sum;
    if (op->verb == CACHETTE_FETCH && item->status == CACHETTE_HIT)
      give_value(&copies[i], op, item);
    if (op->verb != CACHETTE_CLEAR_NAMESPACE) op->number += cachette__item_counts(op, item);
  }
}
