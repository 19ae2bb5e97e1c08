/* SPDX-License-Identifier: MIT */
/*
 * AWS's shared files, `config` and `credentials` in ~/.aws, and their profiles. A profile is a
 * section in one of the files or in both; the credentials file takes precedence:
 *
 *     config         [default], [profile name], [sso-session name], [services name]
 *     credentials    [name]
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_PROFILE_H
#define CACHETTE_STORE_DYNAMODB_AWS_PROFILE_H

#include "ini.h"

#define CACHETTE__AWS_NO_SECTION SIZE_MAX

/* A profile: the indices of its sections, or NO_SECTION. */
typedef struct cachette__aws_profile {
  const char *name;
  size_t config, credentials;
} cachette__aws_profile;

typedef struct cachette__aws_file {
  cachette__ini ini;
  char display_path[60]; /* the path, for messages */
  int reason;            /* the errno if it could not be read; or 0 */
} cachette__aws_file;

/* Both files, read together. Texts found in them live as long as this struct. */
typedef struct cachette__aws_files {
  cachette__aws_file config, credentials;
  char *name;                   /* of the chosen profile */
  cachette__aws_profile chosen; /* may have no section if no variable names it */
  const char *variable;         /* the environment variable that names it; or NULL */
} cachette__aws_files;

/*
 * Reads both files. The environment may name other paths; `folder` is the base of relative ones. A
 * file that is missing or unreadable counts as empty. Errors: ENOMEM; EBACKEND if a file is
 * malformed, or the profile that the environment names is missing.
 */
int cachette__aws_files_read(cachette__aws_files *files, const char *folder, cachette_error *error);
void cachette__aws_files_deinit(cachette__aws_files *files);

/* Finds a profile by name; `name` must live as long as `profile`. False: it is in neither file. */
bool cachette__aws_find_profile(const cachette__aws_files *files, const char *name,
                                cachette__aws_profile *profile);

/* Returns the value of a key in a section of one file; or NULL. */
const char *cachette__aws_get_in(const cachette__aws_file *file, size_t section, const char *key);

/* Returns the value of a key of a profile; or NULL. */
const char *cachette__aws_get(const cachette__aws_files *files,
                              const cachette__aws_profile *profile, const char *key);

/* Returns the index of a section of the config file, such as [services name]; or NO_SECTION. */
size_t cachette__aws_find_section(const cachette__aws_files *files, const char *kind,
                                  const char *name);

/*
 * Fills `error` with EBACKEND and a message that begins: The AWS profile "name" in FILE: ... `key`
 * is the subject. Returns the code.
 */
int cachette__aws_profile_fail(const cachette__aws_files *files,
                               const cachette__aws_profile *profile, const char *key,
                               cachette_error *error, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
