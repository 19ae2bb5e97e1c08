/* SPDX-License-Identifier: MIT */
/*
 * Fetches keys by AWS's single sign-on (IAM Identity Center). `aws sso login` writes a token to a
 * file in ~/.aws/sso/cache; the portal exchanges it for a role's keys. If the token belongs to a
 * session and expires soon, it is refreshed first, and the file is updated:
 *
 *     profile -> [sso-session] -> cached token -(expires soon)-> OIDC: CreateToken -> file
 *                                      |                                                |
 *                                      +---------------> portal: GetRoleCredentials <---+
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../../../base/alloc.h"
#include "../../../base/clock.h"
#include "../../../base/error.h"
#include "../../../base/slice.h"
#include "environment.h"
#include "fetch.h"
#include "files.h"
#include "timestamp.h"

enum { REFRESH_MS = 15 * 60 * 1000 };

/* ---- The profile ---- */

/* Returns the value of a key of the profile or of its session; or NULL. */
static const char *get(const cachette__aws_chain *chain, const char *key) {
  const char *value = cachette__aws_get(&chain->files, &chain->profile, key);
  const char *session = cachette__aws_get(&chain->files, &chain->profile, "sso_session");
  if (value != NULL || session == NULL) return value;
  size_t section = cachette__aws_find_section(&chain->files, "sso-session", session);
  return cachette__aws_get_in(&chain->files.config, section, key);
}

static int fail(const cachette__aws_chain *chain, const char *key, const char *rule,
                cachette_error *error) {
  return cachette__aws_profile_fail(&chain->files, &chain->profile, key, error, "\"%s\" %s", key,
                                    rule);
}

static int check_session(const cachette__aws_chain *chain, cachette_error *error) {
  static const char *const keys[] = {"sso_start_url", "sso_region"};
  const char *name = cachette__aws_get(&chain->files, &chain->profile, "sso_session");
  char rule[140], redacted[40];
  if (name == NULL) return CACHETTE_OK;
  size_t section = cachette__aws_find_section(&chain->files, "sso-session", name);
  cachette__value_text(name, redacted, sizeof redacted);
  snprintf(rule, sizeof rule, "names \"%s\", but there is no section [sso-session %s].", redacted,
           redacted);
  if (section == CACHETTE__AWS_NO_SECTION) return fail(chain, "sso_session", rule, error);
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const char *own = cachette__aws_get(&chain->files, &chain->profile, keys[i]);
    const char *other = cachette__aws_get_in(&chain->files.config, section, keys[i]);
    if (own != NULL && other != NULL && strcmp(own, other) != 0)
      return fail(chain, keys[i], "is not the same as in its sso_session. Remove one of them.",
                  error);
  }
  return CACHETTE_OK;
}

static int check_profile(const cachette__aws_chain *chain, cachette_error *error) {
  static const char *const keys[] = {"sso_role_name", "sso_account_id", "sso_start_url",
                                     "sso_region"};
  int code = check_session(chain, error);
  for (size_t i = 0; code == CACHETTE_OK && i < sizeof keys / sizeof *keys; i++)
    if (get(chain, keys[i]) == NULL)
      code = fail(chain, keys[i], "is missing and is needed for SSO. Add it.", error);
  const char *region = get(chain, "sso_region");
  if (code == CACHETTE_OK &&
      region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
    code = fail(chain, "sso_region", "is not an AWS region, which looks like eu-central-1.", error);
  return code;
}

/* ---- The cached token ---- */

static void fail_login(const cachette__aws_chain *chain, const char *why, cachette_error *error) {
  char name[40];
  cachette__value_text(chain->profile.name, name, sizeof name);
  cachette__aws_profile_fail(&chain->files, &chain->profile, "sso_role_name", error,
                             "its SSO login %s. Run: aws sso login --profile %s.", why, name);
}

/* Returns the path of the token's file, which the caller frees; NULL: out of memory. */
static char *cache_path(const cachette__aws_chain *chain) {
  const char *name = get(chain, "sso_session");
  if (name == NULL) name = get(chain, "sso_start_url");
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  cachette__text text = {0};
  if (EVP_Digest(name, strlen(name), sum, &size, EVP_sha1(), NULL) != 1) return NULL;
  cachette__text_puts(&text, "~/.aws/sso/cache/");
  for (unsigned i = 0; i < size; i++) cachette__text_printf(&text, "%02x", sum[i]);
  cachette__text_puts(&text, ".json");
  char *path = text.failed ? NULL : cachette__env_expand(NULL, text.bytes);
  cachette__text_deinit(&text);
  return path;
}

/* Reads the cached token into `fetch->login`. */
static int read_login(cachette__aws_fetch *fetch, cachette_error *error) {
  size_t size;
  json_error_t parse_error = {.text = ""};
  char *path = cache_path(&fetch->chain);
  char *bytes = path != NULL ? cachette__aws_read_file(path, &size) : NULL;
  bool no_memory = path == NULL || (bytes == NULL && errno == ENOMEM);
  cachette__free(path);
  if (bytes != NULL) {
    fetch->login = json_loadb(bytes, size, 0, &parse_error);
    no_memory = fetch->login == NULL && size > 0 &&
                json_error_code(&parse_error) == json_error_out_of_memory;
    cachette__wipe(bytes, size);
    cachette__free(bytes);
  }
  if (no_memory) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  if (cachette__json_text(fetch->login, "accessToken") != NULL &&
      cachette__json_text(fetch->login, "expiresAt") != NULL)
    return CACHETTE_OK;
  fail_login(&fetch->chain, "is missing", error);
  return CACHETTE_EBACKEND;
}

/* Milliseconds until a time in the login; 0 or less if it has passed or is missing. */
static int64_t time_left(json_t *login, const char *name) {
  const char *text = cachette__json_text(login, name);
  return text != NULL ? cachette__timestamp_read(text) - cachette__epoch_now() : 0;
}

/* ---- The portal ---- */

static void on_keys(cachette__http_request *request) {
  cachette__aws_fetch *fetch = cachette__aws_fetch_of(request);
  cachette_error error;
  json_t *json = cachette__aws_fetch_json(fetch);
  json_t *given = cachette__json_member(json, "roleCredentials", JSON_OBJECT);
  json_t *end = cachette__json_member(given, "expiration", JSON_INTEGER);
  cachette__aws_keys keys = {
      .id = (char *)cachette__json_text(given, "accessKeyId"),
      .secret = (char *)cachette__json_text(given, "secretAccessKey"),
      .token = (char *)cachette__json_text(given, "sessionToken"),
      .expires_ms = end != NULL ? (int64_t)json_integer_value(end) : INT64_MAX,
  };
  const char *message = cachette__json_text(json, "message");
  if (request->status == 401) {
    fail_login(&fetch->chain, "is no longer valid", &error);
    fetch->failed(fetch, &error);
  } else if (request->status != 200 || keys.id == NULL || keys.secret == NULL) {
    cachette__aws_fetch_fail_response(fetch, "AWS's SSO portal", message != NULL ? message : "");
  } else {
    fetch->done(fetch, &keys);
  }
  json_decref(json);
}

static enum cachette__aws_result send_to_portal(cachette__aws_fetch *fetch, const char *token,
                                                cachette_error *error) {
  const cachette__aws_chain *chain = &fetch->chain;
  cachette__text *url = &fetch->url;
  bool is_named;
  if (cachette__aws_service_url(&chain->files, "sso", get(chain, "sso_region"), url, &is_named,
                                error) < 0)
    return CACHETTE__AWS_FAILED;
  cachette__text_puts(url, "/federation/credentials?role_name=");
  cachette__aws_add_encoded(url, get(chain, "sso_role_name"));
  cachette__text_puts(url, "&account_id=");
  cachette__aws_add_encoded(url, get(chain, "sso_account_id"));
  bool ok = !url->failed && cachette__aws_fetch_begin(fetch, url->bytes, on_keys) &&
            cachette__http_secret_header(&fetch->request, "x-amz-sso_bearer_token", token) &&
            cachette__http_send(&fetch->request, NULL, CACHETTE__AWS_SERVICE_MS);
  return cachette__aws_fetch_started(fetch, ok, error);
}

/* ---- Refreshing ---- */

/* Sends the cached token to the portal, unless it has expired. */
static enum cachette__aws_result use_login(cachette__aws_fetch *fetch, cachette_error *error) {
  if (time_left(fetch->login, "expiresAt") > 0)
    return send_to_portal(fetch, cachette__json_text(fetch->login, "accessToken"), error);
  fail_login(&fetch->chain, "has expired", error);
  return CACHETTE__AWS_FAILED;
}

static void add_member(cachette__text *text, const char *name, const char *value) {
  if (value == NULL) return;
  cachette__text_puts(text, text->size == 0 ? "{" : ", ");
  cachette__text_string(text, cachette_str(name));
  cachette__text_puts(text, ": ");
  cachette__text_string(text, cachette_str(value));
}

/* Writes the refreshed token to the file, as botocore does. If that fails, this process uses the
 * token anyway; the next process refreshes again or needs a login. */
static void write_login(cachette__aws_fetch *fetch, json_t *given, int64_t end_ms) {
  const cachette__aws_chain *chain = &fetch->chain;
  json_t *login = fetch->login;
  cachette__text *text = &fetch->body;
  char end[32];
  struct tm parts;
  time_t seconds = (time_t)(end_ms / 1000);
  gmtime_r(&seconds, &parts);
  strftime(end, sizeof end, "%Y-%m-%dT%H:%M:%SZ", &parts);
  cachette__text_clear(text);
  add_member(text, "startUrl", get(chain, "sso_start_url"));
  add_member(text, "region", get(chain, "sso_region"));
  add_member(text, "accessToken", cachette__json_text(given, "accessToken"));
  add_member(text, "expiresAt", end);
  add_member(text, "clientId", cachette__json_text(login, "clientId"));
  add_member(text, "clientSecret", cachette__json_text(login, "clientSecret"));
  add_member(text, "registrationExpiresAt", cachette__json_text(login, "registrationExpiresAt"));
  add_member(text, "refreshToken", cachette__json_text(given, "refreshToken"));
  cachette__text_puts(text, "}");
  char *path = cache_path(chain);
  if (path != NULL && !text->failed) cachette__aws_write_file(path, text->bytes, text->size);
  cachette__free(path);
}

static void on_token(cachette__http_request *request) {
  cachette__aws_fetch *fetch = cachette__aws_fetch_of(request);
  cachette_error error;
  json_t *json = cachette__aws_fetch_json(fetch);
  json_t *expires_in = cachette__json_member(json, "expiresIn", JSON_INTEGER);
  const char *token = cachette__json_text(json, "accessToken");
  enum cachette__aws_result found;
  if (request->status == 200 && token != NULL && expires_in != NULL) {
    int64_t end_ms = cachette__epoch_now() + (int64_t)json_integer_value(expires_in) * 1000;
    write_login(fetch, json, end_ms);
    found = send_to_portal(fetch, token, &error);
  } else {
    found = use_login(fetch, &error);
  }
  json_decref(json);
  if (found != CACHETTE__AWS_PENDING) fetch->failed(fetch, &error);
}

/* Whether the token can be refreshed: it has a session whose registration has not expired. */
static bool can_refresh(const cachette__aws_fetch *fetch) {
  json_t *login = fetch->login;
  return get(&fetch->chain, "sso_session") != NULL &&
         cachette__json_text(login, "refreshToken") != NULL &&
         cachette__json_text(login, "clientId") != NULL &&
         cachette__json_text(login, "clientSecret") != NULL &&
         time_left(login, "registrationExpiresAt") > 0;
}

static enum cachette__aws_result refresh(cachette__aws_fetch *fetch, cachette_error *error) {
  const cachette__aws_chain *chain = &fetch->chain;
  json_t *login = fetch->login;
  cachette__text *url = &fetch->url, *body = &fetch->body;
  bool is_named;
  if (cachette__aws_service_url(&chain->files, "sso_oidc", get(chain, "sso_region"), url, &is_named,
                                error) < 0)
    return CACHETTE__AWS_FAILED;
  cachette__text_puts(url, "/token");
  cachette__text_clear(body);
  add_member(body, "grantType", "refresh_token");
  add_member(body, "clientId", cachette__json_text(login, "clientId"));
  add_member(body, "clientSecret", cachette__json_text(login, "clientSecret"));
  add_member(body, "refreshToken", cachette__json_text(login, "refreshToken"));
  cachette__text_puts(body, "}");
  bool ok = !url->failed && !body->failed &&
            cachette__aws_fetch_begin(fetch, url->bytes, on_token) &&
            cachette__http_header(&fetch->request, "Content-Type: application/json") &&
            cachette__http_send(&fetch->request, body, CACHETTE__AWS_SERVICE_MS);
  return cachette__aws_fetch_started(fetch, ok, error);
}

enum cachette__aws_result cachette__aws_fetch_sso(cachette__aws_fetch *fetch,
                                                  cachette_error *error) {
  if (check_profile(&fetch->chain, error) < 0) return CACHETTE__AWS_FAILED;
  if (read_login(fetch, error) < 0) return CACHETTE__AWS_FAILED;
  bool expires_soon = time_left(fetch->login, "expiresAt") < REFRESH_MS;
  if (expires_soon && can_refresh(fetch)) return refresh(fetch, error);
  return use_login(fetch, error);
}
