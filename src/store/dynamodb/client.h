/* SPDX-License-Identifier: MIT */
/*
 * The DynamoDB store, in its parts. An op becomes a job; a job makes calls, some of them at a time;
 * a call is one request of DynamoDB's API, sent as often as it takes:
 *
 *     op -> job (dynamodb.c) -> call (call.c) -> http.c -> the server
 *            |  verbs.c           |  waits for: table.c, credentials.c, its next try
 *            |  batch.c           |
 *            |  sweep.c           +-> reply (reply.c), back to the job
 *
 * Everything runs on the handle's thread.
 */
#ifndef CACHETTE_STORE_DYNAMODB_CLIENT_H
#define CACHETTE_STORE_DYNAMODB_CLIENT_H

#include <jansson.h>
#include <string.h>
#include <time.h>

#include "../../base/alloc.h"
#include "../../base/clock.h"
#include "../../base/counter.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "../store.h"
#include "endpoint.h"
#include "http.h"
#include "key.h"

typedef struct cachette__dynamo cachette__dynamo;
typedef struct cachette__dynamo_call cachette__dynamo_call;
typedef struct cachette__dynamo_job cachette__dynamo_job;

/* ---- settings.c ---- */

/* What the store reads of the options. Never changed, so that threads and handles can share it. */
typedef struct cachette__dynamo_settings {
  char *url, *region; /* NULL: taken from the environment and AWS's files */
  char *table;
  char *prefix;                                            /* of all keys; may be "" */
  char *access_key_id, *secret_access_key, *session_token; /* or NULL */
  char *ca_file, *cert_file, *key_file;                    /* or NULL */
  char *folder; /* base of relative paths that the environment names; or NULL */
  bool verify, consistent_read;
  int64_t timeout_ms, connect_timeout_ms;
} cachette__dynamo_settings;

/* Reads and checks them. Errors: ECONFIG, ENOMEM. */
int cachette__dynamo_settings_new(const cachette_options *options,
                                  cachette__dynamo_settings **settings, cachette_error *error);

/* Wipes secrets and frees; NULL is allowed. */
void cachette__dynamo_settings_free(cachette__dynamo_settings *settings);

/* ---- credentials.c, and what it asks ---- */

/* What requests are signed with. */
typedef struct cachette__aws_keys {
  char *id, *secret, *token; /* the token may be NULL */
  int64_t end_ms;            /* since the epoch; INT64_MAX: they do not end */
  unsigned number;           /* which of all that were had */
} cachette__aws_keys;

typedef struct cachette__aws_credentials cachette__aws_credentials;

/* NULL: out of memory. The settings stay in place. */
cachette__aws_credentials *cachette__aws_credentials_new(cachette__dynamo *client);
void cachette__aws_credentials_free(cachette__aws_credentials *credentials, bool forked);

/*
 * The keys to sign with now. Returns 0; 1: they are being fetched, and
 * cachette__dynamo_calls_resume() will be called when that has ended; or an error.
 */
int cachette__aws_credentials_get(cachette__aws_credentials *credentials,
                                  const cachette__aws_keys **keys, cachette_error *error);

/* Who is waited for, before any call can be signed, as messages name it; NULL: nobody. */
const char *cachette__aws_credentials_awaited(cachette__aws_credentials *credentials);

/* The server refuses the keys. Whether others may be had. */
bool cachette__aws_credentials_renew(cachette__aws_credentials *credentials, unsigned refused);

/* ---- reply.c: what a server says ---- */

typedef struct cachette__dynamo_reply {
  int code;         /* 0, or why there is none; `error` says it */
  json_t *json;     /* NULL if `code` is not 0 and there was none */
  const char *type; /* the server's error, such as "ConditionalCheckFailedException"; or "" */
  cachette_error error;
} cachette__dynamo_reply;

/* A member of an object, if it is there and of that type; else NULL. */
json_t *cachette__dynamo_member(json_t *object, const char *name, json_type type);

/* The text of an attribute, such as item {"key": {"S": "text"}}. False: it is none. */
bool cachette__dynamo_attribute(json_t *item, const char *name, const char *type,
                                cachette_slice *text);

/*
 * When an entry ends stands in two attributes: `expires`, in whole seconds, as earlier releases
 * wrote it and the server's own time to live wants it, and `expires_at`, in milliseconds, for us.
 * What follows are conditions on them, and the names that they use; for the values see
 * cachette__dynamo_add_now().
 */
#define CACHETTE__DYNAMO_LIVES "(#a > :ms OR attribute_not_exists(#a) AND #e > :now)"
#define CACHETTE__DYNAMO_ENDED "(#a <= :ms OR attribute_not_exists(#a) AND #e <= :now)"
#define CACHETTE__DYNAMO_TIMES "\"#e\":\"expires\",\"#a\":\"expires_at\""

/* How long an entry has left; not above 0 if it has ended, or does not say. */
int64_t cachette__dynamo_time_left(json_t *item);

/* Whether an item is an entry that lives; NULL is none. */
bool cachette__dynamo_lives(json_t *item);

/* The bytes in a base64 text: how many there will be, and they themselves. False: it is none. */
bool cachette__dynamo_decoded_size(cachette_slice text, size_t *size);
bool cachette__dynamo_decode(cachette_slice text, void *bytes);

/* ---- call.c ---- */

enum cachette__dynamo_outcome { CACHETTE__DYNAMO_DONE, CACHETTE__DYNAMO_AGAIN };

struct cachette__dynamo_call {
  cachette__dynamo *client;
  const char *action; /* such as "GetItem" */
  cachette__text body;
  bool is_safe;  /* carried out twice, it does no harm */
  bool is_setup; /* the table does not have to be there */
  int64_t deadline_ms;

  /*
   * Called when there is a reply. AGAIN: the body has been written anew, to be sent `pause_ms`
   * later. NULL: nobody waits for it any more.
   */
  enum cachette__dynamo_outcome (*done)(cachette__dynamo_call *call,
                                        const cachette__dynamo_reply *reply);
  int64_t pause_ms;

  /* The owner's. */
  cachette__dynamo_job *job;
  cachette__dynamo_call *sibling, **sibling_link; /* in the job's list */
  size_t place;                                   /* the entry of the job's that it is about; */
  size_t *places, count;                          /* or several of them */
  int step;
  unsigned conflicts;

  /* Of call.c. */
  cachette__dynamo_call *next, **link; /* in the list of what it waits for */
  cachette__http_request request;
  cachette_error error;             /* that it will end with */
  unsigned keys;                    /* the number of those that it was signed with */
  int64_t due_ms, sent_ms, skew_ms; /* the skew that it was signed with */
  unsigned tries;
  bool has_renewed, has_found_table, has_set_clock, is_sent;
};

/* An empty call; NULL if there is no memory. */
cachette__dynamo_call *cachette__dynamo_call_new(cachette__dynamo *client, const char *action);

/* Sends it. Its `done` is not called from inside. The body may have failed for lack of memory. */
void cachette__dynamo_call_submit(cachette__dynamo_call *call);

/* Gives it up: it is freed, or if it is on its way, as soon as it comes back. */
void cachette__dynamo_call_abandon(cachette__dynamo_call *call);

/* Frees all, whoever they belong to: the client closes. */
void cachette__dynamo_calls_drop(cachette__dynamo *client);

/* Lets go on what waits for table or credentials; `error` if it cannot. */
void cachette__dynamo_calls_resume(cachette__dynamo *client, const cachette_error *error);

/* Finds out where to send, once it is known for good. Returns 0, or an error. */
int cachette__dynamo_locate(cachette__dynamo *client, cachette_error *error);

/* A pause before a next try: a random part of one that doubles each time. */
int64_t cachette__dynamo_jitter(cachette__dynamo *client, unsigned tries);

/* ---- table.c ---- */

enum cachette__dynamo_table {
  CACHETTE__DYNAMO_UNKNOWN,
  CACHETTE__DYNAMO_ASKED,
  CACHETTE__DYNAMO_READY
};

/* Sees to it that there is the table. Whether it is known to be there now. */
bool cachette__dynamo_table_is_ready(cachette__dynamo *client);

/* ---- The store, and jobs (dynamodb.c) ---- */

struct cachette__dynamo {
  cachette__store base;
  uv_loop_t *loop;
  cachette__dynamo_settings *settings;
  cachette__aws_endpoint endpoint; /* found before the first call */
  char name[128];                  /* of the server, in messages */
  cachette__http *http;
  cachette__aws_credentials *credentials;
  enum cachette__dynamo_table table;
  cachette__dynamo_call *table_call;                /* that sets the table up, or NULL */
  cachette__dynamo_call *waiting, *sleeping, *sent; /* calls, by what they wait for */
  uv_timer_t *timer;                                /* of those that sleep */
  int64_t skew_ms;                                  /* the server's clock less ours */
  uint64_t retries;                                 /* calls that were sent again */
  uint64_t random;
  bool closing;
};

/* A key of a job's. */
typedef struct cachette__dynamo_entry {
  cachette__dynamo_key key;
  size_t twin;  /* another item of the same key that stands for this one; or its own place */
  bool too_big; /* the value is not to be sent */
} cachette__dynamo_entry;

/* What a verb does. */
typedef struct cachette__dynamo_verb {
  size_t width; /* calls at a time */
  bool batches; /* a key may be in a call only once */

  /* Whether there is a call to be made now. */
  bool (*wants)(const cachette__dynamo_job *job);

  /* Writes that call; memory may have run out. */
  void (*write)(cachette__dynamo_job *job, cachette__dynamo_call *call);

  /* Takes a reply that is none of the errors for which the op fails. */
  enum cachette__dynamo_outcome (*take)(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                        const cachette__dynamo_reply *reply);
} cachette__dynamo_verb;

struct cachette__dynamo_job {
  cachette__dynamo *client;
  cachette_op *op;
  const cachette__dynamo_verb *verb;
  cachette__dynamo_call *calls;
  size_t open_calls;
  size_t next; /* entry that no call was made for yet */
  int code;    /* with which the whole op fails, or 0 */
  bool has_reason;
  json_t *items;         /* of a sweep: what is to go of the page that it is at, */
  size_t item, items_of; /*   the next of these, and the entry that they are of; */
  json_t *position;      /*   where the next page begins, or NULL */
  bool is_scanning;
  bool in_order; /* one call after another, for a key is there twice */
  size_t count;  /* of entries */
  cachette__dynamo_entry entries[];
};

/* Fails an item, or all, and gives the reason if it is the first. */
void cachette__dynamo_fail_item(cachette__dynamo_job *job, size_t place,
                                const cachette_error *error);
void cachette__dynamo_fail_job(cachette__dynamo_job *job, const cachette_error *error);
void cachette__dynamo_fail_no_memory(cachette__dynamo_job *job);

/* ---- verbs.c, batch.c, sweep.c ---- */

extern const cachette__dynamo_verb cachette__dynamo_fetch, cachette__dynamo_put,
    cachette__dynamo_add, cachette__dynamo_touch, cachette__dynamo_increment,
    cachette__dynamo_clear, cachette__dynamo_fetch_many, cachette__dynamo_put_many,
    cachette__dynamo_sweep;

/* Begins a body: {"TableName":"..." */
void cachette__dynamo_begin(cachette__dynamo_job *job, cachette__dynamo_call *call,
                            const char *action);

/* Adds {"key":...}, or the whole item that is to be put. */
void cachette__dynamo_add_key(cachette__text *body, cachette_slice key);
void cachette__dynamo_add_item(cachette__dynamo_job *job, cachette__text *body, size_t place);

/* Adds `,"ExpressionAttributeValues":{` with the time in it, and leaves the brace open. */
void cachette__dynamo_add_now(cachette__text *body);

/* Takes an item that was read for an entry; NULL if there is none. */
void cachette__dynamo_take_item(cachette__dynamo_job *job, size_t place, json_t *item);

/* Writes a DeleteItem in the place of a put whose value is too big, and says so when it is done. */
void cachette__dynamo_write_refused(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                    size_t place);
void cachette__dynamo_take_refused(cachette__dynamo_job *job, cachette__dynamo_call *call);

#endif
