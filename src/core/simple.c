/* SPDX-License-Identifier: MIT */
/* The blocking calls: each creates an op on the stack, runs it, and returns its result. */
#include "cachette.h"

int cachette_fetch(cachette *handle, cachette_slice key, cachette_slice *value, int64_t *ttl_ms,
                   cachette_error *error) {
  cachette_item item = {.key = key};
  cachette_op op = {.verb = CACHETTE_FETCH, .items = &item, .count = 1, .error = error};
  if (ttl_ms != NULL) op.flags = CACHETTE_WITH_TTL;
  int status = cachette_run(handle, &op);
  if (status == CACHETTE_OK && item.status < 0) status = item.status; /* `error` is set */
  if (status < 0 || item.status == CACHETTE_MISS) {
    cachette_op_deinit(&op);
    return status;
  }
  if (ttl_ms != NULL) *ttl_ms = item.ttl_ms;
  *value = item.value;
  return CACHETTE_HIT;
}

/* Runs an op on one item. Returns the error of the op or of the item, else the op's `number`. */
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
