/* SPDX-License-Identifier: MIT */
#include "slice.h"

#include <string.h>

cachette_slice cachette_str(const char *text) { return (cachette_slice){text, strlen(text)}; }

void cachette__key_text(cachette_slice key, char *text, size_t size) {
  const unsigned char *bytes = key.data;
  size_t length = key.size < size - 1 ? key.size : size - 1;
  for (size_t i = 0; i < length; i++)
    text[i] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '?';
  text[length] = '\0';
}
