/* SPDX-License-Identifier: MIT */
/*
 * What the tests of Cache-Control share. They write a result as the directives that count: first
 * those without a number, then the others. `private[]` is the qualified form.
 */
#ifndef CACHETTE_TESTS_DIRECTIVES_H
#define CACHETTE_TESTS_DIRECTIVES_H

#include "http/cache_control.h"
#include "support.h"

enum { DIRECTIVE_FLAGS = 12, DIRECTIVE_NUMBERS = 6, DIRECTIVE_TEXT = 256 };

typedef cachette__http_cache_control control;

struct directive_flag {
  unsigned bit;
  const char *name, *text;
};

struct directive_number {
  size_t offset;
  const char *name;
};

extern const struct directive_flag directive_flags[DIRECTIVE_FLAGS];
extern const struct directive_number directive_numbers[DIRECTIVE_NUMBERS];

int64_t directive_number(const control *result, size_t index);

/* Of min-fresh the largest number is the most careful, of the others the smallest. */
bool directive_is_largest(size_t index);

/* Writes a result to DIRECTIVE_TEXT bytes. */
void directives_describe(const control *result, char *text);

/* Adds a line, which is in a block of exactly its size. */
void directives_add(control *result, const char *line, size_t size);

/* Parses one line. */
control directives_parse(const char *line, size_t size);

bool directives_are_same(const control *one, const control *other);

/* Checks that after adding a line nothing that restricts has been lost or weakened. */
void directives_check_restricted(const control *before, const control *after, const char *line);

/* Returns whether a line that does not match the grammar is in doubt as a whole. */
bool directives_in_doubt(const char *line, size_t size);

#endif
