/* SPDX-License-Identifier: MIT */
/* A folder of a test's own for files of the file store, whose module it makes known. */
#ifndef CACHETTE_TESTS_FILE_FOLDER_H
#define CACHETTE_TESTS_FILE_FOLDER_H

#include <limits.h>

#include "cachette.h"

struct file_folder {
  char name[64];
  char path[128]; /* of a file in it that is not there yet */
};

void file_folder_make(struct file_folder *self);

/* Set-up and tear-down of a test with a folder. */
extern struct file_folder folder;
int folder_set_up(void **state);
int folder_tear_down(void **state);

/* Removes it with all that is in it. */
void file_folder_remove(struct file_folder *self);

/* Removes all that is in it. */
void file_folder_empty(struct file_folder *self);

/* Opens a cache on its file, with further options, ended by NULL. */
cachette *file_folder_open(const struct file_folder *self, ...);

#endif
