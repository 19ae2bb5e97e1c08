/* SPDX-License-Identifier: MIT */
/* Which source gives the keys, and which roles are to be assumed with them. */
#include <strings.h>

#include "credentials.h"

static const char *get(const cachette__aws_plan *plan, const cachette__aws_profile *profile,
                       const char *key) {
  return cachette__aws_get(&plan->files, profile, key);
}

static const char *show(const char *text, char *shown, size_t size) {
  cachette__value_text(text, shown, size);
  return shown;
}

/* ---- Sources of a profile ---- */

/* Whether a file has keys for the profile: 1, 0, or an error: it has only one half. */
static int has_keys(const cachette__aws_plan *plan, const cachette__aws_file *file, size_t section,
                    const cachette__aws_profile *profile, cachette_error *error) {
  bool id = cachette__aws_get_in(file, section, "aws_access_key_id") != NULL;
  bool secret = cachette__aws_get_in(file, section, "aws_secret_access_key") != NULL;
  if (id == secret) return id;
  const char *there = id ? "aws_access_key_id" : "aws_secret_access_key";
  const char *missing = id ? "aws_secret_access_key" : "aws_access_key_id";
  return cachette__aws_profile_fail(&plan->files, profile, missing, error,
                                    "it has only one of \"%s\" and \"%s\" in %s. Add the other "
                                    "one there.",
                                    there, missing, file->shown);
}

static int fail_login(const cachette__aws_plan *plan, const cachette__aws_profile *profile,
                      cachette_error *error) {
  return cachette__aws_profile_fail(
      &plan->files, profile, "login_session", error,
      "\"login_session\" is of `aws login`, which cachette cannot use. Let \"credential_process\" "
      "run `aws configure export-credentials`.");
}

static bool has_sso(const cachette__aws_plan *plan, const cachette__aws_profile *profile) {
  return get(plan, profile, "sso_account_id") != NULL ||
         get(plan, profile, "sso_role_name") != NULL;
}

static bool has_identity(const cachette__aws_plan *plan, const cachette__aws_profile *profile) {
  return (plan->is_chosen && cachette__aws_variable("AWS_WEB_IDENTITY_TOKEN_FILE") != NULL) ||
         get(plan, profile, "web_identity_token_file") != NULL;
}

/* Finds the source that a profile names. Returns 1, 0: it names none, or an error. */
static int find_source(cachette__aws_plan *plan, const cachette__aws_profile *profile,
                       cachette_error *error) {
  const cachette__aws_files *files = &plan->files;
  plan->profile = *profile;
  plan->source = CACHETTE__AWS_IDENTITY;
  if (has_identity(plan, profile)) return 1;
  plan->source = CACHETTE__AWS_SSO;
  if (has_sso(plan, profile)) return 1;
  plan->source = CACHETTE__AWS_FILES;
  int found = has_keys(plan, &files->credentials, profile->credentials, profile, error);
  if (found != 0) return found;
  if (get(plan, profile, "login_session") != NULL) return fail_login(plan, profile, error);
  plan->source = CACHETTE__AWS_COMMAND;
  if (get(plan, profile, "credential_process") != NULL) return 1;
  plan->source = CACHETTE__AWS_FILES;
  return has_keys(plan, &files->config, profile->config, profile, error);
}

/* ---- Roles ---- */

static bool has_role(const cachette__aws_plan *plan, const cachette__aws_profile *profile) {
  return get(plan, profile, "role_arn") != NULL &&
         get(plan, profile, "web_identity_token_file") == NULL;
}

static bool has_static(const cachette__aws_plan *plan, const cachette__aws_profile *profile) {
  return get(plan, profile, "aws_access_key_id") != NULL ||
         get(plan, profile, "aws_secret_access_key") != NULL;
}

static bool is_visited(const cachette__aws_plan *plan, const char *name) {
  for (const cachette__aws_role *role = plan->roles; role != NULL; role = role->next)
    if (strcmp(role->profile.name, name) == 0) return true;
  return false;
}

/* Puts a profile's role before those that are there: it is assumed before them. */
static int add_role(cachette__aws_plan *plan, const cachette__aws_profile *profile,
                    cachette_error *error) {
  cachette__aws_role *role = cachette__malloc(sizeof *role);
  if (role == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  *role = (cachette__aws_role){*profile, plan->roles};
  plan->roles = role;
  return CACHETTE_OK;
}

static int check_role(const cachette__aws_plan *plan, const cachette__aws_profile *profile,
                      cachette_error *error) {
  bool profiles = get(plan, profile, "source_profile") != NULL;
  bool sources = get(plan, profile, "credential_source") != NULL;
  if (get(plan, profile, "mfa_serial") != NULL)
    return cachette__aws_profile_fail(
        &plan->files, profile, "mfa_serial", error,
        "\"mfa_serial\" asks for a code that nobody can type here. Let a profile's "
        "\"credential_process\" give the role's keys.");
  if (profiles != sources) return CACHETTE_OK;
  return cachette__aws_profile_fail(
      &plan->files, profile, "source_profile", error, "%s",
      profiles ? "it has both \"source_profile\" and \"credential_source\". Remove one of them."
               : "it has \"role_arn\" but neither \"source_profile\" nor \"credential_source\". "
                 "Add one of them.");
}

static int find_named_source(cachette__aws_plan *plan, const cachette__aws_profile *profile,
                             cachette_error *error) {
  static const struct {
    const char *name;
    enum cachette__aws_source source;
  } sources[] = {{"Environment", CACHETTE__AWS_ENVIRONMENT},
                 {"EcsContainer", CACHETTE__AWS_CONTAINER},
                 {"Ec2InstanceMetadata", CACHETTE__AWS_METADATA}};
  const char *name = get(plan, profile, "credential_source");
  char shown[40];
  plan->profile = *profile;
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    if (strcmp(sources[i].name, name) != 0) continue;
    plan->source = sources[i].source;
    return CACHETTE_OK;
  }
  return cachette__aws_profile_fail(&plan->files, profile, "credential_source", error,
                                    "\"credential_source\" is \"%s\"; it must be Environment, "
                                    "EcsContainer or Ec2InstanceMetadata.",
                                    show(name, shown, sizeof shown));
}

/* Finds the profile that a role's is from; it may be itself if it has keys. */
static int find_source_profile(const cachette__aws_plan *plan, const cachette__aws_profile *profile,
                               cachette__aws_profile *source, cachette_error *error) {
  const char *name = get(plan, profile, "source_profile");
  char shown[40];
  show(name, shown, sizeof shown);
  if (!cachette__aws_find_profile(&plan->files, name, source))
    return cachette__aws_profile_fail(&plan->files, profile, "source_profile", error,
                                      "\"source_profile\" is \"%s\", which is in neither %s nor "
                                      "%s.",
                                      shown, plan->files.config.shown,
                                      plan->files.credentials.shown);
  if (!is_visited(plan, name)) return CACHETTE_OK;
  bool is_own = strcmp(name, profile->name) == 0;
  if (is_own && has_static(plan, source)) return CACHETTE_OK;
  return cachette__aws_profile_fail(
      &plan->files, profile, "source_profile", error,
      is_own ? "\"source_profile\" is \"%s\", itself, which has no keys. Add keys, or name another."
             : "\"source_profile\" is \"%s\", whose role needs this profile: a circle. Name "
               "another.",
      shown);
}

/* Follows the roles from a profile to the source of the first keys. */
static int follow_roles(cachette__aws_plan *plan, cachette__aws_profile profile,
                        cachette_error *error) {
  for (;;) {
    cachette__aws_profile source;
    int code = add_role(plan, &profile, error);
    if (code == CACHETTE_OK) code = check_role(plan, &profile, error);
    if (code < 0) return code;
    if (get(plan, &profile, "credential_source") != NULL)
      return find_named_source(plan, &profile, error);
    code = find_source_profile(plan, &profile, &source, error);
    if (code < 0) return code;
    if (has_static(plan, &source) || !has_role(plan, &source)) {
      code = find_source(plan, &source, error);
      if (code != 0) return code < 0 ? code : CACHETTE_OK;
      return cachette__aws_profile_fail(&plan->files, &source, "source_profile", error,
                                        "it is the \"source_profile\" of another one, but has no "
                                        "keys. Add them, or name another.");
    }
    profile = source;
  }
}

/* ---- The plan ---- */

static int find_way(cachette__aws_plan *plan, cachette_error *error) {
  const cachette__aws_profile *chosen = &plan->files.chosen;
  if (has_role(plan, chosen)) return follow_roles(plan, *chosen, error);
  plan->is_chosen = true;
  int found = find_source(plan, chosen, error);
  if (found != 0) return found < 0 ? found : CACHETTE_OK;
  bool in_container = cachette__aws_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL ||
                      cachette__aws_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL;
  plan->source = in_container ? CACHETTE__AWS_CONTAINER : CACHETTE__AWS_METADATA;
  return CACHETTE_OK;
}

int cachette__aws_plan_make(cachette__aws_plan *plan, const char *folder, cachette_error *error) {
  *plan = (cachette__aws_plan){0};
  int code = cachette__aws_files_read(&plan->files, folder, error);
  if (code == CACHETTE_OK) code = find_way(plan, error);
  if (code < 0) cachette__aws_plan_deinit(plan);
  return code;
}

void cachette__aws_plan_deinit(cachette__aws_plan *plan) {
  while (plan->roles != NULL) {
    cachette__aws_role *next = plan->roles->next;
    cachette__free(plan->roles);
    plan->roles = next;
  }
  cachette__aws_files_deinit(&plan->files);
}
