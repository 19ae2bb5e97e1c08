/* SPDX-License-Identifier: MIT */
/* The fan-out of an op: its parts, its failures, and its completion. */
#include <stdarg.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "internal.h"

/* ---- Dividing ---- */

static size_t find_node(const cachette__mc_fanout *fanout, cachette_slice key) {
  cachette__memcached_key made;
  if (fanout->part_count == 1) return 0;
  cachette__memcached_key_make(fanout->store->settings->prefix, key, &made);
  return cachette__memcached_choose(fanout->list->hosts, (cachette_slice){made.raw, made.size});
}

/* Sorts the items by node. `order` and `nodes` have space for one entry per item. */
static void divide(cachette__mc_fanout *fanout, size_t *order, size_t *nodes) {
  const cachette_op *op = fanout->op;
  for (size_t i = 0; i < op->count; i++) {
    nodes[i] = find_node(fanout, op->items[i].key);
    fanout->parts[nodes[i]].count++;
  }
  for (size_t i = 0; i < fanout->part_count; i++) {
    fanout->parts[i].indexes = order;
    order += fanout->parts[i].count;
    fanout->parts[i].count = 0;
  }
  for (size_t i = 0; i < op->count; i++) {
    cachette__mc_part *part = &fanout->parts[nodes[i]];
    part->indexes[part->count++] = i;
  }
}

cachette__mc_fanout *cachette__mc_fanout_new(cachette__memcached *store, cachette_op *op,
                                             bool clears) {
  cachette__mc_list *list = store->list;
  bool everywhere = !cachette__has_items(op->verb) || op->verb == CACHETTE_CLEAR_NAMESPACE;
  size_t count = everywhere ? 0 : op->count, parts = list->hosts->count;
  size_t head = sizeof(cachette__mc_fanout) + parts * sizeof(cachette__mc_part);
  cachette__mc_fanout *fanout = cachette__malloc(head + 2 * count * sizeof(size_t));
  if (fanout == NULL) return NULL;
  list->references++;
  *fanout = (cachette__mc_fanout){.store = store,
                                  .list = list,
                                  .op = op,
                                  .verb = op->verb,
                                  .everywhere = everywhere,
                                  .references = 1,
                                  .part_count = parts};
  for (size_t i = 0; i < parts; i++)
    fanout->parts[i] =
        (cachette__mc_part){.fanout = fanout, .node = list->nodes[clears ? parts + i : i]};
  size_t *order = (size_t *)((char *)fanout + head);
  if (count > 0) divide(fanout, order, order + count);
  return fanout;
}

size_t cachette__mc_part_bytes(const cachette__mc_part *part) {
  size_t bytes = 0;
  for (size_t i = 0; i < part->count; i++) {
    const cachette_item *item = cachette__mc_item(part, i);
    bytes += item->key.size + (part->fanout->verb == CACHETTE_PUT ? item->value.size : 0);
  }
  return bytes;
}

int cachette__mc_push(cachette__mc_part *part, size_t bytes, const char **reason) {
  cachette__pipeline *pipeline = &part->node->pipeline;
  void *slot;
  int code = cachette__pipeline_reserve(pipeline, bytes, &slot, reason);
  if (code < 0) return code;
  *(cachette__mc_request *)slot = (cachette__mc_request){.part = part};
  part->pending = true;
  part->fanout->references++;
  cachette__pipeline_push(pipeline, bytes);
  return CACHETTE_OK;
}

/* ---- Failing ---- */

cachette_error *cachette__mc_first_error(cachette__mc_fanout *fanout) {
  cachette_error *error = fanout->has_error ? NULL : fanout->op->error;
  fanout->has_error = true;
  return error;
}

void cachette__mc_fail(cachette__mc_fanout *fanout, cachette_item *item, int code,
                       const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  cachette__vfail(cachette__mc_first_error(fanout), code, NULL, format, arguments);
  va_end(arguments);
  if (item != NULL)
    item->status = code;
  else if (fanout->code == 0)
    fanout->code = code;
}

void cachette__mc_fail_part(cachette__mc_part *part, int code, const char *message) {
  cachette__mc_fanout *fanout = part->fanout;
  fanout->part_code = code;
  if (fanout->op == NULL) return;
  if (fanout->everywhere) cachette__mc_fail(fanout, NULL, code, "%s", message);
  for (size_t i = 0; i < part->count; i++) {
    cachette_item *item = cachette__mc_item(part, i);
    if (item->status == CACHETTE_HIT && fanout->verb == CACHETTE_FETCH) continue;
    if (item->status == CACHETTE_MISS && part->storing) continue;
    cachette__mc_fail(fanout, item, code, "%s", message);
  }
}

/* ---- Completing ---- */

/* Returns the status of the op. If every item failed, it is the error of a part that failed. */
static int final_status(const cachette__mc_fanout *fanout) {
  cachette_op *op = fanout->op;
  size_t failed = 0;
  if (fanout->everywhere) return fanout->code;
  op->number = 0;
  for (size_t i = 0; i < op->count; i++) {
    op->number += cachette__item_counts(op, &op->items[i]);
    failed += op->items[i].status < 0;
  }
  return failed == op->count ? fanout->part_code : CACHETTE_OK;
}

void cachette__mc_touched_free(cachette__mc_part *part) {
  for (size_t i = 0; i < part->touched_count; i++) cachette__free(part->touched[i].data);
  cachette__free(part->touched);
  part->touched = NULL;
  part->touched_count = 0;
}

void cachette__mc_fanout_release(cachette__mc_fanout *fanout) {
  if (--fanout->references > 0) return;
  cachette_op *op = fanout->op;
  int status = op != NULL ? final_status(fanout) : CACHETTE_OK;
  for (size_t i = 0; i < fanout->part_count; i++) {
    cachette__mc_touched_free(&fanout->parts[i]);
    cachette__free(fanout->parts[i].counters);
  }
  cachette__mc_list_release(fanout->list);
  cachette__free(fanout);
  if (op != NULL) cachette__op_complete(op, status);
}
