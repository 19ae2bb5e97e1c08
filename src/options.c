/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "alloc.h"
#include "error.h"
#include "op.h"
#include "path.h"
#include "slice.h"

static const cachette_option_info table[CACHETTE__OPTION_COUNT] = {
#define ROW(name, type, fallback, choices, least, most, needed_by, exposure, help) \
  {#name,     CACHETTE_OPTION_##type, fallback, choices, least, most,              \
   needed_by, CACHETTE_##exposure,    help},
    CACHETTE__OPTIONS(ROW)
#undef ROW
};

struct setting {
  char *text; /* NULL: the table's default, unless `null` */
  int64_t number;
  bool null; /* set to NULL on purpose */
};

struct cachette_options {
  struct setting settings[CACHETTE__OPTION_COUNT];
  char *folder; /* see options.h */
  cachette__clock clock;
};

const cachette_option_info *cachette_option_table(size_t *count) {
  if (count != NULL) *count = CACHETTE__OPTION_COUNT;
  return table;
}

/* ---- Reading values ---- */

/* The place of `text` among names separated by '|', or -1. Case is ignored. */
static int choice_place(const char *choices, const char *text) {
  size_t length = strlen(text);
  for (int place = 0; *choices != '\0'; place++) {
    size_t span = strcspn(choices, "|");
    if (span == length && strncasecmp(choices, text, length) == 0) return place;
    choices += span + (choices[span] == '|');
  }
  return -1;
}

/* Digits, with up to `decimals` more behind a point, as a whole number of the last decimal. */
static bool parse_decimal(const char *text, int decimals, int64_t *number, const char **end) {
  int64_t value = 0;
  int left = -1; /* decimals still to come; -1 before the point */
  const char *at = text;
  for (; *at != '\0'; at++) {
    if (*at == '.' && left < 0 && decimals > 0 && at > text) {
      left = decimals;
    } else if (*at >= '0' && *at <= '9') {
      if (left == 0) continue; /* finer than is kept */
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

/* Bytes, with an optional suffix. */
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

/* 1 or 0, in a word. */
static bool parse_boolean(const char *text, int64_t *number) {
  int place = choice_place("false|true|0|1|no|yes|off|on", text);
  *number = place % 2;
  return place >= 0;
}

static bool parse_number(const cachette_option_info *info, const char *text, int64_t *number) {
  const char *end;
  if (info->type == CACHETTE_OPTION_BOOLEAN) return parse_boolean(text, number);
  if (info->type == CACHETTE_OPTION_SIZE) {
    if (!parse_size(text, number)) return false;
  } else {
    int decimals = info->type == CACHETTE_OPTION_DURATION ? 3 : 0;
    if (!parse_decimal(text, decimals, number, &end) || *end != '\0') return false;
  }
  return *number >= info->least && *number <= info->most;
}

/* `"a", "b" or "c"` from "a|b|c". */
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

static int fail_value(const cachette_option_info *info, cachette_error *error) {
  char choices[160] = "";
  switch (info->type) {
    case CACHETTE_OPTION_SECONDS:
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must between %" PRId64 " or %" PRId64 " seconds.",
                            info->name, info->least, info->most);
    case CACHETTE_OPTION_DURATION:
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must be between %g and %g seconds.", info->name,
                            (double)info->least / 1000, (double)info->most / 1000);
    case CACHETTE_OPTION_SIZE:
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must be a number of bytes from %" PRId64
                            "M to %" PRId64 "G; a suffix K, M or G is accepted.",
                            info->name, info->least >> 20, info->most >> 30);
    case CACHETTE_OPTION_NUMBER:
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must be a whole number from %" PRId64 " to %" PRId64
                            ".",
                            info->name, info->least, info->most);
    case CACHETTE_OPTION_CHOICE:
      spell_choices(info->choices, choices, sizeof choices);
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must be one of %s.", info->name, choices);
    case CACHETTE_OPTION_BOOLEAN:
      return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                            "The \"%s\" value must be true or false.", info->name);
    case CACHETTE_OPTION_STRING:
    case CACHETTE_OPTION_PATH:
      break;
  }
  return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                        "The \"%s\" value must not contain control characters.", info->name);
}

static int fail_relative(const cachette_option_info *info, cachette_error *error) {
  return cachette__fail(error, CACHETTE_ECONFIG, info->name,
                        "The \"%s\" is relative, and the current folder is not known. Give an "
                        "absolute path.",
                        info->name);
}

static bool has_control_character(const char *text) {
  for (; *text != '\0'; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7f) return true;
  return false;
}

/* ---- Names ---- */

/* How many letters must change, come or go to make `b` of `a`; both up to NAME_MAX_LENGTH. */
static size_t edit_distance(const char *a, const char *b) {
  enum { NAME_MAX_LENGTH = 64 };
  size_t row[NAME_MAX_LENGTH + 1];
  size_t width = strlen(b);
  if (strlen(a) > NAME_MAX_LENGTH || width > NAME_MAX_LENGTH) return SIZE_MAX;
  for (size_t j = 0; j <= width; j++) row[j] = j;
  for (size_t i = 1; a[i - 1] != '\0'; i++) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= width; j++) {
      size_t best = corner + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      corner = row[j];
      row[j] = best;
    }
  }
  return row[width];
}

static int find_option(const char *name) {
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++)
    if (strcasecmp(table[i].name, name) == 0) return i;
  return -1;
}

static int fail_name(const char *name, cachette_error *error) {
  const char *nearest = table[0].name;
  size_t least = SIZE_MAX;
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++) {
    size_t distance = edit_distance(name, table[i].name);
    if (distance < least) {
      least = distance;
      nearest = table[i].name;
    }
  }
  char shown[sizeof error->subject];
  cachette__value_text(name, shown, sizeof shown);
  return cachette__fail(error, CACHETTE_ECONFIG, shown,
                        "There is no option \"%s\"; did you mean \"%s\"?", shown, nearest);
}

/* ---- Life cycle ---- */

static bool is_numeric(const cachette_option_info *info) {
  return info->type != CACHETTE_OPTION_STRING && info->type != CACHETTE_OPTION_CHOICE &&
         info->type != CACHETTE_OPTION_PATH;
}

/* False: out of memory. Where there is no current folder, absolute paths are fine all the same. */
static bool take_folder(cachette_options *options) {
  errno = 0;
  options->folder = cachette__path_current();
  return options->folder != NULL || errno != ENOMEM;
}

cachette_options *cachette_options_new(void) {
  cachette_options *options = cachette__calloc(1, sizeof *options);
  if (options == NULL) return NULL;
  if (!take_folder(options)) {
    cachette__free(options);
    return NULL;
  }
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++)
    if (table[i].fallback != NULL && is_numeric(&table[i]))
      parse_number(&table[i], table[i].fallback, &options->settings[i].number);
  return options;
}

static void drop_text(struct setting *setting) {
  if (setting->text != NULL) cachette__wipe(setting->text, strlen(setting->text));
  cachette__free(setting->text);
  setting->text = NULL;
}

void cachette_options_free(cachette_options *options) {
  if (options == NULL) return;
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++) drop_text(&options->settings[i]);
  cachette__free(options->folder);
  cachette__free(options);
}

cachette_options *cachette__options_copy(const cachette_options *options) {
  cachette_options *copy = cachette__malloc(sizeof *copy);
  if (copy == NULL) return NULL;
  *copy = *options;
  copy->folder = NULL;
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++) copy->settings[i].text = NULL;
  if (options->folder != NULL) {
    copy->folder = cachette__strndup(options->folder, strlen(options->folder));
    if (copy->folder == NULL) {
      cachette__free(copy);
      return NULL;
    }
  }
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++) {
    const char *text = options->settings[i].text;
    if (text == NULL) continue;
    copy->settings[i].text = cachette__strndup(text, strlen(text));
    if (copy->settings[i].text == NULL) {
      cachette_options_free(copy);
      return NULL;
    }
  }
  return copy;
}

/* ---- Setting and getting ---- */

static void lower(char *text) {
  for (; *text != '\0'; text++)
    if (*text >= 'A' && *text <= 'Z') *text = (char)(*text - 'A' + 'a');
}

int cachette_options_set(cachette_options *options, const char *name, const char *value,
                         cachette_error *error) {
  int place = name != NULL ? find_option(name) : -1;
  if (place < 0) return fail_name(name != NULL ? name : "", error);
  const cachette_option_info *info = &table[place];
  struct setting *setting = &options->settings[place];

  bool numeric = is_numeric(info);
  int64_t number = 0;
  char *text = NULL;
  if (value != NULL) {
    if ((numeric && !parse_number(info, value, &number)) ||
        (info->type == CACHETTE_OPTION_CHOICE && choice_place(info->choices, value) < 0) ||
        has_control_character(value))
      return fail_value(info, error);
    bool relative = info->type == CACHETTE_OPTION_PATH && *value != '\0' && *value != '/';
    if (relative && options->folder == NULL) return fail_relative(info, error);
    text = cachette__path_from(relative ? options->folder : NULL, value);
    if (text == NULL) return cachette__fail(error, CACHETTE_ENOMEM, info->name, NULL);
    if (info->type == CACHETTE_OPTION_CHOICE) lower(text);
  } else if (numeric && info->fallback != NULL) {
    parse_number(info, info->fallback, &number);
  }
  drop_text(setting);
  setting->text = text;
  setting->number = number;
  setting->null = value == NULL;
  return CACHETTE_OK;
}

const char *cachette__options_text(const cachette_options *options, enum cachette__option option) {
  const char *text = options->settings[option].text;
  return text != NULL ? text : table[option].fallback;
}

int64_t cachette__options_number(const cachette_options *options, enum cachette__option option) {
  return options->settings[option].number;
}

const char *cachette_options_get(const cachette_options *options, const char *name) {
  int place = name != NULL ? find_option(name) : -1;
  return place < 0 ? NULL : cachette__options_text(options, (enum cachette__option)place);
}

void cachette_options_set_clock(cachette_options *options, int64_t (*now)(void *data), void *data) {
  options->clock = (cachette__clock){now, data};
}

bool cachette__options_absent(const cachette_options *options, enum cachette__option option) {
  const char *text = cachette__options_text(options, option);
  return options->settings[option].null || text == NULL || *text == '\0';
}

const char *cachette__options_folder(const cachette_options *options) { return options->folder; }

cachette__clock cachette__options_clock(const cachette_options *options) { return options->clock; }
