/* SPDX-License-Identifier: MIT */
#include "credentials.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  RENEW_MS = 5 * 60 * 1000, /* before keys end, new ones are fetched, */
  MARGIN_MS = 60 * 1000,    /* and from then on waited for */
  PAUSE_MS = 5000           /* before a source that has answered, or failed, is asked again */
};

enum cachette__aws_found cachette__aws_no_memory(cachette_error *error) {
  cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  return CACHETTE__AWS_BROKEN;
}

/* ---- The keys that are there ---- */

static void wipe(char *secret) {
  if (secret != NULL) cachette__wipe(secret, strlen(secret));
  cachette__free(secret);
}

static void drop_keys(cachette__aws_keys *keys) {
  wipe(keys->id);
  wipe(keys->secret);
  wipe(keys->token);
  keys->id = keys->secret = keys->token = NULL;
}

static char *copy(const char *text) {
  return text != NULL ? cachette__strndup(text, strlen(text)) : NULL;
}

/* Takes copies of keys in the place of those that are there. */
static enum cachette__aws_found keep(cachette__aws_credentials *credentials,
                                     enum cachette__aws_source source,
                                     const cachette__aws_keys *given, cachette_error *error) {
  cachette__aws_keys keys = {.id = copy(given->id),
                             .secret = copy(given->secret),
                             .token = copy(given->token),
                             .end_ms = given->end_ms,
                             .number = credentials->keys.number + 1};
  if (keys.id == NULL || keys.secret == NULL || (given->token != NULL && keys.token == NULL)) {
    drop_keys(&keys);
    return cachette__aws_no_memory(error);
  }
  drop_keys(&credentials->keys);
  credentials->keys = keys;
  credentials->source = source;
  credentials->is_refused = false;
  return CACHETTE__AWS_KEYS;
}

/* ---- Sources that are at hand ---- */

static enum cachette__aws_found ask_options(cachette__aws_credentials *credentials,
                                            cachette_error *error) {
  const cachette__dynamo_settings *settings = credentials->client->settings;
  cachette__aws_keys keys = {.id = settings->access_key_id,
                             .secret = settings->secret_access_key,
                             .token = settings->session_token,
                             .end_ms = INT64_MAX};
  if (keys.id == NULL) return CACHETTE__AWS_NONE;
  return keep(credentials, CACHETTE__AWS_OPTIONS, &keys, error);
}

static char *variable(const char *name) { return (char *)cachette__aws_variable(name); }

static enum cachette__aws_found fail_variable(const char *name, const char *rule,
                                              cachette_error *error) {
  cachette__fail(error, CACHETTE_EBACKEND, name, "The environment has %s.", rule);
  return CACHETTE__AWS_BROKEN;
}

/* The texts are the environment's. */
static enum cachette__aws_found read_environment(cachette__aws_keys *keys, cachette_error *error) {
  const char *end = cachette__aws_variable("AWS_CREDENTIAL_EXPIRATION");
  *keys = (cachette__aws_keys){.id = variable("AWS_ACCESS_KEY_ID"),
                               .secret = variable("AWS_SECRET_ACCESS_KEY"),
                               .token = variable("AWS_SECURITY_TOKEN"), /* the older name */
                               .end_ms = end != NULL ? cachette__aws_read_time(end) : INT64_MAX};
  if (keys->token == NULL) keys->token = variable("AWS_SESSION_TOKEN");
  if (keys->id == NULL) return CACHETTE__AWS_NONE;
  if (keys->secret == NULL)
    return fail_variable("AWS_SECRET_ACCESS_KEY",
                         "AWS_ACCESS_KEY_ID but no AWS_SECRET_ACCESS_KEY; set both, or neither",
                         error);
  if (keys->end_ms == 0)
    return fail_variable("AWS_CREDENTIAL_EXPIRATION",
                         "an AWS_CREDENTIAL_EXPIRATION that is no time such as "
                         "2030-01-31T12:34:56Z; correct it, or unset it",
                         error);
  return CACHETTE__AWS_KEYS;
}

static enum cachette__aws_found ask_environment(cachette__aws_credentials *credentials,
                                                cachette_error *error) {
  cachette__aws_keys keys;
  enum cachette__aws_found found = read_environment(&keys, error);
  if (found != CACHETTE__AWS_KEYS) return found;
  return keep(credentials, CACHETTE__AWS_ENVIRONMENT, &keys, error);
}

/* ---- Plans ---- */

/* The environment as credential_source; plain keys of it come before any plan. */
static enum cachette__aws_found take_environment(cachette__aws_credentials *credentials,
                                                 cachette_error *error) {
  cachette__aws_keys keys;
  enum cachette__aws_found found = read_environment(&keys, error);
  return found == CACHETTE__AWS_KEYS ? cachette__aws_take(credentials, &keys, error) : found;
}

/* The plan has seen that both are there. */
static enum cachette__aws_found take_files(cachette__aws_credentials *credentials,
                                           cachette_error *error) {
  const cachette__aws_plan *plan = &credentials->plan;
  const cachette__aws_file *file = &plan->files.credentials;
  size_t section = plan->profile.credentials;
  if (cachette__aws_get_in(file, section, "aws_access_key_id") == NULL) {
    file = &plan->files.config;
    section = plan->profile.config;
  }
  const char *token = cachette__aws_get_in(file, section, "aws_security_token");
  if (token == NULL) token = cachette__aws_get_in(file, section, "aws_session_token");
  cachette__aws_keys keys = {
      .id = (char *)cachette__aws_get_in(file, section, "aws_access_key_id"),
      .secret = (char *)cachette__aws_get_in(file, section, "aws_secret_access_key"),
      .token = (char *)token,
      .end_ms = INT64_MAX};
  return cachette__aws_take(credentials, &keys, error);
}

static cachette__aws_ask *const sources[] = {
    [CACHETTE__AWS_ENVIRONMENT] = take_environment,
    [CACHETTE__AWS_IDENTITY] = cachette__aws_ask_identity,
    [CACHETTE__AWS_SSO] = cachette__aws_ask_sso,
    [CACHETTE__AWS_FILES] = take_files,
    [CACHETTE__AWS_COMMAND] = cachette__aws_ask_command,
    [CACHETTE__AWS_CONTAINER] = cachette__aws_ask_container,
    [CACHETTE__AWS_METADATA] = cachette__aws_ask_metadata,
};

static void wipe_text(cachette__text *text) {
  if (text->bytes != NULL) cachette__wipe(text->bytes, text->room);
  cachette__text_deinit(text);
}

/* Forgets what was asked, and the secrets in it. */
static void end_plan(cachette__aws_credentials *credentials) {
  wipe_text(&credentials->request.answer);
  cachette__http_drop(&credentials->request);
  wipe_text(&credentials->url);
  wipe_text(&credentials->body);
  wipe_text(&credentials->token);
  json_decref(credentials->login);
  credentials->login = NULL;
  cachette__free(credentials->role);
  credentials->role = NULL;
  cachette__aws_plan_deinit(&credentials->plan);
}

static void fail_none(const cachette__aws_credentials *credentials, cachette_error *error) {
  const cachette__aws_plan *plan = &credentials->plan;
  const cachette__aws_role *role = plan->roles;
  char shown[40];
  if (role != NULL) {
    const char *named = cachette__aws_get(&plan->files, &role->profile, "credential_source");
    cachette__aws_profile_fail(&plan->files, &role->profile, "credential_source", error,
                               "\"credential_source\" is \"%s\", but there are no keys. Name "
                               "another source, or another profile.",
                               named);
    return;
  }
  cachette__value_text(plan->files.name, shown, sizeof shown);
  cachette__fail(error, CACHETTE_EBACKEND, "aws_access_key_id",
                 "No AWS credentials were found: not in the options (\"aws_access_key_id\"), the "
                 "environment, the shared files (profile \"%s\"), as web identity token, from a "
                 "container's endpoint, or from instance metadata.",
                 shown);
}

enum cachette__aws_found cachette__aws_take(cachette__aws_credentials *credentials,
                                            const cachette__aws_keys *keys, cachette_error *error) {
  cachette__aws_role *role = credentials->plan.roles, *done = credentials->role;
  enum cachette__aws_found found;
  credentials->role = role;
  if (role == NULL) {
    found = keep(credentials, done != NULL ? CACHETTE__AWS_ROLE : credentials->plan.source, keys,
                 error);
  } else {
    credentials->plan.roles = role->next;
    found = cachette__aws_assume(credentials, keys, error);
  }
  cachette__free(done);
  return found;
}

/* ---- All of them ---- */

/* A try has ended, well (the code is 0) or not: the next one is not at once. */
static int pause_after(cachette__aws_credentials *credentials, const cachette_error *error) {
  credentials->error = *error;
  credentials->next_try_ms = cachette__machine_now() + PAUSE_MS;
  return error->code;
}

static enum cachette__aws_found follow_plan(cachette__aws_credentials *credentials,
                                            cachette_error *error) {
  const char *folder = credentials->client->settings->folder;
  if (cachette__aws_plan_make(&credentials->plan, folder, error) < 0) return CACHETTE__AWS_BROKEN;
  enum cachette__aws_found found = sources[credentials->plan.source](credentials, error);
  if (found == CACHETTE__AWS_NONE) {
    fail_none(credentials, error);
    found = CACHETTE__AWS_BROKEN;
  }
  if (found != CACHETTE__AWS_ASKED) end_plan(credentials);
  return found;
}

/* Asks one source after another. Returns 0, 1 if something has been asked, or an error. */
static int ask_all(cachette__aws_credentials *credentials) {
  cachette_error error = {.code = CACHETTE_OK};
  enum cachette__aws_found found = ask_options(credentials, &error);
  if (found == CACHETTE__AWS_NONE) found = ask_environment(credentials, &error);
  if (found == CACHETTE__AWS_NONE) found = follow_plan(credentials, &error);
  credentials->is_asking = found == CACHETTE__AWS_ASKED;
  return credentials->is_asking ? 1 : pause_after(credentials, &error);
}

/* What was asked has ended, well (the code is 0) or not. */
static void end_ask(cachette__aws_credentials *credentials, const cachette_error *error) {
  credentials->is_asking = false;
  end_plan(credentials);
  pause_after(credentials, error);
  /* New keys are used though they end soon, or by our clock have ended: their source has no others
   * yet, and it is the server who judges. */
  int64_t left = credentials->keys.end_ms - cachette__epoch_now();
  bool usable = credentials->keys.id != NULL && !credentials->is_refused && left > 0;
  cachette__dynamo_calls_resume(credentials->client,
                                error->code == CACHETTE_OK || usable ? NULL : &credentials->error);
}

void cachette__aws_came(cachette__aws_credentials *credentials, const cachette__aws_keys *keys) {
  cachette_error error = {.code = CACHETTE_OK};
  if (cachette__aws_take(credentials, keys, &error) != CACHETTE__AWS_ASKED)
    end_ask(credentials, &error);
}

void cachette__aws_failed(cachette__aws_credentials *credentials, const cachette_error *error) {
  cachette_error reason = *error;
  if (reason.code == CACHETTE_OK) fail_none(credentials, &reason);
  end_ask(credentials, &reason);
}

void cachette__aws_failed_no_memory(cachette__aws_credentials *credentials) {
  cachette_error error;
  cachette__aws_no_memory(&error);
  cachette__aws_failed(credentials, &error);
}

static bool can_try(const cachette__aws_credentials *credentials) {
  return !credentials->is_asking && cachette__machine_now() >= credentials->next_try_ms;
}

int cachette__aws_credentials_get(cachette__aws_credentials *credentials,
                                  const cachette__aws_keys **keys, cachette_error *error) {
  bool known = credentials->keys.id != NULL && !credentials->is_refused;
  int64_t left = known ? credentials->keys.end_ms - cachette__epoch_now() : 0;
  *keys = &credentials->keys;
  if (left > RENEW_MS) return CACHETTE_OK;
  int code = credentials->is_asking ? 1 : credentials->error.code; /* 0: they have just come */
  if (can_try(credentials)) code = ask_all(credentials);
  /* While the old ones hold, nobody has to wait for the new ones, or fail for want of them. */
  if (left > MARGIN_MS || (left > 0 && code < 0)) return CACHETTE_OK;
  if (code < 0) *error = credentials->error;
  return code;
}

const char *cachette__aws_credentials_awaited(cachette__aws_credentials *credentials) {
  static const char *const names[] = {
      [CACHETTE__AWS_ENVIRONMENT] = "AWS's token service (STS)",
      [CACHETTE__AWS_IDENTITY] = "AWS's token service (STS)",
      [CACHETTE__AWS_SSO] = "AWS's SSO portal",
      [CACHETTE__AWS_FILES] = "AWS's token service (STS)",
      [CACHETTE__AWS_COMMAND] = "The \"credential_process\"",
      [CACHETTE__AWS_CONTAINER] = "The container's endpoint for AWS credentials",
      [CACHETTE__AWS_METADATA] = "Instance metadata",
  };
  const cachette__aws_plan *plan = &credentials->plan;
  bool known = credentials->keys.id != NULL && !credentials->is_refused;
  if (!credentials->is_asking || (known && credentials->keys.end_ms > cachette__epoch_now()))
    return NULL;
  char shown[40];
  cachette__value_text(plan->files.name, shown, sizeof shown);
  snprintf(credentials->awaited, sizeof credentials->awaited, "%s for the AWS profile \"%s\"",
           credentials->role != NULL ? names[CACHETTE__AWS_IDENTITY] : names[plan->source], shown);
  return credentials->awaited;
}

/* Options stay as they are; the environment may have been given others. */
static bool may_have_others(const cachette__aws_credentials *credentials) {
  if (credentials->source != CACHETTE__AWS_ENVIRONMENT)
    return credentials->source != CACHETTE__AWS_OPTIONS;
  const char *id = cachette__aws_variable("AWS_ACCESS_KEY_ID");
  return id == NULL || strcmp(id, credentials->keys.id) != 0;
}

bool cachette__aws_credentials_renew(cachette__aws_credentials *credentials, unsigned refused) {
  if (refused != credentials->keys.number) return true;
  if (!may_have_others(credentials)) return false;
  credentials->is_refused = true;
  credentials->next_try_ms = 0;
  return true;
}

cachette__aws_credentials *cachette__aws_credentials_new(cachette__dynamo *client) {
  cachette__aws_credentials *credentials = cachette__calloc(1, sizeof *credentials);
  if (credentials != NULL) credentials->client = client;
  return credentials;
}

void cachette__aws_credentials_free(cachette__aws_credentials *credentials, bool forked) {
  if (credentials == NULL) return;
  if (credentials->process != NULL) cachette__process_stop(credentials->process, forked);
  end_plan(credentials);
  drop_keys(&credentials->keys);
  cachette__free(credentials);
}
