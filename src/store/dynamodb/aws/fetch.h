/* SPDX-License-Identifier: MIT */
/*
 * A fetch of keys from an asynchronous source: a server or a program. One fetch runs at a time. A
 * source (sts.c, sso.c, container.c, metadata.c, credential_process.c) starts it, and calls `done`
 * or `failed` when it ends.
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_FETCH_H
#define CACHETTE_STORE_DYNAMODB_AWS_FETCH_H

#include "chain.h"
#include "endpoint.h"
#include "http.h"
#include "json.h"
#include "process.h"

/* The keys that requests are signed with. */
typedef struct cachette__aws_keys {
  char *id, *secret, *token; /* `token` may be NULL */
  int64_t expires_ms;        /* since the epoch; INT64_MAX: never */
  unsigned generation;       /* increases with each new set of keys */
} cachette__aws_keys;

/* What the store provides to fetch keys. */
typedef struct cachette__aws_context {
  uv_loop_t *loop;
  cachette__http *http;
  const char *folder;                     /* base of relative paths; or NULL */
  const cachette__aws_endpoint *endpoint; /* DynamoDB's; known before the first fetch */
  cachette__aws_keys keys;                /* from the options; `id` NULL: none */

  /* Called when a pending fetch has ended; `error` is NULL if calls can be signed now. */
  void (*resume)(void *owner, const cachette_error *error);
  void *owner;
} cachette__aws_context;

enum cachette__aws_result {
  CACHETTE__AWS_NONE,    /* the source has no keys */
  CACHETTE__AWS_FOUND,   /* the keys are set */
  CACHETTE__AWS_PENDING, /* a request was sent, or a program was started */
  CACHETTE__AWS_FAILED,  /* the source is configured but failed; `error` is filled */
};

typedef struct cachette__aws_fetch cachette__aws_fetch;
struct cachette__aws_fetch {
  cachette__aws_context context;

  /* One of them is called once for each fetch that is PENDING. `done` copies the keys. `failed`
   * with code 0: the source has no keys. */
  void (*done)(cachette__aws_fetch *fetch, const cachette__aws_keys *keys);
  void (*failed)(cachette__aws_fetch *fetch, const cachette_error *error);

  cachette__aws_chain chain;
  cachette__http_request request;
  cachette__text url, body, token;
  cachette__aws_role *role;   /* that is being assumed; or NULL */
  cachette__process *process; /* that runs; or NULL */
  json_t *login;              /* the cached SSO login; or NULL */
  int step;                   /* of the source */
};

/* ---- The sources ---- */

/* Starts a fetch. Returns NONE, PENDING or FAILED; a source that does not wait may return FOUND. */
typedef enum cachette__aws_result cachette__aws_fetch_start(cachette__aws_fetch *fetch,
                                                            cachette_error *error);

extern cachette__aws_fetch_start cachette__aws_fetch_identity, cachette__aws_fetch_sso,
    cachette__aws_fetch_process, cachette__aws_fetch_container, cachette__aws_fetch_metadata;

/* Starts to assume `fetch->role` with the keys. Returns PENDING or FAILED. */
enum cachette__aws_result cachette__aws_fetch_role(cachette__aws_fetch *fetch,
                                                   const cachette__aws_keys *keys,
                                                   cachette_error *error);

/* ---- Shared by the sources (fetch.c) ---- */

enum { CACHETTE__AWS_SERVICE_MS = 5000 }; /* time-out of a request to an AWS service */

/* Returns the fetch that a request belongs to. */
cachette__aws_fetch *cachette__aws_fetch_of(cachette__http_request *request);

/* Begins a request; `done` is called with the response. False: out of memory. */
bool cachette__aws_fetch_begin(cachette__aws_fetch *fetch, const char *url,
                               void (*done)(cachette__http_request *request));

/* The same for a server on or near this machine: without a proxy, and with a short connect
 * time-out. Send it with the time-out CACHETTE__AWS_LOCAL_MS. */
bool cachette__aws_fetch_begin_local(cachette__aws_fetch *fetch, const char *url,
                                     void (*done)(cachette__http_request *request));

enum { CACHETTE__AWS_LOCAL_MS = 1000 };

/* Adds a text, percent-encoded for a URL or a form. */
void cachette__aws_add_encoded(cachette__text *text, const char *plain);

/* Returns the result of a start: PENDING if `ok`, else FAILED with ENOMEM. */
enum cachette__aws_result cachette__aws_fetch_started(cachette__aws_fetch *fetch, bool ok,
                                                      cachette_error *error);

/*
 * Reads a token from a file, without trailing white space. `named` is the variable or key that
 * names the file. Returns a new string, which the caller frees; NULL on failure, with `error`
 * filled.
 */
char *cachette__aws_read_token(const cachette__aws_fetch *fetch, const char *path,
                               const char *named, cachette_error *error);

/* Returns the response as JSON, which the caller releases; NULL if it is not JSON. */
json_t *cachette__aws_fetch_json(const cachette__aws_fetch *fetch);

/* Takes the response of a container's endpoint or of instance metadata, which have the same format,
 * and ends the fetch. */
void cachette__aws_fetch_take_local(cachette__aws_fetch *fetch, const char *server);

/* Fails a fetch because of its response. `server` is its name for messages, `message` its error
 * message or "". */
void cachette__aws_fetch_fail_response(cachette__aws_fetch *fetch, const char *server,
                                       const char *message);
void cachette__aws_fetch_fail_no_memory(cachette__aws_fetch *fetch);

/* Fills `error` with ENOMEM and returns FAILED. */
enum cachette__aws_result cachette__aws_no_memory(cachette_error *error);

#endif
