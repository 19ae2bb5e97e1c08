/* SPDX-License-Identifier: MIT */
/*
 * Keys from AWS's single sign-on (IAM Identity Center). `aws sso login` leaves a token in a file of
 * ~/.aws/sso/cache; the portal gives a role's keys for it. A token of a session that ends soon is
 * refreshed before, and the new one takes its place in the file:
 *
 *     profile -> [sso-session] -> cached token -(ends soon)-> OIDC: CreateToken -> file
 *                                      |                                             |
 *                                      +---------------> portal: GetRoleCredentials <+
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "ask.h"

enum { REFRESH_MS = 15 * 60 * 1000 };

/* ---- What the profile says ---- */

/* What the profile or its session says; NULL: neither. */
static const char *get(const cachette__aws_plan *plan, const char *key) {
  const char *value = cachette__aws_get(&plan->files, &plan->profile, key);
  const char *session = cachette__aws_get(&plan->files, &plan->profile, "sso_session");
  if (value != NULL || session == NULL) return value;
  size_t section = cachette__aws_find_section(&plan->files, "sso-session", session);
  return cachette__aws_get_in(&plan->files.config, section, key);
}

static int fail(const cachette__aws_plan *plan, const char *key, const char *rule,
                cachette_error *error) {
  return cachette__aws_profile_fail(&plan->files, &plan->profile, key, error, "\"%s\" %s", key,
                                    rule);
}

static int check_session(const cachette__aws_plan *plan, cachette_error *error) {
  static const char *const keys[] = {"sso_start_url", "sso_region"};
  const char *name = cachette__aws_get(&plan->files, &plan->profile, "sso_session");
  char rule[140], shown[40];
  if (name == NULL) return CACHETTE_OK;
  size_t section = cachette__aws_find_section(&plan->files, "sso-session", name);
  cachette__value_text(name, shown, sizeof shown);
  snprintf(rule, sizeof rule, "names \"%s\", but there is no section [sso-session %s].", shown,
           shown);
  if (section == CACHETTE__AWS_NOWHERE) return fail(plan, "sso_session", rule, error);
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const char *own = cachette__aws_get(&plan->files, &plan->profile, keys[i]);
    const char *other = cachette__aws_get_in(&plan->files.config, section, keys[i]);
    if (own != NULL && other != NULL && strcmp(own, other) != 0)
      return fail(plan, keys[i], "is not the same as in its sso_session. Remove one of them.",
                  error);
  }
  return CACHETTE_OK;
}

static int check_profile(const cachette__aws_plan *plan, cachette_error *error) {
  static const char *const keys[] = {"sso_role_name", "sso_account_id", "sso_start_url",
                                     "sso_region"};
  int code = check_session(plan, error);
  for (size_t i = 0; code == CACHETTE_OK && i < sizeof keys / sizeof *keys; i++)
    if (get(plan, keys[i]) == NULL)
      code = fail(plan, keys[i], "is missing, which SSO needs. Add it.", error);
  const char *region = get(plan, "sso_region");
  if (code == CACHETTE_OK &&
      region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
    code = fail(plan, "sso_region", "is no AWS region; one is named like eu-central-1.", error);
  return code;
}

/* ---- The cached token ---- */

static void fail_login(const cachette__aws_plan *plan, const char *why, cachette_error *error) {
  char name[40];
  cachette__value_text(plan->profile.name, name, sizeof name);
  cachette__aws_profile_fail(&plan->files, &plan->profile, "sso_role_name", error,
                             "its SSO login %s. Run: aws sso login --profile %s.", why, name);
}

/* The file of the token, to be freed; NULL: out of memory. */
static char *cache_path(const cachette__aws_plan *plan) {
  const char *name = get(plan, "sso_session");
  if (name == NULL) name = get(plan, "sso_start_url");
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  cachette__text text = {0};
  if (EVP_Digest(name, strlen(name), sum, &size, EVP_sha1(), NULL) != 1) return NULL;
  cachette__text_puts(&text, "~/.aws/sso/cache/");
  for (unsigned i = 0; i < size; i++) cachette__text_printf(&text, "%02x", sum[i]);
  cachette__text_puts(&text, ".json");
  char *path = text.failed ? NULL : cachette__aws_path(NULL, text.bytes);
  cachette__text_deinit(&text);
  return path;
}

/* Reads the token to `credentials->login`. */
static int read_login(cachette__aws_credentials *credentials, cachette_error *error) {
  size_t size;
  json_error_t fault = {.text = ""};
  char *path = cache_path(&credentials->plan);
  char *bytes = path != NULL ? cachette__aws_read_file(path, &size) : NULL;
  bool no_memory = path == NULL || (bytes == NULL && errno == ENOMEM);
  cachette__free(path);
  if (bytes != NULL) {
    credentials->login = json_loadb(bytes, size, 0, &fault);
    no_memory = credentials->login == NULL && size > 0 &&
                json_error_code(&fault) == json_error_out_of_memory;
    cachette__wipe(bytes, size);
    cachette__free(bytes);
  }
  if (no_memory) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  if (cachette__aws_text(credentials->login, "accessToken") != NULL &&
      cachette__aws_text(credentials->login, "expiresAt") != NULL)
    return CACHETTE_OK;
  fail_login(&credentials->plan, "is not there", error);
  return CACHETTE_EBACKEND;
}

/* How long something that is written in the login holds; not above 0: it has ended. */
static int64_t left_of(json_t *login, const char *name) {
  const char *text = cachette__aws_text(login, name);
  return text != NULL ? cachette__aws_read_time(text) - cachette__epoch_now() : 0;
}

/* ---- The portal ---- */

static void on_keys(cachette__http_request *request) {
  cachette__aws_credentials *credentials = cachette__aws_owner(request);
  cachette_error error;
  json_t *json = cachette__aws_answer(credentials);
  json_t *given = cachette__dynamo_member(json, "roleCredentials", JSON_OBJECT);
  json_t *end = cachette__dynamo_member(given, "expiration", JSON_INTEGER);
  cachette__aws_keys keys = {
      .id = (char *)cachette__aws_text(given, "accessKeyId"),
      .secret = (char *)cachette__aws_text(given, "secretAccessKey"),
      .token = (char *)cachette__aws_text(given, "sessionToken"),
      .end_ms = end != NULL ? (int64_t)json_integer_value(end) : INT64_MAX,
  };
  const char *said = cachette__aws_text(json, "message");
  if (request->status == 401) {
    fail_login(&credentials->plan, "is not valid any more", &error);
    cachette__aws_failed(credentials, &error);
  } else if (request->status != 200 || keys.id == NULL || keys.secret == NULL) {
    cachette__aws_fault(credentials, "AWS's SSO portal", said != NULL ? said : "");
  } else {
    cachette__aws_came(credentials, &keys);
  }
  json_decref(json);
}

static enum cachette__aws_found ask_portal(cachette__aws_credentials *credentials,
                                           const char *token, cachette_error *error) {
  const cachette__aws_plan *plan = &credentials->plan;
  cachette__text *url = &credentials->url;
  bool is_named;
  if (cachette__aws_service_url(&plan->files, "sso", get(plan, "sso_region"), url, &is_named,
                                error) < 0)
    return CACHETTE__AWS_BROKEN;
  cachette__text_puts(url, "/federation/credentials?role_name=");
  cachette__aws_add_encoded(url, get(plan, "sso_role_name"));
  cachette__text_puts(url, "&account_id=");
  cachette__aws_add_encoded(url, get(plan, "sso_account_id"));
  bool fine = !url->failed && cachette__aws_begin(credentials, url->bytes, on_keys) &&
              cachette__aws_add_secret(&credentials->request, "x-amz-sso_bearer_token", token) &&
              cachette__http_send(&credentials->request, NULL, CACHETTE__AWS_FAR_MS);
  return cachette__aws_asked(credentials, fine, error);
}

/* ---- Refreshing ---- */

/* Asks the portal with the token as it was cached, if it holds. */
static enum cachette__aws_found use_login(cachette__aws_credentials *credentials,
                                          cachette_error *error) {
  if (left_of(credentials->login, "expiresAt") > 0)
    return ask_portal(credentials, cachette__aws_text(credentials->login, "accessToken"), error);
  fail_login(&credentials->plan, "has expired", error);
  return CACHETTE__AWS_BROKEN;
}

static void add_member(cachette__text *text, const char *name, const char *value) {
  if (value == NULL) return;
  cachette__text_puts(text, text->size == 0 ? "{" : ", ");
  cachette__text_string(text, cachette_str(name));
  cachette__text_puts(text, ": ");
  cachette__text_string(text, cachette_str(value));
}

/* Writes the refreshed token to the file, as botocore does. That it cannot be written is no
 * reason not to use it; the next one who needs it refreshes, or logs in, again. */
static void write_login(cachette__aws_credentials *credentials, json_t *given, int64_t end_ms) {
  const cachette__aws_plan *plan = &credentials->plan;
  json_t *login = credentials->login;
  cachette__text *text = &credentials->body;
  char end[32];
  struct tm parts;
  time_t seconds = (time_t)(end_ms / 1000);
  gmtime_r(&seconds, &parts);
  strftime(end, sizeof end, "%Y-%m-%dT%H:%M:%SZ", &parts);
  cachette__text_clear(text);
  add_member(text, "startUrl", get(plan, "sso_start_url"));
  add_member(text, "region", get(plan, "sso_region"));
  add_member(text, "accessToken", cachette__aws_text(given, "accessToken"));
  add_member(text, "expiresAt", end);
  add_member(text, "clientId", cachette__aws_text(login, "clientId"));
  add_member(text, "clientSecret", cachette__aws_text(login, "clientSecret"));
  add_member(text, "registrationExpiresAt", cachette__aws_text(login, "registrationExpiresAt"));
  add_member(text, "refreshToken", cachette__aws_text(given, "refreshToken"));
  cachette__text_puts(text, "}");
  char *path = cache_path(plan);
  if (path != NULL && !text->failed) cachette__aws_write_file(path, text->bytes, text->size);
  cachette__free(path);
}

static void on_token(cachette__http_request *request) {
  cachette__aws_credentials *credentials = cachette__aws_owner(request);
  cachette_error error;
  json_t *json = cachette__aws_answer(credentials);
  json_t *lasts = cachette__dynamo_member(json, "expiresIn", JSON_INTEGER);
  const char *token = cachette__aws_text(json, "accessToken");
  enum cachette__aws_found found;
  if (request->status == 200 && token != NULL && lasts != NULL) {
    int64_t end_ms = cachette__epoch_now() + (int64_t)json_integer_value(lasts) * 1000;
    write_login(credentials, json, end_ms);
    found = ask_portal(credentials, token, &error);
  } else {
    found = use_login(credentials, &error);
  }
  json_decref(json);
  if (found != CACHETTE__AWS_ASKED) cachette__aws_failed(credentials, &error);
}

/* Only a token of a session has what it takes, and only while the registration holds. */
static bool can_refresh(const cachette__aws_credentials *credentials) {
  json_t *login = credentials->login;
  return get(&credentials->plan, "sso_session") != NULL &&
         cachette__aws_text(login, "refreshToken") != NULL &&
         cachette__aws_text(login, "clientId") != NULL &&
         cachette__aws_text(login, "clientSecret") != NULL &&
         left_of(login, "registrationExpiresAt") > 0;
}

static enum cachette__aws_found refresh(cachette__aws_credentials *credentials,
                                        cachette_error *error) {
  const cachette__aws_plan *plan = &credentials->plan;
  json_t *login = credentials->login;
  cachette__text *url = &credentials->url, *body = &credentials->body;
  bool is_named;
  if (cachette__aws_service_url(&plan->files, "sso_oidc", get(plan, "sso_region"), url, &is_named,
                                error) < 0)
    return CACHETTE__AWS_BROKEN;
  cachette__text_puts(url, "/token");
  cachette__text_clear(body);
  add_member(body, "grantType", "refresh_token");
  add_member(body, "clientId", cachette__aws_text(login, "clientId"));
  add_member(body, "clientSecret", cachette__aws_text(login, "clientSecret"));
  add_member(body, "refreshToken", cachette__aws_text(login, "refreshToken"));
  cachette__text_puts(body, "}");
  bool fine = !url->failed && !body->failed &&
              cachette__aws_begin(credentials, url->bytes, on_token) &&
              cachette__http_header(&credentials->request, "Content-Type: application/json") &&
              cachette__http_send(&credentials->request, body, CACHETTE__AWS_FAR_MS);
  return cachette__aws_asked(credentials, fine, error);
}

enum cachette__aws_found cachette__aws_ask_sso(cachette__aws_credentials *credentials,
                                               cachette_error *error) {
  if (check_profile(&credentials->plan, error) < 0) return CACHETTE__AWS_BROKEN;
  if (read_login(credentials, error) < 0) return CACHETTE__AWS_BROKEN;
  bool ends_soon = left_of(credentials->login, "expiresAt") < REFRESH_MS;
  if (ends_soon && can_refresh(credentials)) return refresh(credentials, error);
  return use_login(credentials, error);
}
