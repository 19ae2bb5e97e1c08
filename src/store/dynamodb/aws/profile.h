/* SPDX-License-Identifier: MIT */
/*
 * AWS's shared files, `config` and `credentials` in ~/.aws, and their profiles. A profile is a
 * section of either file or of both; the credentials file takes precedence:
 *
 *     config         [default], [profile name], [sso-session name], [services name]
 *     credentials    [name]
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_PROFILE_H
#define CACHETTE_STORE_DYNAMODB_AWS_PROFILE_H

#include "ini.h"

#define CACHETTE__AWS_NO_SECTION SIZE_MAX

/* A profile: the indices of its sections, or NOWHERE. */
typedef struct cachette__aws_profile {
  const char *name;
  size_t config, credentials;
} cachette__aws_profile;

typedef struct cachette__aws_file {
  cachette__ini ini;
  char display_path[60]; /* the path, for messages */
  int reason;            /* an errno if it could not be read; or 0 */
} cachette__aws_file;

/* Both files, read at one time. Texts found in them live as long as this. */
typedef struct cachette__aws_files {
  cachette__aws_file config, credentials;
  char *name;                   /* of the chosen profile */
  cachette__aws_profile chosen; /* may be nowhere if the environment does not name it */
  const char *variable;         /* the environment variable that names it, or NULL */
} cachette__aws_files;

/*
 * Reads both files. The environment may name others; `folder` is the base of relative paths. A file
 * that is missing or cannot be read is empty. Errors: ENOMEM; EBACKEND if a file is malformed, or
 * the profile that the environment names is missing.
 */
int cachette__aws_files_read(cachette__aws_files *files, const char *folder, cachette_error *error);
void cachette__aws_files_deinit(cachette__aws_files *files);

/* Finds a profile by name; the name stays in place. False: it is in neither file. */
bool cachette__aws_find_profile(const cachette__aws_files *files, const char *name,
                                cachette__aws_profile *profile);

/* The value of a key in a section of one file; or NULL. */
const char *cachette__aws_get_in(const cachette__aws_file *file, size_t section, const char *key);

/* The value of a key of a profile; or NULL. */
const char *cachette__aws_get(const cachette__aws_files *files,
                              const cachette__aws_profile *profile, const char *key);

/* The index of a section of the config file such as [services name]; or NOWHERE. */
size_t cachette__aws_find_section(const cachette__aws_files *files, const char *kind,
                                  const char *name);

/*
 * Fails with EBACKEND and a sentence that begins: The AWS profile "name" in FILE: ... `key` is the
 * subject. Returns the code.
 */
int cachette__aws_profile_fail(const cachette__aws_files *files,
                               const cachette__aws_profile *profile, const char *key,
                               cachette_error *error, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
