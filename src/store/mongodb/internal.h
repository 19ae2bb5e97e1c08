/* SPDX-License-Identifier: MIT */
/*
 * The MongoDB store. libmongoc blocks, so an op becomes a job for a thread of the store's pool. The
 * job works on a copy of the op:
 *
 *     handle's thread   submit: op -> job      done: job -> op        (mongodb.c)
 *     a thread          job -> commands -> replies -> job             (work.c)
 *
 * Each file calls only files to its right; any file may call errors.c and settings.c:
 *
 *     mongodb.c -> work.c -> counter.c, clear.c -> commands.c -> replies.c -> document.c
 *                         -> indexes.c -> connection.c
 *
 * An entry is stored as in cachette 0.1.x, with one more field, `expires_at`:
 *
 *     { key: text, value: bytes, expires: whole seconds since the epoch, expires_at: date }
 *
 * `key` is a string, or bytes if it is not UTF-8. An entry expires at `expires_at`, to the
 * millisecond; the server's TTL index removes it by that field. `expires` is the same time, rounded
 * up to seconds, so that a client that reads only `expires` never drops a live entry.
 *
 * cachette 0.1.x writes only `expires` and leaves an old `expires_at`. So `expires_at` counts only
 * if it lies in the second before `expires`. Time is the client's, as in 0.1.x.
 */
#ifndef CACHETTE_MONGODB_INTERNAL_H
#define CACHETTE_MONGODB_INTERNAL_H

#include <mongoc/mongoc.h>

#include "../common/module.h"
#include "../common/op_copy.h"

enum {
  CACHETTE__MONGO_DOCUMENT_MAX = 16 << 20, /* bytes of a document, with all its fields */
  CACHETTE__MONGO_OVERHEAD_MAX = 256       /* of these, bytes that are neither key nor value */
};

/* The options of the store. Immutable after creation, so threads and handles may share it. */
typedef struct cachette__mongo_settings {
  cachette__settings base;
  mongoc_uri_t *uri;
  char *database, *collection;
  char *prefix;   /* of all keys; may be "" */
  char name[128]; /* of the server, for messages */
  unsigned threads;
  int64_t timeout_ms;
} cachette__mongo_settings;

enum cachette__mongo_indexes {
  CACHETTE__MONGO_INDEXES_NONE,
  CACHETTE__MONGO_INDEXES_CREATING, /* the first attempt runs: jobs that insert wait for it */
  CACHETTE__MONGO_INDEXES_RETRYING, /* a later attempt runs: no job waits */
  CACHETTE__MONGO_INDEXES_FAILED,   /* the last attempt failed; the next is at `indexes_retry_ms` */
  CACHETTE__MONGO_INDEXES_DONE      /* created, or refused by the server */
};

/* Whether a server is available. Reads and writes may need different servers. */
typedef struct cachette__mongo_availability {
  cachette_error error; /* why no server is available; code 0: one is */
  int64_t back_off_ms;
  int64_t retry_ms;    /* when the next op may probe for a server; machine clock */
  bool probing;        /* an op is probing now */
  unsigned recoveries; /* value of `shared->recoveries` when the server was lost */
} cachette__mongo_availability;

/* The state that the jobs of a store share. May outlive the store. */
typedef struct cachette__mongo_shared {
  const cachette__mongo_settings *settings; /* holds a reference */
  cachette__events *events;                 /* handle's thread only, like `pool` */
  cachette__pool *pool;
  uv_mutex_t clients_mutex;
  mongoc_client_pool_t *clients; /* NULL until the first thread connects */

  uv_mutex_t indexes_mutex; /* guards `indexes` and all `indexes_*` */
  uv_cond_t indexes_changed;
  enum cachette__mongo_indexes indexes;
  bool indexes_has_server;      /* a server that can create them was found */
  int64_t indexes_retry_ms;     /* when the next attempt is due; machine clock */
  int64_t indexes_no_server_ms; /* when a search for a server last failed, or 0, */
  bson_error_t indexes_error;   /* and its error */

  _Atomic(bool) unique;         /* the index on the key is unique, so no key is stored twice */
  _Atomic(bool) has_duplicates; /* it is not unique because of duplicate keys; a notice is due */
  _Atomic(bool) has_responded;  /* a server answered or failed at least once */
  _Atomic(unsigned) recoveries; /* how often libmongoc found a server after it had none */

  cachette__mongo_availability reads, writes; /* handle's thread only */
} cachette__mongo_shared;

typedef struct cachette__mongo_client {
  mongoc_client_t *client; /* NULL: not connected */
  mongoc_collection_t *collection;
} cachette__mongo_client;

/* The state of a thread. */
typedef struct cachette__mongo_thread {
  cachette__mongo_client pooled;
  cachette__mongo_client unpooled; /* for ops with a longer time-out than the pool's clients */
  int64_t unpooled_timeout_ms;     /* how long the unpooled client waits for a reply */
} cachette__mongo_thread;

typedef struct cachette__mongo_job {
  cachette__job job;
  cachette__mongo_shared *shared;
  cachette__op_copy op;
  int64_t deadline_ms; /* machine clock */
  int64_t timeout_ms;  /* from submit to deadline */
  int64_t now_ms;      /* since the epoch */
  bool disconnected;   /* the connection broke, so the job failed */
  bool no_server;      /* no server was found, so the job failed */
  bool is_probe;       /* it probes for a server */
  unsigned recoveries; /* value of `shared->recoveries` when the job was created */
  unsigned tries;      /* of the current step; other clients may make one fail */
} cachette__mongo_job;

/* Whether a verb may insert entries, and so needs the indexes. */
static inline bool cachette__mongo_inserts(enum cachette_verb verb) {
  return verb == CACHETTE_PUT || verb == CACHETTE_INCREMENT;
}

/* ---- settings.c ---- */

/* Reads and checks the options. Initialises libmongoc. Errors: ECONFIG, ENOMEM. */
int cachette__mongo_settings_new(const cachette_options *options, cachette__settings **settings,
                                 cachette_error *error);

/* ---- document.c ---- */

/* Appends a key, as a string if it is UTF-8, else as bytes. */
void cachette__mongo_append_key(bson_t *document, const char *name, cachette_slice key);

/* Append the condition that an entry is live, or has expired. `now_ms` is since the epoch. */
void cachette__mongo_append_live(bson_t *filter, int64_t now_ms);
void cachette__mongo_append_expired(bson_t *filter, int64_t now_ms);

/* Appends the expiry of an entry that is put now. */
void cachette__mongo_append_expiry(bson_t *document, int64_t now_ms, int64_t ttl_ms);

/* Milliseconds until an entry expires; 0 or less if it has expired or has no expiry. */
int64_t cachette__mongo_time_left(const bson_t *document, int64_t now_ms);

/* Sets `bytes` to the value of a field, which lives as long as the document. False: the field is
 * missing, or neither bytes nor text. */
bool cachette__mongo_get_bytes(const bson_t *document, const char *name, cachette_slice *bytes);

/* ---- errors.c ---- */

/* Fails the job with an error of libmongoc or the server. */
void cachette__mongo_fail_job(cachette__mongo_job *job, const bson_error_t *error);

/* Fails an item with an error of the server. */
void cachette__mongo_fail_item(cachette__mongo_job *job, cachette__item_copy *item,
                               const bson_error_t *error);

/* Whether the deadline has passed. If so, fails the job. */
bool cachette__mongo_out_of_time(cachette__mongo_job *job);

/* Whether an item is too large to be stored. If so, fails the item. */
bool cachette__mongo_is_too_large(cachette__mongo_job *job, cachette__item_copy *item);

/*
 * Whether another client inserted the same key at the same time, so that a retry may succeed. False
 * after several tries: then a foreign unique index rejects the entry.
 */
bool cachette__mongo_is_conflict(const cachette__mongo_job *job, const bson_error_t *error);

/* Counts a try; backs off first unless it is the first try. False: the deadline has passed, and the
 * job has failed. */
bool cachette__mongo_retry(cachette__mongo_job *job);

/* ---- connection.c ---- */

/* Gives the thread a client of the pool, unless it has one. On a thread of the pool. False: `error`
 * is filled. */
bool cachette__mongo_connect(cachette__mongo_shared *shared, cachette__mongo_thread *thread,
                             bson_error_t *error);

/* Returns the client for a job, connected. NULL: the job has failed. */
const cachette__mongo_client *cachette__mongo_connect_for(cachette__mongo_job *job,
                                                          cachette__mongo_thread *thread);

void cachette__mongo_disconnect(cachette__mongo_shared *shared, cachette__mongo_thread *thread);

/*
 * Availability of a server for an op. Handle's thread. If no server is found, each op would block a
 * thread until libmongoc gives up. So after the first such failure ops fail at once with the same
 * error. When the back-off is over, one op probes for a server. libmongoc keeps searching in the
 * background; when it finds a server, the back-off ends.
 */
cachette__mongo_availability *cachette__mongo_availability_of(cachette__mongo_shared *shared,
                                                              enum cachette_verb verb);
bool cachette__mongo_is_unavailable(const cachette__mongo_shared *shared,
                                    const cachette__mongo_availability *availability);

/* Updates the availability from the result of a job. Handle's thread. */
void cachette__mongo_update_availability(const cachette__mongo_job *job);

/* ---- indexes.c ---- */

/* Submits a job that creates the indexes, if an attempt is due. If it fails, a later op tries
 * again. Handle's thread. */
void cachette__mongo_indexes_submit(cachette__mongo_shared *shared);

/* Waits for the first attempt to create them; see indexes.c. On a thread of the pool. False: no
 * server was found, and the job has failed. */
bool cachette__mongo_indexes_await(cachette__mongo_job *job);

/* ---- replies.c: store results in the job's items ---- */

/* Returns the job's items sorted by key; the caller frees the array. NULL: out of memory, and the
 * job has failed. */
cachette__item_copy **cachette__mongo_sort_items(cachette__mongo_job *job);

/* Takes a document that a query found: sets the result of all items that have its key. */
void cachette__mongo_take_document(cachette__mongo_job *job, cachette__item_copy **sorted,
                                   size_t count, const bson_t *document);

/* Takes the reply to a failed bulk write, and fails or marks for retry the items that it names.
 * False: the reply does not cover all failures. */
bool cachette__mongo_take_write_errors(cachette__mongo_job *job, cachette__item_copy *const *items,
                                       size_t count, const bson_t *reply);

/* Adds a number in the reply, if it exists, to `count`. */
void cachette__mongo_take_count(const bson_t *reply, const char *name, int64_t *count);

/* ---- commands.c: one function per verb; on a thread of the pool, as all below ---- */

/* Finds which items exist, and for a fetch their values. */
void cachette__mongo_find(cachette__mongo_job *job, mongoc_collection_t *collection);
void cachette__mongo_put(cachette__mongo_job *job, mongoc_collection_t *collection);
void cachette__mongo_touch(cachette__mongo_job *job, mongoc_collection_t *collection);
void cachette__mongo_clear(cachette__mongo_job *job, mongoc_collection_t *collection);
void cachette__mongo_ping(cachette__mongo_job *job, mongoc_client_t *client);

/*
 * Deletes the entries that match the filter, or with `one` the first of them, and adds their number
 * to `count`. libmongoc retries a delete of one by itself. False: the job failed.
 */
bool cachette__mongo_delete(cachette__mongo_job *job, mongoc_collection_t *collection,
                            const bson_t *filter, bool one, int64_t *count);

/* ---- counter.c: one item at a time ---- */

void cachette__mongo_add(cachette__mongo_job *job, mongoc_collection_t *collection,
                         cachette__item_copy *item);
void cachette__mongo_increment(cachette__mongo_job *job, mongoc_collection_t *collection,
                               cachette__item_copy *item);

/* ---- clear.c ---- */

void cachette__mongo_clear_namespace(cachette__mongo_job *job, mongoc_collection_t *collection,
                                     cachette__item_copy *item);
void cachette__mongo_flush(cachette__mongo_job *job, mongoc_collection_t *collection);
void cachette__mongo_flush_expired(cachette__mongo_job *job, mongoc_collection_t *collection);

/* ---- work.c ---- */

/* Runs a job. On a thread of the pool. */
void cachette__mongo_work(cachette__mongo_job *job, cachette__mongo_thread *thread);

#endif
