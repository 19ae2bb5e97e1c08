/* SPDX-License-Identifier: MIT */
/* Keys from AWS's token service, STS: of a role, with other keys or with a web identity's token. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ask.h"

#define STS "AWS's token service (STS)"

/* ---- What it answers ---- */

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

/* A role that a profile names: which profile that is. */
static void fail_role(cachette__aws_credentials *credentials, const char *said) {
  cachette_error error;
  char shown[101];
  cachette__key_text((cachette_slice){said, strcspn(said, "\r\n")}, shown, sizeof shown);
  cachette__aws_profile_fail(&credentials->plan.files, &credentials->role->profile, "role_arn",
                             &error, "STS refuses its \"role_arn\" (HTTP status %ld): %s.",
                             credentials->request.status, *shown != '\0' ? shown : "no reason");
  cachette__aws_failed(credentials, &error);
}

static void fail_keys(cachette__aws_credentials *credentials) {
  char message[200] = "";
  const cachette__http_request *request = &credentials->request;
  read_element(request->answer.bytes, "Message", message, sizeof message);
  if (credentials->role != NULL && request->status >= 400 && request->status < 500)
    fail_role(credentials, message);
  else
    cachette__aws_fault(credentials, STS, message);
}

static void on_keys(cachette__http_request *request) {
  cachette__aws_credentials *credentials = cachette__aws_owner(request);
  char id[160], secret[256], token[8192], end[40];
  const char *xml = request->answer.bytes;
  bool whole = request->status == 200 && read_element(xml, "AccessKeyId", id, sizeof id) &&
               read_element(xml, "SecretAccessKey", secret, sizeof secret) &&
               read_element(xml, "SessionToken", token, sizeof token) &&
               read_element(xml, "Expiration", end, sizeof end);
  cachette__aws_keys keys = {.id = id, .secret = secret, .token = token};
  if (whole) keys.end_ms = cachette__aws_read_time(end);
  if (keys.end_ms > 0)
    cachette__aws_came(credentials, &keys);
  else
    fail_keys(credentials);
  cachette__wipe(secret, sizeof secret);
  cachette__wipe(token, sizeof token);
}

/* ---- Where it is ---- */

/* The regions whose `legacy` endpoint is the one of all; see botocore's documentation. */
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

/* Whether `legacy` endpoints are wanted: 1, 0, or an error. */
static int wants_legacy(const cachette__aws_files *files, cachette_error *error) {
  const char *variable = cachette__aws_variable("AWS_STS_REGIONAL_ENDPOINTS");
  const char *wanted = variable;
  if (wanted == NULL) wanted = cachette__aws_get(files, &files->chosen, "sts_regional_endpoints");
  if (wanted == NULL || strcmp(wanted, "regional") == 0) return 0;
  if (strcmp(wanted, "legacy") == 0) return 1;
  char shown[40];
  cachette__value_text(wanted, shown, sizeof shown);
  if (variable == NULL)
    return cachette__aws_profile_fail(files, &files->chosen, "sts_regional_endpoints", error,
                                      "\"sts_regional_endpoints\" is \"%s\"; it must be regional "
                                      "or legacy.",
                                      shown);
  return cachette__fail(error, CACHETTE_EBACKEND, "AWS_STS_REGIONAL_ENDPOINTS",
                        "The variable AWS_STS_REGIONAL_ENDPOINTS of the environment is \"%s\"; it "
                        "must be regional or legacy.",
                        shown);
}

/* Writes where it is to `url`, and gives the region that requests to it are signed for. */
static int find_sts(cachette__aws_credentials *credentials, const char **region,
                    cachette_error *error) {
  const cachette__aws_files *files = &credentials->plan.files;
  bool is_named;
  *region = credentials->client->endpoint.region;
  int code = cachette__aws_service_url(files, "sts", *region, &credentials->url, &is_named, error);
  int legacy = code == CACHETTE_OK ? wants_legacy(files, error) : code;
  if (legacy < 0) return legacy;
  if (is_named || legacy == 0 || !is_legacy(*region)) return CACHETTE_OK;
  *region = "us-east-1";
  cachette__text_clear(&credentials->url);
  cachette__text_puts(&credentials->url, "https://sts.amazonaws.com");
  return CACHETTE_OK;
}

/* ---- Asking ---- */

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

static bool send_body(cachette__aws_credentials *credentials) {
  return !credentials->body.failed && !credentials->url.failed &&
         cachette__http_send(&credentials->request, &credentials->body, CACHETTE__AWS_FAR_MS);
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
          cachette__aws_add_secret(request, "X-Amz-Security-Token", keys->token));
}

static int check_duration(const cachette__aws_files *files, const cachette__aws_profile *profile,
                          cachette_error *error) {
  const char *text = cachette__aws_get(files, profile, "duration_seconds");
  if (text == NULL || (strspn(text, "0123456789") == strlen(text) && strlen(text) < 10))
    return CACHETTE_OK;
  char shown[40];
  cachette__value_text(text, shown, sizeof shown);
  return cachette__aws_profile_fail(files, profile, "duration_seconds", error,
                                    "\"duration_seconds\" is \"%s\"; it must be a number of whole "
                                    "seconds.",
                                    shown);
}

enum cachette__aws_found cachette__aws_assume(cachette__aws_credentials *credentials,
                                              const cachette__aws_keys *keys,
                                              cachette_error *error) {
  const cachette__aws_files *files = &credentials->plan.files;
  const cachette__aws_profile *profile = &credentials->role->profile;
  const char *region;
  if (check_duration(files, profile, error) < 0) return CACHETTE__AWS_BROKEN;
  if (find_sts(credentials, &region, error) < 0) return CACHETTE__AWS_BROKEN;
  write_body(&credentials->body, "AssumeRole", cachette__aws_get(files, profile, "role_arn"),
             cachette__aws_get(files, profile, "role_session_name"));
  add_field(&credentials->body, "ExternalId", cachette__aws_get(files, profile, "external_id"));
  add_field(&credentials->body, "DurationSeconds",
            cachette__aws_get(files, profile, "duration_seconds"));
  bool fine = !credentials->url.failed &&
              cachette__aws_begin(credentials, credentials->url.bytes, on_keys) &&
              sign(&credentials->request, region, keys) && send_body(credentials);
  return cachette__aws_asked(credentials, fine, error);
}

/* ---- Web identity ---- */

/* What the environment says if it counts, or else the profile; `named` is who says it. */
static const char *find(const cachette__aws_plan *plan, const char *variable, const char *key,
                        const char **named) {
  const char *value = plan->is_chosen ? cachette__aws_variable(variable) : NULL;
  *named = value != NULL ? variable : key;
  return value != NULL ? value : cachette__aws_get(&plan->files, &plan->profile, key);
}

static enum cachette__aws_found fail_no_role(const cachette__aws_plan *plan, const char *named,
                                             cachette_error *error) {
  if (strcmp(named, "web_identity_token_file") == 0)
    cachette__aws_profile_fail(&plan->files, &plan->profile, "role_arn", error,
                               "it has \"web_identity_token_file\" but no \"role_arn\". Add it.");
  else
    cachette__fail(error, CACHETTE_EBACKEND, "AWS_ROLE_ARN",
                   "The environment has AWS_WEB_IDENTITY_TOKEN_FILE but no AWS_ROLE_ARN; set both, "
                   "or neither.");
  return CACHETTE__AWS_BROKEN;
}

enum cachette__aws_found cachette__aws_ask_identity(cachette__aws_credentials *credentials,
                                                    cachette_error *error) {
  const cachette__aws_plan *plan = &credentials->plan;
  const char *named, *ignored, *region;
  const char *path = find(plan, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file", &named);
  const char *role = find(plan, "AWS_ROLE_ARN", "role_arn", &ignored);
  const char *session = find(plan, "AWS_ROLE_SESSION_NAME", "role_session_name", &ignored);
  if (role == NULL) return fail_no_role(plan, named, error);
  if (find_sts(credentials, &region, error) < 0) return CACHETTE__AWS_BROKEN;
  char *token = cachette__aws_read_token(credentials, path, named, error);
  if (token == NULL) return CACHETTE__AWS_BROKEN;
  write_body(&credentials->body, "AssumeRoleWithWebIdentity", role, session);
  add_field(&credentials->body, "WebIdentityToken", token);
  cachette__wipe(token, strlen(token));
  cachette__free(token);
  bool fine = !credentials->url.failed &&
              cachette__aws_begin(credentials, credentials->url.bytes, on_keys) &&
              send_body(credentials);
  return cachette__aws_asked(credentials, fine, error);
}
