/* SPDX-License-Identifier: MIT */
/*
 * The two indexes of a collection: a unique one on the key, and the TTL index, by which the server
 * removes expired entries. A job creates them when a handle first inserts.
 *
 * Ops that insert wait for the first attempt: without the unique index, two clients that put the
 * same new key at once would both insert it. They wait at most half of their time-out, because on a
 * large collection the server may take minutes. If no server is found they fail with that error and
 * do not search again.
 *
 * If the user lacks the permission to create indexes, the store works without them. If duplicate
 * keys exist, the index is created without uniqueness, and a notice reports it once.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "../../base/clock.h"
#include "internal.h"

enum { RETRY_MS = 1000 }; /* after a failed attempt */

/* The server's error codes for an index that it will never create. */
enum {
  UNAUTHORIZED = 13,
  COMMAND_NOT_FOUND = 59,
  CANNOT_CREATE_INDEX = 67,
  INVALID_OPTIONS = 72,
  INVALID_NAMESPACE = 73,
  INDEX_OPTIONS_CONFLICT = 85,
  INDEX_KEY_SPECS_CONFLICT = 86,
  COMMAND_NOT_SUPPORTED = 115,
  ATLAS_ERROR = 8000,
  DUPLICATE_KEY = 11000
};

/* Until a server is found, a job may wait until its deadline. After that it waits for the indexes
 * only during the first half of its time. */
bool cachette__mongo_indexes_await(cachette__mongo_job *job) {
  cachette__mongo_shared *shared = job->shared;
  int64_t left_ms = job->deadline_ms - cachette__machine_now();
  uint64_t now = uv_hrtime(), left = left_ms > 0 ? (uint64_t)left_ms * 1000000 : 0;
  uint64_t end = now + left, half = now + left / 2;
  uv_mutex_lock(&shared->indexes_mutex);
  while (shared->indexes == CACHETTE__MONGO_INDEXES_CREATING &&
         now < (shared->indexes_has_server ? half : end)) {
    uint64_t until = shared->indexes_has_server ? half : end;
    uv_cond_timedwait(&shared->indexes_changed, &shared->indexes_mutex, until - now);
    now = uv_hrtime();
  }
  bool no_server = shared->indexes_no_server_ms >= job->deadline_ms - job->timeout_ms;
  bson_error_t error = shared->indexes_error;
  uv_mutex_unlock(&shared->indexes_mutex);
  if (no_server) cachette__mongo_fail_job(job, &error);
  return !no_server;
}

/* ---- Creation ---- */

static bool create_index(mongoc_collection_t *collection, const char *field, const char *name,
                         const bson_t *options, bson_error_t *error) {
  bson_t command = BSON_INITIALIZER, list, index, keys;
  BSON_APPEND_UTF8(&command, "createIndexes", mongoc_collection_get_name(collection));
  BSON_APPEND_ARRAY_BEGIN(&command, "indexes", &list);
  BSON_APPEND_DOCUMENT_BEGIN(&list, "0", &index);
  BSON_APPEND_DOCUMENT_BEGIN(&index, "key", &keys);
  BSON_APPEND_INT32(&keys, field, 1);
  bson_append_document_end(&index, &keys);
  BSON_APPEND_UTF8(&index, "name", name);
  BSON_APPEND_BOOL(&index, "background", true);
  bson_concat(&index, options);
  bson_append_document_end(&list, &index);
  bson_append_array_end(&command, &list);
  bool created = mongoc_collection_write_command_with_opts(collection, &command, NULL, NULL, error);
  bson_destroy(&command);
  return created;
}

static bool create_key_index(mongoc_collection_t *collection, bool unique, bson_error_t *error) {
  bson_t *options = BCON_NEW("unique", BCON_BOOL(unique));
  bool created = create_index(collection, "key", "key_1", options, error);
  bson_destroy(options);
  return created;
}

static bool create_ttl_index(mongoc_collection_t *collection, bson_error_t *error) {
  bson_t *options = BCON_NEW("expireAfterSeconds", BCON_INT32(0));
  bool created = create_index(collection, "expires_at", "expires_at_1", options, error);
  bson_destroy(options);
  return created;
}

/* Whether the server will never create the index, so that a later attempt is useless. */
static bool is_refused(const bson_error_t *error) {
  static const uint32_t codes[] = {
      UNAUTHORIZED,      COMMAND_NOT_FOUND,      CANNOT_CREATE_INDEX,   INVALID_OPTIONS,
      INVALID_NAMESPACE, INDEX_OPTIONS_CONFLICT, COMMAND_NOT_SUPPORTED, INDEX_KEY_SPECS_CONFLICT,
      ATLAS_ERROR,       DUPLICATE_KEY};
  if (error->domain != MONGOC_ERROR_SERVER) return false;
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (error->code == codes[i]) return true;
  return false;
}

/* Finds a writable server, and notifies the waiting jobs of the result. */
static bool find_server(cachette__mongo_shared *shared, cachette__mongo_thread *thread) {
  bson_error_t error = {0};
  mongoc_server_description_t *server = NULL;
  if (cachette__mongo_connect(shared, thread, &error))
    server = mongoc_client_select_server(thread->pooled.client, true, NULL, &error);
  uv_mutex_lock(&shared->indexes_mutex);
  shared->indexes_has_server = server != NULL;
  if (server == NULL && error.domain == MONGOC_ERROR_SERVER_SELECTION) {
    shared->indexes_no_server_ms = cachette__machine_now();
    shared->indexes_error = error;
  }
  uv_cond_broadcast(&shared->indexes_changed);
  uv_mutex_unlock(&shared->indexes_mutex);
  if (server == NULL) return false;
  mongoc_server_description_destroy(server);
  return true;
}

static void finish_creation(cachette__mongo_shared *shared, bool done) {
  uv_mutex_lock(&shared->indexes_mutex);
  shared->indexes = done ? CACHETTE__MONGO_INDEXES_DONE : CACHETTE__MONGO_INDEXES_FAILED;
  shared->indexes_retry_ms = cachette__machine_now() + RETRY_MS;
  uv_cond_broadcast(&shared->indexes_changed);
  uv_mutex_unlock(&shared->indexes_mutex);
}

/* Sends one command per index: a server that rejects one index of a command creates none. */
static void create_indexes(cachette__mongo_shared *shared, cachette__mongo_thread *thread) {
  bson_error_t error;
  bool done = find_server(shared, thread);
  mongoc_collection_t *collection = thread->pooled.collection;
  if (done) {
    shared->unique = done = create_key_index(collection, true, &error);
    if (!done && is_refused(&error)) { /* duplicate keys, or no permission */
      shared->has_duplicates = error.code == DUPLICATE_KEY;
      done = create_key_index(collection, false, &error) || is_refused(&error);
    }
  }
  if (done) done = create_ttl_index(collection, &error) || is_refused(&error);
  finish_creation(shared, done);
}

/* ---- The job ---- */

typedef struct index_job {
  cachette__job job;
  cachette__mongo_shared *shared;
} index_job;

static void work(cachette__job *base, void *thread) {
  cachette__mongo_shared *shared = ((index_job *)base)->shared;
  if (thread == NULL)
    finish_creation(shared, false);
  else
    create_indexes(shared, thread);
}

static void free_job(cachette__job *base) { cachette__free(base); }

static void report_duplicates(const cachette__mongo_shared *shared) {
  char message[512], redacted[61];
  cachette__value_text(shared->settings->collection, redacted, sizeof redacted);
  snprintf(message, sizeof message,
           "%s has duplicate keys in the collection \"%s\", so the index on them is not unique. "
           "Remove the old entries of the collection to allow a unique index.",
           shared->settings->name, redacted);
  shared->events->notice(shared->events, message);
}

static void done(cachette__job *base) {
  cachette__mongo_shared *shared = ((index_job *)base)->shared;
  if (atomic_exchange(&shared->has_duplicates, false)) report_duplicates(shared);
  free_job(base);
}

/* Returns whether an attempt is due. If so, marks it as running; the caller must end it by
 * finish_creation(). */
static bool begin_creation(cachette__mongo_shared *shared) {
  bool due = false;
  uv_mutex_lock(&shared->indexes_mutex);
  if (shared->indexes == CACHETTE__MONGO_INDEXES_NONE) {
    shared->indexes = CACHETTE__MONGO_INDEXES_CREATING;
    due = true;
  } else if (shared->indexes == CACHETTE__MONGO_INDEXES_FAILED &&
             cachette__machine_now() >= shared->indexes_retry_ms) {
    shared->indexes = CACHETTE__MONGO_INDEXES_RETRYING;
    due = true;
  }
  uv_mutex_unlock(&shared->indexes_mutex);
  return due;
}

void cachette__mongo_indexes_submit(cachette__mongo_shared *shared) {
  if (!begin_creation(shared)) return;
  index_job *job = cachette__malloc(sizeof *job);
  if (job == NULL) {
    finish_creation(shared, false);
    return;
  }
  *job = (index_job){
      .job = {.work = work, .done = done, .drop = free_job},
      .shared = shared,
  };
  if (cachette__pool_submit(shared->pool, &job->job) == CACHETTE_OK) return;
  finish_creation(shared, false);
  cachette__free(job);
}
