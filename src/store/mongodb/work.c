/* SPDX-License-Identifier: MIT */
/* The verbs, as commands: on a thread of the pool, where waiting for the server is fine. */
#include <stdlib.h>
#include <string.h>

#include "../../base/clock.h"
#include "client.h"

enum {
  KEYS_AT_ONCE = 1000,        /* in one query, */
  KEY_BYTES_AT_ONCE = 4 << 20 /* and bytes of them; a query is a document, too */
};

/* ---- A thread's client ---- */

static bool has_server(const mongoc_topology_description_t *servers) {
  return mongoc_topology_description_has_readable_server(servers, NULL) ||
         mongoc_topology_description_has_writable_server(servers);
}

/* These are called on threads of libmongoc's. */

static void on_answer(const mongoc_apm_server_heartbeat_succeeded_t *event) {
  cachette__mongo_shared *shared = mongoc_apm_server_heartbeat_succeeded_get_context(event);
  shared->heard = true;
}

static void on_failure(const mongoc_apm_server_heartbeat_failed_t *event) {
  cachette__mongo_shared *shared = mongoc_apm_server_heartbeat_failed_get_context(event);
  shared->heard = true;
}

static void on_topology_changed(const mongoc_apm_topology_changed_t *event) {
  cachette__mongo_shared *shared = mongoc_apm_topology_changed_get_context(event);
  if (!has_server(mongoc_apm_topology_changed_get_previous_description(event)) &&
      has_server(mongoc_apm_topology_changed_get_new_description(event)))
    shared->found++;
}

static void watch(cachette__mongo_shared *shared, mongoc_client_pool_t *clients) {
  mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();
  mongoc_apm_set_server_heartbeat_succeeded_cb(callbacks, on_answer);
  mongoc_apm_set_server_heartbeat_failed_cb(callbacks, on_failure);
  mongoc_apm_set_topology_changed_cb(callbacks, on_topology_changed);
  mongoc_client_pool_set_apm_callbacks(clients, callbacks, shared);
  mongoc_apm_callbacks_destroy(callbacks);
}

/* Making the pool may ask the name service, of a mongodb+srv:// URL; so it is done here. */
static mongoc_client_pool_t *get_clients(cachette__mongo_shared *shared, bson_error_t *fault) {
  uv_mutex_lock(&shared->clients_mutex);
  mongoc_client_pool_t *clients = shared->clients;
  if (clients == NULL) {
    clients = mongoc_client_pool_new_with_error(shared->settings.uri, fault);
    if (clients != NULL) {
      mongoc_client_pool_max_size(clients, shared->settings.threads);
      mongoc_client_pool_set_error_api(clients, MONGOC_ERROR_API_VERSION_2);
      watch(shared, clients);
    }
    shared->clients = clients;
  }
  uv_mutex_unlock(&shared->clients_mutex);
  return clients;
}

bool cachette__mongo_connect(cachette__mongo_shared *shared, cachette__mongo_thread *thread,
                             bson_error_t *fault) {
  if (thread->usual.client != NULL) return true;
  mongoc_client_pool_t *clients = get_clients(shared, fault);
  if (clients == NULL) return false;
  thread->usual.client = mongoc_client_pool_pop(clients);
  thread->usual.collection = mongoc_client_get_collection(
      thread->usual.client, shared->settings.database, shared->settings.collection);
  return true;
}

void cachette__mongo_disconnect_patient(cachette__mongo_thread *thread) {
  if (thread->patient.client == NULL) return;
  mongoc_collection_destroy(thread->patient.collection);
  mongoc_client_destroy(thread->patient.client);
  thread->patient.client = NULL;
}

/*
 * The clients of the pool wait for an answer as long as the options say. For an op that was given
 * more time, such as one that clears a large collection, a thread has a client of its own, which it
 * keeps as long as it is patient enough.
 */
static bool connect_patient(cachette__mongo_job *job, cachette__mongo_thread *thread,
                            bson_error_t *fault) {
  const cachette__mongo_settings *settings = &job->shared->settings;
  cachette__mongo_client *own = &thread->patient;
  if (own->client != NULL && job->timeout_ms <= thread->patience_ms) return true;
  cachette__mongo_disconnect_patient(thread);
  mongoc_uri_t *uri = mongoc_uri_copy(settings->uri);
  int64_t ms = job->timeout_ms < INT32_MAX ? job->timeout_ms : INT32_MAX;
  mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, (int32_t)ms);
  own->client = mongoc_client_new_from_uri_with_error(uri, fault);
  mongoc_uri_destroy(uri);
  if (own->client == NULL) return false;
  mongoc_client_set_error_api(own->client, MONGOC_ERROR_API_VERSION_2);
  own->collection =
      mongoc_client_get_collection(own->client, settings->database, settings->collection);
  thread->patience_ms = job->timeout_ms;
  return true;
}

/* ---- Items by their keys ---- */

static int compare_keys(cachette_slice a, cachette_slice b) {
  int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
  return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_items(const void *a, const void *b) {
  const cachette__copy *const *first = a, *const *second = b;
  return compare_keys((*first)->key, (*second)->key);
}

/* The job's items by key, to be freed; NULL: out of memory, and the job failed. */
static cachette__copy **sort_items(cachette__mongo_job *job) {
  cachette__copy **sorted = cachette__malloc(job->count * sizeof *sorted);
  if (sorted == NULL) {
    job->code = cachette__fail(&job->error, CACHETTE_ENOMEM, NULL, NULL);
    return NULL;
  }
  for (size_t i = 0; i < job->count; i++) sorted[i] = &job->items[i];
  qsort(sorted, job->count, sizeof *sorted, compare_items);
  return sorted;
}

/* The first of `count` that has the key, or NULL. */
static cachette__copy **find_items(cachette__copy **sorted, size_t count, cachette_slice key) {
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

static void append_keys(bson_t *filter, cachette__copy *const *items, size_t count) {
  if (count == 1) {
    cachette__mongo_append_key(filter, "key", items[0]->key);
    return;
  }
  bson_t among, list;
  BSON_APPEND_DOCUMENT_BEGIN(filter, "key", &among);
  BSON_APPEND_ARRAY_BEGIN(&among, "$in", &list);
  for (size_t i = 0; i < count; i++) {
    char buffer[16];
    const char *place;
    bson_uint32_to_string((uint32_t)i, &place, buffer, sizeof buffer);
    cachette__mongo_append_key(&list, place, items[i]->key);
  }
  bson_append_array_end(&among, &list);
  bson_append_document_end(filter, &among);
}

/* How many of the items go into one query. */
static size_t count_portion(cachette__copy *const *items, size_t count) {
  size_t bytes = items[0]->key.size, portion = 1;
  while (portion < count && portion < KEYS_AT_ONCE) {
    bytes += items[portion]->key.size;
    if (bytes > KEY_BYTES_AT_ONCE) break;
    portion++;
  }
  return portion;
}

/* ---- Reading ---- */

static void take_value(cachette__mongo_job *job, cachette__copy *item, const bson_t *document) {
  cachette_slice value;
  if (!cachette__mongo_get_bytes(document, "value", &value)) {
    char text[32];
    cachette__key_text(cachette__mongo_own_key(job, item), text, sizeof text);
    item->status = cachette__fail(&job->error, CACHETTE_ECODEC, text,
                                  "What stands under \"%s\" has no bytes as its value.", text);
    return;
  }
  item->found = cachette__malloc(value.size);
  if (item->found == NULL) {
    item->status = cachette__fail(&job->error, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  memcpy(item->found, value.data, value.size);
  item->found_size = value.size;
}

/* A document came, for all items that have its key; of two the first that lives counts. */
static void take_document(cachette__mongo_job *job, cachette__copy **items, size_t count,
                          const bson_t *document) {
  cachette_slice key;
  int64_t left = cachette__mongo_time_left(document, job->now_ms);
  if (left <= 0 || !cachette__mongo_get_bytes(document, "key", &key)) return;
  cachette__copy **at = find_items(items, count, key);
  for (; at != NULL && at < items + count && compare_keys((*at)->key, key) == 0; at++) {
    if ((*at)->status != CACHETTE_MISS) continue;
    (*at)->status = CACHETTE_HIT;
    (*at)->ttl_ms = left;
    if (job->verb == CACHETTE_FETCH) take_value(job, *at, document);
  }
}

/* Asks for so many items at once. False: the job failed. */
static bool find_portion(cachette__mongo_job *job, mongoc_collection_t *collection,
                         cachette__copy **items, size_t count) {
  bson_t filter = BSON_INITIALIZER;
  bson_t options = BSON_INITIALIZER, fields;
  BSON_APPEND_DOCUMENT_BEGIN(&options, "projection", &fields);
  BCON_APPEND(&fields, "_id", BCON_INT32(0), "key", BCON_INT32(1), "expires", BCON_INT32(1),
              "expires_at", BCON_INT32(1));
  if (job->verb == CACHETTE_FETCH) BSON_APPEND_INT32(&fields, "value", 1);
  bson_append_document_end(&options, &fields);
  append_keys(&filter, items, count);
  BSON_APPEND_INT32(&options, "batchSize", (int32_t)count + 1); /* all at once, if they fit */
  mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &filter, &options, NULL);
  const bson_t *document;
  while (mongoc_cursor_next(cursor, &document)) take_document(job, items, count, document);
  bson_error_t fault;
  bool failed = mongoc_cursor_error(cursor, &fault);
  if (failed) cachette__mongo_fail(job, &fault);
  mongoc_cursor_destroy(cursor);
  bson_destroy(&options);
  bson_destroy(&filter);
  return !failed;
}

/* Finds which items there are, and for a fetch their values. */
static void find_all(cachette__mongo_job *job, mongoc_collection_t *collection) {
  cachette__copy **items = sort_items(job);
  if (items == NULL) return;
  for (size_t i = 0, portion; i < job->count; i += portion) {
    portion = count_portion(items + i, job->count - i);
    if (cachette__mongo_out_of_time(job) || !find_portion(job, collection, items + i, portion))
      break;
  }
  cachette__free(items);
}

/* ---- Writing ---- */

static void add_write(cachette__mongo_job *job, mongoc_bulk_operation_t *bulk,
                      const cachette__copy *item) {
  bson_t query = BSON_INITIALIZER, update = BSON_INITIALIZER, fields;
  bool puts = job->verb == CACHETTE_PUT;
  cachette__mongo_append_key(&query, "key", item->key);
  if (!puts) cachette__mongo_append_live(&query, job->now_ms);
  BSON_APPEND_DOCUMENT_BEGIN(&update, "$set", &fields);
  if (puts)
    BSON_APPEND_BINARY(&fields, "value", BSON_SUBTYPE_BINARY, item->value.data,
                       (uint32_t)item->value.size);
  cachette__mongo_append_expiry(&fields, job->now_ms, item->ttl_ms);
  bson_append_document_end(&update, &fields);
  bson_t *options = BCON_NEW("upsert", BCON_BOOL(puts));
  /* An old collection may have a key twice; then both become the same. */
  if (job->shared->unique)
    mongoc_bulk_operation_update_one_with_opts(bulk, &query, &update, options, NULL);
  else
    mongoc_bulk_operation_update_many_with_opts(bulk, &query, &update, options, NULL);
  bson_destroy(options);
  bson_destroy(&update);
  bson_destroy(&query);
}

/* An element of a reply's writeErrors. */
static void take_write_error(cachette__mongo_job *job, cachette__copy *const *written, size_t count,
                             const bson_iter_t *element) {
  bson_iter_t field;
  bson_error_t fault = {.domain = MONGOC_ERROR_SERVER};
  size_t place = SIZE_MAX;
  if (!bson_iter_recurse(element, &field)) return;
  while (bson_iter_next(&field)) {
    const char *name = bson_iter_key(&field);
    if (strcmp(name, "index") == 0) place = (size_t)bson_iter_as_int64(&field);
    if (strcmp(name, "code") == 0) fault.code = (uint32_t)bson_iter_as_int64(&field);
    if (strcmp(name, "errmsg") == 0 && BSON_ITER_HOLDS_UTF8(&field))
      bson_strncpy(fault.message, bson_iter_utf8(&field, NULL), sizeof fault.message);
  }
  if (place >= count) return;
  if (cachette__mongo_is_race(job, &fault))
    written[place]->again = true; /* both inserted at once; this one comes too late for that */
  else
    cachette__mongo_fail_item(job, written[place], &fault);
}

/* Takes the errors that items had; whether there was any. */
static bool take_write_errors(cachette__mongo_job *job, cachette__copy *const *written,
                              size_t count, const bson_t *reply) {
  bson_iter_t field, element;
  bool any = false;
  if (!bson_iter_init_find(&field, reply, "writeErrors") || !bson_iter_recurse(&field, &element))
    return false;
  while (bson_iter_next(&element)) {
    take_write_error(job, written, count, &element);
    any = true;
  }
  return any;
}

static bool has_concern_error(const bson_t *reply) {
  bson_iter_t field, element;
  return bson_iter_init_find(&field, reply, "writeConcernErrors") &&
         bson_iter_recurse(&field, &element) && bson_iter_next(&element);
}

/* Writes the items, whatever their verb, in one bulk. */
static void write_bulk(cachette__mongo_job *job, mongoc_collection_t *collection,
                       cachette__copy *const *items, size_t count) {
  bson_t *options = BCON_NEW("ordered", BCON_BOOL(false));
  mongoc_bulk_operation_t *bulk =
      mongoc_collection_create_bulk_operation_with_opts(collection, options);
  for (size_t i = 0; i < count; i++) add_write(job, bulk, items[i]);
  bson_t reply;
  bson_error_t fault = {0};
  bool done = mongoc_bulk_operation_execute(bulk, &reply, &fault) != 0;
  bool is_told = !done && take_write_errors(job, items, count, &reply);
  if (!done && (!is_told || has_concern_error(&reply))) cachette__mongo_fail(job, &fault);
  bson_destroy(&reply);
  mongoc_bulk_operation_destroy(bulk);
  bson_destroy(options);
}

/*
 * How many of the items go into one bulk, such that it is one command: of a bulk that goes in
 * several libmongoc does not tell that one did not arrive if another has items that were refused.
 */
static size_t count_writes(cachette__copy *const *items, size_t count) {
  enum {
    WRITES_MOST = 10000,
    BYTES_MOST = 32 << 20
  }; /* of 100,000 and 48 MB that a server takes */
  size_t bytes = 0, writes = 0;
  while (writes < count && writes < WRITES_MOST) {
    bytes += items[writes]->key.size + items[writes]->value.size + CACHETTE__MONGO_FIELDS;
    if (writes > 0 && bytes > BYTES_MOST) break;
    writes++;
  }
  return writes;
}

static void write_all(cachette__mongo_job *job, mongoc_collection_t *collection,
                      cachette__copy *const *items, size_t count) {
  for (size_t i = 0, writes; i < count && job->code == CACHETTE_OK; i += writes) {
    writes = count_writes(items + i, count - i);
    if (!cachette__mongo_out_of_time(job)) write_bulk(job, collection, items + i, writes);
  }
}

/* Keeps those that are to be tried again; how many. */
static size_t keep_again(cachette__copy **items, size_t count) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (!items[i]->again) continue;
    items[i]->again = false;
    items[kept++] = items[i];
  }
  return kept;
}

/* What is too large is cleared, so that nothing older is taken for it. */
static void clear_refused(cachette__mongo_job *job, mongoc_collection_t *collection,
                          cachette__copy *const *items, size_t count) {
  int64_t cleared = 0;
  for (size_t i = 0, portion; i < count && job->code == CACHETTE_OK; i += portion) {
    bson_t filter = BSON_INITIALIZER;
    portion = count_portion(items + i, count - i);
    append_keys(&filter, items + i, portion);
    cachette__mongo_delete(job, collection, &filter, false, &cleared);
    bson_destroy(&filter);
  }
}

static void put_all(cachette__mongo_job *job, mongoc_collection_t *collection) {
  cachette__copy **items = cachette__malloc(job->count * sizeof *items);
  if (items == NULL) {
    job->code = cachette__fail(&job->error, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  size_t left = 0, refused = job->count; /* those from the front on, these at the back */
  for (size_t i = 0; i < job->count; i++)
    items[cachette__mongo_refuses(job, &job->items[i]) ? --refused : left++] = &job->items[i];
  clear_refused(job, collection, items + refused, job->count - refused);
  job->tries = 0;
  while (left > 0 && job->code == CACHETTE_OK) {
    write_all(job, collection, items, left);
    left = keep_again(items, left);
    if (left > 0 && !cachette__mongo_try_again(job)) break;
  }
  cachette__free(items);
}

static bool take_count(const bson_t *reply, const char *name, int64_t *count) {
  bson_iter_t field;
  if (!bson_iter_init_find(&field, reply, name)) return false;
  *count += bson_iter_as_int64(&field);
  return true;
}

static void touch_one(cachette__mongo_job *job, mongoc_collection_t *collection) {
  bson_t query = BSON_INITIALIZER, update = BSON_INITIALIZER, fields, reply;
  cachette__copy *item = &job->items[0];
  bson_error_t fault;
  int64_t count = 0;
  cachette__mongo_append_key(&query, "key", item->key);
  cachette__mongo_append_live(&query, job->now_ms);
  BSON_APPEND_DOCUMENT_BEGIN(&update, "$set", &fields);
  cachette__mongo_append_expiry(&fields, job->now_ms, item->ttl_ms);
  bson_append_document_end(&update, &fields);
  bool done =
      job->shared->unique /* then libmongoc may try it again by itself */
          ? mongoc_collection_update_one(collection, &query, &update, NULL, &reply, &fault)
          : mongoc_collection_update_many(collection, &query, &update, NULL, &reply, &fault);
  if (!done)
    cachette__mongo_fail(job, &fault);
  else if (take_count(&reply, "matchedCount", &count) && count > 0)
    item->status = CACHETTE_HIT;
  bson_destroy(&reply);
  bson_destroy(&update);
  bson_destroy(&query);
}

/* Of many it must be asked which are there, for a bulk does not tell of each. */
static void touch_all(cachette__mongo_job *job, mongoc_collection_t *collection) {
  if (job->count == 1) {
    touch_one(job, collection);
    return;
  }
  cachette__copy **items = cachette__malloc(job->count * (sizeof *items + sizeof(int64_t)));
  if (items == NULL) {
    job->code = cachette__fail(&job->error, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  int64_t *ttls = (int64_t *)(items + job->count); /* which finding them overwrites */
  for (size_t i = 0; i < job->count; i++) ttls[i] = job->items[i].ttl_ms;
  find_all(job, collection);
  size_t there = 0;
  for (size_t i = 0; i < job->count; i++) {
    job->items[i].ttl_ms = ttls[i];
    if (job->items[i].status == CACHETTE_HIT) items[there++] = &job->items[i];
  }
  if (job->code == CACHETTE_OK) write_all(job, collection, items, there);
  cachette__free(items);
}

bool cachette__mongo_delete(cachette__mongo_job *job, mongoc_collection_t *collection,
                            const bson_t *filter, bool one, int64_t *count) {
  bson_t reply;
  bson_error_t fault;
  bool done = one ? mongoc_collection_delete_one(collection, filter, NULL, &reply, &fault)
                  : mongoc_collection_delete_many(collection, filter, NULL, &reply, &fault);
  if (!done)
    cachette__mongo_fail(job, &fault);
  else
    take_count(&reply, "deletedCount", count);
  bson_destroy(&reply);
  return done;
}

static bool clear_portion(cachette__mongo_job *job, mongoc_collection_t *collection,
                          cachette__copy *const *items, size_t count, int64_t *cleared) {
  bson_t filter = BSON_INITIALIZER;
  append_keys(&filter, items, count);
  cachette__mongo_append_live(&filter, job->now_ms);
  bool one = count == 1 && job->shared->unique;
  bool done = cachette__mongo_delete(job, collection, &filter, one, cleared);
  bson_destroy(&filter);
  return done;
}

/* One that ended is no more, whether the server has it still or not. */
static void clear_all(cachette__mongo_job *job, mongoc_collection_t *collection) {
  int64_t cleared = 0;
  if (job->count == 1) {
    cachette__copy *item = &job->items[0];
    clear_portion(job, collection, &item, 1, &cleared);
    item->status = cleared > 0 ? CACHETTE_HIT : CACHETTE_MISS;
    return;
  }
  find_all(job, collection);
  cachette__copy **items = job->code == CACHETTE_OK ? sort_items(job) : NULL;
  for (size_t i = 0, portion; items != NULL && i < job->count; i += portion) {
    portion = count_portion(items + i, job->count - i);
    if (!clear_portion(job, collection, items + i, portion, &cleared)) break;
  }
  cachette__free(items);
}

static void ping(cachette__mongo_job *job, const cachette__mongo_client *client) {
  bson_t *command = BCON_NEW("ping", BCON_INT32(1));
  bson_error_t fault;
  if (!mongoc_client_command_simple(client->client, job->shared->settings.database, command, NULL,
                                    NULL, &fault))
    cachette__mongo_fail(job, &fault);
  bson_destroy(command);
}

/* ---- All verbs ---- */

typedef void each(cachette__mongo_job *job, mongoc_collection_t *collection, cachette__copy *item);

static void do_each(cachette__mongo_job *job, mongoc_collection_t *collection, each *act) {
  for (size_t i = 0; i < job->count && job->code == CACHETTE_OK; i++)
    act(job, collection, &job->items[i]);
}

static void carry_out(cachette__mongo_job *job, const cachette__mongo_client *client) {
  mongoc_collection_t *collection = client->collection;
  switch (job->verb) {
    case CACHETTE_FETCH:
    case CACHETTE_EXISTS:
      find_all(job, collection);
      break;
    case CACHETTE_PUT:
      if (job->flags & CACHETTE_IF_ABSENT)
        do_each(job, collection, cachette__mongo_add);
      else
        put_all(job, collection);
      break;
    case CACHETTE_TOUCH:
      touch_all(job, collection);
      break;
    case CACHETTE_INCREMENT:
      do_each(job, collection, cachette__mongo_increment);
      break;
    case CACHETTE_CLEAR:
      clear_all(job, collection);
      break;
    case CACHETTE_CLEAR_NAMESPACE:
      do_each(job, collection, cachette__mongo_clear_namespace);
      break;
    case CACHETTE_FLUSH:
      cachette__mongo_flush(job, collection);
      break;
    case CACHETTE_FLUSH_EXPIRED:
      cachette__mongo_flush_expired(job, collection);
      break;
    case CACHETTE_PING:
      ping(job, client);
      break;
  }
}

static void forget_results(cachette__mongo_job *job) {
  job->code = CACHETTE_OK;
  job->error.code = CACHETTE_OK;
  for (size_t i = 0; i < job->count; i++) {
    cachette__free(job->items[i].found);
    job->items[i].found = NULL;
    job->items[i].status = CACHETTE_MISS;
    job->items[i].again = false;
  }
}

static void carry_out_twice(cachette__mongo_job *job, const cachette__mongo_client *client) {
  carry_out(job, client);
  /* A connection that had been idle may turn out to be gone; the next one is a new one. */
  if (job->broken && cachette__is_idempotent(job->verb, job->flags)) {
    forget_results(job);
    carry_out(job, client);
  }
}

void cachette__mongo_work(cachette__mongo_job *job, cachette__mongo_thread *thread) {
  bson_error_t fault = {0};
  if (cachette__mongo_out_of_time(job)) return;
  bool patient = job->timeout_ms > job->shared->settings.timeout_ms;
  if (patient ? !connect_patient(job, thread, &fault)
              : !cachette__mongo_connect(job->shared, thread, &fault)) {
    cachette__mongo_fail(job, &fault);
    return;
  }
  bool makes = job->verb == CACHETTE_PUT || job->verb == CACHETTE_INCREMENT;
  if (makes && !cachette__mongo_indexes_await(job)) return;
  carry_out_twice(job, patient ? &thread->patient : &thread->usual);
}
