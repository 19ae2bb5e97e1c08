/* SPDX-License-Identifier: MIT */
/*
 * HTTP on the handle's loop: libuv watches the sockets and the timer that libcurl's multi interface
 * names. Connections are kept alive and shared by all requests.
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
  void (*done)(cachette__http_request *request); /* once, from the loop */

  /*
   * In. Do not resend. By default libcurl resends a request if a kept connection closes without a
   * response, although the server may have carried it out. With this, `result` is then
   * CURLE_ABORTED_BY_CALLBACK.
   */
  bool send_once;

  /* Out. */
  CURLcode result;
  long status;                  /* of HTTP; 0: there was no response */
  cachette__text response;      /* the body */
  char reason[CURL_ERROR_SIZE]; /* libcurl's, for a result that is not CURLE_OK; or "" */
  char request_id[64];          /* AWS's, or "" */
  bool has_crc32;
  uint32_t crc32;    /* of the body, from a header */
  int64_t server_ms; /* the server's clock, since the epoch; 0 if there was no such header */

  /* Used by http.c. */
  CURL *easy; /* NULL: not begun */
  cachette__http *http;
  struct curl_slist *headers;
  size_t response_limit; /* bytes */
  bool is_started;       /* libcurl has started to send it */
};

/* NULL: out of memory, or libcurl failed to start. `closed` is called last, when nothing is left on
 * the loop; it may free the owner. */
cachette__http *cachette__http_open(uv_loop_t *loop, void (*closed)(void *owner), void *owner);

/*
 * Closing has two steps. After cachette__http_stop() no request is completed any more; cancel those
 * in flight. Then cachette__http_close() closes the connections. `forked` is that of the store's
 * close().
 */
void cachette__http_stop(cachette__http *http, bool forked);
void cachette__http_close(cachette__http *http);

/* Begins a request; then set further options of `easy`. False: out of memory. */
bool cachette__http_begin(cachette__http *http, cachette__http_request *request, const char *url);

/* Adds a header, as "Name: value". False: out of memory. */
bool cachette__http_header(cachette__http_request *request, const char *line);

/* The same for a secret value, of which no other copy is left behind. */
bool cachette__http_secret_header(cachette__http_request *request, const char *name,
                                  const char *value);

/* Sends it. `body` may be NULL; it stays in place. `done` is called within `timeout_ms`. False:
 * libcurl failed. */
bool cachette__http_send(cachette__http_request *request, const cachette__text *body,
                         int64_t timeout_ms);

/* Cancels it if it is in flight, and frees what it has. It can be begun again. */
void cachette__http_cancel(cachette__http_request *request);

#endif
