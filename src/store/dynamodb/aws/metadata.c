/* SPDX-License-Identifier: MIT */
/* Fetches keys from an instance's metadata service, version 2 (IMDSv2): first a token, then the
 * name of the instance's role, then the role's keys. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../../../base/alloc.h"
#include "../../../base/error.h"
#include "environment.h"
#include "fetch.h"

/* The values of `step`. */
enum { GET_TOKEN, GET_ROLE, GET_KEYS };

#define METADATA_PATH "/latest/meta-data/iam/security-credentials/"

static void on_metadata(cachette__http_request *request);

/* Returns a setting from the environment, or else from the chosen profile; NULL: none. */
static const char *setting(const cachette__aws_fetch *fetch, const char *variable,
                           const char *key) {
  const cachette__aws_files *files = &fetch->chain.files;
  const char *value = cachette__env_get(variable);
  return value != NULL ? value : cachette__aws_get(files, &files->chosen, key);
}

static const char *metadata_url(const cachette__aws_fetch *fetch) {
  const char *named =
      setting(fetch, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
  const char *mode = setting(fetch, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                             "ec2_metadata_service_endpoint_mode");
  if (named != NULL) return named;
  return mode != NULL && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]"
                                                       : "http://169.254.169.254";
}

static bool send_metadata(cachette__aws_fetch *fetch, const char *path) {
  const char *named = metadata_url(fetch);
  char url[1024];
  size_t length = strlen(named);
  while (length > 0 && named[length - 1] == '/') length--;
  snprintf(url, sizeof url, "%.*s%s", (int)length, named, path);
  cachette__http_request *request = &fetch->request;
  if (!cachette__aws_fetch_begin_local(fetch, url, on_metadata)) return false;
  if (fetch->step == GET_TOKEN) {
    curl_easy_setopt(request->easy, CURLOPT_CUSTOMREQUEST, "PUT");
    return cachette__http_header(request, "X-aws-ec2-metadata-token-ttl-seconds: 21600") &&
           cachette__http_send(request, NULL, CACHETTE__AWS_LOCAL_MS);
  }
  return cachette__http_secret_header(request, "X-aws-ec2-metadata-token", fetch->token.bytes) &&
         cachette__http_send(request, NULL, CACHETTE__AWS_LOCAL_MS);
}

static void next_step(cachette__aws_fetch *fetch, int step, const char *path) {
  fetch->step = step;
  if (!send_metadata(fetch, path)) {
    cachette__http_cancel(&fetch->request);
    cachette__aws_fetch_fail_no_memory(fetch);
  }
}

static void take_role(cachette__aws_fetch *fetch) {
  char path[256], role[128];
  const char *text = fetch->request.response.bytes;
  snprintf(role, sizeof role, "%.*s", (int)strcspn(text, "\r\n"), text);
  snprintf(path, sizeof path, METADATA_PATH "%s", role);
  next_step(fetch, GET_KEYS, path);
}

/* Without metadata, or without a role in it, this machine is not an AWS instance with keys. Then
 * the fetch fails with code 0: the source has no keys. */
static void on_metadata(cachette__http_request *request) {
  static const cachette_error none = {.code = CACHETTE_OK};
  cachette__aws_fetch *fetch = cachette__aws_fetch_of(request);
  bool ok = request->result == CURLE_OK && request->status == 200 && request->response.size > 0;
  if (fetch->step == GET_KEYS) {
    cachette__aws_fetch_take_local(fetch, "instance metadata");
  } else if (!ok) {
    fetch->failed(fetch, &none);
  } else if (fetch->step == GET_TOKEN) {
    cachette__text_clear(&fetch->token);
    cachette__text_add(&fetch->token, request->response.bytes, request->response.size);
    if (fetch->token.failed)
      cachette__aws_fetch_fail_no_memory(fetch);
    else
      next_step(fetch, GET_ROLE, METADATA_PATH);
  } else {
    take_role(fetch);
  }
}

enum cachette__aws_result cachette__aws_fetch_metadata(cachette__aws_fetch *fetch,
                                                       cachette_error *error) {
  if (cachette__env_is_true(cachette__env_get("AWS_EC2_METADATA_DISABLED")))
    return CACHETTE__AWS_NONE;
  fetch->step = GET_TOKEN;
  return cachette__aws_fetch_started(fetch, send_metadata(fetch, "/latest/api/token"), error);
}
