/* SPDX-License-Identifier: MIT */
/* Splits a command into words as a shell and Python's shlex.split() do, without expansion. */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_SHELL_WORDS_H
#define CACHETTE_STORE_DYNAMODB_AWS_SHELL_WORDS_H

#include "cachette.h"

/*
 * Returns the words and a NULL behind the last, in one block of memory. Errors: ECONFIG (a quote is
 * not closed, or the text ends with a backslash), ENOMEM.
 */
int cachette__shell_words_split(const char *text, char ***words, size_t *count);

/* Whether a text is two words and the second is this one. Allocates nothing; false for a text of 1
 * KB or more. */
bool cachette__shell_words_are(const char *text, const char *second);

/* Wipes and frees; NULL is allowed. */
void cachette__shell_words_free(char **words);

#endif
