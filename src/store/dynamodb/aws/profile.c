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

static const char *show(const char *text, char *shown, size_t size) {
  cachette__value_text(text, shown, size);
  return shown;
}

/* ---- Sections ---- */

size_t cachette__aws_find_section(const cachette__aws_files *files, const char *kind,
                                  const char *name) {
  const cachette__ini *ini = &files->config.ini;
  for (size_t i = ini->section_count; i-- > 0;) /* the last one wins */
    if (strncmp(ini->sections[i], kind, strlen(kind)) == 0 &&
        cachette__shell_words_are(ini->sections[i], name))
      return i;
  return CACHETTE__AWS_NOWHERE;
}

static size_t find_plain(const cachette__ini *ini, const char *name) {
  for (size_t i = 0; i < ini->section_count; i++)
    if (strcmp(ini->sections[i], name) == 0) return i;
  return CACHETTE__AWS_NOWHERE;
}

/* In the config file the default profile has two names; the later section wins. */
bool cachette__aws_find_profile(const cachette__aws_files *files, const char *name,
                                cachette__aws_profile *profile) {
  *profile = (cachette__aws_profile){
      .name = name,
      .config = cachette__aws_find_section(files, "profile", name),
      .credentials = find_plain(&files->credentials.ini, name),
  };
  if (strcmp(name, "default") == 0) {
    size_t plain = find_plain(&files->config.ini, name);
    if (plain != CACHETTE__AWS_NOWHERE &&
        (profile->config == CACHETTE__AWS_NOWHERE || plain > profile->config))
      profile->config = plain;
  }
  return profile->config != CACHETTE__AWS_NOWHERE || profile->credentials != CACHETTE__AWS_NOWHERE;
}

const char *cachette__aws_get_in(const cachette__aws_file *file, size_t section, const char *key) {
  return section != CACHETTE__AWS_NOWHERE ? cachette__ini_get(&file->ini, section, key) : NULL;
}

const char *cachette__aws_get(const cachette__aws_files *files,
                              const cachette__aws_profile *profile, const char *key) {
  const char *value = cachette__aws_get_in(&files->credentials, profile->credentials, key);
  return value != NULL ? value : cachette__aws_get_in(&files->config, profile->config, key);
}

/* The file that a key is in, as messages show it. */
static const char *file_of(const cachette__aws_files *files, const cachette__aws_profile *profile,
                           const char *key) {
  bool shared = cachette__aws_get_in(&files->credentials, profile->credentials, key) != NULL ||
                profile->config == CACHETTE__AWS_NOWHERE;
  return shared ? files->credentials.shown : files->config.shown;
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
                        show(profile->name, name, sizeof name), file_of(files, profile, key), rest);
}

/* ---- One file ---- */

static int fail_parse(const cachette__aws_file *file, enum cachette__ini_error reason,
                      const cachette__ini_position *position, cachette_error *error) {
  char line[24];
  snprintf(line, sizeof line, "line %zu", position->line);
  switch (reason) {
    case CACHETTE__INI_FINE:
      return CACHETTE_OK;
    case CACHETTE__INI_NO_MEMORY:
      return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
    case CACHETTE__INI_NO_SECTION:
      return cachette__fail(error, CACHETTE_EBACKEND, "AWS_PROFILE",
                            "AWS's file %s is malformed: %s stands before the first [section]. Put "
                            "it under one, such as [default].",
                            file->shown, line);
    case CACHETTE__INI_NO_VALUE:
      return cachette__fail(error, CACHETTE_EBACKEND, "AWS_PROFILE",
                            "AWS's file %s is malformed: %s is neither [section] nor name = value. "
                            "Correct or remove it.",
                            file->shown, line);
    case CACHETTE__INI_SECTION_TWICE:
    case CACHETTE__INI_KEY_TWICE:
      break;
  }
  return cachette__fail(error, CACHETTE_EBACKEND, "AWS_PROFILE",
                        "AWS's file %s is malformed: %s has \"%s\" for the second time. Remove one "
                        "of them.",
                        file->shown, line, position->name);
}

static int parse(cachette__aws_file *file, char *bytes, size_t size, cachette_error *error) {
  cachette__ini_position position = {0};
  enum cachette__ini_error reason = cachette__ini_parse(bytes, size, &file->ini, &position);
  return fail_parse(file, reason, &position, error);
}

static int read_file(cachette__aws_file *file, const char *folder, const char *variable,
                     const char *usual, cachette_error *error) {
  const char *named = cachette__env_get(variable);
  char *path = cachette__env_expand(folder, named != NULL ? named : usual);
  if (path == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  cachette__env_show_path(path, file->shown, sizeof file->shown);
  size_t size;
  char *bytes = cachette__aws_read_file(path, &size);
  file->reason = bytes == NULL ? errno : 0;
  cachette__free(path);
  if (bytes != NULL) return parse(file, bytes, size, error);
  if (file->reason == ENOMEM) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  if (file->reason == EFBIG)
    return cachette__fail(error, CACHETTE_EBACKEND, variable,
                          "AWS's file %s is larger than 1 MB. Name another by %s.", file->shown,
                          variable);
  return CACHETTE_OK;
}

/* ---- Both ---- */

/* Writes why the profile may be missing. */
static void find_reason(const cachette__aws_files *files, char *reason, size_t size) {
  const cachette__aws_file *both[] = {&files->config, &files->credentials};
  char name[32];
  show(files->name, name, sizeof name);
  if (find_plain(&files->config.ini, files->name) != CACHETTE__AWS_NOWHERE) {
    snprintf(reason, size, "%s has [%s], which has to be [profile %s]", files->config.shown, name,
             name);
    return;
  }
  for (int i = 0; i < 2; i++) {
    if (both[i]->reason == 0 || both[i]->reason == ENOENT) continue;
    snprintf(reason, size, "%s cannot be read (%s)", both[i]->shown, strerror(both[i]->reason));
    return;
  }
  snprintf(reason, size, "it is neither in %s nor in %s", files->config.shown,
           files->credentials.shown);
}

static int choose(cachette__aws_files *files, cachette_error *error) {
  static const char *const variables[] = {"AWS_DEFAULT_PROFILE", "AWS_PROFILE"};
  const char *name = "default";
  for (int i = 1; i >= 0; i--) { /* in the order of botocore */
    const char *value = cachette__env_get(variables[i]);
    if (value == NULL) continue;
    files->variable = variables[i];
    name = value;
  }
  files->name = cachette__strndup(name, strlen(name));
  if (files->name == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  bool found = cachette__aws_find_profile(files, files->name, &files->chosen);
  if (found || files->variable == NULL) return CACHETTE_OK;
  char shown[32], reason[160];
  find_reason(files, reason, sizeof reason);
  return cachette__fail(error, CACHETTE_EBACKEND, files->variable,
                        "There is no AWS profile \"%s\", which %s names: %s.",
                        show(name, shown, sizeof shown), files->variable, reason);
}

int cachette__aws_files_read(cachette__aws_files *files, const char *folder,
                             cachette_error *error) {
  *files = (cachette__aws_files){0};
  int code = read_file(&files->config, folder, "AWS_CONFIG_FILE", "~/.aws/config", error);
  if (code == CACHETTE_OK)
    code = read_file(&files->credentials, folder, "AWS_SHARED_CREDENTIALS_FILE",
                     "~/.aws/credentials", error);
  if (code == CACHETTE_OK) code = choose(files, error);
  if (code < 0) cachette__aws_files_deinit(files);
  return code;
}

void cachette__aws_files_deinit(cachette__aws_files *files) {
  cachette__ini_deinit(&files->config.ini);
  cachette__ini_deinit(&files->credentials.ini);
  cachette__free(files->name);
  files->name = NULL;
}
