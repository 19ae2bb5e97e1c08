/* SPDX-License-Identifier: MIT */
/*
 * The parts of the MongoDB store. libmongoc blocks, so an op becomes a job for a thread of the
 * store's own pool, which works on a copy of the op:
 *
 *     handle's thread   submit: op -> job      done: job -> op        (mongodb.c)
 *     a thread          job -> commands -> replies -> job             (work.c)
 *
 * Each file calls only files to its right, and errors.c and settings.c may be called by all:
 *
 *     mongodb.c -> work.c -> counter.c, clear.c -> commands.c -> replies.c -> document.c
 *                         -> indexes.c -> connection.c
 *
 * An entry is stored as cachette 0.1.x stored it, with one more field, `expires_at`:
 *
 *     { key: text, value: bytes, expires: whole seconds since the epoch, expires_at: date }
 *
 * `key` is a string, or bytes if it is not UTF-8. `expires` says when an entry expires.
 * `expires_at` says the same to the millisecond, and the server's TTL index removes entries by it.
 * It counts only if it falls into the second before `expires`: cachette 0.1.x writes `expires`
 * alone, and leaves an old date. `expires` is rounded up, so that no client takes an entry for
 * expired that another client takes for live. Time is the client's, as in 0.1.x.
 */
#ifndef CACHETTE_MONGODB_INTERNAL_H
#define CACHETTE_MONGODB_INTERNAL_H

#include <mongoc/mongoc.h>

#include "../common/module.h"
#include "../common/op_copy.h"

enum {
  CACHETTE__MONGO_DOCUMENT_MAX = 16 << 20, /* bytes of a document, at most */
  CACHETTE__MONGO_OVERHEAD_MAX = 256       /* bytes of it that are neither key nor value, at most */
};

/* What the store reads of the options. */
typedef struct cachette__mongo_settings {
  cachette__settings base;
  mongoc_uri_t *uri;
  char *database, *collection;
  char *prefix;   /* of all keys; "" if there is none */
  char name[128]; /* of the server, in messages */
  unsigned threads;
  int64_t timeout_ms;
} cachette__mongo_settings;

enum cachette__mongo_indexes {
  CACHETTE__MONGO_INDEXES_NONE,
  CACHETTE__MONGO_INDEXES_CREATING, /* being made for the first time: jobs that put wait for them */
  CACHETTE__MONGO_INDEXES_RETRYING, /* being made after the first try failed: no job waits */
  CACHETTE__MONGO_INDEXES_FAILED,   /* the server could not be asked; due at `indexes_retry_ms` */
  CACHETTE__MONGO_INDEXES_DONE      /* made, as far as the server let us */
};

/* Whether a server can be found. Reads and writes may need different servers. */
typedef struct cachette__mongo_availability {
  cachette_error error; /* why no server is found; its code is 0 while there is one */
  int64_t back_off_ms;
  int64_t retry_ms;    /* when an op may look for a server again */
  bool probing;        /* whether one is doing so now */
  unsigned recoveries; /* those of `shared` when the server was lost */
} cachette__mongo_availability;

/* What the jobs of a store share; it may outlive the store. */
typedef struct cachette__mongo_shared {
  const cachette__mongo_settings *settings; /* a reference */
  cachette__events *events;                 /* for the handle's thread alone, as is `pool` */
  cachette__pool *pool;
  uv_mutex_t clients_mutex;
  mongoc_client_pool_t *clients; /* NULL until the first thread needs one */

  uv_mutex_t indexes_mutex; /* guards `indexes` and all `indexes_*` */
  uv_cond_t indexes_changed;
  enum cachette__mongo_indexes indexes;
  bool indexes_has_server;      /* a server that can make them was found */
  int64_t indexes_retry_ms;     /* when to try again */
  int64_t indexes_no_server_ms; /* when no server was found last, or 0, */
  bson_error_t indexes_error;   /* and why */

  _Atomic(bool) unique;         /* the index on the key is unique: no key is there twice */
  _Atomic(bool) has_duplicates; /* it is not because some keys are; still to be reported */
  _Atomic(bool) has_responded;  /* a server answered or failed, so this is no first connect */
  _Atomic(unsigned) recoveries; /* how often libmongoc found a server after it had none */

  cachette__mongo_availability reads, writes; /* for the handle's thread alone */
} cachette__mongo_shared;

typedef struct cachette__mongo_client {
  mongoc_client_t *client; /* NULL: not connected */
  mongoc_collection_t *collection;
} cachette__mongo_client;

/* What a thread has. */
typedef struct cachette__mongo_thread {
  cachette__mongo_client pooled;
  cachette__mongo_client unpooled; /* not of the pool of clients; for ops with a longer time-out */
  int64_t unpooled_timeout_ms;     /* how long that one waits for an answer */
} cachette__mongo_thread;

typedef struct cachette__mongo_job {
  cachette__job job;
  cachette__mongo_shared *shared;
  cachette__op_copy op;
  int64_t deadline_ms; /* by the machine's clock */
  int64_t timeout_ms;  /* from the submit to the deadline */
  int64_t now_ms;      /* since the epoch */
  bool disconnected;   /* it failed because the connection broke */
  bool no_server;      /* it failed because no server was found */
  bool is_probe;       /* it looks whether there is a server again */
  unsigned recoveries; /* those of `shared` when the job was made */
  unsigned tries;      /* of the current step, which fails when other clients interfere */
} cachette__mongo_job;

/* Whether a verb may insert entries: then the indexes have to be there. */
static inline bool cachette__mongo_inserts(enum cachette_verb verb) {
  return verb == CACHETTE_PUT || verb == CACHETTE_INCREMENT;
}

/* ---- settings.c ---- */

/* Reads and checks the options, and initialises libmongoc. Errors: ECONFIG, ENOMEM. */
int cachette__mongo_settings_new(const cachette_options *options, cachette__settings **settings,
                                 cachette_error *error);

/* ---- document.c ---- */

/* Appends a key: as a string if it is UTF-8, else as bytes. */
void cachette__mongo_append_key(bson_t *document, const char *name, cachette_slice key);

/* Appends the condition that an entry is live, or that it has expired. */
void cachette__mongo_append_live(bson_t *filter, int64_t now_ms);
void cachette__mongo_append_expired(bson_t *filter, int64_t now_ms);

/* Appends when an entry expires that is put now. */
void cachette__mongo_append_expiry(bson_t *document, int64_t now_ms, int64_t ttl_ms);

/* The time that an entry has left; 0 or less if it has expired. */
int64_t cachette__mongo_time_left(const bson_t *document, int64_t now_ms);

/* The bytes of a field; false if it is missing, or neither bytes nor text. */
bool cachette__mongo_get_bytes(const bson_t *document, const char *name, cachette_slice *bytes);

/* ---- errors.c ---- */

/* Fails the whole job for an error of libmongoc or the server. */
void cachette__mongo_fail_job(cachette__mongo_job *job, const bson_error_t *error);

/* Fails one of its items for an error of the server. */
void cachette__mongo_fail_item(cachette__mongo_job *job, cachette__item_copy *item,
                               const bson_error_t *error);

/* Whether the deadline has passed; the job has failed then. */
bool cachette__mongo_out_of_time(cachette__mongo_job *job);

/* Whether an item is too large to be put; it has failed then. */
bool cachette__mongo_is_too_large(cachette__mongo_job *job, cachette__item_copy *item);

/*
 * Whether the error is a duplicate key because another client inserted that key at the same time.
 * Then a second try succeeds. False after many tries: then a unique index that is not ours refuses
 * the entry.
 */
bool cachette__mongo_is_conflict(const cachette__mongo_job *job, const bson_error_t *error);

/* Counts a try, and backs off before it if it is not the first. False: the deadline has passed, and
 * the job has failed. */
bool cachette__mongo_retry(cachette__mongo_job *job);

/* ---- connection.c ---- */

/* Connects the thread. False: `error` says why not. */
bool cachette__mongo_connect(cachette__mongo_shared *shared, cachette__mongo_thread *thread,
                             bson_error_t *error);

/* The client for a job; NULL: it could not be connected, and the job has failed. */
const cachette__mongo_client *cachette__mongo_connect_for(cachette__mongo_job *job,
                                                          cachette__mongo_thread *thread);

void cachette__mongo_disconnect(cachette__mongo_shared *shared, cachette__mongo_thread *thread);

/*
 * Whether there is a server for an op; handle's thread.
 *
 * Each thread waits anew until libmongoc gives up looking for a server. So when one found none, ops
 * fail at once for the same reason until the back-off is over; then one op probes for a server.
 * libmongoc goes on looking on a thread of its own, and when it finds one that ends the back-off.
 */
cachette__mongo_availability *cachette__mongo_availability_of(cachette__mongo_shared *shared,
                                                              enum cachette_verb verb);
bool cachette__mongo_is_unavailable(const cachette__mongo_shared *shared,
                                    const cachette__mongo_availability *availability);

/* Updates it with how a job turned out. Handle's thread. */
void cachette__mongo_update_availability(const cachette__mongo_job *job);

/* ---- indexes.c ---- */

/* Submits a job that makes the indexes, if it is due. What fails is tried again with a later op. */
void cachette__mongo_indexes_submit(cachette__mongo_shared *shared);

/* Waits until they are made, where that is worth it. On a thread. False: no server was found to
 * make them, and the job has failed for that. */
bool cachette__mongo_indexes_await(cachette__mongo_job *job);

/* ---- replies.c: results go into the job's items ---- */

/* The job's items sorted by key, to be freed; NULL: out of memory, and the job has failed. */
cachette__item_copy **cachette__mongo_sort_items(cachette__mongo_job *job);

/* Takes a document that a query found, into all of the sorted items that have its key. */
void cachette__mongo_take_document(cachette__mongo_job *job, cachette__item_copy **sorted,
                                   size_t count, const bson_t *document);

/* Takes a reply to a bulk write that failed. False: it does not say which items failed. */
bool cachette__mongo_take_write_errors(cachette__mongo_job *job, cachette__item_copy *const *items,
                                       size_t count, const bson_t *reply);

/* Adds a number of the reply to `count`. */
void cachette__mongo_take_count(const bson_t *reply, const char *name, int64_t *count);

/* ---- commands.c: one verb each, on a thread ---- */

/* Finds the items that are there, and for a fetch their values. */
void cachette__mongo_find(cachette__mongo_job *job, mongoc_collection_t *collection);
void cachette__mongo_put(cachette__mongo_job *job, mongoc_collection_t *collection);
void cachette__mongo_touch(cachette__mongo_job *job, mongoc_collection_t *collection);
void cachette__mongo_clear(cachette__mongo_job *job, mongoc_collection_t *collection);
void cachette__mongo_ping(cachette__mongo_job *job, mongoc_client_t *client);

/*
 * Deletes the entries that match the filter, or with `one` the first of them, and adds to `count`
 * how many they were. libmongoc itself retries a delete of one. False: the job failed.
 */
bool cachette__mongo_delete(cachette__mongo_job *job, mongoc_collection_t *collection,
                            const bson_t *filter, bool one, int64_t *count);

/* ---- counter.c: key by key ---- */

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

/* Carries a job out. On a thread. */
void cachette__mongo_work(cachette__mongo_job *job, cachette__mongo_thread *thread);

#endif
