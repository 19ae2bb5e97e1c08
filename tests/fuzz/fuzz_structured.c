/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the parser and the writer of Structured Fields. The input is the lines of a field, which
 * LF separates. It is parsed as each kind. What is valid must be serializable, and what was
 * serialized must be valid and serialize to the same text again. A field that was refused must have
 * no members.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "structured_copy.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

enum { LINES = 8 };

static void *allocate(size_t size) {
  void *block = malloc(size);
  CHECK(block != NULL || size == 0);
  return block;
}

/* Decoded texts are no longer than encoded ones, and display strings are UTF-8 without NULs. */
static void check_text(const cachette__sf_item *item) {
  size_t size = cachette__sf_decode(item, NULL, 0);
  CHECK(size <= item->text.size);
  char *text = allocate(size);
  CHECK(cachette__sf_decode(item, text, size) == size);
  free(text);
}

static void check_members(enum cachette__sf_kind kind, const cachette_slice *lines, size_t count) {
  cachette__sf field;
  cachette__sf_item member, found;
  bool is_valid = cachette__sf_begin(&field, kind, lines, count);
  for (const cachette__sf whole = field; cachette__sf_next(&field, &member);) {
    CHECK(is_valid);
    CHECK((member.key.size > 0) == (kind == CACHETTE__SF_DICTIONARY));
    CHECK(cachette__sf_find(&whole, member.key, &found));
    check_text(&member);
  }
}

/* Serializes into a buffer that is exactly as large as it has to be. The caller frees it. */
static bool copy(enum cachette__sf_kind kind, const cachette_slice *lines, size_t count,
                 cachette_slice *text) {
  int status;
  size_t size, again;
  if (!structured_copy(kind, lines, count, NULL, 0, &status, &size)) return false;
  CHECK(status == (size > 0 ? CACHETTE_ETOOBIG : 0));
  char *buffer = allocate(size);
  CHECK(structured_copy(kind, lines, count, buffer, size, &status, &again));
  CHECK(status == 0 && again == size);
  *text = (cachette_slice){buffer, size};
  return true;
}

static void check_kind(enum cachette__sf_kind kind, const cachette_slice *lines, size_t count) {
  cachette_slice once, twice;
  check_members(kind, lines, count);
  if (!copy(kind, lines, count, &once)) return;
  CHECK(copy(kind, &once, 1, &twice));
  CHECK(once.size == twice.size);
  CHECK(once.size == 0 || memcmp(once.data, twice.data, once.size) == 0);
  free((void *)once.data);
  free((void *)twice.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cachette_slice lines[LINES];
  size_t count = 0;
  for (size_t begin = 0, end; count < LINES; begin = end + 1) {
    end = begin;
    while (end < size && (data[end] != '\n' || count == LINES - 1)) end++;
    char *line = allocate(end - begin);
    if (end > begin) memcpy(line, data + begin, end - begin);
    lines[count++] = (cachette_slice){line, end - begin};
    if (end == size) break;
  }
  check_kind(CACHETTE__SF_LIST, lines, count);
  check_kind(CACHETTE__SF_DICTIONARY, lines, count);
  check_kind(CACHETTE__SF_ITEM, lines, count);
  for (size_t i = 0; i < count; i++) free((void *)lines[i].data);
  return 0;
}
