/* SPDX-License-Identifier: MIT */
/*
 * A fetch of keys from a source that takes its time: a server, or a program. One fetch runs at a
 * time. A source (sts.c, sso.c, container.c, metadata.c, credential_process.c) starts it, and
 * reports by `done` or `failed` when it ends.
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_FETCH_H
#define CACHETTE_STORE_DYNAMODB_AWS_FETCH_H

#include "chain.h"
#include "endpoint.h"
#include "http.h"
#include "json.h"
#include "process.h"

/* What requests are signed with. */
typedef struct cachette__aws_keys {
  char *id, *secret, *token; /* the token may be NULL */
  int64_t expires_ms;        /* since the epoch; INT64_MAX: never */
  unsigned generation;       /* increases with each set of keys */
} cachette__aws_keys;

/* What the store gives to fetch keys with. */
typedef struct cachette__aws_context {
  uv_loop_t *loop;
  cachette__http *http;
  const char *folder;                     /* base of relative paths; or NULL */
  const cachette__aws_endpoint *endpoint; /* of DynamoDB; found before the first fetch */
  cachette__aws_keys keys;                /* in the options; `id` NULL: none */

  /* Called when a pending fetch has ended; `error` is NULL if calls can be signed now. */
  void (*resume)(void *owner, const cachette_error *error);
  void *owner;
} cachette__aws_context;

enum cachette__aws_result {
  CACHETTE__AWS_NONE,    /* the source has no keys */
  CACHETTE__AWS_FOUND,   /* the keys are there */
  CACHETTE__AWS_PENDING, /* a server was sent a request, or a program was started */
  CACHETTE__AWS_FAILED,  /* the source should have keys; `error` says what is wrong */
};

typedef struct cachette__aws_fetch cachette__aws_fetch;
struct cachette__aws_fetch {
  cachette__aws_context context;

  /* One of them is called once for each fetch that is PENDING. The keys are copied. A code of 0:
   * the source turned out to have no keys. */
  void (*done)(cachette__aws_fetch *fetch, const cachette__aws_keys *keys);
  void (*failed)(cachette__aws_fetch *fetch, const cachette_error *error);

  cachette__aws_chain chain;
  cachette__http_request request;
  cachette__text url, body, token;
  cachette__aws_role *role;   /* that is being assumed, or NULL */
  cachette__process *process; /* that runs, or NULL */
  json_t *login;              /* the cached SSO login, or NULL */
  int step;                   /* of the source */
};

/* ---- The sources ---- */

/* Starts a fetch. Returns NONE, PENDING or FAILED. */
typedef enum cachette__aws_result cachette__aws_fetch_start(cachette__aws_fetch *fetch,
                                                            cachette_error *error);

extern cachette__aws_fetch_start cachette__aws_fetch_identity, cachette__aws_fetch_sso,
    cachette__aws_fetch_process, cachette__aws_fetch_container, cachette__aws_fetch_metadata;

/* Assumes `fetch->role` with the keys. Returns PENDING or FAILED. */
enum cachette__aws_result cachette__aws_fetch_role(cachette__aws_fetch *fetch,
                                                   const cachette__aws_keys *keys,
                                                   cachette_error *error);

/* ---- What the sources share (fetch.c) ---- */

enum { CACHETTE__AWS_SERVICE_MS = 5000 }; /* time-out of a request to one of AWS's services */

/* The fetch that a request belongs to. */
cachette__aws_fetch *cachette__aws_fetch_of(cachette__http_request *request);

/* Begins a request; `done` is called with the response. False: out of memory. */
bool cachette__aws_fetch_begin(cachette__aws_fetch *fetch, const char *url,
                               void (*done)(cachette__http_request *request));

/* The same for a server on this machine or beside it: without a proxy, with a short time-out for
 * connecting. Send it with CACHETTE__AWS_LOCAL_MS. */
bool cachette__aws_fetch_begin_local(cachette__aws_fetch *fetch, const char *url,
                                     void (*done)(cachette__http_request *request));

enum { CACHETTE__AWS_LOCAL_MS = 1000 };

/* Adds a text, percent-encoded for a URL or a form. */
void cachette__aws_add_encoded(cachette__text *text, const char *plain);

/* The result of a start: PENDING if all went well, else FAILED for lack of memory. */
enum cachette__aws_result cachette__aws_fetch_started(cachette__aws_fetch *fetch, bool ok,
                                                      cachette_error *error);

/*
 * Reads a token from a file, without the end of its line. Returns a new string, to be freed; NULL
 * with `error` filled if it cannot be read. `named` is the variable or key that names the file.
 */
char *cachette__aws_read_token(const cachette__aws_fetch *fetch, const char *path,
                               const char *named, cachette_error *error);

/* The response as JSON, to be released; NULL if it is not JSON. */
json_t *cachette__aws_fetch_json(const cachette__aws_fetch *fetch);

/* Ends a request to a container's endpoint or instance metadata, whose responses have one form. */
void cachette__aws_fetch_take_local(cachette__aws_fetch *fetch, const char *server);

/* Fails a fetch because of its response; `message` is the server's own, or "". */
void cachette__aws_fetch_fail_response(cachette__aws_fetch *fetch, const char *server,
                                       const char *message);
void cachette__aws_fetch_fail_no_memory(cachette__aws_fetch *fetch);

/* Fills `error` and returns FAILED. */
enum cachette__aws_result cachette__aws_no_memory(cachette_error *error);

#endif
