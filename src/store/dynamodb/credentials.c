/* SPDX-License-Identifier: MIT */
#include "credentials.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  RENEW_MS = 5 * 60 * 1000, /* before keys end, new ones are fetched, */
  MARGIN_MS = 60 * 1000,    /* and from then on waited for */
  PAUSE_MS = 5000           /* before a source that has answered, or failed, is asked again */
};

const char *cachette__aws_variable(const char *name) {
  const char *value = getenv(name);
  return value != NULL && *value != '\0' ? value : NULL;
}

enum cachette__aws_found cachette__aws_no_memory(cachette_error *error) {
  cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  return CACHETTE__AWS_BROKEN;
}

char *cachette__aws_read_file(const char *path, size_t *size) {
  enum { MOST = 1 << 20 };
  FILE *file = fopen(path, "re");
  if (file == NULL) return NULL;
  char *bytes = cachette__malloc(MOST + 1);
  size_t got = bytes != NULL ? fread(bytes, 1, MOST, file) : 0;
  bool fine = bytes != NULL && !ferror(file);
  fclose(file);
  if (!fine) {
    cachette__free(bytes);
    return NULL;
  }
  bytes[got] = '\0';
  *size = got;
  return bytes;
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

bool cachette__aws_keep(cachette__aws_credentials *credentials, enum cachette__aws_source source,
                        const char *id, const char *secret, const char *token, int64_t end_ms) {
  cachette__aws_keys keys = {.id = copy(id),
                             .secret = copy(secret),
                             .token = copy(token),
                             .end_ms = end_ms,
                             .number = credentials->keys.number + 1};
  if (keys.id == NULL || keys.secret == NULL || (token != NULL && keys.token == NULL)) {
    drop_keys(&keys);
    return false;
  }
  drop_keys(&credentials->keys);
  credentials->keys = keys;
  credentials->source = source;
  credentials->is_refused = false;
  return true;
}

/* ---- Sources that are at hand ---- */

static enum cachette__aws_found keep(cachette__aws_credentials *credentials,
                                     enum cachette__aws_source source, const char *id,
                                     const char *secret, const char *token, cachette_error *error) {
  bool fine = cachette__aws_keep(credentials, source, id, secret, token, INT64_MAX);
  return fine ? CACHETTE__AWS_KEYS : cachette__aws_no_memory(error);
}

static enum cachette__aws_found ask_options(cachette__aws_credentials *credentials,
                                            cachette_error *error) {
  const cachette__dynamo_settings *settings = &credentials->client->settings;
  if (settings->access_key_id == NULL) return CACHETTE__AWS_NONE;
  return keep(credentials, CACHETTE__AWS_OPTIONS, settings->access_key_id,
              settings->secret_access_key, settings->session_token, error);
}

static enum cachette__aws_found ask_environment(cachette__aws_credentials *credentials,
                                                cachette_error *error) {
  const char *id = cachette__aws_variable("AWS_ACCESS_KEY_ID");
  const char *secret = cachette__aws_variable("AWS_SECRET_ACCESS_KEY");
  if (id == NULL) return CACHETTE__AWS_NONE;
  if (secret == NULL) {
    cachette__fail(error, CACHETTE_EBACKEND, "AWS_SECRET_ACCESS_KEY",
                   "The environment has AWS_ACCESS_KEY_ID but no AWS_SECRET_ACCESS_KEY; set both, "
                   "or neither.");
    return CACHETTE__AWS_BROKEN;
  }
  return keep(credentials, CACHETTE__AWS_ENVIRONMENT, id, secret,
              cachette__aws_variable("AWS_SESSION_TOKEN"), error);
}

/* ---- All of them ---- */

typedef enum cachette__aws_found ask(cachette__aws_credentials *credentials, cachette_error *error);

static ask *const sources[CACHETTE__AWS_SOURCES] = {
    ask_options,
    ask_environment,
    cachette__aws_ask_profile,
    cachette__aws_ask_identity,
    cachette__aws_ask_container,
    cachette__aws_ask_metadata,
};

static void fail_none(cachette_error *error) {
  cachette__fail(error, CACHETTE_EBACKEND, "aws_access_key_id",
                 "No AWS credentials were found: not in the options (\"aws_access_key_id\"), the "
                 "environment, the shared files, as web identity token, from a container's "
                 "endpoint, or from instance metadata.");
}

/* A try has ended, well (the code is 0) or not: the next one is not at once. */
static int pause_after(cachette__aws_credentials *credentials, const cachette_error *error) {
  credentials->error = *error;
  credentials->next_try_ms = cachette__machine_now() + PAUSE_MS;
  return error->code;
}

/* Asks one source after another. Returns 0, 1 if a server has been asked, or an error. */
static int ask_all(cachette__aws_credentials *credentials) {
  cachette_error error = {.code = CACHETTE_OK};
  for (int i = 0; i < CACHETTE__AWS_SOURCES; i++) {
    enum cachette__aws_found found = sources[i](credentials, &error);
    if (found == CACHETTE__AWS_KEYS) return CACHETTE_OK;
    if (found == CACHETTE__AWS_ASKED) return 1;
    if (found == CACHETTE__AWS_BROKEN) return pause_after(credentials, &error);
  }
  fail_none(&error);
  return pause_after(credentials, &error);
}

void cachette__aws_answered(cachette__aws_credentials *credentials, const cachette_error *error) {
  cachette_error reason = {.code = CACHETTE_OK};
  if (error != NULL && error->code == CACHETTE_OK)
    fail_none(&reason);
  else if (error != NULL)
    reason = *error;
  pause_after(credentials, &reason);
  /* New keys are used though they end soon, or by our clock have ended: their source has no others
   * yet, and it is the server who judges. */
  int64_t left = credentials->keys.end_ms - cachette__epoch_now();
  bool usable = credentials->keys.id != NULL && !credentials->is_refused && left > 0;
  cachette__dynamo_calls_resume(credentials->client,
                                error == NULL || usable ? NULL : &credentials->error);
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

bool cachette__aws_credentials_renew(cachette__aws_credentials *credentials, unsigned refused) {
  if (refused != credentials->keys.number) return true;
  if (credentials->source <= CACHETTE__AWS_ENVIRONMENT) return false;
  credentials->is_refused = true;
  credentials->next_try_ms = 0;
  return true;
}

cachette__aws_credentials *cachette__aws_credentials_new(cachette__dynamo *client) {
  cachette__aws_credentials *credentials = cachette__calloc(1, sizeof *credentials);
  if (credentials != NULL) credentials->client = client;
  return credentials;
}

void cachette__aws_credentials_free(cachette__aws_credentials *credentials) {
  if (credentials == NULL) return;
  cachette__http_drop(&credentials->request);
  if (credentials->token.bytes != NULL)
    cachette__wipe(credentials->token.bytes, credentials->token.room);
  cachette__text_deinit(&credentials->token);
  cachette__text_deinit(&credentials->body);
  cachette__free(credentials->identity_role);
  cachette__free(credentials->identity_file);
  drop_keys(&credentials->keys);
  cachette__free(credentials);
}
