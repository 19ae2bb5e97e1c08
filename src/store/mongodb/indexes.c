/* SPDX-License-Identifier: MIT */
/*
 * The two indexes of a collection: a unique one on the key, and the TTL index by which the server
 * removes expired entries. A job makes them when a handle first puts something.
 *
 * Ops that put wait for that job the first time: without the unique index two clients that put the
 * same new key at once would insert it twice. They wait for no longer than half of their time-out,
 * because on a large collection the server may take minutes. If no server is found they fail for
 * that reason, and do not look for one again. If the user may not make indexes, the store does
 * without. If a key is there twice, the index is not unique, and one notice says so.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "../../base/clock.h"
#include "internal.h"

enum { RETRY_MS = 1000 }; /* after the server could not be asked */

/* The server's error codes with which it refuses an index for good. */
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

/* A job waits all of its time for a server to be found, then half of it for the indexes. */
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

/* ---- Making them ---- */

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

/* Whether the server refuses an index for good; else it may make it later. */
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

/* Finds a server that writes, and tells those who wait whether there is one. */
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

static void finish_creation(cachette__mongo_shared *shared, bool created) {
  uv_mutex_lock(&shared->indexes_mutex);
  shared->indexes = created ? CACHETTE__MONGO_INDEXES_DONE : CACHETTE__MONGO_INDEXES_FAILED;
  shared->indexes_retry_ms = cachette__machine_now() + RETRY_MS;
  uv_cond_broadcast(&shared->indexes_changed);
  uv_mutex_unlock(&shared->indexes_mutex);
}

/* One command for each index: a server that refuses one of several makes none of them. */
static void create_indexes(cachette__mongo_shared *shared, cachette__mongo_thread *thread) {
  bson_error_t error;
  bool created = find_server(shared, thread);
  mongoc_collection_t *collection = thread->pooled.collection;
  if (created) {
    shared->unique = created = create_key_index(collection, true, &error);
    if (!created && is_refused(&error)) { /* a key is there twice, or the user may not */
      shared->has_duplicates = error.code == DUPLICATE_KEY;
      created = create_key_index(collection, false, &error) || is_refused(&error);
    }
  }
  if (created) created = create_ttl_index(collection, &error) || is_refused(&error);
  finish_creation(shared, created);
}

/* ---- Their job ---- */

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
           "%s has some keys twice in the collection \"%s\", so the index on them is not unique. "
           "Remove the collection's old entries to have it made.",
           shared->settings->name, redacted);
  shared->events->notice(shared->events, message);
}

static void done(cachette__job *base) {
  cachette__mongo_shared *shared = ((index_job *)base)->shared;
  if (atomic_exchange(&shared->has_duplicates, false)) report_duplicates(shared);
  free_job(base);
}

/* Whether it is time to make the indexes. True: the caller does, and calls finish(). */
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
