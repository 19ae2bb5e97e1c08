/* SPDX-License-Identifier: MIT */
#include "ini.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/slice.h"

/* The state of the parser. Joined values are moved towards the start of the buffer, so they never
 * overwrite unread bytes. */
struct reader {
  cachette__ini *ini;
  char *at, *end; /* the unread bytes */
  size_t line;
  size_t indent;    /* of the first line of the current value or section */
  char *value_end;  /* of a value that may continue; or NULL */
  size_t section;   /* the current section, */
  bool has_section; /* if there is one */
};

static bool is_blank(char byte) { return isspace((unsigned char)byte); }

static char *skip_blanks(char *at, const char *end) {
  while (at < end && is_blank(*at)) at++;
  return at;
}

static char *cut_blanks(const char *begin, char *end) {
  while (end > begin && is_blank(end[-1])) end--;
  return end;
}

static enum cachette__ini_error grow(void **data, size_t *capacity, size_t count, size_t width) {
  if (count < *capacity) return CACHETTE__INI_OK;
  size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
  void *grown = cachette__realloc(*data, wanted * width);
  if (grown == NULL) return CACHETTE__INI_NO_MEMORY;
  *data = grown;
  *capacity = wanted;
  return CACHETTE__INI_OK;
}

/* ---- Sections ---- */

static enum cachette__ini_error begin_section(struct reader *reader, char *name, char *end) {
  cachette__ini *ini = reader->ini;
  *end = '\0';
  for (size_t i = 0; i < ini->section_count; i++)
    if (strcmp(ini->sections[i], name) == 0 && strcmp(name, "DEFAULT") != 0)
      return CACHETTE__INI_DUPLICATE_SECTION;
  enum cachette__ini_error error = grow((void **)&ini->sections, &ini->section_capacity,
                                        ini->section_count, sizeof *ini->sections);
  if (error != CACHETTE__INI_OK) return error;
  reader->section = ini->section_count++;
  reader->has_section = true;
  ini->sections[reader->section] = name;
  return CACHETTE__INI_OK;
}

/* ---- Values ---- */

static void end_value(struct reader *reader) {
  if (reader->value_end == NULL) return;
  const cachette__ini_entry *entry = &reader->ini->entries[reader->ini->entry_count - 1];
  *cut_blanks(entry->value, reader->value_end) = '\0';
  reader->value_end = NULL;
}

static void continue_value(struct reader *reader, const char *line, size_t size) {
  *reader->value_end++ = '\n';
  memmove(reader->value_end, line, size);
  reader->value_end += size;
}

static enum cachette__ini_error begin_value(struct reader *reader, char *line, char *end) {
  cachette__ini *ini = reader->ini;
  char *mark = line;
  while (mark < end && *mark != '=' && *mark != ':') mark++;
  char *name_end = cut_blanks(line, mark);
  if (mark == end || name_end == line) return CACHETTE__INI_NO_VALUE;
  char *value = skip_blanks(mark + 1, end);
  *name_end = '\0';
  for (char *at = line; at < name_end; at++) *at = (char)tolower((unsigned char)*at);
  for (size_t i = ini->entry_count; i-- > 0 && ini->entries[i].section == reader->section;)
    if (strcmp(ini->entries[i].name, line) == 0) return CACHETTE__INI_DUPLICATE_KEY;
  enum cachette__ini_error error =
      grow((void **)&ini->entries, &ini->entry_capacity, ini->entry_count, sizeof *ini->entries);
  if (error != CACHETTE__INI_OK) return error;
  ini->entries[ini->entry_count++] = (cachette__ini_entry){line, value, reader->section};
  reader->value_end = end;
  return CACHETTE__INI_OK;
}

/* ---- Lines ---- */

static enum cachette__ini_error take_line(struct reader *reader, char *begin, char *end,
                                          char **name) {
  char *line = skip_blanks(begin, end);
  end = cut_blanks(line, end);
  *name = line;
  if (line < end && (*line == '#' || *line == ';')) return CACHETTE__INI_OK;
  if (line == end) {
    if (reader->value_end != NULL) continue_value(reader, line, 0);
    return CACHETTE__INI_OK;
  }
  size_t indent = (size_t)(line - begin);
  if (reader->value_end != NULL && indent > reader->indent) {
    continue_value(reader, line, (size_t)(end - line));
    return CACHETTE__INI_OK;
  }
  end_value(reader);
  reader->indent = indent;
  char *bracket = end; /* the end of the last closing bracket */
  while (bracket > line && bracket[-1] != ']') bracket--;
  if (*line == '[' && bracket > line + 2) {
    *name = line + 1;
    return begin_section(reader, line + 1, bracket - 1);
  }
  return reader->has_section ? begin_value(reader, line, end) : CACHETTE__INI_NO_SECTION;
}

static enum cachette__ini_error read_lines(struct reader *reader,
                                           cachette__ini_position *position) {
  while (reader->at < reader->end) {
    char *begin = reader->at, *name;
    char *newline = memchr(begin, '\n', (size_t)(reader->end - begin));
    char *end = newline != NULL ? newline : reader->end;
    reader->at = newline != NULL ? newline + 1 : reader->end;
    reader->line++;
    enum cachette__ini_error error = take_line(reader, begin, end, &name);
    if (error == CACHETTE__INI_OK) continue;
    position->line = reader->line;
    position->name[0] = '\0';
    if (error == CACHETTE__INI_DUPLICATE_SECTION || error == CACHETTE__INI_DUPLICATE_KEY)
      cachette__value_text(name, position->name, sizeof position->name);
    return error;
  }
  end_value(reader);
  return CACHETTE__INI_OK;
}

enum cachette__ini_error cachette__ini_parse(char *bytes, size_t size, cachette__ini *ini,
                                             cachette__ini_position *position) {
  static const char mark[] = "\xef\xbb\xbf"; /* byte order mark, which some editors write */
  *ini = (cachette__ini){.bytes = bytes, .size = size};
  struct reader reader = {.ini = ini, .at = bytes, .end = bytes + size};
  if (size >= 3 && memcmp(bytes, mark, 3) == 0) reader.at += 3;
  enum cachette__ini_error error = read_lines(&reader, position);
  if (error != CACHETTE__INI_OK) cachette__ini_deinit(ini);
  return error;
}

void cachette__ini_deinit(cachette__ini *ini) {
  if (ini->bytes != NULL) cachette__wipe(ini->bytes, ini->size);
  cachette__free(ini->bytes);
  cachette__free(ini->sections);
  cachette__free(ini->entries);
  *ini = (cachette__ini){0};
}

/* ---- Look-up ---- */

static const char *find(const cachette__ini *ini, size_t section, const char *name) {
  for (size_t i = 0; i < ini->entry_count; i++) {
    const cachette__ini_entry *entry = &ini->entries[i];
    if (entry->section == section && strcmp(entry->name, name) == 0) return entry->value;
  }
  return NULL;
}

const char *cachette__ini_get(const cachette__ini *ini, size_t section, const char *name) {
  const char *value = find(ini, section, name);
  for (size_t i = 0; value == NULL && i < ini->section_count; i++)
    if (strcmp(ini->sections[i], "DEFAULT") == 0) value = find(ini, i, name);
  return value != NULL && *value != '\0' ? value : NULL;
}

size_t cachette__ini_nested(const char *value, const char *name, const char **found) {
  size_t length = strlen(name), size = 0;
  for (const char *line = value; *value == '\n' && line != NULL; line = strchr(line, '\n')) {
    while (is_blank(*line)) line++;
    const char *equals = line + strcspn(line, "=\n");
    if (*equals != '=') continue;
    const char *end = equals;
    while (end > line && is_blank(end[-1])) end--;
    if ((size_t)(end - line) != length || strncmp(line, name, length) != 0) continue;
    const char *begin = equals + 1;
    while (*begin == ' ' || *begin == '\t') begin++;
    size = strcspn(begin, "\n"); /* the last one wins, as in botocore */
    while (size > 0 && is_blank(begin[size - 1])) size--;
    *found = begin;
  }
  return size;
}
