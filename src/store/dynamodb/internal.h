/* SPDX-License-Identifier: MIT */
/*
 * The DynamoDB store. An op becomes a job. A job makes calls, several at a time. A call is one
 * request of DynamoDB's API, resent as often as needed. All code runs on the handle's thread.
 *
 * Each file calls only files below it:
 *
 *     dynamodb.c     the vtable
 *       clear.c  batch.c  counter.c      commands of several steps, or of many keys
 *         commands.c                     commands of one key
 *           replies.c                    replies become results
 *             jobs.c                     makes a job's calls, then completes its op
 *               table.c                  checks or creates the table before the first call
 *                 call.c                 signs, sends and resends a call
 *                   errors.c             errors of libcurl and the server
 *       settings.c   key.c
 *       aws/           HTTP, endpoints and credentials; see aws/credentials.h
 */
#ifndef CACHETTE_STORE_DYNAMODB_INTERNAL_H
#define CACHETTE_STORE_DYNAMODB_INTERNAL_H

#include <string.h>

#include "../../base/alloc.h"
#include "../../base/clock.h"
#include "../../base/counter.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "../store.h"
#include "aws/credentials.h"
#include "key.h"

typedef struct cachette__dynamo cachette__dynamo;
typedef struct cachette__dynamo_call cachette__dynamo_call;
typedef struct cachette__dynamo_job cachette__dynamo_job;

/* ---- settings.c ---- */

/* The options of the store. Immutable after creation, so threads and handles may share it. */
typedef struct cachette__dynamo_settings {
  cachette__settings base;
  char *url, *region; /* NULL: from the environment or AWS's files */
  char *table;
  char *prefix;                                            /* of all keys; may be "" */
  char *access_key_id, *secret_access_key, *session_token; /* or NULL */
  char *ca_file, *cert_file, *key_file;                    /* or NULL */
  char *folder; /* base of relative paths in the environment; or NULL */
  bool verify, consistent_read;
  int64_t timeout_ms, connect_timeout_ms;
} cachette__dynamo_settings;

/* Reads and checks the options. Errors: ECONFIG, ENOMEM. */
int cachette__dynamo_settings_new(const cachette_options *options, cachette__settings **settings,
                                  cachette_error *error);

/* ---- The store (dynamodb.c) ---- */

enum cachette__dynamo_table {
  CACHETTE__DYNAMO_UNKNOWN,
  CACHETTE__DYNAMO_CHECKING,
  CACHETTE__DYNAMO_READY
};

struct cachette__dynamo {
  cachette__store base;
  uv_loop_t *loop;
  const cachette__dynamo_settings *settings;
  cachette__aws_endpoint endpoint; /* zeroed until the first call */
  char name[128];                  /* of the server, for messages */
  cachette__http *http;
  cachette__aws_credentials credentials;
  enum cachette__dynamo_table table;
  cachette__dynamo_call *table_call;                /* the call that sets up the table; or NULL */
  cachette__dynamo_call *waiting, *sleeping, *sent; /* lists of calls */
  uv_timer_t *timer;                                /* for the sleeping calls */
  int64_t skew_ms;                                  /* the server's clock minus this machine's */
  uint64_t retries;                                 /* number of resends */
  uint64_t random;
  bool closing;
};

/* ---- call.c ---- */

typedef struct cachette__dynamo_reply {
  int code;      /* 0 or that of `error` */
  json_t *json;  /* NULL: none */
  char type[64]; /* the server's error type, such as "ConditionalCheckFailedException"; or "" */
  cachette_error error;
} cachette__dynamo_reply;

enum cachette__dynamo_outcome { CACHETTE__DYNAMO_DONE, CACHETTE__DYNAMO_RESEND };

struct cachette__dynamo_call {
  cachette__dynamo *store;
  const char *action; /* such as "GetItem" */
  cachette__text body;
  bool is_idempotent; /* safe to resend */
  int64_t deadline_ms;

  /* Returns whether the table is ready; if not, the call waits. NULL: the call needs no table. */
  bool (*table_is_ready)(cachette__dynamo *store);

  /*
   * Called once with each reply. Returns DONE, and the call is freed; or RESEND after it wrote a
   * new body, which is sent after `pause_ms`. NULL: the call was abandoned.
   */
  enum cachette__dynamo_outcome (*done)(cachette__dynamo_call *call,
                                        const cachette__dynamo_reply *reply);
  int64_t pause_ms;

  /* Used by the caller. */
  cachette__dynamo_job *job;
  cachette__dynamo_call *sibling, **sibling_link; /* in the job's list */
  size_t index;                                   /* of the job's entry that the call is for, */
  size_t *indices, count;                         /* or of several entries */
  int step;
  unsigned conflicts;

  /* Private to call.c. */
  cachette__dynamo_call *next, **link; /* in one of the store's lists */
  cachette__http_request request;
  cachette_error error; /* code below 0: the call fails with this error */
  unsigned key_generation;
  int64_t due_ms, sent_ms, skew_ms; /* `skew_ms`: used for the signature */
  unsigned tries;
  bool has_renewed_keys, has_checked_table, has_set_clock, is_sent;
};

/* Creates a call with an empty body. NULL: out of memory. */
cachette__dynamo_call *cachette__dynamo_call_new(cachette__dynamo *store, const char *action);

/* Sends a call, and takes ownership. `done` is called from the loop, never from here. If the body
 * ran out of memory, the call fails. */
void cachette__dynamo_call_submit(cachette__dynamo_call *call);

/* Abandons a call: `done` is not called any more. Frees the call, at once or with its response. */
void cachette__dynamo_call_abandon(cachette__dynamo_call *call);

/* Frees all calls, when the store closes. */
void cachette__dynamo_calls_free(cachette__dynamo *store);

/* Continues the calls that wait for the table or for keys. `error` not NULL: fails them. */
void cachette__dynamo_calls_resume(cachette__dynamo *store, const cachette_error *error);

/* Returns a random back-off in milliseconds. Its maximum doubles with each try. */
int64_t cachette__dynamo_back_off(cachette__dynamo *store, unsigned tries);

/* ---- errors.c ---- */

/* What must happen before a resend may help. */
enum cachette__dynamo_remedy {
  CACHETTE__DYNAMO_GIVE_UP, /* nothing: success, or no resend helps */
  CACHETTE__DYNAMO_BACK_OFF,
  CACHETTE__DYNAMO_SET_CLOCK,
  CACHETTE__DYNAMO_RENEW_KEYS,
  CACHETTE__DYNAMO_CHECK_TABLE
};

/* Fills the reply of a call that has a response or failed. The caller releases `reply->json`. */
enum cachette__dynamo_remedy cachette__dynamo_read_reply(const cachette__dynamo_call *call,
                                                         cachette__dynamo_reply *reply);

/* ---- table.c ---- */

/* Whether the table is known to exist. If not, starts to check it, and to create it if needed. */
bool cachette__dynamo_table_is_ready(cachette__dynamo *store);

/* ---- jobs.c ---- */

/* A key of a job. */
typedef struct cachette__dynamo_entry {
  cachette__dynamo_key key;
  size_t same_as; /* batches: index of the last entry with this key, which is sent */
  bool too_large; /* the value is too large to be stored */
} cachette__dynamo_entry;

typedef enum cachette__dynamo_outcome cachette__dynamo_take(cachette__dynamo_job *job,
                                                            cachette__dynamo_call *call,
                                                            const cachette__dynamo_reply *reply);

/* How an op becomes calls, and how their replies become its result. */
typedef struct cachette__dynamo_command {
  size_t concurrency; /* maximum calls in flight per job */
  bool is_batch;      /* a call has several keys, and none twice */

  /* Whether another call can be made now. */
  bool (*has_next)(const cachette__dynamo_job *job);

  /* Writes the call. Out of memory: its body has failed. */
  void (*write)(cachette__dynamo_job *job, cachette__dynamo_call *call);

  /* Takes the reply to a call. Errors that fail the whole op do not come here. */
  cachette__dynamo_take *take;
} cachette__dynamo_command;

struct cachette__dynamo_job {
  cachette__dynamo *store;
  cachette_op *op;
  const cachette__dynamo_command *command;
  cachette__dynamo_call *calls;
  size_t open_calls;
  size_t next; /* index of the next entry that needs a call */
  int code;    /* error of the whole op, or 0 */
  bool has_error;
  bool in_order; /* one call at a time, because a key appears twice */

  /* Private to clear.c. */
  json_t *items;                 /* of the current page, to delete */
  size_t next_item, items_entry; /* the next one to delete; the entry they belong to */
  json_t *position;              /* start of the next page, or NULL */
  bool is_scanning;

  size_t count; /* of `entries` */
  cachette__dynamo_entry entries[];
};

/* Starts a job for an op. Out of memory: completes the op with ENOMEM. */
void cachette__dynamo_job_start(cachette__dynamo *store, cachette_op *op,
                                const cachette__dynamo_command *command);

/* Whether another entry needs a call. */
bool cachette__dynamo_has_next_entry(const cachette__dynamo_job *job);

/* Abandons a job's calls and frees the job. */
void cachette__dynamo_job_free(cachette__dynamo_job *job);

/* Fail an item, or the whole op. The op reports the error of the whole op, else that of the first
 * item that failed. */
void cachette__dynamo_fail_item(cachette__dynamo_job *job, size_t index,
                                const cachette_error *error);
void cachette__dynamo_fail_job(cachette__dynamo_job *job, const cachette_error *error);
void cachette__dynamo_fail_no_memory(cachette__dynamo_job *job);

/* ---- replies.c ---- */

/* Sets `text` to the value of an attribute, such as "text" in {"key": {"S": "text"}}. It lives as
 * long as `item`. False: the attribute is missing or of another type. */
bool cachette__dynamo_attribute(json_t *item, const char *name, const char *type,
                                cachette_slice *text);

/* Milliseconds until an entry expires; 0 or less if it has expired or has no expiry. */
int64_t cachette__dynamo_time_left(json_t *item);

/* Whether an item is a live entry. False for NULL. */
bool cachette__dynamo_is_live(json_t *item);

/* Decode base64: the number of bytes, and the bytes themselves. False: the text is malformed. */
bool cachette__dynamo_decoded_size(cachette_slice text, size_t *size);
bool cachette__dynamo_decode(cachette_slice text, void *bytes);

/* Sets the result of an entry from the item that was read. `item` may be NULL: a miss. */
void cachette__dynamo_take_item(cachette__dynamo_job *job, size_t index, json_t *item);

/* Fails the call's item because its value is too large. */
void cachette__dynamo_take_too_large(cachette__dynamo_job *job, cachette__dynamo_call *call);

extern cachette__dynamo_take cachette__dynamo_take_get, cachette__dynamo_take_put,
    cachette__dynamo_take_add, cachette__dynamo_take_touch, cachette__dynamo_take_delete;

/* ---- commands.c, counter.c, batch.c, clear.c ---- */

extern const cachette__dynamo_command cachette__dynamo_fetch, cachette__dynamo_put,
    cachette__dynamo_add, cachette__dynamo_touch, cachette__dynamo_delete,
    cachette__dynamo_increment, cachette__dynamo_fetch_many, cachette__dynamo_put_many,
    cachette__dynamo_clear;

/*
 * The expiry of an entry is stored in two attributes: `expires`, in whole seconds, for earlier
 * releases and the server's time to live; `expires_at`, in milliseconds, for this store. These
 * macros are conditions on both, and the names that the conditions use; cachette__dynamo_add_now()
 * adds the values.
 */
#define CACHETTE__DYNAMO_IS_LIVE "(#a > :ms OR attribute_not_exists(#a) AND #e > :now)"
#define CACHETTE__DYNAMO_IS_EXPIRED "(#a <= :ms OR attribute_not_exists(#a) AND #e <= :now)"
#define CACHETTE__DYNAMO_TIMES "\"#e\":\"expires\",\"#a\":\"expires_at\""

/* Begins a body: {"TableName":"..." */
void cachette__dynamo_begin(cachette__dynamo_job *job, cachette__dynamo_call *call,
                            const char *action);

/* Begins the body of a call for one entry, up to its key. */
void cachette__dynamo_begin_key(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                const char *action, size_t index);

/* Begins a PutItem of the call's entry. The value and a closing brace must follow. */
void cachette__dynamo_begin_put(cachette__dynamo_job *job, cachette__dynamo_call *call);

/* Add {"key":...}, or the whole item to put. */
void cachette__dynamo_add_key(cachette__text *body, cachette_slice key);
void cachette__dynamo_add_item(cachette__dynamo_job *job, cachette__text *body, size_t index);

/* Adds `,"ExpressionAttributeValues":{` and the current time; the brace stays open. */
void cachette__dynamo_add_now(cachette__text *body);

/* Adds the condition that no live entry exists. An entry without expiry is not live. */
void cachette__dynamo_add_if_absent(cachette__text *body);

/* Writes a DeleteItem instead of a put whose value is too large. */
void cachette__dynamo_write_too_large(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                      size_t index);

#endif
