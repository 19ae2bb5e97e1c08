/* SPDX-License-Identifier: MIT */
/*
 * The two indexes of a collection: by key, unique, and by the date at which the server removes an
 * entry. They are asked for when a handle first puts something, by a job of their own. Those
 * who put wait for that the first time, for without the unique index two clients that put the same
 * new key at once would make it twice; but no longer than half of the time they have, for on a
 * large collection the server may be at it for minutes. A user who may not make indexes does
 * without; where keys are there twice the index is not unique, which is said once.
 */
#include "../../clock.h"
#include "client.h"

enum {
  PAUSE_MS = 1000, /* until a server that could not be asked is asked again */
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

void cachette__mongo_indexes_await(cachette__mongo_job *job) {
  cachette__mongo_shared *shared = job->shared;
  int64_t patience_ms = (job->deadline_ms - cachette__machine_now()) / 2;
  uint64_t now = uv_hrtime();
  uint64_t until = now + (patience_ms > 0 ? (uint64_t)patience_ms * 1000000 : 0);
  uv_mutex_lock(&shared->indexes_mutex);
  while (shared->indexes == CACHETTE__MONGO_FIRST && now < until) {
    uv_cond_timedwait(&shared->indexes_changed, &shared->indexes_mutex, until - now);
    now = uv_hrtime();
  }
  uv_mutex_unlock(&shared->indexes_mutex);
}

static void append_key_index(bson_t *list, bool unique) {
  BCON_APPEND(list, "0", "{", "key", "{", "key", BCON_INT32(1), "}", "name", "key_1", "background",
              BCON_BOOL(true), "unique", BCON_BOOL(unique), "}");
}

static void append_expiry_index(bson_t *list, const char *place) {
  BCON_APPEND(list, place, "{", "key", "{", "expires_at", BCON_INT32(1), "}", "name",
              "expires_at_1", "background", BCON_BOOL(true), "expireAfterSeconds", BCON_INT32(0),
              "}");
}

static bool create(mongoc_collection_t *collection, const bson_t *list, bson_error_t *fault) {
  bson_t command = BSON_INITIALIZER;
  BSON_APPEND_UTF8(&command, "createIndexes", mongoc_collection_get_name(collection));
  BSON_APPEND_ARRAY(&command, "indexes", list);
  bool made = mongoc_collection_write_command_with_opts(collection, &command, NULL, NULL, fault);
  bson_destroy(&command);
  return made;
}

static bool create_one(mongoc_collection_t *collection, bool by_key, bson_error_t *fault) {
  bson_t list = BSON_INITIALIZER;
  if (by_key)
    append_key_index(&list, false);
  else
    append_expiry_index(&list, "0");
  bool made = create(collection, &list, fault);
  bson_destroy(&list);
  return made;
}

static bool create_both(mongoc_collection_t *collection, bson_error_t *fault) {
  bson_t list = BSON_INITIALIZER;
  append_key_index(&list, true);
  append_expiry_index(&list, "1");
  bool made = create(collection, &list, fault);
  bson_destroy(&list);
  return made;
}

/* Whether it was the server that refused, and not the way to it that is broken. */
static bool is_refused(const bson_error_t *fault) { return fault->domain == MONGOC_ERROR_SERVER; }

void cachette__mongo_indexes_make(cachette__mongo_shared *shared, cachette__mongo_thread *thread) {
  bson_error_t fault;
  if (!cachette__mongo_connect(shared, thread, &fault)) {
    finish(shared, CACHETTE__MONGO_LATER);
    return;
  }
  bool unique = create_both(thread->collection, &fault);
  shared->unique = unique;
  bool made = unique;
  if (!made && is_refused(&fault)) { /* keys that are there twice, or no right to it */
    shared->twins = fault.code == DUPLICATE_KEY;
    made = create_one(thread->collection, true, &fault) || is_refused(&fault);
    made = made && (create_one(thread->collection, false, &fault) || is_refused(&fault));
  }
  finish(shared, made ? CACHETTE__MONGO_MADE : CACHETTE__MONGO_LATER);
}
