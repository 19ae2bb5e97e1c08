/* SPDX-License-Identifier: MIT */
#include "path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"

char *cachette__path_current(void) {
  char folder[PATH_MAX];
  if (getcwd(folder, sizeof folder) == NULL) return NULL;
  char *copy = cachette__strndup(folder, strlen(folder));
  if (copy == NULL) errno = ENOMEM;
  return copy;
}

char *cachette__path_join(const char *folder, const char *path) {
  if (path[0] == '/' || folder == NULL) return cachette__strndup(path, strlen(path));
  size_t size = strlen(folder) + 1 + strlen(path) + 1;
  char *joined = cachette__malloc(size);
  if (joined == NULL) return NULL;
  const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
  while (path[0] == '.' && path[1] == '/') path += 2 + strspn(path + 2, "/");
  snprintf(joined, size, "%s%s%s", folder, slash, path);
  return joined;
}
