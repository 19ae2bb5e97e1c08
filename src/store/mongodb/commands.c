/* SPDX-License-Identifier: MIT */
/* Sends the commands of each verb and waits for the replies. On a thread of the pool. */
#include "internal.h"

enum {
  BATCH_KEYS_MAX = 1000,    /* in one query */
  BATCH_BYTES_MAX = 4 << 20 /* of keys in one query, which is a document, too */
};

/* Appends the condition that the key is one of the items'. */
static void append_keys(bson_t *filter, cachette__item_copy *const *items, size_t count) {
  if (count == 1) {
    cachette__mongo_append_key(filter, "key", items[0]->key);
    return;
  }
  bson_t condition, list;
  BSON_APPEND_DOCUMENT_BEGIN(filter, "key", &condition);
  BSON_APPEND_ARRAY_BEGIN(&condition, "$in", &list);
  for (size_t i = 0; i < count; i++) {
    char buffer[16];
    const char *index;
    bson_uint32_to_string((uint32_t)i, &index, buffer, sizeof buffer);
    cachette__mongo_append_key(&list, index, items[i]->key);
  }
  bson_append_array_end(&condition, &list);
  bson_append_document_end(filter, &condition);
}

/* Returns how many of the items fit into one query. */
static size_t count_batch(cachette__item_copy *const *items, size_t count) {
  size_t bytes = items[0]->key.size, batch = 1;
  while (batch < count && batch < BATCH_KEYS_MAX) {
    bytes += items[batch]->key.size;
    if (bytes > BATCH_BYTES_MAX) break;
    batch++;
  }
  return batch;
}

/* ---- Reading ---- */

/* Finds a batch of items by one query. False: the job failed. */
static bool find_batch(cachette__mongo_job *job, mongoc_collection_t *collection,
                       cachette__item_copy **items, size_t count) {
  bson_t filter = BSON_INITIALIZER;
  bson_t options = BSON_INITIALIZER, fields;
  BSON_APPEND_DOCUMENT_BEGIN(&options, "projection", &fields);
  BCON_APPEND(&fields, "_id", BCON_INT32(0), "key", BCON_INT32(1), "expires", BCON_INT32(1),
              "expires_at", BCON_INT32(1));
  if (job->op.verb == CACHETTE_FETCH) BSON_APPEND_INT32(&fields, "value", 1);
  bson_append_document_end(&options, &fields);
  append_keys(&filter, items, count);
  BSON_APPEND_INT32(&options, "batchSize", (int32_t)count + 1); /* one reply, if they fit */
  mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &filter, &options, NULL);
  const bson_t *document;
  while (mongoc_cursor_next(cursor, &document))
    cachette__mongo_take_document(job, items, count, document);
  bson_error_t error;
  bool failed = mongoc_cursor_error(cursor, &error);
  if (failed) cachette__mongo_fail_job(job, &error);
  mongoc_cursor_destroy(cursor);
  bson_destroy(&options);
  bson_destroy(&filter);
  return !failed;
}

void cachette__mongo_find(cachette__mongo_job *job, mongoc_collection_t *collection) {
  cachette__item_copy **items = cachette__mongo_sort_items(job);
  if (items == NULL) return;
  for (size_t i = 0, batch; i < job->op.count; i += batch) {
    batch = count_batch(items + i, job->op.count - i);
    if (cachette__mongo_out_of_time(job) || !find_batch(job, collection, items + i, batch)) break;
  }
  cachette__free(items);
}

/* ---- Writing ---- */

static void add_write(cachette__mongo_job *job, mongoc_bulk_operation_t *bulk,
                      const cachette__item_copy *item) {
  bson_t query = BSON_INITIALIZER, update = BSON_INITIALIZER, fields;
  bool is_put = job->op.verb == CACHETTE_PUT;
  cachette__mongo_append_key(&query, "key", item->key);
  if (!is_put) cachette__mongo_append_live(&query, job->now_ms);
  BSON_APPEND_DOCUMENT_BEGIN(&update, "$set", &fields);
  if (is_put)
    BSON_APPEND_BINARY(&fields, "value", BSON_SUBTYPE_BINARY, item->value.data,
                       (uint32_t)item->value.size);
  cachette__mongo_append_expiry(&fields, job->now_ms, item->ttl_ms);
  bson_append_document_end(&update, &fields);
  bson_t *options = BCON_NEW("upsert", BCON_BOOL(is_put));
  /* Without the unique index a key may be stored twice. Then both documents are updated. */
  if (job->shared->unique)
    mongoc_bulk_operation_update_one_with_opts(bulk, &query, &update, options, NULL);
  else
    mongoc_bulk_operation_update_many_with_opts(bulk, &query, &update, options, NULL);
  bson_destroy(options);
  bson_destroy(&update);
  bson_destroy(&query);
}

/* Puts or touches the items by one bulk write. */
static void write_bulk(cachette__mongo_job *job, mongoc_collection_t *collection,
                       cachette__item_copy *const *items, size_t count) {
  bson_t *options = BCON_NEW("ordered", BCON_BOOL(false));
  mongoc_bulk_operation_t *bulk =
      mongoc_collection_create_bulk_operation_with_opts(collection, options);
  for (size_t i = 0; i < count; i++) add_write(job, bulk, items[i]);
  bson_t reply;
  bson_error_t error = {0};
  bool done = mongoc_bulk_operation_execute(bulk, &reply, &error) != 0;
  if (!done && !cachette__mongo_take_write_errors(job, items, count, &reply))
    cachette__mongo_fail_job(job, &error);
  bson_destroy(&reply);
  mongoc_bulk_operation_destroy(bulk);
  bson_destroy(options);
}

/*
 * Returns how many of the items fit into one bulk write. It must fit into one command: if libmongoc
 * splits it and the server rejects items of one command, libmongoc does not report that another
 * command failed. A server accepts 100,000 writes and 48 MB per command.
 */
static size_t count_writes(cachette__item_copy *const *items, size_t count) {
  enum { WRITES_MAX = 10000, BYTES_MAX = 32 << 20 };
  size_t bytes = 0, writes = 0;
  while (writes < count && writes < WRITES_MAX) {
    bytes += items[writes]->key.size + items[writes]->value.size + CACHETTE__MONGO_OVERHEAD_MAX;
    if (writes > 0 && bytes > BYTES_MAX) break;
    writes++;
  }
  return writes;
}

static void write_all(cachette__mongo_job *job, mongoc_collection_t *collection,
                      cachette__item_copy *const *items, size_t count) {
  for (size_t i = 0, writes; i < count && job->op.code == CACHETTE_OK; i += writes) {
    writes = count_writes(items + i, count - i);
    if (!cachette__mongo_out_of_time(job)) write_bulk(job, collection, items + i, writes);
  }
}

/* Moves the items to retry to the front. Returns their number. */
static size_t collect_retries(cachette__item_copy **items, size_t count) {
  size_t retries = 0;
  for (size_t i = 0; i < count; i++) {
    if (!items[i]->retry) continue;
    items[i]->retry = false;
    items[retries++] = items[i];
  }
  return retries;
}

/* Clears the entries whose new values are too large, so that no fetch finds the old values. */
static void clear_too_large(cachette__mongo_job *job, mongoc_collection_t *collection,
                            cachette__item_copy *const *items, size_t count) {
  int64_t cleared = 0;
  for (size_t i = 0, batch; i < count && job->op.code == CACHETTE_OK; i += batch) {
    bson_t filter = BSON_INITIALIZER;
    batch = count_batch(items + i, count - i);
    append_keys(&filter, items + i, batch);
    cachette__mongo_delete(job, collection, &filter, false, &cleared);
    bson_destroy(&filter);
  }
}

void cachette__mongo_put(cachette__mongo_job *job, mongoc_collection_t *collection) {
  cachette__item_copy **items = cachette__malloc(job->op.count * sizeof *items);
  if (items == NULL) {
    cachette__op_copy_fail_memory(&job->op);
    return;
  }
  /* Items to write go to the front, items that are too large to the back. */
  size_t left = 0, large = job->op.count;
  for (size_t i = 0; i < job->op.count; i++) {
    cachette__item_copy *item = &job->op.items[i];
    items[cachette__mongo_is_too_large(job, item) ? --large : left++] = item;
  }
  clear_too_large(job, collection, items + large, job->op.count - large);
  job->tries = 0;
  while (left > 0 && job->op.code == CACHETTE_OK) {
    write_all(job, collection, items, left);
    left = collect_retries(items, left);
    if (left > 0 && !cachette__mongo_retry(job)) break;
  }
  cachette__free(items);
}

static void touch_one(cachette__mongo_job *job, mongoc_collection_t *collection) {
  bson_t query = BSON_INITIALIZER, update = BSON_INITIALIZER, fields, reply;
  cachette__item_copy *item = &job->op.items[0];
  bson_error_t error;
  int64_t count = 0;
  cachette__mongo_append_key(&query, "key", item->key);
  cachette__mongo_append_live(&query, job->now_ms);
  BSON_APPEND_DOCUMENT_BEGIN(&update, "$set", &fields);
  cachette__mongo_append_expiry(&fields, job->now_ms, item->ttl_ms);
  bson_append_document_end(&update, &fields);
  bool done =
      job->shared->unique /* libmongoc retries an update of one by itself */
          ? mongoc_collection_update_one(collection, &query, &update, NULL, &reply, &error)
          : mongoc_collection_update_many(collection, &query, &update, NULL, &reply, &error);
  if (!done)
    cachette__mongo_fail_job(job, &error);
  else
    cachette__mongo_take_count(&reply, "matchedCount", &count);
  if (count > 0) item->status = CACHETTE_HIT;
  bson_destroy(&reply);
  bson_destroy(&update);
  bson_destroy(&query);
}

/* Several items are first found by a query, because the reply to a bulk write does not tell which
 * items matched. */
void cachette__mongo_touch(cachette__mongo_job *job, mongoc_collection_t *collection) {
  if (job->op.count == 1) {
    touch_one(job, collection);
    return;
  }
  cachette__item_copy **items = cachette__malloc(job->op.count * (sizeof *items + sizeof(int64_t)));
  if (items == NULL) {
    cachette__op_copy_fail_memory(&job->op);
    return;
  }
  int64_t *ttls = (int64_t *)(items + job->op.count); /* the find overwrites the items' own */
  for (size_t i = 0; i < job->op.count; i++) ttls[i] = job->op.items[i].ttl_ms;
  cachette__mongo_find(job, collection);
  size_t live = 0;
  for (size_t i = 0; i < job->op.count; i++) {
    job->op.items[i].ttl_ms = ttls[i];
    if (job->op.items[i].status == CACHETTE_HIT) items[live++] = &job->op.items[i];
  }
  if (job->op.code == CACHETTE_OK) write_all(job, collection, items, live);
  cachette__free(items);
}

/* ---- Clearing ---- */

bool cachette__mongo_delete(cachette__mongo_job *job, mongoc_collection_t *collection,
                            const bson_t *filter, bool one, int64_t *count) {
  bson_t reply;
  bson_error_t error;
  bool done = one ? mongoc_collection_delete_one(collection, filter, NULL, &reply, &error)
                  : mongoc_collection_delete_many(collection, filter, NULL, &reply, &error);
  if (!done)
    cachette__mongo_fail_job(job, &error);
  else
    cachette__mongo_take_count(&reply, "deletedCount", count);
  bson_destroy(&reply);
  return done;
}

static bool clear_batch(cachette__mongo_job *job, mongoc_collection_t *collection,
                        cachette__item_copy *const *items, size_t count, int64_t *cleared) {
  bson_t filter = BSON_INITIALIZER;
  append_keys(&filter, items, count);
  cachette__mongo_append_live(&filter, job->now_ms);
  bool one = count == 1 && job->shared->unique;
  bool done = cachette__mongo_delete(job, collection, &filter, one, cleared);
  bson_destroy(&filter);
  return done;
}

/* An expired entry is a miss, even if the server still has it. */
void cachette__mongo_clear(cachette__mongo_job *job, mongoc_collection_t *collection) {
  int64_t cleared = 0;
  if (job->op.count == 1) {
    cachette__item_copy *item = &job->op.items[0];
    clear_batch(job, collection, &item, 1, &cleared);
    item->status = cleared > 0 ? CACHETTE_HIT : CACHETTE_MISS;
    return;
  }
  cachette__mongo_find(job, collection);
  cachette__item_copy **items =
      job->op.code == CACHETTE_OK ? cachette__mongo_sort_items(job) : NULL;
  for (size_t i = 0, batch; items != NULL && i < job->op.count; i += batch) {
    batch = count_batch(items + i, job->op.count - i);
    if (!clear_batch(job, collection, items + i, batch, &cleared)) break;
  }
  cachette__free(items);
}

void cachette__mongo_ping(cachette__mongo_job *job, mongoc_client_t *client) {
  bson_t *command = BCON_NEW("ping", BCON_INT32(1));
  bson_error_t error;
  if (!mongoc_client_command_simple(client, job->shared->settings->database, command, NULL, NULL,
                                    &error))
    cachette__mongo_fail_job(job, &error);
  bson_destroy(command);
}
