/* SPDX-License-Identifier: MIT */
/* Fetches keys of a role from AWS's token service (STS), in exchange for other keys or a web
 * identity token. */
#include <stdio.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/error.h"
#include "../../../base/slice.h"
#include "environment.h"
#include "fetch.h"
#include "timestamp.h"

#define STS "AWS's token service (STS)"

/* ---- Responses ---- */

/* Copies the text of the first element with this name. Does not decode entities. */
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

/* Fails with an error that names the profile whose role STS refuses. */
static void fail_role(cachette__aws_fetch *fetch, const char *message) {
  cachette_error error;
  char printable[101];
  cachette__key_text((cachette_slice){message, strcspn(message, "\r\n")}, printable,
                     sizeof printable);
  cachette__aws_profile_fail(&fetch->chain.files, &fetch->role->profile, "role_arn", &error,
                             "STS refuses its \"role_arn\" (HTTP status %ld): %s.",
                             fetch->request.status, *printable != '\0' ? printable : "no reason");
  fetch->failed(fetch, &error);
}

static void fail_keys(cachette__aws_fetch *fetch) {
  char message[200] = "";
  const cachette__http_request *request = &fetch->request;
  read_element(request->response.bytes, "Message", message, sizeof message);
  if (fetch->role != NULL && request->status >= 400 && request->status < 500)
    fail_role(fetch, message);
  else
    cachette__aws_fetch_fail_response(fetch, STS, message);
}

static void on_keys(cachette__http_request *request) {
  cachette__aws_fetch *fetch = cachette__aws_fetch_of(request);
  char id[160], secret[256], token[8192], end[40];
  const char *xml = request->response.bytes;
  bool is_complete = request->status == 200 && read_element(xml, "AccessKeyId", id, sizeof id) &&
                     read_element(xml, "SecretAccessKey", secret, sizeof secret) &&
                     read_element(xml, "SessionToken", token, sizeof token) &&
                     read_element(xml, "Expiration", end, sizeof end);
  cachette__aws_keys keys = {.id = id, .secret = secret, .token = token};
  if (is_complete) keys.expires_ms = cachette__timestamp_read(end);
  if (keys.expires_ms > 0)
    fetch->done(fetch, &keys);
  else
    fail_keys(fetch);
  cachette__wipe(secret, sizeof secret);
  cachette__wipe(token, sizeof token);
}

/* ---- The endpoint ---- */

/* Whether a region's `legacy` endpoint is the global one; see botocore's documentation. */
static bool is_legacy(const char *region) {
  static const char *const regions[] = {
      "ap-northeast-1", "ap-south-1",   "ap-southeast-1", "ap-southeast-2",
      "aws-global",     "ca-central-1", "eu-central-1",   "eu-north-1",
      "eu-west-1",      "eu-west-2",    "eu-west-3",      "sa-east-1",
      "us-east-1",      "us-east-2",    "us-west-1",      "us-west-2"};
  for (size_t i = 0; i < sizeof regions / sizeof *regions; i++)
    if (strcmp(region, regions[i]) == 0) return true;
  return false;
}

/* Returns 1 if `legacy` endpoints are configured, 0 if not, or an error. */
static int find_legacy(const cachette__aws_files *files, cachette_error *error) {
  const char *variable = cachette__env_get("AWS_STS_REGIONAL_ENDPOINTS");
  const char *wanted = variable;
  if (wanted == NULL) wanted = cachette__aws_get(files, &files->chosen, "sts_regional_endpoints");
  if (wanted == NULL || strcmp(wanted, "regional") == 0) return 0;
  if (strcmp(wanted, "legacy") == 0) return 1;
  char redacted[40];
  cachette__value_text(wanted, redacted, sizeof redacted);
  if (variable == NULL)
    return cachette__aws_profile_fail(files, &files->chosen, "sts_regional_endpoints", error,
                                      "\"sts_regional_endpoints\" is \"%s\"; it must be regional "
                                      "or legacy.",
                                      redacted);
  return cachette__fail(error, CACHETTE_EBACKEND, "AWS_STS_REGIONAL_ENDPOINTS",
                        "The environment variable AWS_STS_REGIONAL_ENDPOINTS is \"%s\"; it must be "
                        "regional or legacy.",
                        redacted);
}

/* Writes the endpoint to `fetch->url`, and sets the region to sign for. */
static int find_sts(cachette__aws_fetch *fetch, const char **region, cachette_error *error) {
  const cachette__aws_files *files = &fetch->chain.files;
  bool is_named;
  *region = fetch->context.endpoint->region;
  int code = cachette__aws_service_url(files, "sts", *region, &fetch->url, &is_named, error);
  int legacy = code == CACHETTE_OK ? find_legacy(files, error) : code;
  if (legacy < 0) return legacy;
  if (is_named || legacy == 0 || !is_legacy(*region)) return CACHETTE_OK;
  *region = "us-east-1";
  cachette__text_clear(&fetch->url);
  cachette__text_puts(&fetch->url, "https://sts.amazonaws.com");
  return CACHETTE_OK;
}

/* ---- Requests ---- */

static void add_field(cachette__text *body, const char *name, const char *value) {
  if (value == NULL) return;
  cachette__text_printf(body, "&%s=", name);
  cachette__aws_add_encoded(body, value);
}

static void write_body(cachette__text *body, const char *action, const char *role,
                       const char *session) {
  cachette__text_clear(body);
  cachette__text_printf(body, "Action=%s&Version=2011-06-15", action);
  add_field(body, "RoleArn", role);
  add_field(body, "RoleSessionName", session != NULL ? session : "cachette");
}

static bool send_body(cachette__aws_fetch *fetch) {
  return !fetch->body.failed && !fetch->url.failed &&
         cachette__http_send(&fetch->request, &fetch->body, CACHETTE__AWS_SERVICE_MS);
}

/* ---- Roles ---- */

static bool sign(cachette__http_request *request, const char *region,
                 const cachette__aws_keys *keys) {
  char signature[96];
  snprintf(signature, sizeof signature, "aws:amz:%.63s:sts", region);
  return curl_easy_setopt(request->easy, CURLOPT_AWS_SIGV4, signature) == CURLE_OK &&
         curl_easy_setopt(request->easy, CURLOPT_USERNAME, keys->id) == CURLE_OK &&
         curl_easy_setopt(request->easy, CURLOPT_PASSWORD, keys->secret) == CURLE_OK &&
         cachette__http_header(request, "Content-Type: application/x-www-form-urlencoded") &&
         (keys->token == NULL ||
          cachette__http_secret_header(request, "X-Amz-Security-Token", keys->token));
}

static int check_duration(const cachette__aws_files *files, const cachette__aws_profile *profile,
                          cachette_error *error) {
  const char *text = cachette__aws_get(files, profile, "duration_seconds");
  if (text == NULL || (strspn(text, "0123456789") == strlen(text) && strlen(text) < 10))
    return CACHETTE_OK;
  char redacted[40];
  cachette__value_text(text, redacted, sizeof redacted);
  return cachette__aws_profile_fail(files, profile, "duration_seconds", error,
                                    "\"duration_seconds\" is \"%s\"; it must be a number of whole "
                                    "seconds.",
                                    redacted);
}

enum cachette__aws_result cachette__aws_fetch_role(cachette__aws_fetch *fetch,
                                                   const cachette__aws_keys *keys,
                                                   cachette_error *error) {
  const cachette__aws_files *files = &fetch->chain.files;
  const cachette__aws_profile *profile = &fetch->role->profile;
  const char *region;
  if (check_duration(files, profile, error) < 0) return CACHETTE__AWS_FAILED;
  if (find_sts(fetch, &region, error) < 0) return CACHETTE__AWS_FAILED;
  write_body(&fetch->body, "AssumeRole", cachette__aws_get(files, profile, "role_arn"),
             cachette__aws_get(files, profile, "role_session_name"));
  add_field(&fetch->body, "ExternalId", cachette__aws_get(files, profile, "external_id"));
  add_field(&fetch->body, "DurationSeconds", cachette__aws_get(files, profile, "duration_seconds"));
  bool ok = !fetch->url.failed && cachette__aws_fetch_begin(fetch, fetch->url.bytes, on_keys) &&
            sign(&fetch->request, region, keys) && send_body(fetch);
  return cachette__aws_fetch_started(fetch, ok, error);
}

/* ---- Web identity ---- */

/* Returns a setting from the environment, if that applies, or else from the profile. Sets `named`
 * to the variable or the key. */
static const char *find(const cachette__aws_chain *chain, const char *variable, const char *key,
                        const char **named) {
  const char *value = chain->is_chosen ? cachette__env_get(variable) : NULL;
  *named = value != NULL ? variable : key;
  return value != NULL ? value : cachette__aws_get(&chain->files, &chain->profile, key);
}

static enum cachette__aws_result fail_no_role(const cachette__aws_chain *chain, const char *named,
                                              cachette_error *error) {
  if (strcmp(named, "web_identity_token_file") == 0)
    cachette__aws_profile_fail(&chain->files, &chain->profile, "role_arn", error,
                               "it has \"web_identity_token_file\" but no \"role_arn\". Add it.");
  else
    cachette__fail(error, CACHETTE_EBACKEND, "AWS_ROLE_ARN",
                   "The environment has AWS_WEB_IDENTITY_TOKEN_FILE but no AWS_ROLE_ARN; set both, "
                   "or neither.");
  return CACHETTE__AWS_FAILED;
}

enum cachette__aws_result cachette__aws_fetch_identity(cachette__aws_fetch *fetch,
                                                       cachette_error *error) {
  const cachette__aws_chain *chain = &fetch->chain;
  const char *named, *ignored, *region;
  const char *path = find(chain, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file", &named);
  const char *role = find(chain, "AWS_ROLE_ARN", "role_arn", &ignored);
  const char *session = find(chain, "AWS_ROLE_SESSION_NAME", "role_session_name", &ignored);
  if (role == NULL) return fail_no_role(chain, named, error);
  if (find_sts(fetch, &region, error) < 0) return CACHETTE__AWS_FAILED;
  char *token = cachette__aws_read_token(fetch, path, named, error);
  if (token == NULL) return CACHETTE__AWS_FAILED;
  write_body(&fetch->body, "AssumeRoleWithWebIdentity", role, session);
  add_field(&fetch->body, "WebIdentityToken", token);
  cachette__wipe(token, strlen(token));
  cachette__free(token);
  bool ok = !fetch->url.failed && cachette__aws_fetch_begin(fetch, fetch->url.bytes, on_keys) &&
            send_body(fetch);
  return cachette__aws_fetch_started(fetch, ok, error);
}
