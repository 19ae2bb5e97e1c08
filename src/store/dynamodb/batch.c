/* SPDX-License-Identifier: MIT */
/* Commands of many keys: BatchGetItem and BatchWriteItem. Keys that the server leaves unprocessed
 * are sent again. */
#include "internal.h"

/*
 * libcurl sends "Expect: 100-continue" and waits before a body of more than a megabyte. So puts are
 * split into smaller bodies; a single item is always smaller.
 */
enum { READ_MAX = 100, WRITE_MAX = 25, CONCURRENCY = 4, BYTES_MAX = 300000 };

static bool is_duplicate(const cachette__dynamo_job *job, size_t index) {
  return job->entries[index].same_as != index;
}

/* Assigns the next entries to the call. Stops before an entry that is too large, which gets a
 * separate call. False: out of memory. */
static bool take_entries(cachette__dynamo_job *job, cachette__dynamo_call *call, size_t limit) {
  size_t bytes = 0;
  call->indices = cachette__malloc(limit * sizeof *call->indices);
  for (; call->indices != NULL && job->next < job->count && call->count < limit; job->next++) {
    if (is_duplicate(job, job->next)) continue;
    if (job->entries[job->next].too_large || bytes > BYTES_MAX) break;
    call->indices[call->count++] = job->next;
    const cachette__dynamo_key *key = &job->entries[job->next].key;
    bytes += key->text.size + key->raw.size;
    if (job->op->verb == CACHETTE_PUT) bytes += job->op->items[job->next].value.size;
  }
  return call->indices != NULL;
}

/* Returns the index of the call's entry with the key of `item`; SIZE_MAX: none. */
static size_t find_entry(const cachette__dynamo_job *job, const cachette__dynamo_call *call,
                         json_t *item) {
  cachette_slice key;
  if (!cachette__dynamo_attribute(item, "key", "S", &key)) return SIZE_MAX;
  for (size_t i = 0; i < call->count; i++) {
    cachette_slice own = job->entries[call->indices[i]].key.text;
    if (own.size == key.size && memcmp(own.data, key.data, key.size) == 0) return call->indices[i];
  }
  return SIZE_MAX;
}

/* Returns the member for the store's table in a reply such as {"Responses": {"table": [...]}}; or
 * NULL. */
static json_t *table_member(const cachette__dynamo_job *job, const cachette__dynamo_reply *reply,
                            const char *name, json_type type) {
  json_t *tables = cachette__json_member(reply->json, name, JSON_OBJECT);
  return cachette__json_member(tables, job->store->settings->table, type);
}

/* Reduces the call to its unprocessed entries. */
static enum cachette__dynamo_outcome resend(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                            const size_t *remaining, size_t count) {
  bool progress = count < call->count;
  memcpy(call->indices, remaining, count * sizeof *remaining);
  call->count = count;
  job->store->retries++;
  call->conflicts = progress ? 0 : call->conflicts + 1;
  call->pause_ms = progress ? 0 : cachette__dynamo_back_off(job->store, call->conflicts);
  return CACHETTE__DYNAMO_RESEND;
}

/* ---- Fetch, exists ---- */

static void write_get(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  cachette__text *body = &call->body;
  call->action = "BatchGetItem";
  cachette__text_clear(body);
  cachette__text_printf(body, "{\"RequestItems\":{\"%s\":{\"Keys\":[", job->store->settings->table);
  for (size_t i = 0; i < call->count; i++) {
    if (i > 0) cachette__text_puts(body, ",");
    cachette__dynamo_add_key(body, job->entries[call->indices[i]].key.text);
  }
  cachette__text_puts(body, "]");
  if (job->store->settings->consistent_read) cachette__text_puts(body, ",\"ConsistentRead\":true");
  if (job->op->verb == CACHETTE_EXISTS)
    cachette__text_puts(body,
                        ",\"ProjectionExpression\":\"#k,#e,#a\",\"ExpressionAttributeNames\":"
                        "{" CACHETTE__DYNAMO_TIMES ",\"#k\":\"key\"}");
  cachette__text_puts(body, "}}}");
}

static void start_get(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->is_idempotent = true;
  if (take_entries(job, call, READ_MAX))
    write_get(job, call);
  else
    call->body.failed = true;
}

static enum cachette__dynamo_outcome take_get(cachette__dynamo_job *job,
                                              cachette__dynamo_call *call,
                                              const cachette__dynamo_reply *reply) {
  size_t remaining[READ_MAX], count = 0;
  json_t *items = table_member(job, reply, "Responses", JSON_ARRAY);
  for (size_t i = 0; items != NULL && i < json_array_size(items); i++) {
    json_t *item = json_array_get(items, i);
    size_t index = find_entry(job, call, item);
    if (index != SIZE_MAX) cachette__dynamo_take_item(job, index, item);
  }
  json_t *unprocessed = table_member(job, reply, "UnprocessedKeys", JSON_OBJECT);
  json_t *keys = cachette__json_member(unprocessed, "Keys", JSON_ARRAY);
  for (size_t i = 0; keys != NULL && i < json_array_size(keys) && count < READ_MAX; i++) {
    size_t index = find_entry(job, call, json_array_get(keys, i));
    if (index != SIZE_MAX) remaining[count++] = index;
  }
  if (count == 0) return CACHETTE__DYNAMO_DONE;
  enum cachette__dynamo_outcome outcome = resend(job, call, remaining, count);
  write_get(job, call);
  return outcome;
}

/* ---- Put ---- */

static void write_put(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  cachette__text *body = &call->body;
  call->action = "BatchWriteItem";
  cachette__text_clear(body);
  cachette__text_printf(body, "{\"RequestItems\":{\"%s\":[", job->store->settings->table);
  for (size_t i = 0; i < call->count; i++) {
    cachette__text_puts(body, i > 0 ? ",{\"PutRequest\":{\"Item\":" : "{\"PutRequest\":{\"Item\":");
    cachette__dynamo_add_item(job, body, call->indices[i]);
    cachette__text_puts(body, "}}");
  }
  cachette__text_puts(body, "]}}");
}

static void start_put(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->is_idempotent = true;
  while (job->next < job->count - 1 && is_duplicate(job, job->next)) job->next++;
  if (job->entries[job->next].too_large)
    cachette__dynamo_write_too_large(job, call, job->next++);
  else if (take_entries(job, call, WRITE_MAX))
    write_put(job, call);
  else
    call->body.failed = true;
}

static enum cachette__dynamo_outcome take_put(cachette__dynamo_job *job,
                                              cachette__dynamo_call *call,
                                              const cachette__dynamo_reply *reply) {
  size_t remaining[WRITE_MAX], count = 0;
  if (call->count == 0) {
    cachette__dynamo_take_too_large(job, call);
    return CACHETTE__DYNAMO_DONE;
  }
  if (reply->code < 0) {
    cachette__dynamo_fail_job(job, &reply->error);
    return CACHETTE__DYNAMO_DONE;
  }
  json_t *unprocessed = table_member(job, reply, "UnprocessedItems", JSON_ARRAY);
  for (size_t i = 0; unprocessed != NULL && i < json_array_size(unprocessed) && count < WRITE_MAX;
       i++) {
    json_t *put = cachette__json_member(json_array_get(unprocessed, i), "PutRequest", JSON_OBJECT);
    size_t index = find_entry(job, call, cachette__json_member(put, "Item", JSON_OBJECT));
    if (index != SIZE_MAX) remaining[count++] = index;
  }
  if (count == 0) return CACHETTE__DYNAMO_DONE;
  enum cachette__dynamo_outcome outcome = resend(job, call, remaining, count);
  write_put(job, call);
  return outcome;
}

const cachette__dynamo_command cachette__dynamo_fetch_many = {
    CONCURRENCY, true, cachette__dynamo_has_next_entry, start_get, take_get};
const cachette__dynamo_command cachette__dynamo_put_many = {
    CONCURRENCY, true, cachette__dynamo_has_next_entry, start_put, take_put};
