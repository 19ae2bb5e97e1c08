/* SPDX-License-Identifier: MIT */
#include "chain.h"

#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/error.h"
#include "../../../base/slice.h"
#include "environment.h"

static const char *get(const cachette__aws_chain *chain, const cachette__aws_profile *profile,
                       const char *key) {
  return cachette__aws_get(&chain->files, profile, key);
}

static const char *redact(const char *text, char *redacted, size_t size) {
  cachette__value_text(text, redacted, size);
  return redacted;
}

/* ---- Sources of a profile ---- */

/* Returns 1 if a file has keys for the profile, 0 if not, or an error if it has only one half. */
static int has_keys(const cachette__aws_chain *chain, const cachette__aws_file *file,
                    size_t section, const cachette__aws_profile *profile, cachette_error *error) {
  bool id = cachette__aws_get_in(file, section, "aws_access_key_id") != NULL;
  bool secret = cachette__aws_get_in(file, section, "aws_secret_access_key") != NULL;
  if (id == secret) return id;
  const char *present = id ? "aws_access_key_id" : "aws_secret_access_key";
  const char *missing = id ? "aws_secret_access_key" : "aws_access_key_id";
  return cachette__aws_profile_fail(&chain->files, profile, missing, error,
                                    "it has only one of \"%s\" and \"%s\" in %s. Add the other "
                                    "one there.",
                                    present, missing, file->display_path);
}

static int fail_login(const cachette__aws_chain *chain, const cachette__aws_profile *profile,
                      cachette_error *error) {
  return cachette__aws_profile_fail(
      &chain->files, profile, "login_session", error,
      "\"login_session\" comes from `aws login`, which cachette does not support. Set "
      "\"credential_process\" to run `aws configure export-credentials`.");
}

static bool has_sso(const cachette__aws_chain *chain, const cachette__aws_profile *profile) {
  return get(chain, profile, "sso_account_id") != NULL ||
         get(chain, profile, "sso_role_name") != NULL;
}

static bool has_identity(const cachette__aws_chain *chain, const cachette__aws_profile *profile) {
  return (chain->is_chosen && cachette__env_get("AWS_WEB_IDENTITY_TOKEN_FILE") != NULL) ||
         get(chain, profile, "web_identity_token_file") != NULL;
}

/* Finds the source that a profile names. Returns 1; 0 if it names none; or an error. */
static int find_source(cachette__aws_chain *chain, const cachette__aws_profile *profile,
                       cachette_error *error) {
  const cachette__aws_files *files = &chain->files;
  chain->profile = *profile;
  chain->source = CACHETTE__AWS_IDENTITY;
  if (has_identity(chain, profile)) return 1;
  chain->source = CACHETTE__AWS_SSO;
  if (has_sso(chain, profile)) return 1;
  chain->source = CACHETTE__AWS_FILES;
  int found = has_keys(chain, &files->credentials, profile->credentials, profile, error);
  if (found != 0) return found;
  if (get(chain, profile, "login_session") != NULL) return fail_login(chain, profile, error);
  chain->source = CACHETTE__AWS_PROCESS;
  if (get(chain, profile, "credential_process") != NULL) return 1;
  chain->source = CACHETTE__AWS_FILES;
  return has_keys(chain, &files->config, profile->config, profile, error);
}

/* ---- Roles ---- */

static bool has_role(const cachette__aws_chain *chain, const cachette__aws_profile *profile) {
  return get(chain, profile, "role_arn") != NULL &&
         get(chain, profile, "web_identity_token_file") == NULL;
}

static bool has_static_keys(const cachette__aws_chain *chain,
                            const cachette__aws_profile *profile) {
  return get(chain, profile, "aws_access_key_id") != NULL ||
         get(chain, profile, "aws_secret_access_key") != NULL;
}

static bool is_visited(const cachette__aws_chain *chain, const char *name) {
  for (const cachette__aws_role *role = chain->roles; role != NULL; role = role->next)
    if (strcmp(role->profile.name, name) == 0) return true;
  return false;
}

/* Adds a profile's role to the front, because it is assumed before the others. */
static int add_role(cachette__aws_chain *chain, const cachette__aws_profile *profile,
                    cachette_error *error) {
  cachette__aws_role *role = cachette__malloc(sizeof *role);
  if (role == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  *role = (cachette__aws_role){*profile, chain->roles};
  chain->roles = role;
  return CACHETTE_OK;
}

static int check_role(const cachette__aws_chain *chain, const cachette__aws_profile *profile,
                      cachette_error *error) {
  bool profiles = get(chain, profile, "source_profile") != NULL;
  bool sources = get(chain, profile, "credential_source") != NULL;
  if (get(chain, profile, "mfa_serial") != NULL)
    return cachette__aws_profile_fail(
        &chain->files, profile, "mfa_serial", error,
        "\"mfa_serial\" requires an MFA code, which cannot be entered here. Use a profile whose "
        "\"credential_process\" prints the role's keys.");
  if (profiles != sources) return CACHETTE_OK;
  return cachette__aws_profile_fail(
      &chain->files, profile, "source_profile", error, "%s",
      profiles ? "it has both \"source_profile\" and \"credential_source\". Remove one of them."
               : "it has \"role_arn\" but neither \"source_profile\" nor \"credential_source\". "
                 "Add one of them.");
}

static int find_named_source(cachette__aws_chain *chain, const cachette__aws_profile *profile,
                             cachette_error *error) {
  static const struct {
    const char *name;
    enum cachette__aws_source source;
  } sources[] = {{"Environment", CACHETTE__AWS_ENVIRONMENT},
                 {"EcsContainer", CACHETTE__AWS_CONTAINER},
                 {"Ec2InstanceMetadata", CACHETTE__AWS_METADATA}};
  const char *name = get(chain, profile, "credential_source");
  char redacted[40];
  chain->profile = *profile;
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    if (strcmp(sources[i].name, name) != 0) continue;
    chain->source = sources[i].source;
    return CACHETTE_OK;
  }
  return cachette__aws_profile_fail(&chain->files, profile, "credential_source", error,
                                    "\"credential_source\" is \"%s\"; it must be Environment, "
                                    "EcsContainer or Ec2InstanceMetadata.",
                                    redact(name, redacted, sizeof redacted));
}

/* Finds the `source_profile` of a role's profile. A profile with keys may name itself. */
static int find_source_profile(const cachette__aws_chain *chain,
                               const cachette__aws_profile *profile, cachette__aws_profile *source,
                               cachette_error *error) {
  const char *name = get(chain, profile, "source_profile");
  char redacted[40];
  redact(name, redacted, sizeof redacted);
  if (!cachette__aws_find_profile(&chain->files, name, source))
    return cachette__aws_profile_fail(&chain->files, profile, "source_profile", error,
                                      "\"source_profile\" is \"%s\", which is in neither %s nor "
                                      "%s.",
                                      redacted, chain->files.config.display_path,
                                      chain->files.credentials.display_path);
  if (!is_visited(chain, name)) return CACHETTE_OK;
  bool is_own = strcmp(name, profile->name) == 0;
  if (is_own && has_static_keys(chain, source)) return CACHETTE_OK;
  return cachette__aws_profile_fail(&chain->files, profile, "source_profile", error,
                                    is_own ? "\"source_profile\" is \"%s\", the profile itself, "
                                             "which has no keys. Add keys, or set another profile."
                                           : "\"source_profile\" is \"%s\", whose role depends on "
                                             "this profile in turn. Set another profile.",
                                    redacted);
}

/* Follows the roles from a profile to the source of the first keys. */
static int follow_roles(cachette__aws_chain *chain, cachette__aws_profile profile,
                        cachette_error *error) {
  for (;;) {
    cachette__aws_profile source;
    int code = add_role(chain, &profile, error);
    if (code == CACHETTE_OK) code = check_role(chain, &profile, error);
    if (code < 0) return code;
    if (get(chain, &profile, "credential_source") != NULL)
      return find_named_source(chain, &profile, error);
    code = find_source_profile(chain, &profile, &source, error);
    if (code < 0) return code;
    if (has_static_keys(chain, &source) || !has_role(chain, &source)) {
      code = find_source(chain, &source, error);
      if (code != 0) return code < 0 ? code : CACHETTE_OK;
      return cachette__aws_profile_fail(&chain->files, &source, "source_profile", error,
                                        "it is the \"source_profile\" of another profile, but has "
                                        "no keys. Add keys, or set another profile.");
    }
    profile = source;
  }
}

/* ---- The chain ---- */

static int find_chain(cachette__aws_chain *chain, cachette_error *error) {
  const cachette__aws_profile *chosen = &chain->files.chosen;
  if (has_role(chain, chosen)) return follow_roles(chain, *chosen, error);
  chain->is_chosen = true;
  int found = find_source(chain, chosen, error);
  if (found != 0) return found < 0 ? found : CACHETTE_OK;
  bool in_container = cachette__env_get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL ||
                      cachette__env_get("AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL;
  chain->source = in_container ? CACHETTE__AWS_CONTAINER : CACHETTE__AWS_METADATA;
  return CACHETTE_OK;
}

int cachette__aws_chain_init(cachette__aws_chain *chain, const char *folder,
                             cachette_error *error) {
  *chain = (cachette__aws_chain){0};
  int code = cachette__aws_files_read(&chain->files, folder, error);
  if (code == CACHETTE_OK) code = find_chain(chain, error);
  if (code < 0) cachette__aws_chain_deinit(chain);
  return code;
}

void cachette__aws_chain_deinit(cachette__aws_chain *chain) {
  while (chain->roles != NULL) {
    cachette__aws_role *next = chain->roles->next;
    cachette__free(chain->roles);
    chain->roles = next;
  }
  cachette__aws_files_deinit(&chain->files);
}
