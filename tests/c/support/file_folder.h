/* SPDX-License-Identifier: MIT */
/* A temporary folder for the files of the file store. */
#ifndef CACHETTE_TESTS_FILE_FOLDER_H
#define CACHETTE_TESTS_FILE_FOLDER_H

#include <limits.h>

#include "cachette.h"

struct file_folder {
  char name[64];
  char path[128]; /* of a file in it that does not exist yet */
};

/* Creates a folder, and tells the library where the built modules are. */
void file_folder_create(struct file_folder *self);

/* A folder for one test, with its set-up and tear-down. */
extern struct file_folder folder;
int folder_set_up(void **state);
int folder_tear_down(void **state);

/* Removes the folder with its files. */
void file_folder_remove(struct file_folder *self);

/* Removes the files in the folder. */
void file_folder_empty(struct file_folder *self);

/* Opens a cache on its file, with more options as a NULL-terminated list of names and values. */
cachette *file_folder_open(const struct file_folder *self, ...);

#endif
