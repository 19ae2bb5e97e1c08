/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the parser of AWS's shared files. Every name and value must lie inside the input, a lookup
 * must find every entry, and an error must have an existing line number. Also splits values into
 * shell words and reads nested keys.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/dynamodb/aws/ini.h"
#include "store/dynamodb/aws/shell_words.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

static void check_inside(const cachette__ini *ini, const char *text) {
  CHECK(text >= ini->bytes && text <= ini->bytes + ini->size);
  CHECK(strlen(text) <= (size_t)(ini->bytes + ini->size - text));
}

static void check_words(const char *text) {
  char **words;
  size_t count;
  if (cachette__shell_words_split(text, &words, &count) < 0) return;
  size_t size = 0;
  for (size_t i = 0; i < count; i++) size += strlen(words[i]) + 1;
  CHECK(size <= strlen(text) + 1);
  CHECK(words[count] == NULL);
  if (strlen(text) < 1024 && count == 2) CHECK(cachette__shell_words_are(text, words[1]));
  if (count != 2) CHECK(!cachette__shell_words_are(text, count > 1 ? words[1] : ""));
  cachette__shell_words_free(words);
}

static void check_entry(const cachette__ini *ini, const cachette__ini_entry *entry) {
  const char *found;
  check_inside(ini, entry->name);
  check_inside(ini, entry->value);
  CHECK(entry->section < ini->section_count);
  for (const char *at = entry->name; *at != '\0'; at++) CHECK(*at < 'A' || *at > 'Z');
  const char *value = cachette__ini_get(ini, entry->section, entry->name);
  CHECK(value == NULL
            ? *entry->value == '\0'
            : value == entry->value || strcmp(ini->sections[entry->section], "DEFAULT") == 0);
  size_t size = cachette__ini_nested(entry->value, "a", &found);
  CHECK(size == 0 || (found > entry->value && size <= strlen(found)));
  check_words(entry->value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cachette__ini ini;
  cachette__ini_position position = {0};
  char *bytes = cachette__malloc(size + 1);
  CHECK(bytes != NULL);
  if (size > 0) memcpy(bytes, data, size);
  bytes[size] = '\0';
  size_t lines = 1;
  for (size_t i = 0; i < size; i++) lines += data[i] == '\n';
  if (cachette__ini_parse(bytes, size, &ini, &position) != CACHETTE__INI_OK) {
    CHECK(position.line >= 1 && position.line <= lines);
    CHECK(ini.bytes == NULL && ini.entries == NULL && ini.sections == NULL);
    return 0;
  }
  for (size_t i = 0; i < ini.section_count; i++) {
    check_inside(&ini, ini.sections[i]);
    check_words(ini.sections[i]);
  }
  for (size_t i = 0; i < ini.entry_count; i++) check_entry(&ini, &ini.entries[i]);
  cachette__ini_deinit(&ini);
  return 0;
}
