/* SPDX-License-Identifier: MIT */
/* Keys from servers: AWS's token service, the endpoint of a container, an instance's metadata. */
#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

#include "../../net/url.h"
#include "credentials.h"

enum { NEAR_MS = 1000, NEAR_CONNECT_MS = 500, FAR_MS = 5000 };

/* Steps of the metadata. */
enum { GET_TOKEN, GET_ROLE, GET_KEYS };

#define METADATA_PATH "/latest/meta-data/iam/security-credentials/"

/* ---- Ends ---- */

static cachette__aws_credentials *owner_of(cachette__http_request *request) {
  return (cachette__aws_credentials *)((char *)request -
                                       offsetof(cachette__aws_credentials, request));
}

static void answer(cachette__aws_credentials *credentials, const cachette_error *error) {
  credentials->is_asking = false;
  cachette__aws_answered(credentials, error);
}

static void answer_no_memory(cachette__aws_credentials *credentials) {
  cachette_error error;
  cachette__aws_no_memory(&error);
  answer(credentials, &error);
}

/* What went wrong with a server that should have keys. */
static void answer_fault(cachette__aws_credentials *credentials, const char *server,
                         const char *said) {
  const cachette__http_request *request = &credentials->request;
  cachette_error error;
  if (request->status == 0)
    cachette__fail(
        &error, CACHETTE_EUNAVAILABLE, NULL,
        "AWS credentials could not be fetched from %s: %.120s.", server,
        request->fault[0] != '\0' ? request->fault : curl_easy_strerror(request->result));
  else
    cachette__fail(&error, CACHETTE_EBACKEND, NULL,
                   "AWS credentials could not be fetched from %s: it answered with HTTP status "
                   "%ld%s%.100s.",
                   server, request->status, *said != '\0' ? ": " : "", said);
  answer(credentials, &error);
}

/* ---- Times and texts ---- */

/* "2030-01-31T12:34:56Z", in milliseconds since the epoch; 0: it is none. */
static int64_t read_time(const char *text) {
  struct tm parts = {0};
  int year, month;
  if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &parts.tm_mday, &parts.tm_hour,
             &parts.tm_min, &parts.tm_sec) != 6)
    return 0;
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  time_t seconds = timegm(&parts);
  return seconds > 0 ? (int64_t)seconds * 1000 : 0;
}

/* The text of the first element of that name, which has no entities in it; false: there is none. */
static bool read_element(const char *xml, const char *name, char *text, size_t size) {
  char opening[40];
  snprintf(opening, sizeof opening, "<%s>", name);
  const char *begin = xml != NULL ? strstr(xml, opening) : NULL;
  if (begin == NULL) return false;
  begin += strlen(opening);
  size_t length = strcspn(begin, "<");
  if (length >= size) return false;
  memcpy(text, begin, length);
  text[length] = '\0';
  return true;
}

static void add_percent_encoded(cachette__text *text, const char *plain) {
  for (; *plain != '\0'; plain++) {
    unsigned char byte = (unsigned char)*plain;
    if (isalnum(byte) || strchr("-_.~", byte) != NULL)
      cachette__text_add(text, plain, 1);
    else
      cachette__text_printf(text, "%%%02X", byte);
  }
}

/* A small file's text, without the line's end behind it, to be freed; NULL: it cannot be read. */
static char *read_token(const char *path) {
  size_t size;
  char *text = cachette__aws_read_file(path, &size);
  while (text != NULL && size > 0 && isspace((unsigned char)text[size - 1])) text[--size] = '\0';
  return text;
}

static enum cachette__aws_found fail_file(const char *variable, cachette_error *error) {
  cachette__fail(error, CACHETTE_EBACKEND, variable,
                 "The file with the token for AWS credentials that %s names cannot be read.",
                 variable);
  return CACHETTE__AWS_BROKEN;
}

/* ---- Asking ---- */

static bool begin(cachette__aws_credentials *credentials, const char *url,
                  void (*done)(cachette__http_request *request)) {
  cachette__http_request *request = &credentials->request;
  cachette__http_drop(request);
  if (!cachette__http_begin(credentials->client->http, request, url)) return false;
  request->done = done;
  request->answer_most = 1 << 16;
  return true;
}

/* A server on this machine or beside it: no proxy, and little patience. */
static bool begin_near(cachette__aws_credentials *credentials, const char *url,
                       void (*done)(cachette__http_request *request)) {
  if (!begin(credentials, url, done)) return false;
  curl_easy_setopt(credentials->request.easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(credentials->request.easy, CURLOPT_CONNECTTIMEOUT_MS, (long)NEAR_CONNECT_MS);
  return true;
}

/* Adds a header with a secret in it. */
static bool add_secret(cachette__http_request *request, const char *name, const char *value) {
  cachette__text line = {0};
  cachette__text_printf(&line, "%s: %s", name, value);
  bool fine = !line.failed && cachette__http_header(request, line.bytes);
  if (line.bytes != NULL) cachette__wipe(line.bytes, line.size);
  cachette__text_deinit(&line);
  return fine;
}

static enum cachette__aws_found asked(cachette__aws_credentials *credentials, bool fine,
                                      cachette_error *error) {
  if (fine) {
    credentials->is_asking = true;
    return CACHETTE__AWS_ASKED;
  }
  cachette__http_drop(&credentials->request);
  return cachette__aws_no_memory(error);
}

/* ---- Keys in JSON ---- */

static const char *string_of(json_t *json, const char *name) {
  json_t *member = cachette__dynamo_member(json, name, JSON_STRING);
  return member != NULL ? json_string_value(member) : NULL;
}

/* What containers and instances answer. */
static void take_json(cachette__aws_credentials *credentials, enum cachette__aws_source source,
                      const char *server) {
  const cachette__text *answered = &credentials->request.answer;
  json_t *json = answered->size > 0 ? json_loadb(answered->bytes, answered->size, 0, NULL) : NULL;
  const char *id = string_of(json, "AccessKeyId"), *secret = string_of(json, "SecretAccessKey");
  const char *token = string_of(json, "Token"), *end = string_of(json, "Expiration");
  int64_t end_ms = end != NULL ? read_time(end) : INT64_MAX;
  bool whole = credentials->request.status == 200 && id != NULL && secret != NULL && end_ms > 0;
  bool kept = whole && cachette__aws_keep(credentials, source, id, secret, token, end_ms);
  json_decref(json);
  if (!whole)
    answer_fault(credentials, server, "there are no keys in it");
  else if (!kept)
    answer_no_memory(credentials);
  else
    answer(credentials, NULL);
}

/* ---- Web identity ---- */

static void on_identity(cachette__http_request *request) {
  cachette__aws_credentials *credentials = owner_of(request);
  char id[160], secret[256], token[8192], end[40], message[100] = "";
  const char *xml = request->answer.bytes;
  bool whole = request->status == 200 && read_element(xml, "AccessKeyId", id, sizeof id) &&
               read_element(xml, "SecretAccessKey", secret, sizeof secret) &&
               read_element(xml, "SessionToken", token, sizeof token) &&
               read_element(xml, "Expiration", end, sizeof end) && read_time(end) > 0;
  if (!whole) {
    read_element(xml, "Message", message, sizeof message);
    answer_fault(credentials, "AWS's token service (STS)", message);
    return;
  }
  bool kept =
      cachette__aws_keep(credentials, CACHETTE__AWS_IDENTITY, id, secret, token, read_time(end));
  cachette__wipe(secret, sizeof secret);
  cachette__wipe(token, sizeof token);
  if (kept)
    answer(credentials, NULL);
  else
    answer_no_memory(credentials);
}

static void write_identity(cachette__text *body, const char *role, const char *token) {
  const char *session = cachette__aws_variable("AWS_ROLE_SESSION_NAME");
  cachette__text_clear(body);
  cachette__text_puts(body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=");
  add_percent_encoded(body, role);
  cachette__text_puts(body, "&RoleSessionName=");
  add_percent_encoded(body, session != NULL ? session : "cachette");
  cachette__text_puts(body, "&WebIdentityToken=");
  add_percent_encoded(body, token);
}

static bool post_identity(cachette__aws_credentials *credentials) {
  const cachette__dynamo_settings *settings = &credentials->client->settings;
  const char *named = cachette__aws_variable("AWS_ENDPOINT_URL_STS");
  const char *tail = strncmp(settings->region, "cn-", 3) == 0 ? ".cn" : "";
  char url[512];
  if (named != NULL)
    snprintf(url, sizeof url, "%s", named);
  else
    snprintf(url, sizeof url, "https://sts.%.64s.amazonaws.com%s/", settings->region, tail);
  return begin(credentials, url, on_identity) &&
         cachette__http_send(&credentials->request, &credentials->body, FAR_MS);
}

enum cachette__aws_found cachette__aws_ask_identity(cachette__aws_credentials *credentials,
                                                    cachette_error *error) {
  const char *path = credentials->identity_file, *role = credentials->identity_role;
  if (path == NULL) path = cachette__aws_variable("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (role == NULL) role = cachette__aws_variable("AWS_ROLE_ARN");
  if (path == NULL) return CACHETTE__AWS_NONE;
  if (role == NULL) {
    cachette__fail(error, CACHETTE_EBACKEND, "AWS_ROLE_ARN",
                   "The environment has AWS_WEB_IDENTITY_TOKEN_FILE but no AWS_ROLE_ARN; set both, "
                   "or neither.");
    return CACHETTE__AWS_BROKEN;
  }
  char *token = read_token(path);
  if (token == NULL) return fail_file("AWS_WEB_IDENTITY_TOKEN_FILE", error);
  write_identity(&credentials->body, role, token);
  cachette__wipe(token, strlen(token));
  cachette__free(token);
  return asked(credentials, !credentials->body.failed && post_identity(credentials), error);
}

/* ---- Container ---- */

static void on_container(cachette__http_request *request) {
  take_json(owner_of(request), CACHETTE__AWS_CONTAINER, "the container's endpoint");
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

/* The value of the Authorization header, to be freed; "" if none is wanted. NULL: it is not there.
 */
static char *read_authorization(void) {
  const char *path = cachette__aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (path != NULL) return read_token(path);
  const char *token = cachette__aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (token == NULL) token = "";
  return cachette__strndup(token, strlen(token));
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
  char *token = read_authorization();
  if (token == NULL) return fail_file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", error);
  bool fine = begin_near(credentials, url, on_container) &&
              (*token == '\0' || add_secret(&credentials->request, "Authorization", token)) &&
              cachette__http_send(&credentials->request, NULL, NEAR_MS);
  cachette__wipe(token, strlen(token));
  cachette__free(token);
  return asked(credentials, fine, error);
}

/* ---- Instance metadata, version 2 ---- */

static void on_metadata(cachette__http_request *request);

static bool send_metadata(cachette__aws_credentials *credentials, const char *path) {
  const char *named = cachette__aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  char url[1024];
  if (named == NULL) named = "http://169.254.169.254";
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
  return add_secret(request, "X-aws-ec2-metadata-token", credentials->token.bytes) &&
         cachette__http_send(request, NULL, NEAR_MS);
}

static void go_on(cachette__aws_credentials *credentials, int step, const char *path) {
  credentials->step = step;
  if (!send_metadata(credentials, path)) {
    cachette__http_drop(&credentials->request);
    answer_no_memory(credentials);
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
  cachette__aws_credentials *credentials = owner_of(request);
  bool fine = request->result == CURLE_OK && request->status == 200 && request->answer.size > 0;
  if (credentials->step == GET_KEYS) {
    take_json(credentials, CACHETTE__AWS_METADATA, "instance metadata");
  } else if (!fine) {
    answer(credentials, &none);
  } else if (credentials->step == GET_TOKEN) {
    cachette__text_clear(&credentials->token);
    cachette__text_add(&credentials->token, request->answer.bytes, request->answer.size);
    if (credentials->token.failed)
      answer_no_memory(credentials);
    else
      go_on(credentials, GET_ROLE, METADATA_PATH);
  } else {
    take_role(credentials);
  }
}

enum cachette__aws_found cachette__aws_ask_metadata(cachette__aws_credentials *credentials,
                                                    cachette_error *error) {
  const char *disabled = cachette__aws_variable("AWS_EC2_METADATA_DISABLED");
  if (disabled != NULL && strcasecmp(disabled, "true") == 0) return CACHETTE__AWS_NONE;
  credentials->step = GET_TOKEN;
  return asked(credentials, send_metadata(credentials, "/latest/api/token"), error);
}
