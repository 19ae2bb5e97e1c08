/* SPDX-License-Identifier: MIT */
/* Environment variables, and paths that refer to them. */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_ENVIRONMENT_H
#define CACHETTE_STORE_DYNAMODB_AWS_ENVIRONMENT_H

#include "cachette.h"

/* Returns the value of a variable; NULL if it is not set or empty. */
const char *cachette__env_get(const char *name);

/* Whether a value is "true", in any case, as in botocore. False for NULL. */
bool cachette__env_is_true(const char *value);

/*
 * Expands a leading `~` to the home folder, and `$NAME` and `${NAME}` to the variable's value; a
 * variable that is not set is left unexpanded. A relative path starts at `folder`, unless that is
 * NULL. Returns a new string, which the caller frees; NULL: out of memory.
 */
char *cachette__env_expand(const char *folder, const char *path);

/* Writes a path for messages: with `~` for the home folder, and shortened in the middle to fit into
 * `size` bytes. */
void cachette__env_display_path(const char *path, char *display, size_t size);

#endif
