/* SPDX-License-Identifier: MIT */
/* Keys from servers on this machine or beside it: a container's endpoint, an instance's metadata.
 */
#include <stdio.h>
#include <strings.h>

#include "../../net/url.h"
#include "ask.h"

enum { NEAR_MS = 1000, NEAR_CONNECT_MS = 500 };

/* Steps of the metadata. */
enum { GET_TOKEN, GET_ROLE, GET_KEYS };

#define METADATA_PATH "/latest/meta-data/iam/security-credentials/"

/* No proxy, and little patience. */
static bool begin_near(cachette__aws_credentials *credentials, const char *url,
                       void (*done)(cachette__http_request *request)) {
  if (!cachette__aws_begin(credentials, url, done)) return false;
  curl_easy_setopt(credentials->request.easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(credentials->request.easy, CURLOPT_CONNECTTIMEOUT_MS, (long)NEAR_CONNECT_MS);
  return true;
}

/* What containers and instances answer. */
static void take_json(cachette__aws_credentials *credentials, const char *server) {
  json_t *json = cachette__aws_answer(credentials);
  const char *end = cachette__aws_text(json, "Expiration");
  cachette__aws_keys keys = {
      .id = (char *)cachette__aws_text(json, "AccessKeyId"),
      .secret = (char *)cachette__aws_text(json, "SecretAccessKey"),
      .token = (char *)cachette__aws_text(json, "Token"),
      .end_ms = end != NULL ? cachette__aws_read_time(end) : INT64_MAX,
  };
  if (credentials->request.status != 200 || keys.id == NULL || keys.secret == NULL ||
      keys.end_ms == 0)
    cachette__aws_fault(credentials, server, "there are no keys in it");
  else
    cachette__aws_came(credentials, &keys);
  json_decref(json);
}

/* ---- Container ---- */

static void on_container(cachette__http_request *request) {
  take_json(cachette__aws_owner(request), "the container's endpoint");
}

/* Keys go over plain HTTP on this machine and to the addresses that AWS has for it only. */
static bool is_allowed(const char *text) {
  static const char *const hosts[] = {"localhost",     "127.0.0.1",      "::1",
                                      "169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
  cachette__url url;
  if (cachette__url_parse(text, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://host", &url, NULL) <
      0)
    return false;
  bool allowed = strcmp(url.scheme, "https") == 0;
  for (size_t i = 0; url.host != NULL && i < sizeof hosts / sizeof *hosts; i++)
    allowed = allowed || (strcmp(url.scheme, "http") == 0 && strcmp(url.host, hosts[i]) == 0);
  cachette__url_deinit(&url);
  return allowed;
}

/* The value of the Authorization header, to be freed; "" if none is wanted. NULL: it cannot be
 * read.
 */
static char *read_authorization(const cachette__aws_credentials *credentials,
                                cachette_error *error) {
  const char *path = cachette__aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (path != NULL)
    return cachette__aws_read_token(credentials, path, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                    error);
  const char *token = cachette__aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (token == NULL) token = "";
  char *copy = cachette__strndup(token, strlen(token));
  if (copy == NULL) cachette__aws_no_memory(error);
  return copy;
}

enum cachette__aws_found cachette__aws_ask_container(cachette__aws_credentials *credentials,
                                                     cachette_error *error) {
  const char *path = cachette__aws_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const char *whole = cachette__aws_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  char url[1024];
  if (path == NULL && whole == NULL) return CACHETTE__AWS_NONE;
  if (path != NULL)
    snprintf(url, sizeof url, "http://169.254.170.2%s", path);
  else
    snprintf(url, sizeof url, "%s", whole);
  if (!is_allowed(url)) {
    cachette__fail(error, CACHETTE_EBACKEND, "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                   "The AWS_CONTAINER_CREDENTIALS_FULL_URI of the environment is not allowed: it "
                   "must be https://, or http:// on this machine.");
    return CACHETTE__AWS_BROKEN;
  }
  char *token = read_authorization(credentials, error);
  if (token == NULL) return CACHETTE__AWS_BROKEN;
  if (strpbrk(token, "\r\n") != NULL) {
    cachette__wipe(token, strlen(token));
    cachette__free(token);
    cachette__fail(error, CACHETTE_EBACKEND, "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                   "The AWS_CONTAINER_AUTHORIZATION_TOKEN of the environment, or the file of it, "
                   "has more than one line, and so cannot be sent. Correct it.");
    return CACHETTE__AWS_BROKEN;
  }
  bool fine =
      begin_near(credentials, url, on_container) &&
      (*token == '\0' || cachette__aws_add_secret(&credentials->request, "Authorization", token)) &&
      cachette__http_send(&credentials->request, NULL, NEAR_MS);
  cachette__wipe(token, strlen(token));
  cachette__free(token);
  return cachette__aws_asked(credentials, fine, error);
}

/* ---- Instance metadata, version 2 ---- */

static void on_metadata(cachette__http_request *request);

/* What a variable of the environment says, or else the profile that was chosen; NULL: nothing. */
static const char *setting(const cachette__aws_credentials *credentials, const char *variable,
                           const char *key) {
  const cachette__aws_files *files = &credentials->plan.files;
  const char *value = cachette__aws_variable(variable);
  return value != NULL ? value : cachette__aws_get(files, &files->chosen, key);
}

static const char *metadata_url(const cachette__aws_credentials *credentials) {
  const char *named =
      setting(credentials, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
  const char *mode = setting(credentials, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                             "ec2_metadata_service_endpoint_mode");
  if (named != NULL) return named;
  return mode != NULL && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]"
                                                       : "http://169.254.169.254";
}

static bool send_metadata(cachette__aws_credentials *credentials, const char *path) {
  const char *named = metadata_url(credentials);
  char url[1024];
  size_t length = strlen(named);
  while (length > 0 && named[length - 1] == '/') length--;
  snprintf(url, sizeof url, "%.*s%s", (int)length, named, path);
  cachette__http_request *request = &credentials->request;
  if (!begin_near(credentials, url, on_metadata)) return false;
  if (credentials->step == GET_TOKEN) {
    curl_easy_setopt(request->easy, CURLOPT_CUSTOMREQUEST, "PUT");
    return cachette__http_header(request, "X-aws-ec2-metadata-token-ttl-seconds: 21600") &&
           cachette__http_send(request, NULL, NEAR_MS);
  }
  return cachette__aws_add_secret(request, "X-aws-ec2-metadata-token", credentials->token.bytes) &&
         cachette__http_send(request, NULL, NEAR_MS);
}

static void go_on(cachette__aws_credentials *credentials, int step, const char *path) {
  credentials->step = step;
  if (!send_metadata(credentials, path)) {
    cachette__http_drop(&credentials->request);
    cachette__aws_failed_no_memory(credentials);
  }
}

static void take_role(cachette__aws_credentials *credentials) {
  char path[256], role[128];
  const char *text = credentials->request.answer.bytes;
  snprintf(role, sizeof role, "%.*s", (int)strcspn(text, "\r\n"), text);
  snprintf(path, sizeof path, METADATA_PATH "%s", role);
  go_on(credentials, GET_KEYS, path);
}

/* A machine that has no metadata, or whose metadata has no role, is none of AWS's: then there are
 * no credentials at all, which is what has to be said. */
static void on_metadata(cachette__http_request *request) {
  static const cachette_error none = {.code = CACHETTE_OK};
  cachette__aws_credentials *credentials = cachette__aws_owner(request);
  bool fine = request->result == CURLE_OK && request->status == 200 && request->answer.size > 0;
  if (credentials->step == GET_KEYS) {
    take_json(credentials, "instance metadata");
  } else if (!fine) {
    cachette__aws_failed(credentials, &none);
  } else if (credentials->step == GET_TOKEN) {
    cachette__text_clear(&credentials->token);
    cachette__text_add(&credentials->token, request->answer.bytes, request->answer.size);
    if (credentials->token.failed)
      cachette__aws_failed_no_memory(credentials);
    else
      go_on(credentials, GET_ROLE, METADATA_PATH);
  } else {
    take_role(credentials);
  }
}

enum cachette__aws_found cachette__aws_ask_metadata(cachette__aws_credentials *credentials,
                                                    cachette_error *error) {
  if (cachette__aws_is_true(cachette__aws_variable("AWS_EC2_METADATA_DISABLED")))
    return CACHETTE__AWS_NONE;
  credentials->step = GET_TOKEN;
  return cachette__aws_asked(credentials, send_metadata(credentials, "/latest/api/token"), error);
}
