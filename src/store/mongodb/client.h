/* SPDX-License-Identifier: MIT */
/*
 * The parts of the MongoDB store. libmongoc blocks, so an op becomes a job for a thread of the
 * store's own pool, with copies of all that it needs:
 *
 *     handle's thread   submit: op -> job      done: job -> op        (mongodb.c)
 *     a thread          work: job -> commands -> job                  (work.c, single.c, sweep.c)
 *
 * What is stored is what cachette 0.1.x stored, and a date more:
 *
 *     { key: text, value: bytes, expires: whole seconds since the epoch, expires_at: date }
 *
 * `key` is a string, or bytes if it is not UTF-8. `expires` says when an entry ends; `expires_at`,
 * which the server's index removes entries by, says it to the millisecond, and is believed for that
 * if it falls into the same second: where 0.1.x has put anew it is an old one. Both are rounded
 * up to `expires`, so that no client takes an entry for dead that another takes for live. Time is
 * the client's, as in 0.1.x.
 */
#ifndef CACHETTE_MONGODB_CLIENT_H
#define CACHETTE_MONGODB_CLIENT_H

#include <mongoc/mongoc.h>

#include "../common/copy.h"
#include "../common/module.h"

enum {
  CACHETTE__MONGO_DOCUMENT = 16 << 20, /* bytes that a document may have */
  CACHETTE__MONGO_FIELDS = 256         /* of those that are not the key's or value's, at most */
};

/* What the options say. */
typedef struct cachette__mongo_settings {
  mongoc_uri_t *uri;
  char *database, *collection;
  char *prefix;   /* of all keys; "" if there is none */
  char name[128]; /* of the server, in messages */
  unsigned threads;
  int64_t timeout_ms;
} cachette__mongo_settings;

/* How far the indexes are. */
enum cachette__mongo_indexes {
  CACHETTE__MONGO_UNASKED,
  CACHETTE__MONGO_FIRST, /* being made for the first time: who puts waits for them a little */
  CACHETTE__MONGO_AGAIN, /* being made, after that failed once */
  CACHETTE__MONGO_LATER, /* the server could not be asked; at `indexes_due_ms` again */
  CACHETTE__MONGO_MADE   /* as far as the server let us */
};

/* Whether a server can be found, for what reads or for what writes: those may be different ones. */
typedef struct cachette__mongo_way {
  cachette_error lost; /* why there is none; its code is 0 while there is one */
  int64_t pause_ms;    /* until an op may look again, */
  int64_t look_ms;     /* and when that is, */
  bool looking;        /* and whether one does */
  unsigned found;      /* of the servers found, those that were when it was lost */
} cachette__mongo_way;

/* What the jobs of a store share; it may outlive the store. */
typedef struct cachette__mongo_shared {
  cachette__mongo_settings settings;
  uv_mutex_t clients_mutex;
  mongoc_client_pool_t *clients; /* NULL until the first thread needs one */
  uv_mutex_t indexes_mutex;
  uv_cond_t indexes_changed;
  enum cachette__mongo_indexes indexes;
  bool indexes_found;         /* a server for them was found */
  int64_t indexes_due_ms;     /* when they are due again */
  int64_t indexes_lost_ms;    /* when none was found last, or 0, */
  bson_error_t indexes_fault; /* and why */
  _Atomic(bool) unique;       /* there is a unique index on the key: no entry is there twice */
  _Atomic(bool) twins;        /* there is none because some are, and that is still to be said */
  _Atomic(bool) heard;        /* libmongoc has had an answer or a failure: it connects no more */
  _Atomic(unsigned) found;    /* how often libmongoc has found a server, where it had none */
  cachette__mongo_way reads, writes; /* of the handle's thread alone */
} cachette__mongo_shared;

/* A client of libmongoc's, with the cache's collection as it knows it. */
typedef struct cachette__mongo_client {
  mongoc_client_t *client; /* NULL: none yet */
  mongoc_collection_t *collection;
} cachette__mongo_client;

/* What a thread has. */
typedef struct cachette__mongo_thread {
  cachette__mongo_client usual;   /* of the pool of clients */
  cachette__mongo_client patient; /* its own, for ops that have more time than usual */
  int64_t patience_ms;            /* for which that one waits */
} cachette__mongo_thread;

typedef struct cachette__mongo_job {
  cachette__job job;
  cachette__mongo_shared *shared;
  cachette_op *op; /* of the handle's thread alone; NULL: nobody waits any more */
  enum cachette_verb verb;
  unsigned flags;
  int64_t deadline_ms; /* by the machine's clock */
  int64_t timeout_ms;  /* which was that long after its submit */
  int64_t now_ms;      /* since the epoch */
  int64_t number;
  int code;             /* with which the whole op fails, or 0 */
  cachette_error error; /* why it does, or its first item that does */
  bool broken;          /* for its connection broke */
  bool lost;            /* for no server could be found */
  bool looks;           /* it looks whether there is one again */
  unsigned found;       /* of the servers found, those that were when it began */
  unsigned tries;       /* of what it is at, for others were at it, too */
  size_t count;
  cachette__copy items[];
} cachette__mongo_job;

/* ---- settings.c ---- */

/* Reads and checks what the options say. Errors: ECONFIG, ENOMEM; nothing is left then. */
int cachette__mongo_settings_read(const cachette_options *options,
                                  cachette__mongo_settings *settings, cachette_error *error);

void cachette__mongo_settings_deinit(cachette__mongo_settings *settings);

/* ---- document.c ---- */

/* Appends a key, or whatever is either a string or bytes. */
void cachette__mongo_append_key(bson_t *document, const char *name, cachette_slice key);

/* Appends the conditions that an entry lives, or has ended and is still there. */
void cachette__mongo_append_live(bson_t *filter, int64_t now_ms);
void cachette__mongo_append_ended(bson_t *filter, int64_t now_ms);

/* Appends when an entry ends that is put now. */
void cachette__mongo_append_expiry(bson_t *document, int64_t now_ms, int64_t ttl_ms);

/* How long an entry has left; not above 0 if it has ended. */
int64_t cachette__mongo_time_left(const bson_t *document, int64_t now_ms);

/* The bytes of a field; false if it is missing, or neither bytes nor text. */
bool cachette__mongo_get_bytes(const bson_t *document, const char *name, cachette_slice *bytes);

/* ---- fault.c ---- */

/* Fails the whole job for what libmongoc or the server says. */
void cachette__mongo_fail(cachette__mongo_job *job, const bson_error_t *fault);

/* Fails an item of it for an error of the server. */
void cachette__mongo_fail_item(cachette__mongo_job *job, cachette__copy *item,
                               const bson_error_t *fault);

/* The key without the prefix, as the caller knows it. */
cachette_slice cachette__mongo_own_key(const cachette__mongo_job *job, const cachette__copy *item);

/* Whether time is up; the job has failed then. */
bool cachette__mongo_out_of_time(cachette__mongo_job *job);

/* Whether an item cannot be put, for it is too large; it has failed then. */
bool cachette__mongo_refuses(cachette__mongo_job *job, cachette__copy *item);

/*
 * Whether a key that is there twice may come from another client that put it at the same time: then
 * all is well when it is tried again. Not if it has been tried often: then it is an index that is
 * none of ours.
 */
bool cachette__mongo_is_race(const cachette__mongo_job *job, const bson_error_t *fault);

/* Pauses before the next try, but for the first. False: time is up, and the job has failed. */
bool cachette__mongo_try_again(cachette__mongo_job *job);

/* ---- indexes.c ---- */

/* Whether the indexes are to be made now, by a job that the caller submits. Handle's thread. */
bool cachette__mongo_indexes_due(cachette__mongo_shared *shared);

/* Makes them. On a thread. */
void cachette__mongo_indexes_make(cachette__mongo_shared *shared, cachette__mongo_thread *thread);

/* Says that they were not made, but may be. */
void cachette__mongo_indexes_postpone(cachette__mongo_shared *shared);

/* Waits for them where that is worth it. On a thread. False: no server could be found to make them,
 * and the job failed for that. */
bool cachette__mongo_indexes_await(cachette__mongo_job *job);

/* ---- work.c ---- */

/* Gets the thread its client. False: there is none, and `fault` says why. */
bool cachette__mongo_connect(cachette__mongo_shared *shared, cachette__mongo_thread *thread,
                             bson_error_t *fault);

/* Carries the job out, on a thread. */
void cachette__mongo_work(cachette__mongo_job *job, cachette__mongo_thread *thread);

void cachette__mongo_disconnect_patient(cachette__mongo_thread *thread);

/*
 * Deletes what the filter says, or `one` of it, which libmongoc tries again by itself if the
 * connection breaks, and adds to `count` how many that were. False: the job failed.
 */
bool cachette__mongo_delete(cachette__mongo_job *job, mongoc_collection_t *collection,
                            const bson_t *filter, bool one, int64_t *count);

/* ---- single.c: what is done key by key ---- */

void cachette__mongo_add(cachette__mongo_job *job, mongoc_collection_t *collection,
                         cachette__copy *item);
void cachette__mongo_increment(cachette__mongo_job *job, mongoc_collection_t *collection,
                               cachette__copy *item);

/* ---- sweep.c ---- */

void cachette__mongo_clear_namespace(cachette__mongo_job *job, mongoc_collection_t *collection,
                                     cachette__copy *item);
void cachette__mongo_flush(cachette__mongo_job *job, mongoc_collection_t *collection);
void cachette__mongo_flush_expired(cachette__mongo_job *job, mongoc_collection_t *collection);

#endif
