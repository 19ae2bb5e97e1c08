/* SPDX-License-Identifier: MIT */
/* Converts the server's replies to results of the job's items. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* ---- Sorted items ---- */

static int compare_keys(cachette_slice a, cachette_slice b) {
  int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
  return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_items(const void *a, const void *b) {
  const cachette__item_copy *const *first = a, *const *second = b;
  return compare_keys((*first)->key, (*second)->key);
}

cachette__item_copy **cachette__mongo_sort_items(cachette__mongo_job *job) {
  cachette__item_copy **sorted = cachette__malloc(job->op.count * sizeof *sorted);
  if (sorted == NULL) {
    cachette__op_copy_fail_memory(&job->op);
    return NULL;
  }
  for (size_t i = 0; i < job->op.count; i++) sorted[i] = &job->op.items[i];
  qsort(sorted, job->op.count, sizeof *sorted, compare_items);
  return sorted;
}

/* Returns the first of `count` sorted items that has the key, or NULL. */
static cachette__item_copy **find_items(cachette__item_copy **sorted, size_t count,
                                        cachette_slice key) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare_keys(sorted[middle]->key, key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && compare_keys(sorted[low]->key, key) == 0 ? &sorted[low] : NULL;
}

/* ---- Queries ---- */

static void take_value(cachette__mongo_job *job, cachette__item_copy *item,
                       const bson_t *document) {
  cachette_slice value;
  if (!cachette__mongo_get_bytes(document, "value", &value)) {
    char text[32];
    cachette__key_text(cachette__op_copy_key(&job->op, item), text, sizeof text);
    item->status = cachette__fail(&job->op.error, CACHETTE_ECODEC, text,
                                  "The document of \"%s\" has no binary \"value\".", text);
    return;
  }
  cachette__op_copy_found(&job->op, item, value);
}

/* If a key is stored twice, the first live document counts. */
void cachette__mongo_take_document(cachette__mongo_job *job, cachette__item_copy **sorted,
                                   size_t count, const bson_t *document) {
  cachette_slice key;
  int64_t left = cachette__mongo_time_left(document, job->now_ms);
  if (left <= 0 || !cachette__mongo_get_bytes(document, "key", &key)) return;
  cachette__item_copy **at = find_items(sorted, count, key);
  for (; at != NULL && at < sorted + count && compare_keys((*at)->key, key) == 0; at++) {
    if ((*at)->status != CACHETTE_MISS) continue;
    (*at)->status = CACHETTE_HIT;
    (*at)->ttl_ms = left;
    if (job->op.verb == CACHETTE_FETCH) take_value(job, *at, document);
  }
}

/* ---- Writes ---- */

/* Takes an element of `writeErrors` in a reply. */
static void take_write_error(cachette__mongo_job *job, cachette__item_copy *const *items,
                             size_t count, const bson_iter_t *element) {
  bson_iter_t field;
  bson_error_t error = {.domain = MONGOC_ERROR_SERVER};
  size_t index = SIZE_MAX;
  if (!bson_iter_recurse(element, &field)) return;
  while (bson_iter_next(&field)) {
    const char *name = bson_iter_key(&field);
    if (strcmp(name, "index") == 0) index = (size_t)bson_iter_as_int64(&field);
    if (strcmp(name, "code") == 0) error.code = (uint32_t)bson_iter_as_int64(&field);
    if (strcmp(name, "errmsg") == 0 && BSON_ITER_HOLDS_UTF8(&field))
      bson_strncpy(error.message, bson_iter_utf8(&field, NULL), sizeof error.message);
  }
  if (index >= count) return;
  if (cachette__mongo_is_conflict(job, &error))
    items[index]->retry = true;
  else
    cachette__mongo_fail_item(job, items[index], &error);
}

static bool has_concern_error(const bson_t *reply) {
  bson_iter_t field, element;
  return bson_iter_init_find(&field, reply, "writeConcernErrors") &&
         bson_iter_recurse(&field, &element) && bson_iter_next(&element);
}

bool cachette__mongo_take_write_errors(cachette__mongo_job *job, cachette__item_copy *const *items,
                                       size_t count, const bson_t *reply) {
  bson_iter_t field, element;
  bool any = false;
  if (!bson_iter_init_find(&field, reply, "writeErrors") || !bson_iter_recurse(&field, &element))
    return false;
  while (bson_iter_next(&element)) {
    take_write_error(job, items, count, &element);
    any = true;
  }
  return any && !has_concern_error(reply);
}

void cachette__mongo_take_count(const bson_t *reply, const char *name, int64_t *count) {
  bson_iter_t field;
  if (bson_iter_init_find(&field, reply, name)) *count += bson_iter_as_int64(&field);
}
