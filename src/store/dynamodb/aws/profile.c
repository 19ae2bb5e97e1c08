/* SPDX-License-Identifier: MIT */
#include "profile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/error.h"
#include "../../../base/slice.h"
#include "environment.h"
#include "files.h"
#include "shell_words.h"

static const char *redact(const char *text, char *redacted, size_t size) {
  cachette__value_text(text, redacted, size);
  return redacted;
}

/* ---- Sections ---- */

size_t cachette__aws_find_section(const cachette__aws_files *files, const char *kind,
                                  const char *name) {
  const cachette__ini *ini = &files->config.ini;
  for (size_t i = ini->section_count; i-- > 0;) /* the last one wins */
    if (strncmp(ini->sections[i], kind, strlen(kind)) == 0 &&
        cachette__shell_words_are(ini->sections[i], name))
      return i;
  return CACHETTE__AWS_NO_SECTION;
}

static size_t find_exact(const cachette__ini *ini, const char *name) {
  for (size_t i = 0; i < ini->section_count; i++)
    if (strcmp(ini->sections[i], name) == 0) return i;
  return CACHETTE__AWS_NO_SECTION;
}

/* In the config file the default profile may be [default] or [profile default]; the later section
 * wins. */
bool cachette__aws_find_profile(const cachette__aws_files *files, const char *name,
                                cachette__aws_profile *profile) {
  *profile = (cachette__aws_profile){
      .name = name,
      .config = cachette__aws_find_section(files, "profile", name),
      .credentials = find_exact(&files->credentials.ini, name),
  };
  if (strcmp(name, "default") == 0) {
    size_t plain = find_exact(&files->config.ini, name);
    if (plain != CACHETTE__AWS_NO_SECTION &&
        (profile->config == CACHETTE__AWS_NO_SECTION || plain > profile->config))
      profile->config = plain;
  }
  return profile->config != CACHETTE__AWS_NO_SECTION ||
         profile->credentials != CACHETTE__AWS_NO_SECTION;
}

const char *cachette__aws_get_in(const cachette__aws_file *file, size_t section, const char *key) {
  return section != CACHETTE__AWS_NO_SECTION ? cachette__ini_get(&file->ini, section, key) : NULL;
}

const char *cachette__aws_get(const cachette__aws_files *files,
                              const cachette__aws_profile *profile, const char *key) {
  const char *value = cachette__aws_get_in(&files->credentials, profile->credentials, key);
  return value != NULL ? value : cachette__aws_get_in(&files->config, profile->config, key);
}

/* Returns the path of the file that has a key, for messages. */
static const char *file_of(const cachette__aws_files *files, const cachette__aws_profile *profile,
                           const char *key) {
  bool shared = cachette__aws_get_in(&files->credentials, profile->credentials, key) != NULL ||
                profile->config == CACHETTE__AWS_NO_SECTION;
  return shared ? files->credentials.display_path : files->config.display_path;
}

int cachette__aws_profile_fail(const cachette__aws_files *files,
                               const cachette__aws_profile *profile, const char *key,
                               cachette_error *error, const char *format, ...) {
  char name[40], rest[200];
  va_list list;
  va_start(list, format);
  vsnprintf(rest, sizeof rest, format, list);
  va_end(list);
  return cachette__fail(error, CACHETTE_EBACKEND, key, "The AWS profile \"%s\" in %s: %s",
                        redact(profile->name, name, sizeof name), file_of(files, profile, key),
                        rest);
}

/* ---- One file ---- */

static int fail_parse(const cachette__aws_file *file, enum cachette__ini_error reason,
                      const cachette__ini_position *position, cachette_error *error) {
  char line[24];
  snprintf(line, sizeof line, "line %zu", position->line);
  switch (reason) {
    case CACHETTE__INI_OK:
      return CACHETTE_OK;
    case CACHETTE__INI_NO_MEMORY:
      return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
    case CACHETTE__INI_NO_SECTION:
      return cachette__fail(error, CACHETTE_EBACKEND, "AWS_PROFILE",
                            "AWS's file %s is malformed: %s comes before the first [section]. Move "
                            "it into a section, such as [default].",
                            file->display_path, line);
    case CACHETTE__INI_NO_VALUE:
      return cachette__fail(error, CACHETTE_EBACKEND, "AWS_PROFILE",
                            "AWS's file %s is malformed: %s is neither [section] nor name = value. "
                            "Correct or remove it.",
                            file->display_path, line);
    case CACHETTE__INI_DUPLICATE_SECTION:
    case CACHETTE__INI_DUPLICATE_KEY:
      break;
  }
  return cachette__fail(error, CACHETTE_EBACKEND, "AWS_PROFILE",
                        "AWS's file %s is malformed: %s has a second \"%s\". Remove one of them.",
                        file->display_path, line, position->name);
}

static int parse(cachette__aws_file *file, char *bytes, size_t size, cachette_error *error) {
  cachette__ini_position position = {0};
  enum cachette__ini_error reason = cachette__ini_parse(bytes, size, &file->ini, &position);
  return fail_parse(file, reason, &position, error);
}

static int read_file(cachette__aws_file *file, const char *folder, const char *variable,
                     const char *default_path, cachette_error *error) {
  const char *named = cachette__env_get(variable);
  char *path = cachette__env_expand(folder, named != NULL ? named : default_path);
  if (path == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  cachette__env_display_path(path, file->display_path, sizeof file->display_path);
  size_t size;
  char *bytes = cachette__aws_read_file(path, &size);
  file->reason = bytes == NULL ? errno : 0;
  cachette__free(path);
  if (bytes != NULL) return parse(file, bytes, size, error);
  if (file->reason == ENOMEM) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  if (file->reason == EFBIG)
    return cachette__fail(error, CACHETTE_EBACKEND, variable,
                          "AWS's file %s is larger than 1 MB. Set %s to another file.",
                          file->display_path, variable);
  return CACHETTE_OK;
}

/* ---- Both files ---- */

/* Writes why the profile may be missing. */
static void find_reason(const cachette__aws_files *files, char *reason, size_t size) {
  const cachette__aws_file *both[] = {&files->config, &files->credentials};
  char name[32];
  redact(files->name, name, sizeof name);
  if (find_exact(&files->config.ini, files->name) != CACHETTE__AWS_NO_SECTION) {
    snprintf(reason, size, "%s has [%s], which must be [profile %s]", files->config.display_path,
             name, name);
    return;
  }
  for (int i = 0; i < 2; i++) {
    if (both[i]->reason == 0 || both[i]->reason == ENOENT) continue;
    snprintf(reason, size, "%s cannot be read (%s)", both[i]->display_path,
             strerror(both[i]->reason));
    return;
  }
  snprintf(reason, size, "it is neither in %s nor in %s", files->config.display_path,
           files->credentials.display_path);
}

static int choose_profile(cachette__aws_files *files, cachette_error *error) {
  static const char *const variables[] = {"AWS_DEFAULT_PROFILE", "AWS_PROFILE"};
  const char *name = "default";
  for (int i = 1; i >= 0; i--) { /* the last one wins, as in botocore */
    const char *value = cachette__env_get(variables[i]);
    if (value == NULL) continue;
    files->variable = variables[i];
    name = value;
  }
  files->name = cachette__strndup(name, strlen(name));
  if (files->name == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  bool found = cachette__aws_find_profile(files, files->name, &files->chosen);
  if (found || files->variable == NULL) return CACHETTE_OK;
  char redacted[32], reason[160];
  find_reason(files, reason, sizeof reason);
  return cachette__fail(error, CACHETTE_EBACKEND, files->variable,
                        "There is no AWS profile \"%s\", which is set by %s: %s.",
                        redact(name, redacted, sizeof redacted), files->variable, reason);
}

int cachette__aws_files_read(cachette__aws_files *files, const char *folder,
                             cachette_error *error) {
  *files = (cachette__aws_files){0};
  int code = read_file(&files->config, folder, "AWS_CONFIG_FILE", "~/.aws/config", error);
  if (code == CACHETTE_OK)
    code = read_file(&files->credentials, folder, "AWS_SHARED_CREDENTIALS_FILE",
                     "~/.aws/credentials", error);
  if (code == CACHETTE_OK) code = choose_profile(files, error);
  if (code < 0) cachette__aws_files_deinit(files);
  return code;
}

void cachette__aws_files_deinit(cachette__aws_files *files) {
  cachette__ini_deinit(&files->config.ini);
  cachette__ini_deinit(&files->credentials.ini);
  cachette__free(files->name);
  files->name = NULL;
}
