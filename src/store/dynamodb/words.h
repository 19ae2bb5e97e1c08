/* SPDX-License-Identifier: MIT */
/* The words of a command, split as a shell and Python's shlex.split() do; nothing is expanded. */
#ifndef CACHETTE_STORE_DYNAMODB_WORDS_H
#define CACHETTE_STORE_DYNAMODB_WORDS_H

#include "cachette.h"

/*
 * The words, each with its NUL, and a NULL behind the last, in one block. Errors:
 * ECONFIG (a quote is not closed, or nothing stands behind a backslash), ENOMEM.
 */
int cachette__words_split(const char *text, char ***words, size_t *count);

/*
 * Whether a text is two words, of which the second is this one. Needs no memory, so a text of 1 KB
 * or more is not.
 */
bool cachette__words_are(const char *text, const char *second);

/* Wipes and frees; NULL is none. */
void cachette__words_free(char **words);

#endif
