/* SPDX-License-Identifier: MIT */
/*
 * The two indexes of a collection: by key, unique, and by the date at which the server removes an
 * entry. They are asked for when a handle first puts something, by a job of their own. Those
 * who put wait for that the first time, for without the unique index two clients that put the same
 * new key at once would make it twice; but no longer than half of the time they have, for on a
 * large collection the server may be at it for minutes. If no server can be found they fail for
 * that, and do not look for one again. A user who may not make indexes does without; where keys are
 * there twice the index is not unique, which is said once.
 */
#include "../../base/clock.h"
#include "client.h"

enum { PAUSE_MS = 1000 }; /* until a server that could not be asked is asked again */

/* Codes of the server's, as it documents them, with which it refuses an index for good. */
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

bool cachette__mongo_indexes_due(cachette__mongo_shared *shared) {
  bool due = false;
  uv_mutex_lock(&shared->indexes_mutex);
  if (shared->indexes == CACHETTE__MONGO_UNASKED) {
    shared->indexes = CACHETTE__MONGO_FIRST;
    due = true;
  } else if (shared->indexes == CACHETTE__MONGO_LATER &&
             cachette__machine_now() >= shared->indexes_due_ms) {
    shared->indexes = CACHETTE__MONGO_AGAIN;
    due = true;
  }
  uv_mutex_unlock(&shared->indexes_mutex);
  return due;
}

static void finish(cachette__mongo_shared *shared, enum cachette__mongo_indexes state) {
  uv_mutex_lock(&shared->indexes_mutex);
  shared->indexes = state;
  shared->indexes_due_ms = cachette__machine_now() + PAUSE_MS;
  uv_cond_broadcast(&shared->indexes_changed);
  uv_mutex_unlock(&shared->indexes_mutex);
}

void cachette__mongo_indexes_postpone(cachette__mongo_shared *shared) {
  finish(shared, CACHETTE__MONGO_LATER);
}

/* As long as no server is found a job has all its time, and then half of it. */
bool cachette__mongo_indexes_await(cachette__mongo_job *job) {
  cachette__mongo_shared *shared = job->shared;
  int64_t left_ms = job->deadline_ms - cachette__machine_now();
  uint64_t now = uv_hrtime(), left = left_ms > 0 ? (uint64_t)left_ms * 1000000 : 0;
  uint64_t end = now + left, half = now + left / 2;
  uv_mutex_lock(&shared->indexes_mutex);
  while (shared->indexes == CACHETTE__MONGO_FIRST && now < (shared->indexes_found ? half : end)) {
    uint64_t until = shared->indexes_found ? half : end;
    uv_cond_timedwait(&shared->indexes_changed, &shared->indexes_mutex, until - now);
    now = uv_hrtime();
  }
  bool lost = shared->indexes_lost_ms >= job->deadline_ms - job->timeout_ms;
  bson_error_t fault = shared->indexes_fault;
  uv_mutex_unlock(&shared->indexes_mutex);
  if (lost) cachette__mongo_fail(job, &fault);
  return !lost;
}

/* ---- Making them ---- */

static bool create(mongoc_collection_t *collection, const char *field, const char *name,
                   const bson_t *options, bson_error_t *fault) {
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
  bool made = mongoc_collection_write_command_with_opts(collection, &command, NULL, NULL, fault);
  bson_destroy(&command);
  return made;
}

static bool create_by_key(mongoc_collection_t *collection, bool unique, bson_error_t *fault) {
  bson_t *options = BCON_NEW("unique", BCON_BOOL(unique));
  bool made = create(collection, "key", "key_1", options, fault);
  bson_destroy(options);
  return made;
}

static bool create_by_expiry(mongoc_collection_t *collection, bson_error_t *fault) {
  bson_t *options = BCON_NEW("expireAfterSeconds", BCON_INT32(0));
  bool made = create(collection, "expires_at", "expires_at_1", options, fault);
  bson_destroy(options);
  return made;
}

/* Whether it is for good that the server does not make an index; else it may do so later. */
static bool is_refused(const bson_error_t *fault) {
  static const uint32_t codes[] = {
      UNAUTHORIZED,      COMMAND_NOT_FOUND,      CANNOT_CREATE_INDEX,   INVALID_OPTIONS,
      INVALID_NAMESPACE, INDEX_OPTIONS_CONFLICT, COMMAND_NOT_SUPPORTED, INDEX_KEY_SPECS_CONFLICT,
      ATLAS_ERROR,       DUPLICATE_KEY};
  if (fault->domain != MONGOC_ERROR_SERVER) return false;
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (fault->code == codes[i]) return true;
  return false;
}

/* Finds a server that writes, so that all know whether there is one. */
static bool find_server(cachette__mongo_shared *shared, cachette__mongo_thread *thread) {
  bson_error_t fault = {0};
  mongoc_server_description_t *server = NULL;
  if (cachette__mongo_connect(shared, thread, &fault))
    server = mongoc_client_select_server(thread->usual.client, true, NULL, &fault);
  uv_mutex_lock(&shared->indexes_mutex);
  shared->indexes_found = server != NULL;
  if (server == NULL && fault.domain == MONGOC_ERROR_SERVER_SELECTION) {
    shared->indexes_lost_ms = cachette__machine_now();
    shared->indexes_fault = fault;
  }
  uv_cond_broadcast(&shared->indexes_changed);
  uv_mutex_unlock(&shared->indexes_mutex);
  if (server == NULL) return false;
  mongoc_server_description_destroy(server);
  return true;
}

/* One by one, for a server that refuses one of several makes none of them. */
void cachette__mongo_indexes_make(cachette__mongo_shared *shared, cachette__mongo_thread *thread) {
  bson_error_t fault;
  bool made = find_server(shared, thread);
  mongoc_collection_t *collection = thread->usual.collection;
  if (made) {
    shared->unique = made = create_by_key(collection, true, &fault);
    if (!made && is_refused(&fault)) { /* keys that are there twice, or no right to it */
      shared->twins = fault.code == DUPLICATE_KEY;
      made = create_by_key(collection, false, &fault) || is_refused(&fault);
    }
  }
  if (made) made = create_by_expiry(collection, &fault) || is_refused(&fault);
  finish(shared, made ? CACHETTE__MONGO_MADE : CACHETTE__MONGO_LATER);
}
