/* SPDX-License-Identifier: MIT */
/* What the options say: the file, as an absolute path that is no link, and its limit. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

enum { TAIL = 32 }; /* what is appended to the path for files beside it, at most */

/* A path as it is from a folder, in whose text `size` bytes count. NULL: none, and `error` is
 * filled. */
static char *join(const char *folder, size_t size, const char *path, cachette_error *error) {
  if (path[0] == '/') size = 0;
  size_t room = size + 1 + strlen(path) + 1;
  if (room + TAIL > PATH_MAX) {
    cachette__fail(error, CACHETTE_ECONFIG, "pickle_path", "The \"pickle_path\" is too long.");
    return NULL;
  }
  char *joined = cachette__malloc(room);
  if (joined == NULL)
    cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  else
    snprintf(joined, room, "%.*s%s%s", (int)size, folder, path[0] != '/' ? "/" : "", path);
  return joined;
}

static size_t folder_size(const char *path) { return (size_t)(strrchr(path, '/') - path); }

/* What the path leads to if it is a link, be it there or not. Frees `path`; NULL as above. */
static char *follow_links(char *path, cachette_error *error) {
  enum { LINKS_MOST = 40 };
  char target[PATH_MAX];
  for (int i = 0; path != NULL && i < LINKS_MOST; i++) {
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
                 "The \"pickle_path\" is a link that leads to no file, but in a circle.");
  return NULL;
}

static char *copy(const char *text) { return cachette__strndup(text, strlen(text)); }

/* `The file "NAME"`, as messages begin. */
static char *make_name(const char *path) {
  char text[160], shown[128];
  cachette__value_text(path, shown, sizeof shown);
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
  settings->path = join("", 0, path, &fault);
  if (settings->path != NULL) settings->path = follow_links(settings->path, &fault);
  if (settings->path == NULL) goto fail;
  size_t folder = folder_size(settings->path);
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
