/* SPDX-License-Identifier: MIT */
/*
 * A line is parsed twice only if it is malformed: read_line() stops at the first error, its results
 * are discarded, and add_malformed() reads the line again with suspicion.
 */
#include "cache_control.h"

#include <stddef.h>
#include <string.h>

#include "structured.h"
#include "text.h"

enum rule {
  RESTRICTIVE,
  PERMISSIVE,
  QUALIFIED, /* restrictive, and may name fields */
  SMALLEST,  /* a number, of several the smallest */
  LARGEST,
  STALENESS /* as SMALLEST, but without a number it is any */
};

struct directive {
  const char *name;
  size_t size;
  enum rule rule;
  unsigned bit, fields_bit;
  size_t number; /* offset in cachette__http_cache_control */
};

#define NAME(name) name, sizeof name - 1
#define NUMBER(member) 0, 0, offsetof(cachette__http_cache_control, member)

/* The most frequent ones of requests, which are parsed on every hit, come first. */
static const struct directive directives[] = {
    {NAME("max-age"), SMALLEST, NUMBER(max_age)},
    {NAME("no-cache"), QUALIFIED, CACHETTE__HTTP_NO_CACHE, CACHETTE__HTTP_NO_CACHE_FIELDS, 0},
    {NAME("no-store"), RESTRICTIVE, CACHETTE__HTTP_NO_STORE, 0, 0},
    {NAME("only-if-cached"), RESTRICTIVE, CACHETTE__HTTP_ONLY_IF_CACHED, 0, 0},
    {NAME("max-stale"), STALENESS, NUMBER(max_stale)},
    {NAME("min-fresh"), LARGEST, NUMBER(min_fresh)},
    {NAME("no-transform"), RESTRICTIVE, CACHETTE__HTTP_NO_TRANSFORM, 0, 0},
    {NAME("stale-if-error"), SMALLEST, NUMBER(stale_if_error)},
    {NAME("public"), PERMISSIVE, CACHETTE__HTTP_PUBLIC, 0, 0},
    {NAME("private"), QUALIFIED, CACHETTE__HTTP_PRIVATE, CACHETTE__HTTP_PRIVATE_FIELDS, 0},
    {NAME("s-maxage"), SMALLEST, NUMBER(s_maxage)},
    {NAME("must-revalidate"), RESTRICTIVE, CACHETTE__HTTP_MUST_REVALIDATE, 0, 0},
    {NAME("proxy-revalidate"), RESTRICTIVE, CACHETTE__HTTP_PROXY_REVALIDATE, 0, 0},
    {NAME("must-understand"), PERMISSIVE, CACHETTE__HTTP_MUST_UNDERSTAND, 0, 0},
    {NAME("immutable"), PERMISSIVE, CACHETTE__HTTP_IMMUTABLE, 0, 0},
    {NAME("stale-while-revalidate"), SMALLEST, NUMBER(stale_while_revalidate)},
};

void cachette__http_cache_control_init(cachette__http_cache_control *control) {
  *control = (cachette__http_cache_control){0, -1, -1, -1, -1, -1, -1};
}

/* Returns the directive of a name, or NULL if it is unknown. */
static const struct directive *find(cachette_slice name) {
  char first = (char)(cachette__http_at(name, 0) | 0x20);
  for (size_t i = 0; i < sizeof directives / sizeof *directives; i++) {
    const struct directive *directive = &directives[i];
    if (directive->size != name.size || *directive->name != first) continue;
    if (memcmp(name.data, directive->name, name.size) == 0) return directive; /* in most cases */
    if (cachette__http_is(name, directive->name)) return directive;
  }
  return NULL;
}

/* ---- Arguments ---- */

enum form { NONE, SECONDS, NAMES, ODD };

struct argument {
  enum form form;
  int64_t seconds;
  cachette_slice names;
};

/* Returns whether `text` is a list of tokens, and not an empty one. */
static bool is_name_list(cachette_slice text) {
  cachette_slice name;
  size_t count = 0;
  for (; cachette__http_next(&text, &name); count++) {
    if (!cachette__http_is_token(name)) return false;
  }
  return count > 0;
}

static struct argument argument_of(cachette_slice text, bool is_quoted) {
  struct argument argument = {ODD, 0, text};
  if (cachette__http_number(text, CACHETTE__HTTP_SECONDS_MAX, &argument.seconds))
    argument.form = SECONDS;
  else if (is_quoted && is_name_list(text))
    argument.form = NAMES;
  return argument;
}

/* Returns whether one of the names is that of a field, which has no case. */
static bool has_name(struct argument argument, cachette_slice field) {
  cachette_slice name;
  while (argument.form == NAMES && cachette__http_next(&argument.names, &name)) {
    if (cachette__http_equals(name, field)) return true;
  }
  return false;
}

/* ---- Directives ---- */

static int64_t seconds_of(const struct directive *directive, struct argument argument) {
  if (argument.form == SECONDS) return argument.seconds;
  bool is_largest =
      directive->rule == LARGEST || (directive->rule == STALENESS && argument.form == NONE);
  return is_largest ? CACHETTE__HTTP_SECONDS_MAX : 0;
}

static void apply_number(cachette__http_cache_control *control, const struct directive *directive,
                         struct argument argument) {
  int64_t *number = (int64_t *)(void *)((char *)control + directive->number);
  int64_t seconds = seconds_of(directive, argument);
  bool counts = directive->rule == LARGEST ? seconds > *number : seconds < *number;
  if (counts || *number < 0) *number = seconds;
}

static void apply(cachette__http_cache_control *control, const struct directive *directive,
                  struct argument argument) {
  switch (directive->rule) {
    case RESTRICTIVE:
      control->directives |= directive->bit;
      return;
    case PERMISSIVE:
      if (argument.form == NONE) control->directives |= directive->bit;
      return;
    case QUALIFIED: /* RFC 9111, 5.2.2.4 and 5.2.2.7 */
      control->directives |= argument.form == NAMES ? directive->fields_bit : directive->bit;
      return;
    default:
      apply_number(control, directive, argument);
  }
}

/* ---- The grammar ---- */

/* A directive as it stands in a line. */
struct element {
  cachette_slice name, argument; /* the argument is without its quotes */
  bool has_argument, is_quoted;
};

static cachette_slice between(const char *begin, const char *end) {
  return (cachette_slice){begin, (size_t)(end - begin)};
}

static const char *skip_token(const char *at, const char *end) {
  while (at < end && cachette__http_is_token_char(*at)) at++;
  return at;
}

/* Tab, and all but control characters (RFC 9110, 5.6.4). */
static bool is_text_char(char character) {
  unsigned char byte = (unsigned char)character;
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

/* Returns the closing quote of a quoted string whose text begins at `at`, or NULL if the string is
 * malformed. */
static const char *find_quote(const char *at, const char *end) {
  for (; at < end && is_text_char(*at); at++) {
    if (*at == '"') return at;
    if (*at != '\\') continue;
    at++;
    if (at == end || !is_text_char(*at)) return NULL;
  }
  return NULL;
}

/* Reads the argument after a "=". Returns its end, or NULL. */
static const char *read_argument(const char *at, const char *end, struct element *element) {
  element->has_argument = true;
  element->is_quoted = at < end && *at == '"';
  const char *begin = element->is_quoted ? at + 1 : at;
  const char *after = element->is_quoted ? find_quote(begin, end) : skip_token(begin, end);
  if (after == NULL || (after == begin && !element->is_quoted)) return NULL;
  element->argument = between(begin, after);
  return element->is_quoted ? after + 1 : after;
}

/* Reads an element and the whitespace after it. Returns its end, or NULL if it is malformed. */
static const char *read_element(const char *at, const char *end, struct element *element) {
  const char *after = skip_token(at, end);
  if (after == at) return NULL;
  element->name = between(at, after);
  element->has_argument = false;
  if (after < end && *after == '=') after = read_argument(after + 1, end, element);
  if (after == NULL) return NULL;
  while (after < end && cachette__http_is_blank(*after)) after++;
  return after == end || *after == ',' ? after : NULL;
}

/* Reads the next element of a list, of which some may be empty (RFC 9110, 5.6.1.2). Returns 1; 0:
 * there is none; -1: it is malformed. */
static inline int next_element(const char **at, const char *end, struct element *element) {
  while (*at < end && (cachette__http_is_blank(**at) || **at == ',')) ++*at;
  if (*at == end) return 0;
  const char *after = read_element(*at, end, element);
  if (after == NULL) return -1;
  *at = after;
  return 1;
}

static void apply_element(cachette__http_cache_control *control, const struct element *element) {
  const struct directive *directive = find(element->name);
  if (directive == NULL) return;
  struct argument argument = {NONE, 0, {NULL, 0}};
  if (element->has_argument) argument = argument_of(element->argument, element->is_quoted);
  apply(control, directive, argument);
}

/* Reads a well-formed line. False: it is malformed. */
static bool read_line(cachette__http_cache_control *control, const char *at, const char *end) {
  struct element element;
  int found;
  while ((found = next_element(&at, end, &element)) > 0) apply_element(control, &element);
  return found == 0;
}

/* ---- Malformed lines ---- */

/* Adds each directive that is named in a text, with an odd argument. */
static void add_words(cachette__http_cache_control *control, const char *at, const char *end) {
  while (at < end) {
    const char *after = skip_token(at, end);
    const struct directive *directive = after > at ? find(between(at, after)) : NULL;
    if (directive != NULL) apply(control, directive, (struct argument){ODD, 0, {NULL, 0}});
    at = after > at ? after : at + 1;
  }
}

/* Returns whether nobody can tell where the elements of a malformed line end. */
static bool is_in_doubt(const char *at, const char *end) {
  while (at < end && *at != '"' && is_text_char(*at)) at++;
  return at < end;
}

static void add_malformed(cachette__http_cache_control *control, const char *at, const char *end) {
  if (is_in_doubt(at, end)) {
    add_words(control, at, end);
    return;
  }
  while (at < end) {
    const char *comma = at;
    while (comma < end && *comma != ',') comma++;
    if (!read_line(control, at, comma)) add_words(control, at, comma);
    at = comma < end ? comma + 1 : end;
  }
}

void cachette__http_cache_control_add(cachette__http_cache_control *control, cachette_slice line) {
  if (line.size == 0) return;
  const char *begin = line.data, *end = begin + line.size;
  cachette__http_cache_control before = *control;
  if (read_line(control, begin, end)) return;
  *control = before;
  add_malformed(control, begin, end);
}

bool cachette__http_names_field(cachette_slice line, const char *directive, cachette_slice field) {
  if (line.size == 0) return false;
  const char *at = line.data, *end = at + line.size;
  struct element element;
  bool names = false;
  int found;
  while ((found = next_element(&at, end, &element)) > 0) {
    if (element.has_argument && cachette__http_is(element.name, directive))
      names |= has_name(argument_of(element.argument, element.is_quoted), field);
  }
  return names && found == 0;
}

/* ---- Targeted fields ---- */

/* A directive without an argument is true (RFC 9213, 2.1). No value is converted to another type.
 */
static struct argument argument_of_member(const cachette__sf_item *member) {
  struct argument argument = {ODD, 0, member->text};
  if (member->type == CACHETTE__SF_BOOLEAN && member->number == 1) {
    argument.form = NONE;
  } else if (member->type == CACHETTE__SF_INTEGER && member->number >= 0) {
    bool fits = member->number < CACHETTE__HTTP_SECONDS_MAX;
    argument.form = SECONDS;
    argument.seconds = fits ? member->number : CACHETTE__HTTP_SECONDS_MAX;
  } else if (member->type == CACHETTE__SF_STRING && is_name_list(member->text)) {
    argument.form = NAMES;
  }
  return argument;
}

bool cachette__http_cache_control_targeted(cachette__http_cache_control *control,
                                           const cachette_slice *lines, size_t count) {
  cachette__sf field;
  cachette__sf_item member;
  if (!cachette__sf_begin(&field, CACHETTE__SF_DICTIONARY, lines, count)) return false;
  if (!cachette__sf_next(&field, &member)) return false;
  cachette__http_cache_control_init(control);
  do {
    const struct directive *directive = find(member.key);
    if (directive == NULL) continue;
    if (directive->rule == PERMISSIVE) control->directives &= ~directive->bit;
    apply(control, directive, argument_of_member(&member));
  } while (cachette__sf_next(&field, &member));
  return true;
}

bool cachette__http_targeted_names_field(const cachette_slice *lines, size_t count,
                                         const char *directive, cachette_slice field) {
  cachette__sf dictionary;
  cachette__sf_item member;
  if (!cachette__sf_begin(&dictionary, CACHETTE__SF_DICTIONARY, lines, count)) return false;
  while (cachette__sf_next(&dictionary, &member)) {
    if (cachette__sf_is(member.key, directive) && has_name(argument_of_member(&member), field))
      return true;
  }
  return false;
}
