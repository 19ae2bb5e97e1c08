/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../base/alloc.h"
#include "../base/error.h"
#include "../base/op.h"
#include "../base/path.h"
#include "../base/slice.h"

static const cachette_option_info table[CACHETTE__OPTION_COUNT] = {
#define ROW(name, type, fallback, choices, least, most, needed_by, exposure, help) \
  {#name,     CACHETTE_OPTION_##type, fallback, choices, least, most,              \
   needed_by, CACHETTE_##exposure,    help},
    CACHETTE__OPTIONS(ROW)
#undef ROW
};

struct value {
  char *text;     /* NULL: the default applies */
  int64_t number; /* parsed from `text` or the default */
  bool null;      /* it was set to NULL, so cachette__options_absent() returns true */
};

struct cachette_options {
  struct value values[CACHETTE__OPTION_COUNT];
  char *folder; /* see cachette__options_folder() */
  cachette__clock clock;
  cachette__settings *settings; /* see cachette__options_settings() */
};

const cachette_option_info *cachette_option_table(size_t *count) {
  if (count != NULL) *count = CACHETTE__OPTION_COUNT;
  return table;
}

/* ---- Similar names ---- */

/* Returns the edit distance of two names: the number of letters to replace, add, remove, or swap
 * with the next one. Case is ignored. SIZE_MAX if a name is longer than NAME_MAX_LENGTH. */
static size_t edit_distance(const char *a, const char *b) {
  enum { NAME_MAX_LENGTH = 64 };
  size_t rows[3][NAME_MAX_LENGTH + 1]; /* the current row and the two before it */
  size_t height = strlen(a), width = strlen(b);
  if (height > NAME_MAX_LENGTH || width > NAME_MAX_LENGTH) return SIZE_MAX;
  for (size_t j = 0; j <= width; j++) rows[0][j] = j;
  for (size_t i = 1; i <= height; i++) {
    size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *higher = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= width; j++) {
      size_t best = above[j - 1] + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
      if (above[j] + 1 < best) best = above[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      bool swapped = i > 1 && j > 1 && strncasecmp(&a[i - 1], &b[j - 2], 1) == 0 &&
                     strncasecmp(&a[i - 2], &b[j - 1], 1) == 0;
      if (swapped && higher[j - 2] + 1 < best) best = higher[j - 2] + 1;
      row[j] = best;
    }
  }
  return rows[height % 3][width];
}

/* Writes the choice that is most similar to `text`, or "" if none is similar. */
static void find_choice(const char *choices, const char *text, char *found, size_t size) {
  enum { DISTANCE_MAX = 2 };
  size_t min_distance = DISTANCE_MAX + 1;
  *found = '\0';
  while (*choices != '\0') {
    char choice[32];
    size_t span = strcspn(choices, "|");
    snprintf(choice, sizeof choice, "%.*s", (int)span, choices);
    size_t distance = edit_distance(text, choice);
    if (distance < min_distance && 2 * distance < span) {
      min_distance = distance;
      snprintf(found, size, "%s", choice);
    }
    choices += span + (choices[span] == '|');
  }
}

/* ---- Parsing values ---- */

/* Returns the index of `text` in `choices`, which are separated by '|', or -1. Case is ignored. */
static int choice_index(const char *choices, const char *text) {
  size_t length = strlen(text);
  for (int index = 0; *choices != '\0'; index++) {
    size_t span = strcspn(choices, "|");
    if (span == length && strncasecmp(choices, text, length) == 0) return index;
    choices += span + (choices[span] == '|');
  }
  return -1;
}

/*
 * Parses a decimal number as an integer in units of its last decimal place: with `decimals` = 3,
 * "1.5" becomes 1500. Further decimals are ignored. `end` is set to the first byte after the
 * number.
 */
static bool parse_decimal(const char *text, int decimals, int64_t *number, const char **end) {
  int64_t value = 0;
  int left = -1; /* decimals still to read; -1 before the decimal point */
  const char *at = text;
  for (; *at != '\0'; at++) {
    if (*at == '.' && left < 0 && decimals > 0 && at > text) {
      left = decimals;
    } else if (*at >= '0' && *at <= '9') {
      if (left == 0) continue;
      if (value > (INT64_MAX - 9) / 10) return false;
      value = value * 10 + (*at - '0');
      if (left > 0) left--;
    } else {
      break;
    }
  }
  if (at == text) return false;
  for (int missing = left < 0 ? decimals : left; missing > 0; missing--) {
    if (value > INT64_MAX / 10) return false;
    value *= 10;
  }
  *number = value;
  *end = at;
  return true;
}

/* Parses a number of bytes with an optional suffix K, M or G. */
static bool parse_size(const char *text, int64_t *number) {
  static const char suffixes[] = "kKmMgG";
  const char *end;
  int64_t value;
  if (!parse_decimal(text, 0, &value, &end)) return false;
  if (*end != '\0') {
    const char *suffix = strchr(suffixes, *end);
    if (suffix == NULL || end[1] != '\0') return false;
    int shift = 10 * (1 + (int)(suffix - suffixes) / 2);
    if (value > INT64_MAX >> shift) return false;
    value <<= shift;
  }
  *number = value;
  return true;
}

/* Parses a word such as "true" or "off" to 1 or 0. */
static bool parse_boolean(const char *text, int64_t *number) {
  int index = choice_index("false|true|0|1|no|yes|off|on", text);
  *number = index % 2;
  return index >= 0;
}

/* These return the bounds of an option in the unit of its number. */
static int64_t min_of(const cachette_option_info *info) {
  return info->type == CACHETTE_OPTION_SECONDS ? 1000 * info->least : info->least;
}

static int64_t max_of(const cachette_option_info *info) {
  return info->type == CACHETTE_OPTION_SECONDS ? 1000 * info->most : info->most;
}

/* Parses the number of an option. Does not check its bounds. */
static bool parse_number(const cachette_option_info *info, const char *text, int64_t *number) {
  const char *end;
  if (info->type == CACHETTE_OPTION_BOOLEAN) return parse_boolean(text, number);
  if (info->type == CACHETTE_OPTION_SIZE) return parse_size(text, number);
  int decimals = info->type == CACHETTE_OPTION_NUMBER ? 0 : 3;
  return parse_decimal(text, decimals, number, &end) && *end == '\0';
}

/* The same, but returns false if the number is out of bounds. */
static bool parse_in_range(const cachette_option_info *info, const char *text, int64_t *number) {
  return parse_number(info, text, number) && *number >= min_of(info) && *number <= max_of(info);
}

/* Writes the choices as text for messages: "a|b|c" becomes `"a", "b" or "c"`. */
static void spell_choices(const char *choices, char *text, size_t size) {
  size_t used = 0;
  while (*choices != '\0' && used < size) {
    size_t span = strcspn(choices, "|");
    const char *rest = choices + span + (choices[span] == '|');
    const char *link = *rest == '\0' ? "" : strchr(rest, '|') != NULL ? ", " : " or ";
    used += (size_t)snprintf(text + used, size - used, "\"%.*s\"%s", (int)span, choices, link);
    choices = rest;
  }
}

/* Returns a hint for a TTL that is out of the option's range, or "". */
static const char *advise(const cachette_option_info *info, const char *value) {
  int64_t number;
  if (info->type != CACHETTE_OPTION_SECONDS || !parse_number(info, value, &number) || number == 0)
    return "";
  return number > max_of(info)
             ? " The ttl of a single call, such as put(key, value, ttl), may be longer."
             : " The ttl of a single call, such as put(key, value, ttl), may be shorter.";
}

static int fail_choice(const cachette_option_info *info, const char *value, const char *redacted,
                       cachette_error *error) {
  char choices[160] = "", found[32];
  spell_choices(info->choices, choices, sizeof choices);
  find_choice(info->choices, value, found, sizeof found);
  bool near = *found != '\0';
  return cachette__fail(
      error, CACHETTE_ECONFIG, info->name, "The \"%s\" value must be one of %s. It is \"%s\"%s%s%s",
      info->name, choices, redacted, near ? "; did you mean \"" : ".", found, near ? "\"?" : "");
}

static int fail_number(const cachette_option_info *info, const char *value, const char *redacted,
                       cachette_error *error) {
  switch (info->type) {
    case CACHETTE_OPTION_SECONDS:
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must between %" PRId64 " or %" PRId64
                            " seconds. It is \"%s\".%s",
                            info->name, info->least, info->most, redacted, advise(info, value));
    case CACHETTE_OPTION_DURATION:
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must be between %g and %g seconds. It is \"%s\".",
                            info->name, (double)info->least / 1000, (double)info->most / 1000,
                            redacted);
    case CACHETTE_OPTION_SIZE:
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must be a size from %" PRId64 "M to %" PRId64
                            "G, in bytes or with a suffix K, M or G. It is \"%s\".",
                            info->name, info->least >> 20, info->most >> 30, redacted);
    default:
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must be a whole number from %" PRId64 " to %" PRId64
                            ". It is \"%s\".",
                            info->name, info->least, info->most, redacted);
  }
}

static int fail_value(const cachette_option_info *info, const char *value, cachette_error *error) {
  char redacted[40];
  /* A value with a colon may be a user name and a password. */
  cachette__value_text(strchr(value, ':') == NULL ? value : "***", redacted, sizeof redacted);
  switch (info->type) {
    case CACHETTE_OPTION_CHOICE:
      return fail_choice(info, value, redacted, error);
    case CACHETTE_OPTION_BOOLEAN:
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must be true or false. It is \"%s\".", info->name,
                            redacted);
    case CACHETTE_OPTION_STRING:
    case CACHETTE_OPTION_PATH:
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must not contain control characters.", info->name);
    default:
      return fail_number(info, value, redacted, error);
  }
}

static int fail_relative(const cachette_option_info *info, cachette_error *error) {
  return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                        "The \"%s\" value is a relative path, and the current folder is not known. "
                        "Give an absolute path.",
                        info->name);
}

static bool has_control_character(const char *text) {
  for (; *text != '\0'; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7f) return true;
  return false;
}

/* ---- Names ---- */

static int find_option(const char *name) {
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++)
    if (strcasecmp(table[i].name, name) == 0) return i;
  return -1;
}

/* Option names of other cache libraries, with ours. */
static const char *const other_names[][2] = {
    {"expire", "ttl"},        {"expires", "ttl"},          {"expiration", "ttl"},
    {"time_to_live", "ttl"},  {"default_ttl", "ttl"},      {"default_timeout", "ttl"},
    {"max_age", "ttl"},       {"serializer", "codec"},     {"coder", "codec"},
    {"prefix", "key_prefix"}, {"namespace", "key_prefix"},
};

/* Returns the option whose name is most similar to `name`; NULL if none is similar. */
static const char *find_similar_name(const char *name) {
  enum { DISTANCE_MAX = 3 };
  const char *nearest = NULL;
  size_t min_distance = DISTANCE_MAX + 1, size = strlen(name);
  for (size_t i = 0; i < sizeof other_names / sizeof *other_names; i++)
    if (strcasecmp(name, other_names[i][0]) == 0) return other_names[i][1];
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++) {
    size_t distance = edit_distance(name, table[i].name);
    bool is_prefix = size > DISTANCE_MAX && strncasecmp(name, table[i].name, size) == 0;
    if (is_prefix && distance > DISTANCE_MAX) distance = DISTANCE_MAX;
    if (distance < min_distance && distance < size) {
      min_distance = distance;
      nearest = table[i].name;
    }
  }
  return nearest;
}

static int fail_name(const char *name, cachette_error *error) {
  const char *nearest = find_similar_name(name);
  char redacted[sizeof error->subject];
  cachette__value_text(name, redacted, sizeof redacted);
  if (nearest == NULL)
    return cachette__fail(error, CACHETTE_ECONFIG, redacted,
                          "There is no option \"%s\". The reference lists all options.", redacted);
  return cachette__fail(error, CACHETTE_ECONFIG, redacted,
                        "There is no option \"%s\"; did you mean \"%s\"?", redacted, nearest);
}

/* ---- Life cycle ---- */

static bool is_numeric(const cachette_option_info *info) {
  return info->type != CACHETTE_OPTION_STRING && info->type != CACHETTE_OPTION_CHOICE &&
         info->type != CACHETTE_OPTION_PATH;
}

/* Saves the current folder. Returns false only if memory is out: without a current folder, absolute
 * paths still work. */
static bool save_folder(cachette_options *options) {
  errno = 0;
  options->folder = cachette__path_current();
  return options->folder != NULL || errno != ENOMEM;
}

cachette_options *cachette_options_new(void) {
  cachette_options *options = cachette__calloc(1, sizeof *options);
  if (options == NULL) return NULL;
  if (!save_folder(options)) {
    cachette__free(options);
    return NULL;
  }
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++)
    if (table[i].fallback != NULL && is_numeric(&table[i]))
      parse_in_range(&table[i], table[i].fallback, &options->values[i].number);
  return options;
}

/* Call this before an option changes: the settings were parsed from the old values. */
static void drop_settings(cachette_options *options) {
  cachette__settings_release(options->settings);
  options->settings = NULL;
}

static void drop_text(struct value *value) {
  if (value->text != NULL) cachette__wipe(value->text, strlen(value->text));
  cachette__free(value->text);
  value->text = NULL;
}

void cachette_options_free(cachette_options *options) {
  if (options == NULL) return;
  drop_settings(options);
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++) drop_text(&options->values[i]);
  cachette__free(options->folder);
  cachette__free(options);
}

/* The copy shares the settings that the store parsed. */
cachette_options *cachette_options_copy(const cachette_options *options) {
  cachette_options *copy = cachette__malloc(sizeof *copy);
  if (copy == NULL) return NULL;
  *copy = *options;
  copy->folder = NULL;
  copy->settings = NULL;
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++) copy->values[i].text = NULL;
  if (options->folder != NULL) {
    copy->folder = cachette__strndup(options->folder, strlen(options->folder));
    if (copy->folder == NULL) {
      cachette__free(copy);
      return NULL;
    }
  }
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++) {
    const char *text = options->values[i].text;
    if (text == NULL) continue;
    copy->values[i].text = cachette__strndup(text, strlen(text));
    if (copy->values[i].text == NULL) {
      cachette_options_free(copy);
      return NULL;
    }
  }
  copy->settings = cachette__settings_retain(options->settings);
  return copy;
}

/* ---- Setting and getting ---- */

static void lower(char *text) {
  for (; *text != '\0'; text++)
    if (*text >= 'A' && *text <= 'Z') *text = (char)(*text - 'A' + 'a');
}

int cachette_options_set(cachette_options *options, const char *name, const char *value,
                         cachette_error *error) {
  int index = name != NULL ? find_option(name) : -1;
  if (index < 0) return fail_name(name != NULL ? name : "", error);
  const cachette_option_info *info = &table[index];
  struct value *slot = &options->values[index];

  bool numeric = is_numeric(info);
  int64_t number = 0;
  char *text = NULL;
  if (value != NULL) {
    if ((numeric && !parse_in_range(info, value, &number)) ||
        (info->type == CACHETTE_OPTION_CHOICE && choice_index(info->choices, value) < 0) ||
        has_control_character(value))
      return fail_value(info, value, error);
    bool relative = info->type == CACHETTE_OPTION_PATH && *value != '\0' && *value != '/';
    if (relative && options->folder == NULL) return fail_relative(info, error);
    text = cachette__path_join(relative ? options->folder : NULL, value);
    if (text == NULL) return cachette__fail(error, CACHETTE_ENOMEM, info->name, NULL);
    if (info->type == CACHETTE_OPTION_CHOICE) lower(text);
  } else if (numeric && info->fallback != NULL) {
    parse_in_range(info, info->fallback, &number);
  }
  drop_settings(options);
  drop_text(slot);
  slot->text = text;
  slot->number = number;
  slot->null = value == NULL;
  return CACHETTE_OK;
}

const char *cachette__options_text(const cachette_options *options, enum cachette__option option) {
  const char *text = options->values[option].text;
  return text != NULL ? text : table[option].fallback;
}

int64_t cachette__options_number(const cachette_options *options, enum cachette__option option) {
  return options->values[option].number;
}

int64_t cachette_options_number(const cachette_options *options, const char *name) {
  int index = name != NULL ? find_option(name) : -1;
  return index < 0 ? 0 : cachette__options_number(options, (enum cachette__option)index);
}

const char *cachette_options_get(const cachette_options *options, const char *name) {
  int index = name != NULL ? find_option(name) : -1;
  return index < 0 ? NULL : cachette__options_text(options, (enum cachette__option)index);
}

const char *cachette_options_codec(const cachette_options *options) {
  const char *chosen = options->values[CACHETTE__OPTION_codec].text;
  if (chosen != NULL) return chosen;
  return cachette__backend_find(cachette__options_text(options, CACHETTE__OPTION_backend))->codec;
}

void cachette_options_set_clock(cachette_options *options, int64_t (*now)(void *data), void *data) {
  drop_settings(options);
  options->clock = (cachette__clock){now, data};
}

bool cachette__options_absent(const cachette_options *options, enum cachette__option option) {
  const char *text = cachette__options_text(options, option);
  return options->values[option].null || text == NULL || *text == '\0';
}

cachette__settings *cachette__options_settings(const cachette_options *options) {
  return options->settings;
}

void cachette__options_set_settings(const cachette_options *options, cachette__settings *settings) {
  ((cachette_options *)options)->settings = settings; /* a cache: no option changes */
}

const char *cachette__options_folder(const cachette_options *options) { return options->folder; }

cachette__clock cachette__options_clock(const cachette_options *options) { return options->clock; }
