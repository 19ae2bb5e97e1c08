/* SPDX-License-Identifier: MIT */
/* Absolute paths, which stay valid when the process changes its current folder. */
#ifndef CACHETTE_PATH_H
#define CACHETTE_PATH_H

#include <stddef.h>

/* Returns the current folder; free it with cachette__free(). NULL: it is unknown, or out of memory;
 * `errno` is set. */
char *cachette__path_current(void);

/*
 * Returns `path` relative to `folder`; free it with cachette__free(). If `path` is absolute or
 * `folder` is NULL, this is a copy of `path`. NULL: out of memory.
 */
char *cachette__path_join(const char *folder, const char *path);

#endif
