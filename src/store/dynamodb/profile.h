/* SPDX-License-Identifier: MIT */
/*
 * AWS's shared files, `config` and `credentials` in ~/.aws, and the profiles in them. A profile is
 * a section of either file or of both; what the credentials file says comes first:
 *
 *     config         [default], [profile name], [sso-session name], [services name]
 *     credentials    [name]
 */
#ifndef CACHETTE_STORE_DYNAMODB_PROFILE_H
#define CACHETTE_STORE_DYNAMODB_PROFILE_H

#include "ini.h"

#define CACHETTE__AWS_NOWHERE SIZE_MAX

/* A profile: its sections, or NOWHERE. */
typedef struct cachette__aws_profile {
  const char *name;
  size_t config, credentials;
} cachette__aws_profile;

typedef struct cachette__aws_file {
  cachette__ini ini;
  char shown[60]; /* its path, for messages */
  int reason;     /* why it could not be read: an errno; or 0 */
} cachette__aws_file;

/* Both files as they were read at one time. Texts of theirs live as long. */
typedef struct cachette__aws_files {
  cachette__aws_file config, credentials;
  char *name;                   /* of the profile that was chosen */
  cachette__aws_profile chosen; /* it, which may be nowhere if the environment does not name it */
  const char *variable;         /* that names it, or NULL */
} cachette__aws_files;

/*
 * Reads them, of which the environment may name some by paths from `folder`; a file that is not
 * there, or not for us to read, is empty. Errors: ENOMEM, EBACKEND: a file is malformed, or has not
 * the profile that the environment names. Nothing is left then.
 */
int cachette__aws_files_read(cachette__aws_files *files, const char *folder, cachette_error *error);
void cachette__aws_files_deinit(cachette__aws_files *files);

/* Finds a profile, by a name that stays in place. False: it is nowhere. */
bool cachette__aws_find_profile(const cachette__aws_files *files, const char *name,
                                cachette__aws_profile *profile);

/* What a section of one file says; NULL: nothing. */
const char *cachette__aws_get_in(const cachette__aws_file *file, size_t section, const char *key);

/* What a profile says; NULL: nothing. */
const char *cachette__aws_get(const cachette__aws_files *files,
                              const cachette__aws_profile *profile, const char *key);

/* The file that says it, as messages show it. */
const char *cachette__aws_where(const cachette__aws_files *files,
                                const cachette__aws_profile *profile, const char *key);

/* A section of the config file such as [services name]; or NOWHERE. */
size_t cachette__aws_find_section(const cachette__aws_files *files, const char *kind,
                                  const char *name);

/*
 * Fails with EBACKEND and a sentence that begins: The AWS profile "name" in FILE: ... `key` is at
 * fault. Returns the code.
 */
int cachette__aws_profile_fail(const cachette__aws_files *files,
                               const cachette__aws_profile *profile, const char *key,
                               cachette_error *error, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
