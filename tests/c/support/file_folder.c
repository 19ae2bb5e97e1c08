/* SPDX-License-Identifier: MIT */
#include "file_folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/module.h"
#include "support.h"

void file_folder_make(struct file_folder *folder) {
  cachette__module_folder = CACHETTE_TEST_MODULES;
  const char *above = getenv("TMPDIR");
  snprintf(folder->name, sizeof folder->name, "%.32s/cachette-XXXXXX",
           above != NULL ? above : "/tmp");
  assert_non_null(mkdtemp(folder->name));
  snprintf(folder->path, sizeof folder->path, "%s/cache.db", folder->name);
}

void file_folder_empty(struct file_folder *folder) {
  DIR *directory = opendir(folder->name);
  assert_non_null(directory);
  for (struct dirent *each; (each = readdir(directory)) != NULL;)
    if (each->d_name[0] != '.') assert_int_equal(unlinkat(dirfd(directory), each->d_name, 0), 0);
  closedir(directory);
}

void file_folder_remove(struct file_folder *folder) {
  file_folder_empty(folder);
  assert_int_equal(rmdir(folder->name), 0);
}

cachette *file_folder_open(const struct file_folder *folder, ...) {
  cachette_options *options =
      options_with("backend", "file", "pickle_path", folder->path, "timeout", "5", NULL);
  va_list rest;
  va_start(rest, folder);
  options_set_all(options, rest);
  va_end(rest);
  return open_cache(options);
}
