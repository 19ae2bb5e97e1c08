/* SPDX-License-Identifier: MIT */
#include "fetch.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/error.h"
#include "../../../base/slice.h"
#include "environment.h"
#include "files.h"
#include "timestamp.h"

enum { LOCAL_CONNECT_MS = 500 };

cachette__aws_fetch *cachette__aws_fetch_of(cachette__http_request *request) {
  return (cachette__aws_fetch *)((char *)request - offsetof(cachette__aws_fetch, request));
}

enum cachette__aws_result cachette__aws_no_memory(cachette_error *error) {
  cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  return CACHETTE__AWS_FAILED;
}

/* ---- Requests ---- */

bool cachette__aws_fetch_begin(cachette__aws_fetch *fetch, const char *url,
                               void (*done)(cachette__http_request *request)) {
  cachette__http_request *request = &fetch->request;
  cachette__text_wipe(&request->response);
  cachette__http_cancel(request);
  if (!cachette__http_begin(fetch->context.http, request, url)) return false;
  request->done = done;
  request->response_limit = 1 << 16;
  return true;
}

bool cachette__aws_fetch_begin_local(cachette__aws_fetch *fetch, const char *url,
                                     void (*done)(cachette__http_request *request)) {
  if (!cachette__aws_fetch_begin(fetch, url, done)) return false;
  curl_easy_setopt(fetch->request.easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(fetch->request.easy, CURLOPT_CONNECTTIMEOUT_MS, (long)LOCAL_CONNECT_MS);
  return true;
}

void cachette__aws_add_encoded(cachette__text *text, const char *plain) {
  for (; *plain != '\0'; plain++) {
    unsigned char byte = (unsigned char)*plain;
    if (isalnum(byte) || strchr("-_.~", byte) != NULL)
      cachette__text_add(text, plain, 1);
    else
      cachette__text_printf(text, "%%%02X", byte);
  }
}

char *cachette__aws_read_token(const cachette__aws_fetch *fetch, const char *path,
                               const char *named, cachette_error *error) {
  size_t size;
  char display[80], *expanded = cachette__env_expand(fetch->context.folder, path);
  char *text = expanded != NULL ? cachette__aws_read_file(expanded, &size) : NULL;
  int reason = expanded != NULL ? errno : ENOMEM;
  if (expanded != NULL) cachette__env_display_path(expanded, display, sizeof display);
  cachette__free(expanded);
  if (text == NULL && reason == ENOMEM)
    cachette__aws_no_memory(error);
  else if (text == NULL)
    cachette__fail(error, CACHETTE_EBACKEND, named,
                   "The token file %s for AWS credentials, set by \"%s\", cannot be read: %s.",
                   display, named, strerror(reason));
  while (text != NULL && size > 0 && isspace((unsigned char)text[size - 1])) text[--size] = '\0';
  return text;
}

enum cachette__aws_result cachette__aws_fetch_started(cachette__aws_fetch *fetch, bool ok,
                                                      cachette_error *error) {
  if (ok) return CACHETTE__AWS_PENDING;
  cachette__http_cancel(&fetch->request);
  return cachette__aws_no_memory(error);
}

void cachette__aws_fetch_fail_response(cachette__aws_fetch *fetch, const char *server,
                                       const char *message) {
  const cachette__http_request *request = &fetch->request;
  cachette_error error;
  char printable[101];
  cachette__key_text((cachette_slice){message, strcspn(message, "\r\n")}, printable,
                     sizeof printable);
  if (request->result == CURLE_OUT_OF_MEMORY || request->response.failed)
    cachette__aws_no_memory(&error);
  else if (request->status == 0)
    cachette__fail(
        &error, CACHETTE_EUNAVAILABLE, NULL,
        "AWS credentials could not be fetched from %s: %.120s.", server,
        request->reason[0] != '\0' ? request->reason : curl_easy_strerror(request->result));
  else
    cachette__fail(&error, CACHETTE_EBACKEND, NULL,
                   "AWS credentials could not be fetched from %s: it answered with HTTP status "
                   "%ld%s%s.",
                   server, request->status, *printable != '\0' ? ": " : "", printable);
  fetch->failed(fetch, &error);
}

void cachette__aws_fetch_fail_no_memory(cachette__aws_fetch *fetch) {
  cachette_error error;
  cachette__aws_no_memory(&error);
  fetch->failed(fetch, &error);
}

json_t *cachette__aws_fetch_json(const cachette__aws_fetch *fetch) {
  const cachette__text *response = &fetch->request.response;
  return response->size > 0 ? json_loadb(response->bytes, response->size, 0, NULL) : NULL;
}

void cachette__aws_fetch_take_local(cachette__aws_fetch *fetch, const char *server) {
  json_t *json = cachette__aws_fetch_json(fetch);
  const char *end = cachette__json_text(json, "Expiration");
  cachette__aws_keys keys = {
      .id = (char *)cachette__json_text(json, "AccessKeyId"),
      .secret = (char *)cachette__json_text(json, "SecretAccessKey"),
      .token = (char *)cachette__json_text(json, "Token"),
      .expires_ms = end != NULL ? cachette__timestamp_read(end) : INT64_MAX,
  };
  if (fetch->request.status != 200 || keys.id == NULL || keys.secret == NULL ||
      keys.expires_ms == 0)
    cachette__aws_fetch_fail_response(fetch, server, "there are no keys in it");
  else
    fetch->done(fetch, &keys);
  json_decref(json);
}
