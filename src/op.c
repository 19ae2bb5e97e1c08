/* SPDX-License-Identifier: MIT */
/* What surrounds an op: slices, the places of fetched values, and the calls that wait. */
#include "op.h"

#include <string.h>

#include "alloc.h"
#include "error.h"

cachette_slice cachette_str(const char *text) { return (cachette_slice){text, strlen(text)}; }

void cachette__key_text(cachette_slice key, char *text, size_t size) {
  const unsigned char *bytes = key.data;
  size_t length = key.size < size - 1 ? key.size : size - 1;
  for (size_t i = 0; i < length; i++)
    text[i] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '?';
  text[length] = '\0';
}

/* Whether the value was allocated by the library, for a caller that gave no allocator. */
static bool is_owned(const cachette_op *op, const cachette_item *item) {
  return op->alloc == NULL && item->value.data != NULL && item->value.data != item->buffer;
}

void cachette__item_drop(const cachette_op *op, cachette_item *item) {
  if (is_owned(op, item)) cachette__free((void *)item->value.data);
  item->value = (cachette_slice){NULL, 0};
}

void *cachette__item_place(cachette_op *op, cachette_item *item, size_t size) {
  cachette__item_drop(op, item);
  void *place;
  if (item->buffer != NULL && size <= item->buffer_size)
    place = item->buffer;
  else
    place = op->alloc != NULL ? op->alloc(op, item, size) : cachette__malloc(size);
  if (place == NULL)
    item->status = cachette__fail(op->error, CACHETTE_ENOMEM, NULL, NULL);
  else
    item->value = (cachette_slice){place, size};
  return place;
}

void cachette_op_deinit(cachette_op *op) {
  if (op->verb != CACHETTE_FETCH) return;
  for (size_t i = 0; i < op->count; i++) cachette__item_drop(op, &op->items[i]);
}

int cachette_fetch(cachette *handle, cachette_slice key, cachette_slice *value, int64_t *ttl_ms,
                   cachette_error *error) {
  cachette_item item = {.key = key};
  cachette_op op = {.verb = CACHETTE_FETCH, .items = &item, .count = 1, .error = error};
  if (ttl_ms != NULL) op.flags = CACHETTE_WITH_TTL;
  int status = cachette_run(handle, &op);
  if (status == CACHETTE_OK && item.status < 0)
    status = cachette__fail(error, item.status, NULL, NULL);
  if (status < 0 || item.status == CACHETTE_MISS) {
    cachette_op_deinit(&op);
    return status;
  }
  if (ttl_ms != NULL) *ttl_ms = item.ttl_ms;
  *value = item.value;
  return CACHETTE_HIT;
}

/* Runs an op on one item; the status of either is the result. */
static int run_single(cachette *handle, enum cachette_verb verb, cachette_item *item,
                      cachette_error *error) {
  cachette_op op = {.verb = verb, .items = item, .count = 1, .error = error};
  int status = cachette_run(handle, &op);
  if (status < 0) return status;
  return item->status < 0 ? item->status : (int)op.number;
}

int cachette_put(cachette *handle, cachette_slice key, cachette_slice value, int64_t ttl_ms,
                 cachette_error *error) {
  cachette_item item = {.key = key, .value = value, .ttl_ms = ttl_ms};
  int status = run_single(handle, CACHETTE_PUT, &item, error);
  return status < 0 ? status : CACHETTE_OK;
}

int cachette_clear(cachette *handle, cachette_slice key, cachette_error *error) {
  cachette_item item = {.key = key};
  return run_single(handle, CACHETTE_CLEAR, &item, error);
}
