/* SPDX-License-Identifier: MIT */
#include "normalize.h"

#include "output.h"
#include "text.h"

enum { CHOICES_MAX = 32, WEIGHT_ONE = 1000 };

/* A coding or a language range, and its weight in thousandths. */
typedef struct choice {
  cachette_slice name;
  int weight;
} choice;

typedef struct choices {
  choice list[CHOICES_MAX];
  size_t count;
} choices;

/* ---- Parsing ---- */

/* Parses a weight: `0`, `1`, or with a point and up to three digits (RFC 9110, 12.4.2). */
static bool parse_weight(cachette_slice text, int *weight) {
  enum { SIZE_MAX_OF_WEIGHT = 5 };
  if (text.size == 0 || text.size > SIZE_MAX_OF_WEIGHT) return false;
  int sum = 0, unit = WEIGHT_ONE;
  for (size_t i = 0; i < text.size; i++) {
    char character = cachette__http_at(text, i);
    if (i == 1 && character == '.') continue;
    if (i == 1 || character < '0' || character > '9') return false;
    sum += (character - '0') * unit;
    unit /= 10;
  }
  if (sum > WEIGHT_ONE) return false;
  *weight = sum;
  return true;
}

/* Parses a name that may have a weight, and no other parameter. */
static bool parse_choice(cachette_slice element, choice *parsed) {
  cachette_slice weight = {NULL, 0};
  size_t size = cachette__http_find(element, ';');
  if (size < element.size) weight = cachette__http_trim(cachette__http_from(element, size + 1));
  parsed->name = cachette__http_trim(cachette__http_first(element, size));
  parsed->weight = WEIGHT_ONE;
  if (!cachette__http_is_token(parsed->name)) return false;
  if (size == element.size) return true;
  return weight.size > 2 && cachette__http_is(cachette__http_first(weight, 2), "q=") &&
         parse_weight(cachette__http_from(weight, 2), &parsed->weight);
}

static bool parse(const cachette__http_message *message, enum cachette__http_name name,
                  choices *found) {
  cachette_slice line, element;
  found->count = 0;
  for (size_t at = 0; cachette__http_line(message, name, &at, &line);) {
    while (cachette__http_next(&line, &element)) {
      if (found->count == CHOICES_MAX) return false;
      if (!parse_choice(element, &found->list[found->count++])) return false;
    }
  }
  return true;
}

/* ---- Writing ---- */

static void put(cachette__http_output *output, cachette_slice name, bool is_refused) {
  if (output->size > 0) cachette__http_put_byte(output, ',');
  cachette__http_put_lower(output, name);
  if (is_refused) cachette__http_put(output, cachette_str(";q=0"));
}

/* ---- Accept-Encoding ---- */

static void sort_by_name(choices *codings) {
  for (size_t i = 1; i < codings->count; i++) {
    choice moved = codings->list[i];
    size_t to = i;
    for (; to > 0 && cachette__http_compare(codings->list[to - 1].name, moved.name) > 0; to--)
      codings->list[to] = codings->list[to - 1];
    codings->list[to] = moved;
  }
}

/* Removes duplicates of sorted codings. False: one of them is both accepted and refused. */
static bool unite(choices *codings) {
  size_t count = 0;
  for (size_t i = 0; i < codings->count; i++) {
    const choice *coding = &codings->list[i],
                 *before = count > 0 ? &codings->list[count - 1] : NULL;
    bool is_same = before != NULL && cachette__http_compare(before->name, coding->name) == 0;
    if (is_same && (before->weight > 0) != (coding->weight > 0)) return false;
    if (!is_same) codings->list[count++] = *coding;
  }
  codings->count = count;
  return true;
}

static const choice *find(const choices *codings, const char *name) {
  for (size_t i = 0; i < codings->count; i++) {
    if (cachette__http_is(codings->list[i].name, name)) return &codings->list[i];
  }
  return NULL;
}

/* The old names of two codings (RFC 9110, 8.4.1). */
static void rename_old(choices *codings) {
  for (size_t i = 0; i < codings->count; i++) {
    cachette_slice *name = &codings->list[i].name;
    if (cachette__http_is(*name, "x-gzip")) *name = cachette_str("gzip");
    if (cachette__http_is(*name, "x-compress")) *name = cachette_str("compress");
  }
}

static bool put_codings(cachette__http_output *output, choices *codings) {
  rename_old(codings);
  sort_by_name(codings);
  if (!unite(codings)) return false;
  const choice *any = find(codings, "*"), *identity = find(codings, "identity");
  const choice *rule = identity != NULL ? identity : any;
  bool accepts_any = any != NULL && any->weight > 0;
  for (size_t i = 0; i < codings->count; i++) {
    const choice *coding = &codings->list[i];
    if (coding == identity) continue;
    if (coding->weight > 0 || accepts_any) put(output, coding->name, coding->weight == 0);
  }
  if (rule != NULL && rule->weight == 0) put(output, cachette_str("identity"), true);
  return true;
}

/* ---- Accept-Language ---- */

/* Returns whether a text is a language range (RFC 4647, 2.2). */
static bool is_range(cachette_slice text) {
  for (size_t i = 0; i < text.size; i++) {
    char letter = cachette__http_lower(cachette__http_at(text, i));
    if ((letter < 'a' || letter > 'z') && (letter < '0' || letter > '9') && letter != '-' &&
        letter != '*')
      return false;
  }
  return true;
}

static void sort_by_weight(choices *ranges) {
  for (size_t i = 1; i < ranges->count; i++) {
    choice moved = ranges->list[i];
    size_t to = i;
    for (; to > 0 && ranges->list[to - 1].weight < moved.weight; to--)
      ranges->list[to] = ranges->list[to - 1];
    ranges->list[to] = moved;
  }
}

static bool has_star(cachette_slice range) { return cachette__http_find(range, '*') < range.size; }

/* Returns whether an accepted range contains a refused one. Anything contains one with a `*`. */
static bool is_contained(const choices *ranges, cachette_slice refused) {
  for (size_t i = 0; i < ranges->count && ranges->list[i].weight > 0; i++) {
    cachette_slice range = ranges->list[i].name;
    bool has_any = has_star(range) || has_star(refused);
    bool is_prefix = range.size <= refused.size &&
                     cachette__http_equals(range, cachette__http_first(refused, range.size));
    if (has_any || is_prefix) return true;
  }
  return false;
}

static bool put_languages(cachette__http_output *output, choices *ranges) {
  sort_by_weight(ranges);
  for (size_t i = 0; i < ranges->count; i++) {
    const choice *range = &ranges->list[i];
    if (!is_range(range->name)) return false;
    if (range->weight > 0)
      put(output, range->name, false);
    else if (is_contained(ranges, range->name))
      put(output, range->name, true);
  }
  return true;
}

bool cachette__http_normalize(const cachette__http_message *message, enum cachette__http_name name,
                              char space[CACHETTE__HTTP_NORMALIZED_MAX], cachette_slice *value) {
  choices found;
  cachette__http_output output = {(unsigned char *)space, CACHETTE__HTTP_NORMALIZED_MAX, 0};
  if (!parse(message, name, &found)) return false;
  bool is_done = name == CACHETTE__HTTP_ACCEPT_ENCODING ? put_codings(&output, &found)
                                                        : put_languages(&output, &found);
  if (!is_done || output.size > CACHETTE__HTTP_NORMALIZED_MAX) return false;
  *value = (cachette_slice){space, output.size};
  return true;
}
