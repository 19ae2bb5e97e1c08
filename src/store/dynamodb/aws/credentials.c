/* SPDX-License-Identifier: MIT */
#include "credentials.h"

#include <stdio.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/clock.h"
#include "../../../base/error.h"
#include "../../../base/slice.h"
#include "environment.h"
#include "timestamp.h"

enum {
  RENEW_MS = 5 * 60 * 1000, /* a fetch starts when the keys expire within this time */
  WAIT_MS = 60 * 1000,      /* calls wait for the fetch when the keys expire within this time */
  RETRY_MS = 5000           /* between the end of a fetch and the next one */
};

/* ---- The keys in use ---- */

static void wipe_and_free(char *secret) {
  if (secret != NULL) cachette__wipe(secret, strlen(secret));
  cachette__free(secret);
}

static void free_keys(cachette__aws_keys *keys) {
  wipe_and_free(keys->id);
  wipe_and_free(keys->secret);
  wipe_and_free(keys->token);
  keys->id = keys->secret = keys->token = NULL;
}

static char *copy(const char *text) {
  return text != NULL ? cachette__strndup(text, strlen(text)) : NULL;
}

/* Replaces the keys by copies of `given`. */
static enum cachette__aws_result set_keys(cachette__aws_credentials *credentials,
                                          enum cachette__aws_source source,
                                          const cachette__aws_keys *given, cachette_error *error) {
  cachette__aws_keys keys = {.id = copy(given->id),
                             .secret = copy(given->secret),
                             .token = copy(given->token),
                             .expires_ms = given->expires_ms,
                             .generation = credentials->keys.generation + 1};
  if (keys.id == NULL || keys.secret == NULL || (given->token != NULL && keys.token == NULL)) {
    free_keys(&keys);
    return cachette__aws_no_memory(error);
  }
  free_keys(&credentials->keys);
  credentials->keys = keys;
  credentials->source = source;
  credentials->is_refused = false;
  return CACHETTE__AWS_FOUND;
}

/* ---- Options and environment ---- */

static enum cachette__aws_result take_options(cachette__aws_credentials *credentials,
                                              cachette_error *error) {
  const cachette__aws_keys *keys = &credentials->fetch.context.keys;
  if (keys->id == NULL) return CACHETTE__AWS_NONE;
  return set_keys(credentials, CACHETTE__AWS_OPTIONS, keys, error);
}

static char *variable(const char *name) { return (char *)cachette__env_get(name); }

static enum cachette__aws_result fail_variable(const char *name, const char *rule,
                                               cachette_error *error) {
  cachette__fail(error, CACHETTE_EBACKEND, name, "The environment has %s.", rule);
  return CACHETTE__AWS_FAILED;
}

/* Reads the keys without copying; the texts belong to the environment. */
static enum cachette__aws_result read_environment(cachette__aws_keys *keys, cachette_error *error) {
  const char *end = cachette__env_get("AWS_CREDENTIAL_EXPIRATION");
  *keys =
      (cachette__aws_keys){.id = variable("AWS_ACCESS_KEY_ID"),
                           .secret = variable("AWS_SECRET_ACCESS_KEY"),
                           .token = variable("AWS_SECURITY_TOKEN"), /* the older name */
                           .expires_ms = end != NULL ? cachette__timestamp_read(end) : INT64_MAX};
  if (keys->token == NULL) keys->token = variable("AWS_SESSION_TOKEN");
  if (keys->id == NULL) return CACHETTE__AWS_NONE;
  if (keys->secret == NULL)
    return fail_variable("AWS_SECRET_ACCESS_KEY",
                         "AWS_ACCESS_KEY_ID but no AWS_SECRET_ACCESS_KEY; set both, or neither",
                         error);
  if (keys->expires_ms == 0)
    return fail_variable("AWS_CREDENTIAL_EXPIRATION",
                         "an AWS_CREDENTIAL_EXPIRATION that is not a time such as "
                         "2030-01-31T12:34:56Z; correct it, or unset it",
                         error);
  return CACHETTE__AWS_FOUND;
}

static enum cachette__aws_result take_environment(cachette__aws_credentials *credentials,
                                                  cachette_error *error) {
  cachette__aws_keys keys;
  enum cachette__aws_result result = read_environment(&keys, error);
  if (result != CACHETTE__AWS_FOUND) return result;
  return set_keys(credentials, CACHETTE__AWS_ENVIRONMENT, &keys, error);
}

/* ---- Sources without waiting ---- */

static cachette__aws_credentials *credentials_of(cachette__aws_fetch *fetch) {
  return (cachette__aws_credentials *)((char *)fetch - offsetof(cachette__aws_credentials, fetch));
}

/* Takes the keys of a source or a role: assumes the next role with them, or sets copies of them.
 * Returns FOUND, PENDING or FAILED. */
static enum cachette__aws_result take_keys(cachette__aws_credentials *credentials,
                                           const cachette__aws_keys *keys, cachette_error *error) {
  cachette__aws_fetch *fetch = &credentials->fetch;
  cachette__aws_role *role = fetch->chain.roles, *assumed = fetch->role;
  enum cachette__aws_result result;
  fetch->role = role;
  if (role == NULL) {
    result = set_keys(credentials, assumed != NULL ? CACHETTE__AWS_ROLE : fetch->chain.source, keys,
                      error);
  } else {
    fetch->chain.roles = role->next;
    result = cachette__aws_fetch_role(fetch, keys, error);
  }
  cachette__free(assumed);
  return result;
}

/* Starts a chain whose `credential_source` is the environment. */
static enum cachette__aws_result start_environment(cachette__aws_fetch *fetch,
                                                   cachette_error *error) {
  cachette__aws_keys keys;
  enum cachette__aws_result result = read_environment(&keys, error);
  return result == CACHETTE__AWS_FOUND ? take_keys(credentials_of(fetch), &keys, error) : result;
}

/* Starts a chain whose source is a file. The chain checked that one file has both parts of the
 * keys. */
static enum cachette__aws_result start_files(cachette__aws_fetch *fetch, cachette_error *error) {
  const cachette__aws_chain *chain = &fetch->chain;
  const cachette__aws_file *file = &chain->files.credentials;
  size_t section = chain->profile.credentials;
  if (cachette__aws_get_in(file, section, "aws_access_key_id") == NULL) {
    file = &chain->files.config;
    section = chain->profile.config;
  }
  const char *token = cachette__aws_get_in(file, section, "aws_security_token");
  if (token == NULL) token = cachette__aws_get_in(file, section, "aws_session_token");
  cachette__aws_keys keys = {
      .id = (char *)cachette__aws_get_in(file, section, "aws_access_key_id"),
      .secret = (char *)cachette__aws_get_in(file, section, "aws_secret_access_key"),
      .token = (char *)token,
      .expires_ms = INT64_MAX};
  return take_keys(credentials_of(fetch), &keys, error);
}

/* ---- Fetches ---- */

/* Cancels the request, and wipes and frees the fetch's state. */
static void clear_fetch(cachette__aws_fetch *fetch) {
  cachette__text_wipe(&fetch->request.response);
  cachette__http_cancel(&fetch->request);
  cachette__text_wipe(&fetch->url);
  cachette__text_wipe(&fetch->body);
  cachette__text_wipe(&fetch->token);
  json_decref(fetch->login);
  fetch->login = NULL;
  cachette__free(fetch->role);
  fetch->role = NULL;
  cachette__aws_chain_deinit(&fetch->chain);
}

static void fail_none(const cachette__aws_chain *chain, cachette_error *error) {
  const cachette__aws_role *role = chain->roles;
  char redacted[40];
  if (role != NULL) {
    const char *named = cachette__aws_get(&chain->files, &role->profile, "credential_source");
    cachette__aws_profile_fail(&chain->files, &role->profile, "credential_source", error,
                               "\"credential_source\" is \"%s\", but there are no keys. Set "
                               "another source, or another profile.",
                               named);
    return;
  }
  cachette__value_text(chain->files.name, redacted, sizeof redacted);
  cachette__fail(error, CACHETTE_EBACKEND, "aws_access_key_id",
                 "No AWS credentials were found in the options (\"aws_access_key_id\"), the "
                 "environment, the shared files (profile \"%s\"), a web identity token, a "
                 "container's endpoint, or the instance metadata.",
                 redacted);
}

static enum cachette__aws_result start_chain(cachette__aws_credentials *credentials,
                                             cachette_error *error) {
  static cachette__aws_fetch_start *const sources[] = {
      [CACHETTE__AWS_ENVIRONMENT] = start_environment,
      [CACHETTE__AWS_IDENTITY] = cachette__aws_fetch_identity,
      [CACHETTE__AWS_SSO] = cachette__aws_fetch_sso,
      [CACHETTE__AWS_FILES] = start_files,
      [CACHETTE__AWS_PROCESS] = cachette__aws_fetch_process,
      [CACHETTE__AWS_CONTAINER] = cachette__aws_fetch_container,
      [CACHETTE__AWS_METADATA] = cachette__aws_fetch_metadata,
  };
  cachette__aws_fetch *fetch = &credentials->fetch;
  if (cachette__aws_chain_init(&fetch->chain, fetch->context.folder, error) < 0)
    return CACHETTE__AWS_FAILED;
  enum cachette__aws_result result = sources[fetch->chain.source](fetch, error);
  if (result == CACHETTE__AWS_NONE) {
    fail_none(&fetch->chain, error);
    result = CACHETTE__AWS_FAILED;
  }
  if (result != CACHETTE__AWS_PENDING) clear_fetch(fetch);
  return result;
}

/* Saves the result of a fetch (code 0: success) and delays the next one. Returns the code. */
static int finish_try(cachette__aws_credentials *credentials, const cachette_error *error) {
  credentials->error = *error;
  credentials->next_fetch_ms = cachette__machine_now() + RETRY_MS;
  return error->code;
}

/* Tries one source after another. Returns 0; 1 if a fetch is pending; or an error. */
static int start_fetch(cachette__aws_credentials *credentials) {
  cachette_error error = {.code = CACHETTE_OK};
  enum cachette__aws_result result = take_options(credentials, &error);
  if (result == CACHETTE__AWS_NONE) result = take_environment(credentials, &error);
  if (result == CACHETTE__AWS_NONE) result = start_chain(credentials, &error);
  credentials->is_fetching = result == CACHETTE__AWS_PENDING;
  return credentials->is_fetching ? 1 : finish_try(credentials, &error);
}

/* Ends a pending fetch; code 0: success. */
static void finish_fetch(cachette__aws_credentials *credentials, const cachette_error *error) {
  credentials->is_fetching = false;
  clear_fetch(&credentials->fetch);
  finish_try(credentials, error);
  /* New keys are used even if they expire soon or have expired by this machine's clock: their
   * source has no newer ones, and the server decides. */
  int64_t left = credentials->keys.expires_ms - cachette__epoch_now();
  bool is_usable = credentials->keys.id != NULL && !credentials->is_refused && left > 0;
  const cachette__aws_context *context = &credentials->fetch.context;
  context->resume(context->owner,
                  error->code == CACHETTE_OK || is_usable ? NULL : &credentials->error);
}

static void on_done(cachette__aws_fetch *fetch, const cachette__aws_keys *keys) {
  cachette__aws_credentials *credentials = credentials_of(fetch);
  cachette_error error = {.code = CACHETTE_OK};
  if (take_keys(credentials, keys, &error) != CACHETTE__AWS_PENDING)
    finish_fetch(credentials, &error);
}

static void on_failed(cachette__aws_fetch *fetch, const cachette_error *error) {
  cachette_error reason = *error;
  if (reason.code == CACHETTE_OK) fail_none(&fetch->chain, &reason);
  finish_fetch(credentials_of(fetch), &reason);
}

/* ---- What the store calls ---- */

static bool has_keys(const cachette__aws_credentials *credentials) {
  return credentials->keys.id != NULL && !credentials->is_refused;
}

static bool may_fetch(const cachette__aws_credentials *credentials) {
  return !credentials->is_fetching && cachette__machine_now() >= credentials->next_fetch_ms;
}

int cachette__aws_credentials_get(cachette__aws_credentials *credentials,
                                  const cachette__aws_keys **keys, cachette_error *error) {
  bool has_valid_keys = has_keys(credentials);
  int64_t left = has_valid_keys ? credentials->keys.expires_ms - cachette__epoch_now() : 0;
  *keys = &credentials->keys;
  if (left > RENEW_MS) return CACHETTE_OK;
  int code = credentials->is_fetching ? 1 : credentials->error.code; /* 0: the keys are new */
  if (may_fetch(credentials)) code = start_fetch(credentials);
  /* While the old keys are valid, no call waits for new ones or fails without them. */
  if (left > WAIT_MS || (left > 0 && code < 0)) return CACHETTE_OK;
  if (code < 0) *error = credentials->error;
  return code;
}

const char *cachette__aws_credentials_awaited(cachette__aws_credentials *credentials) {
  static const char *const names[] = {
      [CACHETTE__AWS_ENVIRONMENT] = "AWS's token service (STS)",
      [CACHETTE__AWS_IDENTITY] = "AWS's token service (STS)",
      [CACHETTE__AWS_SSO] = "AWS's SSO portal",
      [CACHETTE__AWS_FILES] = "AWS's token service (STS)",
      [CACHETTE__AWS_PROCESS] = "The \"credential_process\"",
      [CACHETTE__AWS_CONTAINER] = "The container's endpoint for AWS credentials",
      [CACHETTE__AWS_METADATA] = "Instance metadata",
  };
  const cachette__aws_fetch *fetch = &credentials->fetch;
  char redacted[40];
  if (!credentials->is_fetching) return NULL;
  if (has_keys(credentials) && credentials->keys.expires_ms > cachette__epoch_now()) return NULL;
  cachette__value_text(fetch->chain.files.name, redacted, sizeof redacted);
  snprintf(credentials->awaited, sizeof credentials->awaited, "%s for the AWS profile \"%s\"",
           names[fetch->role != NULL ? CACHETTE__AWS_IDENTITY : fetch->chain.source], redacted);
  return credentials->awaited;
}

/* Whether the source may have other keys by now. The options never change; the environment may. */
static bool may_have_others(const cachette__aws_credentials *credentials) {
  if (credentials->source != CACHETTE__AWS_ENVIRONMENT)
    return credentials->source != CACHETTE__AWS_OPTIONS;
  const char *id = cachette__env_get("AWS_ACCESS_KEY_ID");
  return id == NULL || strcmp(id, credentials->keys.id) != 0;
}

bool cachette__aws_credentials_renew(cachette__aws_credentials *credentials, unsigned refused) {
  if (refused != credentials->keys.generation) return true;
  if (!may_have_others(credentials)) return false;
  credentials->is_refused = true;
  credentials->next_fetch_ms = 0;
  return true;
}

void cachette__aws_credentials_init(cachette__aws_credentials *credentials,
                                    const cachette__aws_context *context) {
  *credentials = (cachette__aws_credentials){
      .fetch = {.context = *context, .done = on_done, .failed = on_failed}};
}

void cachette__aws_credentials_deinit(cachette__aws_credentials *credentials, bool forked) {
  if (credentials->fetch.process != NULL)
    cachette__process_stop(credentials->fetch.process, forked);
  clear_fetch(&credentials->fetch);
  free_keys(&credentials->keys);
}
