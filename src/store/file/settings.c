/* SPDX-License-Identifier: MIT */
/* Reads and checks the options: the file's path, made absolute with its links resolved, and its
 * limit. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

enum { SUFFIX_MAX = 32 }; /* bytes that the names of other files append to the path */

/* ---- The path in the options ---- */

static int fail_path(const char *path, const char *rule, cachette_error *error) {
  char redacted[110];
  cachette__value_text(path, redacted, sizeof redacted);
  return cachette__fail(error, CACHETTE_ECONFIG, "pickle_path",
                        "The \"pickle_path\" value \"%s\" is not valid: %s.", redacted, rule);
}

static int check_path(const char *path, cachette_error *error) {
  struct stat found;
  if (stat(path, &found) == 0) {
    if (S_ISREG(found.st_mode)) return CACHETTE_OK;
    return fail_path(path, "it is not a regular file", error);
  }
  const char *slash = strrchr(path, '/');
  if (slash == path) return CACHETTE_OK;
  if (slash[1] == '\0') return fail_path(path, "it names a folder, not a file", error);
  char *folder = cachette__strndup(path, (size_t)(slash - path));
  if (folder == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  bool exists = stat(folder, &found) == 0 && S_ISDIR(found.st_mode);
  cachette__free(folder);
  return exists ? CACHETTE_OK : fail_path(path, "its folder does not exist", error);
}

/* ---- The absolute path ---- */

/* Joins a path to the folder in the first `size` bytes of `folder`. Returns a new string; NULL on
 * failure, with `error` filled. */
static char *join(const char *folder, size_t size, const char *path, cachette_error *error) {
  if (path[0] == '/') size = 0;
  size_t length = size + 1 + strlen(path) + 1;
  if (length + SUFFIX_MAX > PATH_MAX) {
    cachette__fail(error, CACHETTE_ECONFIG, "pickle_path", "The \"pickle_path\" is too long.");
    return NULL;
  }
  char *joined = cachette__malloc(length);
  if (joined == NULL)
    cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  else
    snprintf(joined, length, "%.*s%s%s", (int)size, folder, path[0] != '/' ? "/" : "", path);
  return joined;
}

static size_t folder_size(const char *path) { return (size_t)(strrchr(path, '/') - path); }

/* Resolves `path` while it is a link; the target need not exist. Frees `path`. Returns a new
 * string; NULL on failure, with `error` filled. */
static char *follow_links(char *path, cachette_error *error) {
  enum { LINKS_MAX = 40 };
  char target[PATH_MAX];
  for (int i = 0; path != NULL && i < LINKS_MAX; i++) {
    ssize_t size = readlink(path, target, sizeof target - 1);
    if (size < 0) return path;
    target[size] = '\0';
    char *next = join(path, folder_size(path), target, error);
    cachette__free(path);
    path = next;
  }
  if (path == NULL) return NULL;
  cachette__free(path);
  cachette__fail(error, CACHETTE_ECONFIG, "pickle_path",
                 "The \"pickle_path\" is a circular symbolic link.");
  return NULL;
}

static char *find_file(const char *path, cachette_error *error) {
  char *absolute = join("", 0, path, error);
  return absolute != NULL ? follow_links(absolute, error) : NULL;
}

/* ---- Settings ---- */

static char *copy(const char *text) { return cachette__strndup(text, strlen(text)); }

/* Returns `The file "NAME"`, the start of messages. */
static char *make_name(const char *path) {
  char text[160], redacted[128];
  cachette__value_text(path, redacted, sizeof redacted);
  snprintf(text, sizeof text, "The file \"%s\"", redacted);
  return copy(text);
}

static void free_settings(cachette__settings *base) {
  cachette__file_settings *settings = (cachette__file_settings *)base;
  cachette__free(settings->path);
  cachette__free(settings->folder);
  cachette__free(settings->prefix);
  cachette__free(settings->name);
  cachette__free(settings);
}

static int read_options(cachette__file_settings *settings, const cachette_options *options,
                        cachette_error *error) {
  const char *path = cachette__options_text(options, CACHETTE__OPTION_pickle_path);
  const char *prefix = cachette__options_text(options, CACHETTE__OPTION_key_prefix);
  settings->limit = cachette__options_number(options, CACHETTE__OPTION_file_limit);
  settings->timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout);
  settings->clock = cachette__options_clock(options);
  cachette_error local;
  if (error == NULL) error = &local; /* read_options() needs the code */
  if (check_path(path, error) < 0) return error->code;
  settings->path = find_file(path, error);
  if (settings->path == NULL) return error->code;
  size_t folder = folder_size(settings->path);
  settings->folder = cachette__strndup(settings->path, folder > 0 ? folder : 1);
  settings->prefix = copy(prefix != NULL ? prefix : "");
  settings->name = make_name(path);
  if (settings->folder != NULL && settings->prefix != NULL && settings->name != NULL)
    return CACHETTE_OK;
  return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
}

int cachette__file_settings_new(const cachette_options *options, cachette__settings **settings,
                                cachette_error *error) {
  cachette__file_settings *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.free = free_settings;
  int code = read_options(self, options, error);
  if (code < 0) {
    free_settings(&self->base);
    return code;
  }
  *settings = &self->base;
  return CACHETTE_OK;
}
