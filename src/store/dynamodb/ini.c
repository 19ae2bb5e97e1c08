/* SPDX-License-Identifier: MIT */
#include "ini.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/slice.h"

/* What is read: text moves to the front as values are put together, never past what is unread. */
struct reader {
  cachette__ini *ini;
  char *at, *end; /* what is unread */
  size_t line;
  size_t indent;    /* of the line that a value began on, or a section */
  char *value_end;  /* of the value that may go on below; NULL: there is none */
  size_t section;   /* that lines are in, */
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

static enum cachette__ini_fault grow(void **data, size_t *room, size_t count, size_t width) {
  if (count < *room) return CACHETTE__INI_FINE;
  size_t wanted = *room == 0 ? 16 : *room * 2;
  void *grown = cachette__realloc(*data, wanted * width);
  if (grown == NULL) return CACHETTE__INI_NO_MEMORY;
  *data = grown;
  *room = wanted;
  return CACHETTE__INI_FINE;
}

/* ---- Sections ---- */

static enum cachette__ini_fault begin_section(struct reader *reader, char *name, char *end) {
  cachette__ini *ini = reader->ini;
  *end = '\0';
  for (size_t i = 0; i < ini->section_count; i++)
    if (strcmp(ini->sections[i], name) == 0 && strcmp(name, "DEFAULT") != 0)
      return CACHETTE__INI_SECTION_TWICE;
  enum cachette__ini_fault fault =
      grow((void **)&ini->sections, &ini->section_room, ini->section_count, sizeof *ini->sections);
  if (fault != CACHETTE__INI_FINE) return fault;
  reader->section = ini->section_count++;
  reader->has_section = true;
  ini->sections[reader->section] = name;
  return CACHETTE__INI_FINE;
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

static enum cachette__ini_fault begin_value(struct reader *reader, char *line, char *end) {
  cachette__ini *ini = reader->ini;
  char *mark = line;
  while (mark < end && *mark != '=' && *mark != ':') mark++;
  char *name_end = cut_blanks(line, mark);
  if (mark == end || name_end == line) return CACHETTE__INI_NO_VALUE;
  char *value = skip_blanks(mark + 1, end);
  *name_end = '\0';
  for (char *at = line; at < name_end; at++) *at = (char)tolower((unsigned char)*at);
  for (size_t i = ini->entry_count; i-- > 0 && ini->entries[i].section == reader->section;)
    if (strcmp(ini->entries[i].name, line) == 0) return CACHETTE__INI_KEY_TWICE;
  enum cachette__ini_fault fault =
      grow((void **)&ini->entries, &ini->entry_room, ini->entry_count, sizeof *ini->entries);
  if (fault != CACHETTE__INI_FINE) return fault;
  ini->entries[ini->entry_count++] = (cachette__ini_entry){line, value, reader->section};
  reader->value_end = end;
  return CACHETTE__INI_FINE;
}

/* ---- Lines ---- */

static enum cachette__ini_fault take_line(struct reader *reader, char *begin, char *end,
                                          char **name) {
  char *line = skip_blanks(begin, end);
  end = cut_blanks(line, end);
  *name = line;
  if (line < end && (*line == '#' || *line == ';')) return CACHETTE__INI_FINE;
  if (line == end) {
    if (reader->value_end != NULL) continue_value(reader, line, 0);
    return CACHETTE__INI_FINE;
  }
  size_t indent = (size_t)(line - begin);
  if (reader->value_end != NULL && indent > reader->indent) {
    continue_value(reader, line, (size_t)(end - line));
    return CACHETTE__INI_FINE;
  }
  end_value(reader);
  reader->indent = indent;
  char *bracket = end; /* the last one that closes */
  while (bracket > line && bracket[-1] != ']') bracket--;
  if (*line == '[' && bracket > line + 2) {
    *name = line + 1;
    return begin_section(reader, line + 1, bracket - 1);
  }
  return reader->has_section ? begin_value(reader, line, end) : CACHETTE__INI_NO_SECTION;
}

static enum cachette__ini_fault read_lines(struct reader *reader, cachette__ini_place *place) {
  while (reader->at < reader->end) {
    char *begin = reader->at, *name;
    char *newline = memchr(begin, '\n', (size_t)(reader->end - begin));
    char *end = newline != NULL ? newline : reader->end;
    reader->at = newline != NULL ? newline + 1 : reader->end;
    reader->line++;
    enum cachette__ini_fault fault = take_line(reader, begin, end, &name);
    if (fault == CACHETTE__INI_FINE) continue;
    place->line = reader->line;
    place->name[0] = '\0';
    if (fault == CACHETTE__INI_SECTION_TWICE || fault == CACHETTE__INI_KEY_TWICE)
      cachette__value_text(name, place->name, sizeof place->name);
    return fault;
  }
  end_value(reader);
  return CACHETTE__INI_FINE;
}

enum cachette__ini_fault cachette__ini_parse(char *bytes, size_t size, cachette__ini *ini,
                                             cachette__ini_place *place) {
  static const char mark[] = "\xef\xbb\xbf"; /* that some editors begin UTF-8 with */
  *ini = (cachette__ini){.bytes = bytes, .size = size};
  struct reader reader = {.ini = ini, .at = bytes, .end = bytes + size};
  if (size >= 3 && memcmp(bytes, mark, 3) == 0) reader.at += 3;
  enum cachette__ini_fault fault = read_lines(&reader, place);
  if (fault != CACHETTE__INI_FINE) cachette__ini_deinit(ini);
  return fault;
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
    size = strcspn(begin, "\n"); /* the last one has the say, as in botocore */
    while (size > 0 && is_blank(begin[size - 1])) size--;
    *found = begin;
  }
  return size;
}
