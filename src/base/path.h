/* SPDX-License-Identifier: MIT */
/* Paths that mean the same file after the process has changed its folder. */
#ifndef CACHETTE_PATH_H
#define CACHETTE_PATH_H

#include <stddef.h>

/* The current folder, to be freed; NULL: it is not known; `errno` says why. */
char *cachette__path_current(void);

/*
 * A path as it is from a folder, to be freed; an absolute one is copied, and so is any if `folder`
 * is NULL. NULL: out of memory.
 */
char *cachette__path_join(const char *folder, const char *path);

#endif
