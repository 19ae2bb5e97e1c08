/* SPDX-License-Identifier: MIT */
/*
 * Clears a namespace, the whole cache, or the expired entries: scans the table page by page, and
 * deletes the keys of a page while the next page loads.
 *
 * Expired entries are deleted by one call each, on the condition that they are still expired. A
 * batch supports no conditions, and could delete entries that were put meanwhile.
 */
#include <stdlib.h>

#include "internal.h"

enum { BATCH_MAX = 25, CONCURRENCY = 8 };

/* Returns the head of the keys to delete: the current namespace, or the key prefix. */
static cachette_slice head_of(const cachette__dynamo_job *job) {
  if (job->op->verb == CACHETTE_CLEAR_NAMESPACE) return job->entries[job->next].key.raw;
  return cachette_str(job->store->settings->prefix);
}

/* Returns the part of a head that the stored form of every such key begins with. */
static cachette_slice stored_head(cachette_slice head) {
  size_t size = head.size < CACHETTE__DYNAMO_HEAD_MAX ? head.size : CACHETTE__DYNAMO_HEAD_MAX;
  return (cachette_slice){head.data, cachette__dynamo_valid_utf8(head.data, size)};
}

/* ---- Scanning ---- */

static void write_filter(cachette__text *body, cachette_slice head, bool expired) {
  cachette__text_printf(
      body, ",\"FilterExpression\":\"%s%s%s\"", head.size > 0 ? "begins_with(#k, :head)" : "",
      head.size > 0 && expired ? " AND " : "", expired ? CACHETTE__DYNAMO_IS_EXPIRED : "");
  if (expired) {
    cachette__dynamo_add_now(body);
    cachette__text_puts(body, head.size > 0 ? "," : "");
  } else {
    cachette__text_puts(body, ",\"ExpressionAttributeValues\":{");
  }
  if (head.size > 0) {
    cachette__text_puts(body, "\":head\":{\"S\":");
    cachette__text_string(body, head);
    cachette__text_puts(body, "}");
  }
  cachette__text_puts(body, "}");
}

static void write_scan(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  cachette__text *body = &call->body;
  cachette_slice head = stored_head(head_of(job));
  bool expired = job->op->verb == CACHETTE_FLUSH_EXPIRED;
  job->is_scanning = true;
  cachette__dynamo_begin(job, call, "Scan");
  cachette__text_puts(body,
                      ",\"ProjectionExpression\":\"#k,#e,#a,#r\",\"ExpressionAttributeNames\":"
                      "{" CACHETTE__DYNAMO_TIMES ",\"#k\":\"key\",\"#r\":\"raw\"}");
  if (head.size > 0 || expired) write_filter(body, head, expired);
  if (job->position != NULL) {
    char *position = json_dumps(job->position, JSON_COMPACT);
    if (position == NULL) body->failed = true;
    cachette__text_puts(body, ",\"ExclusiveStartKey\":");
    cachette__text_puts(body, position != NULL ? position : "");
    free(position);
  }
  cachette__text_puts(body, "}");
}

static size_t items_left(const cachette__dynamo_job *job) {
  return job->items != NULL ? json_array_size(job->items) - job->next_item : 0;
}

/* Whether the original key of an item begins with the whole head. */
static bool has_head(const cachette__dynamo_job *job, json_t *item) {
  cachette_slice head = head_of(job), key, raw;
  size_t size = 0;
  if (!cachette__dynamo_attribute(item, "key", "S", &key)) return false;
  if (!cachette__dynamo_attribute(item, "raw", "B", &raw))
    return key.size >= head.size && (head.size == 0 || memcmp(key.data, head.data, head.size) == 0);
  if (!cachette__dynamo_decoded_size(raw, &size) || size < head.size) return false;
  char *bytes = cachette__malloc(size + 1);
  bool matches = bytes != NULL && cachette__dynamo_decode(raw, bytes) &&
                 (head.size == 0 || memcmp(bytes, head.data, head.size) == 0);
  cachette__free(bytes);
  return matches;
}

/* Collects the items of a page to delete in the job's `items`. False: out of memory. */
static bool collect_items(cachette__dynamo_job *job, json_t *page) {
  json_decref(job->items);
  job->items = json_array();
  job->next_item = 0;
  job->items_entry = job->next;
  bool ok = job->items != NULL;
  for (size_t i = 0; ok && page != NULL && i < json_array_size(page); i++) {
    json_t *item = json_array_get(page, i);
    if (!has_head(job, item)) continue;
    ok = json_array_append(job->items, item) == 0;
  }
  return ok;
}

static void take_page(cachette__dynamo_job *job, json_t *json) {
  if (!collect_items(job, cachette__json_member(json, "Items", JSON_ARRAY)))
    cachette__dynamo_fail_no_memory(job);
  json_decref(job->position);
  job->position = json_incref(cachette__json_member(json, "LastEvaluatedKey", JSON_OBJECT));
  job->is_scanning = false;
  if (job->position == NULL) job->next++;
}

/* ---- Deleting ---- */

static json_t *take_item(cachette__dynamo_job *job, cachette_slice *key) {
  json_t *item = json_array_get(job->items, job->next_item++);
  cachette__dynamo_attribute(item, "key", "S", key);
  return item;
}

/* Writes a batch of deletes. The call's `step` is the number of live entries in it. */
static void write_batch(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  cachette_slice key;
  cachette__text *body = &call->body;
  call->action = "BatchWriteItem";
  call->index = job->items_entry;
  cachette__text_printf(body, "{\"RequestItems\":{\"%s\":[", job->store->settings->table);
  for (int i = 0; i < BATCH_MAX && items_left(job) > 0; i++) {
    call->step += cachette__dynamo_is_live(take_item(job, &key));
    cachette__text_puts(body,
                        i > 0 ? ",{\"DeleteRequest\":{\"Key\":" : "{\"DeleteRequest\":{\"Key\":");
    cachette__dynamo_add_key(body, key);
    cachette__text_puts(body, "}}");
  }
  cachette__text_puts(body, "]}}");
}

/* Writes the delete of one entry, on the condition that it is still expired. */
static void write_expired(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  cachette_slice key;
  take_item(job, &key);
  cachette__dynamo_begin(job, call, "DeleteItem");
  cachette__text_puts(&call->body, ",\"Key\":");
  cachette__dynamo_add_key(&call->body, key);
  cachette__text_puts(&call->body, ",\"ConditionExpression\":\"" CACHETTE__DYNAMO_IS_EXPIRED
                                   "\",\"ExpressionAttributeNames\":{" CACHETTE__DYNAMO_TIMES "}");
  cachette__dynamo_add_now(&call->body);
  cachette__text_puts(&call->body, "}}");
}

/* Sends the unprocessed deletes again. */
static enum cachette__dynamo_outcome resend(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                            json_t *unprocessed) {
  char *rest = json_dumps(unprocessed, JSON_COMPACT);
  if (rest == NULL) {
    cachette__dynamo_fail_no_memory(job);
    return CACHETTE__DYNAMO_DONE;
  }
  cachette__text_clear(&call->body);
  cachette__text_printf(&call->body, "{\"RequestItems\":%s}", rest);
  free(rest);
  job->store->retries++;
  call->pause_ms = cachette__dynamo_back_off(job->store, call->conflicts++);
  return CACHETTE__DYNAMO_RESEND;
}

/* ---- The calls ---- */

enum { SCAN = -1 }; /* a value of `step` */

/* While a page loads, calls may delete the items of the previous page. */
static bool has_next(const cachette__dynamo_job *job) {
  size_t scans = job->op->verb == CACHETTE_CLEAR_NAMESPACE ? job->count : 1;
  return items_left(job) > 0 || (!job->is_scanning && job->next < scans);
}

static void write_call(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->is_idempotent = true;
  if (items_left(job) == 0) {
    call->step = SCAN;
    write_scan(job, call);
  } else if (job->op->verb == CACHETTE_FLUSH_EXPIRED) {
    write_expired(job, call);
  } else {
    write_batch(job, call);
  }
}

static enum cachette__dynamo_outcome take(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                          const cachette__dynamo_reply *reply) {
  json_t *unprocessed = cachette__json_member(reply->json, "UnprocessedItems", JSON_OBJECT);
  if (call->step == SCAN) {
    take_page(job, reply->json);
  } else if (job->op->verb == CACHETTE_FLUSH_EXPIRED) {
    job->op->number += reply->code == CACHETTE_OK;
  } else if (unprocessed != NULL && json_object_size(unprocessed) > 0) {
    return resend(job, call, unprocessed);
  } else {
    job->op->number += call->step;
    if (job->op->verb == CACHETTE_CLEAR_NAMESPACE && call->step > 0)
      job->op->items[call->index].status = CACHETTE_HIT;
  }
  return CACHETTE__DYNAMO_DONE;
}

const cachette__dynamo_command cachette__dynamo_clear = {CONCURRENCY, false, has_next, write_call,
                                                         take};
