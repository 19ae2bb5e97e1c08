/* SPDX-License-Identifier: MIT */
/* What the options say: the file, as an absolute path, and its limit. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

enum { TAIL = 32 }; /* what is appended to the path for files beside it, at most */

/* The path as it stays when the process changes its folder; NULL: none, and `error` is filled. */
static char *make_absolute(const char *path, cachette_error *error) {
  char folder[PATH_MAX] = "";
  if (path[0] != '/' && getcwd(folder, sizeof folder) == NULL) {
    cachette__fail(error, CACHETTE_EBACKEND, "pickle_path",
                   "The \"pickle_path\" is relative, and the current folder is not known: %s.",
                   strerror(errno));
    return NULL;
  }
  size_t size = strlen(folder) + 1 + strlen(path) + 1;
  if (size + TAIL > PATH_MAX) {
    cachette__fail(error, CACHETTE_ECONFIG, "pickle_path", "The \"pickle_path\" is too long.");
    return NULL;
  }
  char *absolute = cachette__malloc(size);
  if (absolute == NULL) {
    cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
    return NULL;
  }
  snprintf(absolute, size, "%s%s%s", folder, path[0] != '/' ? "/" : "", path);
  return absolute;
}

static char *copy(const char *text) { return cachette__strndup(text, strlen(text)); }

/* `The file "NAME"`, as messages begin. */
static char *make_name(const char *path) {
  char text[160], shown[128];
  cachette__key_text(cachette_str(path), shown, sizeof shown);
  snprintf(text, sizeof text, "The file \"%s\"", shown);
  return copy(text);
}

int cachette__file_settings_read(const cachette_options *options, cachette__file_settings *settings,
                                 cachette_error *error) {
  const char *path = cachette__options_text(options, CACHETTE__OPTION_pickle_path);
  const char *prefix = cachette__options_text(options, CACHETTE__OPTION_key_prefix);
  *settings = (cachette__file_settings){
      .limit = cachette__options_number(options, CACHETTE__OPTION_file_limit),
      .timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout),
      .clock = cachette__options_clock(options),
  };
  cachette_error fault = {.code = CACHETTE_ENOMEM};
  cachette__fail(&fault, CACHETTE_ENOMEM, NULL, NULL);
  settings->path = make_absolute(path, &fault);
  if (settings->path == NULL) goto fail;
  size_t folder = (size_t)(strrchr(settings->path, '/') - settings->path);
  settings->folder = cachette__strndup(settings->path, folder > 0 ? folder : 1);
  settings->prefix = copy(prefix != NULL ? prefix : "");
  settings->name = make_name(path);
  if (settings->folder == NULL || settings->prefix == NULL || settings->name == NULL) goto fail;
  return CACHETTE_OK;

fail:
  cachette__file_settings_deinit(settings);
  return cachette__fail(error, fault.code, fault.subject, "%s", fault.message);
}

void cachette__file_settings_deinit(cachette__file_settings *settings) {
  cachette__free(settings->path);
  cachette__free(settings->folder);
  cachette__free(settings->prefix);
  cachette__free(settings->name);
}
