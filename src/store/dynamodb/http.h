/* SPDX-License-Identifier: MIT */
/*
 * HTTP on the handle's loop: libcurl's multi interface says which sockets and which timer it wants
 * watched, libuv watches them. Connections are kept and shared by all requests.
 */
#ifndef CACHETTE_STORE_DYNAMODB_HTTP_H
#define CACHETTE_STORE_DYNAMODB_HTTP_H

#include <curl/curl.h>
#include <uv.h>

#include "text.h"

typedef struct cachette__http cachette__http;
typedef struct cachette__http_request cachette__http_request;

struct cachette__http_request {
  /* In. */
  void (*done)(cachette__http_request *request); /* once, on the loop, never from inside a send */

  /*
   * In. It is sent once: libcurl by itself sends a request again if a connection that it had kept
   * closes without a word, though it may have been carried out. `result` then is
   * CURLE_ABORTED_BY_CALLBACK.
   */
  bool once;

  /* Out. */
  CURLcode result;
  long status;           /* of HTTP; 0: there was no answer */
  cachette__text answer; /* the body */
  char fault[CURL_ERROR_SIZE];
  char request_id[64]; /* AWS's, or "" */
  bool has_crc32;
  uint32_t crc32;    /* of the body, as the server says */
  int64_t server_ms; /* the server's clock, since the epoch; 0 if it did not say */

  /* Of http.c. */
  CURL *easy; /* NULL: not begun */
  cachette__http *http;
  struct curl_slist *headers;
  size_t answer_most; /* bytes of an answer, at most */
  bool is_begun;      /* libcurl has begun to send it */
};

/* NULL: out of memory, or libcurl could not be started. `forget` frees the owner's memory, last. */
cachette__http *cachette__http_open(uv_loop_t *loop, void (*forget)(void *owner), void *owner);

/*
 * Closing has two steps: after the first nothing is handed over any more, and requests on their way
 * are to be dropped; the second closes connections. `forked`: as a store's close has it.
 */
void cachette__http_stop(cachette__http *http, bool forked);
void cachette__http_close(cachette__http *http);

/* Begins one: `easy` may then be given further options. False: out of memory. */
bool cachette__http_begin(cachette__http *http, cachette__http_request *request, const char *url);

/* Adds a header, as "Name: value". False: out of memory. */
bool cachette__http_header(cachette__http_request *request, const char *line);

/*
 * Sends it, with `body` if that is not NULL, which stays in place. It comes back by its `done`
 * within `timeout_ms`. False: libcurl refuses.
 */
bool cachette__http_send(cachette__http_request *request, const cachette__text *body,
                         int64_t timeout_ms);

/* Takes it back if it is on its way, and frees what it has. It can be begun again. */
void cachette__http_drop(cachette__http_request *request);

#endif
