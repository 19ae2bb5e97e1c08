/* SPDX-License-Identifier: MIT */
#include "slice.h"

#include <string.h>

cachette_slice cachette_str(const char *text) { return (cachette_slice){text, strlen(text)}; }

bool cachette__begins(cachette_slice bytes, size_t skip, cachette_slice head) {
  return bytes.size >= skip + head.size &&
         (head.size == 0 || memcmp((const char *)bytes.data + skip, head.data, head.size) == 0);
}

void cachette__key_text(cachette_slice key, char *text, size_t size) {
  const unsigned char *bytes = key.data;
  size_t length = key.size < size - 1 ? key.size : size - 1;
  for (size_t i = 0; i < length; i++)
    text[i] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '?';
  text[length] = '\0';
}

/* An '@' in an absolute path means a secret only if a colon precedes it. */
static bool may_be_secret(const char *value) {
  const char *at_sign = strrchr(value, '@');
  if (strstr(value, ":/") != NULL) return true;
  return at_sign != NULL &&
         (*value != '/' || memchr(value, ':', (size_t)(at_sign - value)) != NULL);
}

void cachette__value_text(const char *value, char *text, size_t size) {
  cachette__key_text(cachette_str(may_be_secret(value) ? "***" : value), text, size);
}

void cachette__redact(char *text, const char *secret) {
  enum { SIZE_MIN = 4 };
  size_t size = secret != NULL ? strlen(secret) : 0;
  if (size < SIZE_MIN) return;
  for (char *at = text; *at != '\0'; at++) {
    size_t matched = 0;
    while (matched < size && at[matched] == secret[matched]) matched++;
    if (matched == size || (matched >= SIZE_MIN && at[matched] == '\0')) memset(at, '*', matched);
  }
}
