/* SPDX-License-Identifier: MIT */
/* The shared files: `credentials` and `config` in ~/.aws, one section for each profile. */
#include <ctype.h>
#include <stdio.h>

#include "credentials.h"

/* What a profile says that concerns us. */
struct profile {
  bool found;
  char *id, *secret, *token, *role, *identity_file;
  char *other; /* a way to get keys that we do not go */
};

/* ---- One file ---- */

static char *trim(char *text) {
  while (isspace((unsigned char)*text)) text++;
  size_t size = strlen(text);
  while (size > 0 && isspace((unsigned char)text[size - 1])) text[--size] = '\0';
  return text;
}

/* Whether a line such as "[profile name]" opens the section; in `credentials` the word is not. */
static bool opens(char *line, const char *name) {
  char *end = strchr(line, ']');
  if (end == NULL) return false;
  *end = '\0';
  char *title = trim(line + 1);
  if (strncmp(title, "profile", 7) == 0 && isspace((unsigned char)title[7]))
    title = trim(title + 8);
  return strcmp(title, name) == 0;
}

static void set(char **place, const char *value, bool *fine) {
  if (*place != NULL) return; /* the file that is read first has the say */
  *place = cachette__strndup(value, strlen(value));
  if (*place == NULL) *fine = false;
}

static void take_line(struct profile *profile, char *line, bool *fine) {
  char *equals = strchr(line, '=');
  if (equals == NULL) return;
  *equals = '\0';
  const char *name = trim(line), *value = trim(equals + 1);
  if (*value == '\0') return;
  if (strcmp(name, "aws_access_key_id") == 0) set(&profile->id, value, fine);
  if (strcmp(name, "aws_secret_access_key") == 0) set(&profile->secret, value, fine);
  if (strcmp(name, "aws_session_token") == 0) set(&profile->token, value, fine);
  if (strcmp(name, "role_arn") == 0) set(&profile->role, value, fine);
  if (strcmp(name, "web_identity_token_file") == 0) set(&profile->identity_file, value, fine);
  if (strcmp(name, "credential_process") == 0 || strcmp(name, "source_profile") == 0 ||
      strcmp(name, "credential_source") == 0 || strncmp(name, "sso_", 4) == 0)
    set(&profile->other, name, fine);
}

/* False: out of memory. */
static bool read_lines(struct profile *profile, char *bytes, const char *name) {
  bool inside = false, fine = true;
  char *rest = bytes, *line;
  while ((line = strsep(&rest, "\n")) != NULL) {
    if (*line == '#' || *line == ';' || isspace((unsigned char)*line)) continue;
    if (*line == '[') {
      inside = opens(line, name);
      profile->found = profile->found || inside;
    } else if (inside) {
      take_line(profile, line, &fine);
    }
  }
  return fine;
}

static bool read_file(struct profile *profile, const char *variable, const char *fallback,
                      const char *name) {
  char path[4096];
  size_t size;
  const char *named = cachette__aws_variable(variable), *home = cachette__aws_variable("HOME");
  if (named == NULL && home == NULL) return true;
  if (named != NULL && (named[0] != '~' || home == NULL))
    snprintf(path, sizeof path, "%s", named);
  else
    snprintf(path, sizeof path, "%s%s", home, named != NULL ? named + 1 : fallback);
  char *bytes = cachette__aws_read_file(path, &size);
  if (bytes == NULL) return true;
  bool fine = read_lines(profile, bytes, name);
  cachette__wipe(bytes, size);
  cachette__free(bytes);
  return fine;
}

/* ---- Both ---- */

static void wipe(char *text) {
  if (text != NULL) cachette__wipe(text, strlen(text));
  cachette__free(text);
}

static void deinit(struct profile *profile) {
  wipe(profile->id);
  wipe(profile->secret);
  wipe(profile->token);
  cachette__free(profile->role);
  cachette__free(profile->identity_file);
  cachette__free(profile->other);
}

static enum cachette__aws_found fail(const char *name, const char *fault, const char *detail,
                                     cachette_error *error) {
  char shown[48];
  cachette__key_text(cachette_str(name), shown, sizeof shown);
  cachette__fail(error, CACHETTE_EBACKEND, "AWS_PROFILE", "The AWS profile \"%s\" %s%s.", shown,
                 fault, detail);
  return CACHETTE__AWS_BROKEN;
}

/* Leaves what the profile says of a web identity to the source that comes next. */
static enum cachette__aws_found leave_identity(cachette__aws_credentials *credentials,
                                               struct profile *profile) {
  cachette__free(credentials->identity_role);
  cachette__free(credentials->identity_file);
  credentials->identity_role = profile->role;
  credentials->identity_file = profile->identity_file;
  profile->role = profile->identity_file = NULL;
  return CACHETTE__AWS_NONE;
}

static enum cachette__aws_found take(cachette__aws_credentials *credentials,
                                     struct profile *profile, const char *name, bool is_named,
                                     cachette_error *error) {
  if (profile->id != NULL && profile->secret != NULL)
    return cachette__aws_keep(credentials, CACHETTE__AWS_PROFILE, profile->id, profile->secret,
                              profile->token, INT64_MAX)
               ? CACHETTE__AWS_KEYS
               : cachette__aws_no_memory(error);
  if (profile->id != NULL || profile->secret != NULL)
    return fail(name, "has only one of aws_access_key_id and aws_secret_access_key", "", error);
  if (profile->role != NULL && profile->identity_file != NULL)
    return leave_identity(credentials, profile);
  if (profile->other != NULL)
    return fail(name, "gets its keys in a way that cachette does not go: ", profile->other, error);
  if (!is_named) return CACHETTE__AWS_NONE;
  return fail(name,
              profile->found ? "has no keys"
                             : "is in neither of the shared files (~/.aws/credentials, "
                               "~/.aws/config, or as the environment names them)",
              "", error);
}

enum cachette__aws_found cachette__aws_ask_profile(cachette__aws_credentials *credentials,
                                                   cachette_error *error) {
  struct profile profile = {0};
  const char *named = cachette__aws_variable("AWS_PROFILE");
  const char *name = named != NULL ? named : "default";
  bool fine = read_file(&profile, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials", name) &&
              read_file(&profile, "AWS_CONFIG_FILE", "/.aws/config", name);
  enum cachette__aws_found found = fine ? take(credentials, &profile, name, named != NULL, error)
                                        : cachette__aws_no_memory(error);
  deinit(&profile);
  return found;
}
