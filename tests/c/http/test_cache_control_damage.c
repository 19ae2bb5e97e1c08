/* SPDX-License-Identifier: MIT */
/*
 * Damage never makes a response more cacheable. These tests damage well-formed lines of
 * Cache-Control, one byte each, and compare the results. Whether a line is well-formed is decided
 * by a regular expression, not by the parser under test.
 */
#include "http/cache_control.h"

#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "directives.h"

/* Returns whether a line matches the grammar of a list of directives, by another way of parsing. */
static bool is_well_formed(const char *line, size_t size) {
#define TOKEN "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
#define QUOTED "\"([^\"\\\x01-\x08\x0a-\x1f\x7f]|\\\\[^\x01-\x08\x0a-\x1f\x7f])*\""
#define DIRECTIVE TOKEN "(=(" TOKEN "|" QUOTED "))?"
  static regex_t grammar;
  static bool is_compiled;
  if (!is_compiled)
    assert_int_equal(
        regcomp(&grammar, "^[ \t,]*(" DIRECTIVE "[ \t]*(,[ \t,]*" DIRECTIVE "[ \t]*)*)?[ \t,]*$",
                REG_EXTENDED | REG_NOSUB),
        0);
  is_compiled = true;
  if (memchr(line, '\0', size) != NULL) return false;
  char text[DIRECTIVE_TEXT];
  snprintf(text, sizeof text, "%.*s", (int)size, line);
  return regexec(&grammar, text, 0, NULL, 0) == 0;
}

static bool is_in_token(char character) {
  return character != '\0' && strchr(
                                  "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                  character) != NULL;
}

/* Returns whether a line has a name as a whole word. */
static bool has_word(const char *line, size_t size, const char *name) {
  size_t length = strlen(name);
  for (size_t at = 0; at + length <= size; at++) {
    if (memcmp(line + at, name, length) != 0) continue;
    bool begins = at == 0 || !is_in_token(line[at - 1]);
    if (begins && (at + length == size || !is_in_token(line[at + length]))) return true;
  }
  return false;
}

/* The bits of which one must be kept: a qualified directive may become an unqualified one. */
static unsigned kept_as(unsigned bit) {
  if (bit == CACHETTE__HTTP_NO_CACHE_FIELDS) return bit | CACHETTE__HTTP_NO_CACHE;
  if (bit == CACHETTE__HTTP_PRIVATE_FIELDS) return bit | CACHETTE__HTTP_PRIVATE;
  return bit;
}

/* Each restrictive directive of the well-formed line counts as long as its name is there. */
static void check_restrictive(const control *well, const control *damaged, const char *line,
                              size_t size) {
  for (size_t i = 0; i < LENGTH(directive_flags); i++) {
    if (!(well->directives & directive_flags[i].bit & CACHETTE__HTTP_RESTRICTIVE)) continue;
    if (has_word(line, size, directive_flags[i].name) &&
        !(damaged->directives & kept_as(directive_flags[i].bit)))
      fail_msg("`%.*s` has lost %s", (int)size, line, directive_flags[i].text);
  }
}

/* A malformed line has no larger number than the well-formed one, and none of its own. */
static void check_numbers(const control *well, const control *damaged, const char *line,
                          size_t size) {
  for (size_t i = 0; i < LENGTH(directive_numbers); i++) {
    int64_t old = directive_number(well, i), new = directive_number(damaged, i);
    if (old >= 0 && new < 0 && has_word(line, size, directive_numbers[i].name))
      fail_msg("`%.*s` has lost %s", (int)size, line, directive_numbers[i].name);
    bool is_careful = new < 0 || new == (directive_is_largest(i) ? CACHETTE__HTTP_SECONDS_MAX : 0);
    if (old >= 0 && new >= 0) is_careful |= directive_is_largest(i) ? new >= old : new <= old;
    if (!is_careful)
      fail_msg("`%.*s` is less careful about %s", (int)size, line, directive_numbers[i].name);
  }
}

/* A line in doubt permits nothing, and each of its numbers is the most careful one. */
static void check_doubt(const control *damaged, const char *line, size_t size) {
  if (damaged->directives & ~(unsigned)CACHETTE__HTTP_RESTRICTIVE)
    fail_msg("`%.*s` permits something", (int)size, line);
  if (damaged->directives & (CACHETTE__HTTP_PRIVATE_FIELDS | CACHETTE__HTTP_NO_CACHE_FIELDS))
    fail_msg("`%.*s` is qualified", (int)size, line);
  for (size_t i = 0; i < LENGTH(directive_numbers); i++) {
    int64_t number = directive_number(damaged, i);
    if (number != -1 && number != (directive_is_largest(i) ? CACHETTE__HTTP_SECONDS_MAX : 0))
      fail_msg("`%.*s`: %s=%" PRId64, (int)size, line, directive_numbers[i].name, number);
  }
}

static void check_damaged(const control *well, const char *line, size_t size) {
  control damaged = directives_parse(line, size);
  check_restrictive(well, &damaged, line, size);
  if (is_well_formed(line, size)) return;
  check_numbers(well, &damaged, line, size);
  unsigned permitted = damaged.directives & ~well->directives & ~CACHETTE__HTTP_RESTRICTIVE;
  if (permitted) fail_msg("`%.*s` permits more", (int)size, line);
  if (directives_in_doubt(line, size)) check_doubt(&damaged, line, size);
}

/* Well-formed, each name once. */
static const char *const well_formed[] = {
    "private",
    "no-store",
    "no-cache",
    "private=\"set-cookie\"",
    "no-cache=\"a, b\", max-age=60",
    "max-age=60, private",
    "private , max-age=60",
    "public, max-age=60, must-revalidate",
    "foo=\"bar\", no-store, baz=\"qux\"",
    "foo=\"a, b\", private, bar=\"\"",
    "foo=\"\\\"\", no-store, bar=\"\\\\\"",
    "private=\"a\", foo=\"b\", no-cache=\"c\"",
    "s-maxage=\"60\", proxy-revalidate, stale-while-revalidate=30",
    "max-age=60,stale-if-error=600,no-transform,immutable",
    "only-if-cached, max-stale, min-fresh=10",
    "max-stale=20,\tmin-fresh=\"10\" ,no-store",
    "must-understand, no-store, max-age=60",
    "no-store=\"x\", private=x, must-revalidate=\"a,b\"",
    ",, private,, foo=\"\xc3\xa9\" ,",
};

static const char nasty[] = "\"\\,;= \t\r\n\0\x01\x7f\xff()'x0-";

static void one_damaged_byte_never_makes_a_line_more_cacheable(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(well_formed); i++) {
    const char *line = well_formed[i];
    size_t size = strlen(line);
    assert_true(is_well_formed(line, size));
    control well = directives_parse(line, size);
    char text[DIRECTIVE_TEXT];
    for (size_t at = 0; at <= size; at++) {
      memcpy(text, line, at);
      for (size_t j = 0; j < sizeof nasty - 1; j++) {
        text[at] = nasty[j];
        memcpy(text + at + 1, line + at, size - at);
        check_damaged(&well, text, size + 1);
        if (at == size) continue;
        memcpy(text + at + 1, line + at + 1, size - at - 1);
        check_damaged(&well, text, size);
      }
      if (at == size) continue;
      memcpy(text + at, line + at + 1, size - at - 1);
      check_damaged(&well, text, size - 1);
    }
  }
}

static void a_line_that_is_cut_off_never_becomes_more_cacheable(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(well_formed); i++) {
    const char *line = well_formed[i];
    size_t size = strlen(line);
    control well = directives_parse(line, size);
    for (size_t at = 0; at <= size; at++) {
      check_damaged(&well, line, at);
      check_damaged(&well, line + at, size - at);
    }
  }
}

static void a_comma_outside_quotes_may_be_a_new_line(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(well_formed); i++) {
    const char *line = well_formed[i];
    size_t size = strlen(line);
    control well = directives_parse(line, size);
    for (size_t at = 0; at < size; at++) {
      if (line[at] != ',' || !is_well_formed(line, at)) continue;
      control split = directives_parse(line, at);
      directives_add(&split, line + at + 1, size - at - 1);
      if (!directives_are_same(&well, &split)) fail_msg("`%s` at %zu", line, at);
    }
  }
}

static unsigned next_random(unsigned *seed) {
  *seed = *seed * 1103515245U + 12345U;
  return *seed >> 16;
}

/* Writes a random line of words and signs. Returns its size. */
static size_t write_random(char *line, unsigned *seed) {
  static const char *const pieces[] = {
      "private",
      "no-store",
      "No-Cache",
      "max-age",
      "s-maxage",
      "min-fresh",
      "max-stale",
      "public",
      "immutable",
      "stale-if-error",
      "stale-while-revalidate",
      "foo",
      "=",
      "=",
      "=\"",
      "\"",
      "\"",
      "\\",
      ",",
      ",",
      ", ",
      " ",
      "\t",
      ";",
      "60",
      "9999999999",
      "-1",
      "\xff",
      "\x7f",
      "\r",
      "a",
  };
  size_t size = 0;
  for (unsigned count = next_random(seed) % 10; count > 0; count--) {
    const char *piece = pieces[next_random(seed) % LENGTH(pieces)];
    memcpy(line + size, piece, strlen(piece) + 1);
    size += strlen(piece);
  }
  return size;
}

static void random_lines_restrict_each_other_and_permit_nothing_in_doubt(void **state) {
  (void)state;
  unsigned seed = 9111, in_doubt = 0;
  for (int i = 0; i < 100000; i++) {
    char line[DIRECTIVE_TEXT] = "", more[DIRECTIVE_TEXT] = "";
    size_t size = write_random(line, &seed), more_size = write_random(more, &seed);
    control alone = directives_parse(line, size), swapped = directives_parse(more, more_size),
            both = alone;
    directives_add(&both, more, more_size);
    directives_add(&swapped, line, size);
    directives_check_restricted(&alone, &both, more);
    if (!directives_are_same(&both, &swapped)) fail_msg("`%s` and `%s`", line, more);
    if (is_well_formed(line, size) || !directives_in_doubt(line, size)) continue;
    in_doubt++;
    check_doubt(&alone, line, size);
    check_restrictive(&(control){.directives = CACHETTE__HTTP_RESTRICTIVE}, &alone, line, size);
  }
  assert_in_range(in_doubt, 10000, 90000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_damaged_byte_never_makes_a_line_more_cacheable),
      cmocka_unit_test(a_line_that_is_cut_off_never_becomes_more_cacheable),
      cmocka_unit_test(a_comma_outside_quotes_may_be_a_new_line),
      cmocka_unit_test(random_lines_restrict_each_other_and_permit_nothing_in_doubt),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
