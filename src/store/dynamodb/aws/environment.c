/* SPDX-License-Identifier: MIT */
#include "environment.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#include "../../../base/path.h"
#include "../../../base/slice.h"
#include "text.h"

const char *cachette__env_get(const char *name) {
  const char *value = getenv(name);
  return value != NULL && *value != '\0' ? value : NULL;
}

bool cachette__env_is_true(const char *text) {
  return text != NULL && strcasecmp(text, "true") == 0;
}

/* Finds the home folder. */
static bool find_home(char *home, size_t size) {
  const char *named = cachette__env_get("HOME");
  if (named == NULL) return uv_os_homedir(home, &size) == 0;
  return (size_t)snprintf(home, size, "%s", named) < size;
}

/* Adds the value of the variable at a `$`. Returns the bytes of `text` that it consumed. */
static size_t add_variable(cachette__text *path, const char *text) {
  bool has_brace = text[1] == '{';
  const char *begin = text + 1 + has_brace, *end = begin;
  if (has_brace)
    end += strcspn(begin, "}");
  else
    while (isalnum((unsigned char)*end) || *end == '_') end++;
  char name[128];
  size_t length = (size_t)(end - begin), whole = (size_t)(end - text) + has_brace;
  if (length == 0 || length >= sizeof name || (has_brace && *end != '}')) {
    cachette__text_add(path, text, 1);
    return 1;
  }
  memcpy(name, begin, length);
  name[length] = '\0';
  const char *value = getenv(name);
  if (value != NULL)
    cachette__text_puts(path, value);
  else
    cachette__text_add(path, text, whole);
  return whole;
}

char *cachette__env_expand(const char *folder, const char *text) {
  cachette__text path = {0};
  char home[4096];
  if (text[0] == '~' && (text[1] == '/' || text[1] == '\0') && find_home(home, sizeof home)) {
    cachette__text_puts(&path, home);
    text++;
  }
  cachette__text_add(&path, "", 0);
  while (*text != '\0') {
    size_t plain = strcspn(text, "$");
    cachette__text_add(&path, text, plain);
    text += plain;
    if (*text == '$') text += add_variable(&path, text);
  }
  char *whole = path.failed ? NULL : cachette__path_join(folder, path.bytes);
  cachette__text_deinit(&path);
  return whole;
}

void cachette__env_display_path(const char *path, char *display, size_t size) {
  char home[4096];
  size_t length = find_home(home, sizeof home) ? strlen(home) : 0;
  bool inside = length > 1 && strncmp(path, home, length) == 0 && path[length] == '/';
  cachette__text text = {0};
  cachette__text_printf(&text, "%s%s", inside ? "~" : "", inside ? path + length : path);
  const char *whole = text.failed ? "a file" : text.bytes;
  size_t whole_size = strlen(whole);
  cachette__value_text(whole, display, size); /* redacts a URL that was given by mistake */
  if (whole_size >= size && strcmp(display, "***") != 0) {
    size_t tail = (size - 4) * 2 / 3, head = size - 4 - tail;
    cachette__key_text((cachette_slice){whole, head}, display, size);
    memcpy(display + head, "...", 3);
    cachette__key_text((cachette_slice){whole + whole_size - tail, tail}, display + head + 3,
                       size - head - 3);
  }
  cachette__text_deinit(&text);
}
