/* SPDX-License-Identifier: MIT */
#include "file_folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/common/module.h"
#include "support.h"

void file_folder_create(struct file_folder *self) {
  cachette__module_folder = CACHETTE_TEST_MODULES;
  const char *parent = getenv("TMPDIR");
  snprintf(self->name, sizeof self->name, "%.32s/cachette-XXXXXX",
           parent != NULL ? parent : "/tmp");
  assert_non_null(mkdtemp(self->name));
  snprintf(self->path, sizeof self->path, "%s/cache.db", self->name);
}

void file_folder_empty(struct file_folder *self) {
  DIR *directory = opendir(self->name);
  assert_non_null(directory);
  for (struct dirent *each; (each = readdir(directory)) != NULL;)
    if (each->d_name[0] != '.') assert_int_equal(unlinkat(dirfd(directory), each->d_name, 0), 0);
  closedir(directory);
}

void file_folder_remove(struct file_folder *self) {
  file_folder_empty(self);
  assert_int_equal(rmdir(self->name), 0);
}

struct file_folder folder;

int folder_set_up(void **state) {
  (void)state;
  file_folder_create(&folder);
  return 0;
}

int folder_tear_down(void **state) {
  (void)state;
  file_folder_remove(&folder);
  return 0;
}

cachette *file_folder_open(const struct file_folder *self, ...) {
  cachette_options *options =
      options_with("backend", "file", "pickle_path", self->path, "timeout", "5", NULL);
  va_list rest;
  va_start(rest, self);
  options_set_all(options, rest);
  va_end(rest);
  return open_cache(options);
}
