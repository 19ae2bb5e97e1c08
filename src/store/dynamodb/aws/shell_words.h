/* SPDX-License-Identifier: MIT */
/* Splits a command into words like a shell and Python's shlex.split(), without expansion. */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_SHELL_WORDS_H
#define CACHETTE_STORE_DYNAMODB_AWS_SHELL_WORDS_H

#include "cachette.h"

/*
 * Sets `words` to the words and a NULL after the last, in one block of memory. Errors: ECONFIG (a
 * quote is not closed, or the text ends with a backslash), ENOMEM.
 */
int cachette__shell_words_split(const char *text, char ***words, size_t *count);

/* Whether a text is two words, of which the second is `second`. Allocates nothing; false for a text
 * of 1 KB or more. */
bool cachette__shell_words_are(const char *text, const char *second);

/* Wipes and frees the words; `words` may be NULL. */
void cachette__shell_words_free(char **words);

#endif
