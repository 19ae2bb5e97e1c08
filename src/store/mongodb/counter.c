/* SPDX-License-Identifier: MIT */
/*
 * Increments, and put if absent, which works the same way: one key at a time.
 *
 * Both start with a findAndModify, which inserts the entry or returns the existing one. That
 * completes a put if absent, unless the existing entry has expired and must be replaced.
 *
 * A counter's value is bytes, so that every client can read it. MongoDB cannot add to bytes, so the
 * new value is set on the condition that the old one is unchanged. If another client was faster,
 * the increment starts over.
 */
#include <inttypes.h>
#include <stdio.h>

#include "internal.h"

/* Result of a step. RETRY: another client interfered, so start over. */
enum step { STEP_FAILED, STEP_RETRY, STEP_DONE };

/* Fails the item with an error of the server, or the job with any other; a conflict is retried. */
static enum step fail_step(cachette__mongo_job *job, cachette__item_copy *item,
                           const bson_error_t *error) {
  if (cachette__mongo_is_conflict(job, error)) return STEP_RETRY;
  if (error->domain == MONGOC_ERROR_SERVER)
    cachette__mongo_fail_item(job, item, error);
  else
    cachette__mongo_fail_job(job, error);
  return STEP_FAILED;
}

static void append_value(bson_t *update, const char *operator_name, const cachette__mongo_job *job,
                         const cachette__item_copy *item, cachette_slice value) {
  bson_t fields;
  BSON_APPEND_DOCUMENT_BEGIN(update, operator_name, &fields);
  BSON_APPEND_BINARY(&fields, "value", BSON_SUBTYPE_BINARY, value.data, (uint32_t)value.size);
  cachette__mongo_append_expiry(&fields, job->now_ms, item->ttl_ms);
  bson_append_document_end(update, &fields);
}

/* Sets `old` to the document in a reply to findAndModify. False: there is none. */
static bool get_old(const bson_t *reply, bson_t *old) {
  bson_iter_t field;
  if (!bson_iter_init_find(&field, reply, "value") || !BSON_ITER_HOLDS_DOCUMENT(&field))
    return false;
  uint32_t size;
  const uint8_t *data;
  bson_iter_document(&field, &size, &data);
  return bson_init_static(old, data, size);
}

/*
 * Inserts the entry with this value, unless one exists. `reply` then contains the existing one,
 * with its value if `want_value` is set. The caller destroys `reply` in any case.
 */
static bool insert(const cachette__mongo_job *job, mongoc_collection_t *collection,
                   const cachette__item_copy *item, cachette_slice value, bool want_value,
                   bson_t *reply, bson_error_t *error) {
  bson_t query = BSON_INITIALIZER, update = BSON_INITIALIZER, fields = BSON_INITIALIZER;
  cachette__mongo_append_key(&query, "key", item->key);
  append_value(&update, "$setOnInsert", job, item, value);
  BCON_APPEND(&fields, "expires", BCON_INT32(1), "expires_at", BCON_INT32(1));
  if (want_value) BSON_APPEND_INT32(&fields, "value", 1);
  mongoc_find_and_modify_opts_t *options = mongoc_find_and_modify_opts_new();
  mongoc_find_and_modify_opts_set_flags(options, MONGOC_FIND_AND_MODIFY_UPSERT);
  mongoc_find_and_modify_opts_set_update(options, &update);
  mongoc_find_and_modify_opts_set_fields(options, &fields);
  bool done =
      mongoc_collection_find_and_modify_with_opts(collection, &query, options, reply, error);
  mongoc_find_and_modify_opts_destroy(options);
  bson_destroy(&fields);
  bson_destroy(&update);
  bson_destroy(&query);
  return done;
}

static enum step update(cachette__mongo_job *job, mongoc_collection_t *collection,
                        cachette__item_copy *item, const bson_t *query, const bson_t *change) {
  bson_t reply;
  bson_error_t error;
  bson_iter_t field;
  bool done = mongoc_collection_update_one(collection, query, change, NULL, &reply, &error);
  bool matched =
      done && bson_iter_init_find(&field, &reply, "matchedCount") && bson_iter_as_int64(&field) > 0;
  bson_destroy(&reply);
  if (!done) return fail_step(job, item, &error);
  return matched ? STEP_DONE : STEP_RETRY;
}

static void append_id(bson_t *query, const bson_t *old) {
  bson_iter_t field;
  if (bson_iter_init_find(&field, old, "_id"))
    BSON_APPEND_VALUE(query, "_id", bson_iter_value(&field));
}

/* Appends the condition that a field has the same value as in `old`, or is still missing. */
static void append_same(bson_t *query, const bson_t *old, const char *name) {
  bson_iter_t field;
  if (bson_iter_init_find(&field, old, name))
    bson_append_value(query, name, -1, bson_iter_value(&field));
  else
    bson_append_null(query, name, -1);
}

/* Replaces an entry that has expired or has no expiry. */
static enum step replace_expired(cachette__mongo_job *job, mongoc_collection_t *collection,
                                 cachette__item_copy *item, const bson_t *old,
                                 cachette_slice value) {
  bson_t query = BSON_INITIALIZER, change = BSON_INITIALIZER;
  append_id(&query, old);
  append_same(&query, old, "expires");
  append_same(&query, old, "expires_at");
  append_value(&change, "$set", job, item, value);
  enum step step = update(job, collection, item, &query, &change);
  bson_destroy(&change);
  bson_destroy(&query);
  return step;
}

/* Adds to an existing counter, if its value is unchanged. */
static enum step add_to_counter(cachette__mongo_job *job, mongoc_collection_t *collection,
                                cachette__item_copy *item, const bson_t *old) {
  char digits[CACHETTE__COUNTER_DIGITS];
  size_t size;
  cachette_slice value;
  cachette_item counter = {.key = cachette__op_copy_key(&job->op, item), .amount = item->amount};
  item->status = cachette__mongo_get_bytes(old, "value", &value)
                     ? cachette__counter_add(&counter, value, digits, &size, &job->op.error)
                     : cachette__counter_fail_value(counter.key, &job->op.error);
  if (item->status < 0) return STEP_FAILED;

  bson_t query = BSON_INITIALIZER;
  bson_iter_t field;
  append_id(&query, old);
  if (bson_iter_init_find(&field, old, "value"))
    BSON_APPEND_VALUE(&query, "value", bson_iter_value(&field));
  cachette__mongo_append_live(&query, job->now_ms);
  bson_t *change =
      BCON_NEW("$set", "{", "value", BCON_BIN(BSON_SUBTYPE_BINARY, (uint8_t *)digits, size), "}");
  enum step step = update(job, collection, item, &query, change);
  bson_destroy(change);
  bson_destroy(&query);
  if (step == STEP_DONE) {
    item->sum = counter.amount;
    item->status = CACHETTE_HIT;
  }
  return step;
}

static enum step add_once(cachette__mongo_job *job, mongoc_collection_t *collection,
                          cachette__item_copy *item) {
  bson_t reply, old;
  bson_error_t error;
  enum step step = STEP_DONE;
  bool done = insert(job, collection, item, item->value, false, &reply, &error);
  item->status = CACHETTE_MISS;
  if (!done)
    step = fail_step(job, item, &error);
  else if (get_old(&reply, &old)) {
    if (cachette__mongo_time_left(&old, job->now_ms) > 0)
      item->status = CACHETTE_HIT;
    else
      step = replace_expired(job, collection, item, &old, item->value);
  }
  bson_destroy(&reply);
  return step;
}

static enum step increment_once(cachette__mongo_job *job, mongoc_collection_t *collection,
                                cachette__item_copy *item) {
  char digits[CACHETTE__COUNTER_DIGITS + 1];
  int size = snprintf(digits, sizeof digits, "%" PRId64, item->amount);
  cachette_slice initial = {digits, (size_t)size};
  bson_t reply, old;
  bson_error_t error;
  enum step step = STEP_DONE;
  bool done = insert(job, collection, item, initial, true, &reply, &error);
  item->status = CACHETTE_MISS;
  item->sum = item->amount;
  if (!done)
    step = fail_step(job, item, &error);
  else if (get_old(&reply, &old))
    step = cachette__mongo_time_left(&old, job->now_ms) > 0
               ? add_to_counter(job, collection, item, &old)
               : replace_expired(job, collection, item, &old, initial);
  bson_destroy(&reply);
  return step;
}

typedef enum step step_function(cachette__mongo_job *job, mongoc_collection_t *collection,
                                cachette__item_copy *item);

static void repeat_step(cachette__mongo_job *job, mongoc_collection_t *collection,
                        cachette__item_copy *item, step_function *run_step) {
  job->tries = 0;
  while (run_step(job, collection, item) == STEP_RETRY)
    if (!cachette__mongo_retry(job)) return;
}

void cachette__mongo_add(cachette__mongo_job *job, mongoc_collection_t *collection,
                         cachette__item_copy *item) {
  if (!cachette__mongo_is_too_large(job, item)) repeat_step(job, collection, item, add_once);
}

void cachette__mongo_increment(cachette__mongo_job *job, mongoc_collection_t *collection,
                               cachette__item_copy *item) {
  repeat_step(job, collection, item, increment_once);
}
