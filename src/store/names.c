/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <string.h>
#include <sys/stat.h>

#include "../base/alloc.h"
#include "../base/error.h"
#include "../base/slice.h"

static int fail(enum cachette__option option, const char *text, const char *rule,
                cachette_error *error) {
  const char *name = cachette_option_table(NULL)[option].name;
  char shown[110];
  cachette__value_text(text, shown, sizeof shown);
  return cachette__fail(error, CACHETTE_ECONFIG, name, "The \"%s\" value \"%s\" is not valid: %s.",
                        name, shown, rule);
}

/* ---- Paths ---- */

static int check_path(const char *path, cachette_error *error) {
  struct stat found;
  if (stat(path, &found) == 0) {
    if (S_ISREG(found.st_mode)) return CACHETTE_OK;
    return fail(CACHETTE__OPTION_pickle_path, path, "something that is no file stands there",
                error);
  }
  const char *slash = strrchr(path, '/');
  if (slash == path) return CACHETTE_OK;
  if (slash[1] == '\0')
    return fail(CACHETTE__OPTION_pickle_path, path, "it names a folder, not a file", error);
  char *folder = cachette__strndup(path, (size_t)(slash - path));
  if (folder == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  bool there = stat(folder, &found) == 0 && S_ISDIR(found.st_mode);
  cachette__free(folder);
  if (there) return CACHETTE_OK;
  return fail(CACHETTE__OPTION_pickle_path, path, "its folder does not exist", error);
}

int cachette__names_check(const cachette_options *options, cachette_error *error) {
  const char *backend = cachette__options_text(options, CACHETTE__OPTION_backend);
  if (strcmp(backend, "pickle") == 0 || strcmp(backend, "file") == 0)
    return check_path(cachette__options_text(options, CACHETTE__OPTION_pickle_path), error);
  return CACHETTE_OK;
}
