/* SPDX-License-Identifier: MIT */
#include "shell_words.h"

#include <string.h>

#include "../../../base/alloc.h"

static const char blanks[] = " \t\r\n";

/* Copies the word at `text` without its quotes. Returns the text after it; NULL if a quote or
 * escape is incomplete. */
static const char *copy_word(const char *text, char **to) {
  char quote = '\0';
  for (; *text != '\0' && (quote != '\0' || strchr(blanks, *text) == NULL); text++) {
    char byte = *text;
    if (byte == quote) {
      quote = '\0';
      continue;
    }
    if (quote == '\0' && (byte == '"' || byte == '\'')) {
      quote = byte;
      continue;
    }
    if (byte == '\\' && quote != '\'') {
      if (text[1] == '\0') return NULL;
      /* Inside double quotes a backslash escapes only a double quote or a backslash. */
      if (quote == '\0' || text[1] == '"' || text[1] == '\\') byte = *++text;
    }
    *(*to)++ = byte;
  }
  return quote == '\0' ? text : NULL;
}

int cachette__shell_words_split(const char *text, char ***words, size_t *count) {
  size_t size = strlen(text), words_max = size / 2 + 2; /* words, with the NULL */
  char **result = cachette__malloc(words_max * sizeof *result + size + 1);
  if (result == NULL) return CACHETTE_ENOMEM;
  char *to = (char *)(result + words_max);
  *count = 0;
  for (text += strspn(text, blanks); *text != '\0'; text += strspn(text, blanks)) {
    result[(*count)++] = to;
    text = copy_word(text, &to);
    if (text == NULL) {
      cachette__free(result);
      return CACHETTE_ECONFIG;
    }
    *to++ = '\0';
  }
  result[*count] = NULL;
  *words = result;
  return CACHETTE_OK;
}

bool cachette__shell_words_are(const char *text, const char *second) {
  char words[1024], *to = words;
  if (strlen(text) >= sizeof words) return false;
  text = copy_word(text + strspn(text, blanks), &to);
  if (text == NULL) return false;
  text += strspn(text, blanks);
  char *begin = to;
  if (*text == '\0' || (text = copy_word(text, &to)) == NULL) return false;
  *to = '\0';
  return text[strspn(text, blanks)] == '\0' && strcmp(begin, second) == 0;
}

void cachette__shell_words_free(char **words) {
  for (char **each = words; each != NULL && *each != NULL; each++)
    cachette__wipe(*each, strlen(*each));
  cachette__free(words);
}
