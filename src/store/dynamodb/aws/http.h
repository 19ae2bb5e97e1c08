/* SPDX-License-Identifier: MIT */
/*
 * HTTP on the handle's loop: libuv watches the sockets and runs the timer for libcurl's multi
 * interface. All requests share the connections, which are kept alive.
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_HTTP_H
#define CACHETTE_STORE_DYNAMODB_AWS_HTTP_H

#include <curl/curl.h>
#include <uv.h>

#include "text.h"

typedef struct cachette__http cachette__http;
typedef struct cachette__http_request cachette__http_request;

struct cachette__http_request {
  /* In. */
  void (*done)(cachette__http_request *request); /* called once, from the loop */

  /*
   * In. Never resend. By default libcurl resends a request if a reused connection closes without a
   * response, although the server may have processed the request. With `send_once`, `result` is
   * then CURLE_ABORTED_BY_CALLBACK.
   */
  bool send_once;

  /* Out. */
  CURLcode result;
  long status;                  /* of HTTP; 0: no response */
  cachette__text response;      /* the body */
  char reason[CURL_ERROR_SIZE]; /* libcurl's error message; or "" */
  char request_id[64];          /* AWS's; or "" */
  bool has_crc32;
  uint32_t crc32;    /* of the body, from a header */
  int64_t server_ms; /* the server's clock, since the epoch; 0: not sent */

  /* Private to http.c. */
  CURL *easy; /* NULL: not begun */
  cachette__http *http;
  struct curl_slist *headers;
  size_t response_limit; /* bytes */
  bool is_started;       /* libcurl has started to send the request */
};

/* Opens HTTP on a loop. `closed` is called after the close, when no handle is left on the loop; it
 * may free the owner. NULL: out of memory, or libcurl failed to initialise. */
cachette__http *cachette__http_open(uv_loop_t *loop, void (*closed)(void *owner), void *owner);

/*
 * Closing has two steps. After cachette__http_stop() no request completes; cancel those in flight.
 * Then cachette__http_close() closes the connections. `forked`: as for the store's close().
 */
void cachette__http_stop(cachette__http *http, bool forked);
void cachette__http_close(cachette__http *http);

/* Begins a request. The caller may then set options of `easy`. False: out of memory. */
bool cachette__http_begin(cachette__http *http, cachette__http_request *request, const char *url);

/* Adds a header, as "Name: value". False: out of memory. */
bool cachette__http_header(cachette__http_request *request, const char *line);

/* The same for a secret value. Leaves no other copy of it in memory. */
bool cachette__http_secret_header(cachette__http_request *request, const char *name,
                                  const char *value);

/* Sends a request. `body` may be NULL; it must stay valid until `done` is called, within
 * `timeout_ms`. False: libcurl failed. */
bool cachette__http_send(cachette__http_request *request, const cachette__text *body,
                         int64_t timeout_ms);

/* Cancels a request that is in flight, and frees its resources. It can be begun again. */
void cachette__http_cancel(cachette__http_request *request);

#endif
