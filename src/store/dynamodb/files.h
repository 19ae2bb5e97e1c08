/* SPDX-License-Identifier: MIT */
/*
 * Small files that the environment names, read where they are wanted: they are on this machine, as
 * the code of whoever runs it is, and no read of them waits for a network of ours.
 */
#ifndef CACHETTE_STORE_DYNAMODB_FILES_H
#define CACHETTE_STORE_DYNAMODB_FILES_H

#include "cachette.h"

/* A variable of the environment; NULL if it is not set or empty. */
const char *cachette__aws_variable(const char *name);

/* Whether a text says yes, as botocore reads it: "true", in letters of any size. */
bool cachette__aws_is_true(const char *text);

/*
 * The whole of a regular file, with a NUL behind it, to be freed. NULL: it cannot be read; `errno`
 * says why (ENOMEM, EFBIG: over 1 MB). Sets `size`.
 */
char *cachette__aws_read_file(const char *path, size_t *size);

/* Puts a file in the place of one of that name, at once, for its owner's eyes only. 0 or errno. */
int cachette__aws_write_file(const char *path, const char *bytes, size_t size);

/*
 * A path whose `~` is the home folder and whose `$NAME` or `${NAME}` are variables, to be freed.
 * A variable that is not set stays as it is written. A relative one is from `folder`, unless that
 * is NULL. NULL: out of memory.
 */
char *cachette__aws_path(const char *folder, const char *text);

/* The path as messages show it: with `~` for the home folder, and its middle left out if long. */
void cachette__aws_show_path(const char *path, char *shown, size_t size);

/*
 * A time such as "2030-01-31T12:34:56Z", "2030-01-31T12:34:56.789+02:00" or
 * "2030-01-31 12:34:56UTC", in milliseconds since the epoch; 0: it is none. Without a zone it is
 * UTC's.
 */
int64_t cachette__aws_read_time(const char *text);

#endif
