/* SPDX-License-Identifier: MIT */
/*
 * The DynamoDB store. An op becomes a job; a job makes calls, several at a time; a call is one
 * request of DynamoDB's API, resent as often as needed. Everything runs on the handle's thread.
 *
 * Each file calls only files below it:
 *
 *     dynamodb.c     the vtable
 *       clear.c  batch.c  counter.c      commands of several steps, or of many keys
 *         commands.c                     commands of one key
 *           replies.c                    replies become results
 *             jobs.c                     runs a job's calls until all is done
 *               table.c                  checks or makes the table before the first call
 *                 call.c                 signs, sends, resends
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

/* What the store reads of the options. Never changed, so that threads and handles can share it. */
typedef struct cachette__dynamo_settings {
  cachette__settings base;
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
  cachette__aws_endpoint endpoint; /* found before the first call */
  char name[128];                  /* of the server, for messages */
  cachette__http *http;
  cachette__aws_credentials credentials;
  enum cachette__dynamo_table table;
  cachette__dynamo_call *table_call;                /* sets the table up; or NULL */
  cachette__dynamo_call *waiting, *sleeping, *sent; /* lists of calls */
  uv_timer_t *timer;                                /* of the sleeping calls */
  int64_t skew_ms;                                  /* the server's clock minus ours */
  uint64_t retries;                                 /* calls that were resent */
  uint64_t random;
  bool closing;
};

/* ---- call.c ---- */

typedef struct cachette__dynamo_reply {
  int code;      /* 0 or the error's */
  json_t *json;  /* NULL if there was none */
  char type[64]; /* the server's error type, such as "ConditionalCheckFailedException"; or "" */
  cachette_error error;
} cachette__dynamo_reply;

enum cachette__dynamo_outcome { CACHETTE__DYNAMO_DONE, CACHETTE__DYNAMO_RESEND };

struct cachette__dynamo_call {
  cachette__dynamo *store;
  const char *action; /* such as "GetItem" */
  cachette__text body;
  bool is_idempotent; /* to resend */
  int64_t deadline_ms;

  /* Whether the table is ready for this call; if not, the call waits. NULL: it needs no table. */
  bool (*table_is_ready)(cachette__dynamo *store);

  /*
   * Called with the reply. RESEND: the body is a new one, to be sent after `pause_ms`. NULL: the
   * call was abandoned.
   */
  enum cachette__dynamo_outcome (*done)(cachette__dynamo_call *call,
                                        const cachette__dynamo_reply *reply);
  int64_t pause_ms;

  /* Used by the owner. */
  cachette__dynamo_job *job;
  cachette__dynamo_call *sibling, **sibling_link; /* in the job's list */
  size_t index;                                   /* of the job's entry that it is about; */
  size_t *indices, count;                         /* or of several entries */
  int step;
  unsigned conflicts;

  /* Used by call.c. */
  cachette__dynamo_call *next, **link; /* in one of the client's lists */
  cachette__http_request request;
  cachette_error error; /* that the call will end with */
  unsigned key_generation;
  int64_t due_ms, sent_ms, skew_ms; /* `skew_ms`: that it was signed with */
  unsigned tries;
  bool has_renewed_keys, has_checked_table, has_set_clock, is_sent;
};

/* An empty call; NULL: out of memory. */
cachette__dynamo_call *cachette__dynamo_call_new(cachette__dynamo *store, const char *action);

/* Sends a call; `done` is called later. If the body failed for lack of memory, so does the call. */
void cachette__dynamo_call_submit(cachette__dynamo_call *call);

/* Frees a call; one that was sent is freed when its response comes. */
void cachette__dynamo_call_abandon(cachette__dynamo_call *call);

/* Frees all calls: the client closes. */
void cachette__dynamo_calls_free(cachette__dynamo *store);

/* Goes on with the calls that wait for the table or for keys, or fails them with `error`. */
void cachette__dynamo_calls_resume(cachette__dynamo *store, const cachette_error *error);

/* A random back-off whose limit doubles with each try. */
int64_t cachette__dynamo_back_off(cachette__dynamo *store, unsigned tries);

/* ---- errors.c ---- */

/* What a call needs before it is worth a resend. */
enum cachette__dynamo_remedy {
  CACHETTE__DYNAMO_GIVE_UP, /* success, or no resend helps */
  CACHETTE__DYNAMO_BACK_OFF,
  CACHETTE__DYNAMO_SET_CLOCK,
  CACHETTE__DYNAMO_RENEW_KEYS,
  CACHETTE__DYNAMO_CHECK_TABLE
};

/* Fills the reply of a call that got a response or failed. */
enum cachette__dynamo_remedy cachette__dynamo_read_reply(const cachette__dynamo_call *call,
                                                         cachette__dynamo_reply *reply);

/* ---- table.c ---- */

/* Whether the table is known to exist; if not, starts to check and make it. */
bool cachette__dynamo_table_is_ready(cachette__dynamo *store);

/* ---- jobs.c ---- */

/* A key of a job. */
typedef struct cachette__dynamo_entry {
  cachette__dynamo_key key;
  size_t same_as; /* index of the last entry with this key, which is sent for it; often its own */
  bool too_large; /* the value is too big to be sent */
} cachette__dynamo_entry;

typedef enum cachette__dynamo_outcome cachette__dynamo_take(cachette__dynamo_job *job,
                                                            cachette__dynamo_call *call,
                                                            const cachette__dynamo_reply *reply);

/* How an op becomes calls, and their replies become its result. */
typedef struct cachette__dynamo_command {
  size_t concurrency; /* calls of a job in flight at a time */
  bool is_batch;      /* a call has several keys, each only once */

  /* Whether there is another call to make now. */
  bool (*has_next)(const cachette__dynamo_job *job);

  /* Writes that call; memory may run out. */
  void (*write)(cachette__dynamo_job *job, cachette__dynamo_call *call);

  /* Takes a reply, unless it is an error that fails the whole op. */
  cachette__dynamo_take *take;
} cachette__dynamo_command;

struct cachette__dynamo_job {
  cachette__dynamo *store;
  cachette_op *op;
  const cachette__dynamo_command *command;
  cachette__dynamo_call *calls;
  size_t open_calls;
  size_t next; /* index of the next entry to make a call for */
  int code;    /* error of the whole op, or 0 */
  bool has_error;
  bool in_order; /* one call at a time, because a key appears twice */

  /* Used by clear.c. */
  json_t *items;                 /* of the page: what to delete */
  size_t next_item, items_entry; /* the next of these, and the entry that they belong to */
  json_t *position;              /* start of the next page, or NULL */
  bool is_scanning;

  size_t count; /* of entries */
  cachette__dynamo_entry entries[];
};

/* Starts a job; completes the op if memory runs out. */
void cachette__dynamo_job_start(cachette__dynamo *store, cachette_op *op,
                                const cachette__dynamo_command *command);

/* Whether there is another entry to make a call for. */
bool cachette__dynamo_has_next_entry(const cachette__dynamo_job *job);

/* Frees a job and abandons its calls. */
void cachette__dynamo_job_free(cachette__dynamo_job *job);

/* Fails an item, or the whole op. The op's error is the first of them. */
void cachette__dynamo_fail_item(cachette__dynamo_job *job, size_t index,
                                const cachette_error *error);
void cachette__dynamo_fail_job(cachette__dynamo_job *job, const cachette_error *error);
void cachette__dynamo_fail_no_memory(cachette__dynamo_job *job);

/* ---- replies.c ---- */

/* The text of an attribute, such as item {"key": {"S": "text"}}. False: it is missing. */
bool cachette__dynamo_attribute(json_t *item, const char *name, const char *type,
                                cachette_slice *text);

/* Milliseconds until an entry expires; 0 or less if it has expired or has no such attribute. */
int64_t cachette__dynamo_time_left(json_t *item);

/* Whether an item is an entry that has not expired; NULL is not. */
bool cachette__dynamo_is_live(json_t *item);

/* Decodes base64: the number of bytes, and the bytes. False: it is not valid. */
bool cachette__dynamo_decoded_size(cachette_slice text, size_t *size);
bool cachette__dynamo_decode(cachette_slice text, void *bytes);

/* Takes an item that was read for an entry; NULL if there is none. */
void cachette__dynamo_take_item(cachette__dynamo_job *job, size_t index, json_t *item);

/* Fails the call's item because its value is too big. */
void cachette__dynamo_take_too_large(cachette__dynamo_job *job, cachette__dynamo_call *call);

extern cachette__dynamo_take cachette__dynamo_take_get, cachette__dynamo_take_put,
    cachette__dynamo_take_add, cachette__dynamo_take_touch, cachette__dynamo_take_delete;

/* ---- commands.c, counter.c, batch.c, clear.c ---- */

extern const cachette__dynamo_command cachette__dynamo_fetch, cachette__dynamo_put,
    cachette__dynamo_add, cachette__dynamo_touch, cachette__dynamo_delete,
    cachette__dynamo_increment, cachette__dynamo_fetch_many, cachette__dynamo_put_many,
    cachette__dynamo_clear;

/*
 * When an entry expires stands in two attributes: `expires`, in whole seconds, for earlier releases
 * and the server's own time to live; `expires_at`, in milliseconds, for us. These are conditions on
 * them and the names that the conditions use; cachette__dynamo_add_now() adds the values.
 */
#define CACHETTE__DYNAMO_IS_LIVE "(#a > :ms OR attribute_not_exists(#a) AND #e > :now)"
#define CACHETTE__DYNAMO_IS_EXPIRED "(#a <= :ms OR attribute_not_exists(#a) AND #e <= :now)"
#define CACHETTE__DYNAMO_TIMES "\"#e\":\"expires\",\"#a\":\"expires_at\""

/* Begins a body: {"TableName":"..." */
void cachette__dynamo_begin(cachette__dynamo_job *job, cachette__dynamo_call *call,
                            const char *action);

/* Begins the body of a call about one entry, up to its key. */
void cachette__dynamo_begin_key(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                const char *action, size_t index);

/* Begins a PutItem of the call's entry; the value and a brace must follow. */
void cachette__dynamo_begin_put(cachette__dynamo_job *job, cachette__dynamo_call *call);

/* Adds {"key":...}, or the whole item to put. */
void cachette__dynamo_add_key(cachette__text *body, cachette_slice key);
void cachette__dynamo_add_item(cachette__dynamo_job *job, cachette__text *body, size_t index);

/* Adds `,"ExpressionAttributeValues":{` with the time in it, and leaves the brace open. */
void cachette__dynamo_add_now(cachette__text *body);

/* Adds the condition that no item is there, or one that has expired or does not say when it
 * expires. */
void cachette__dynamo_add_if_absent(cachette__text *body);

/* Writes a DeleteItem instead of a put whose value is too big. */
void cachette__dynamo_write_too_large(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                      size_t index);

#endif
