/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../../base/alloc.h"

void cachette__text_deinit(cachette__text *text) {
  cachette__free(text->bytes);
  *text = (cachette__text){0};
}

void cachette__text_wipe(cachette__text *text) {
  if (text->bytes != NULL) cachette__wipe(text->bytes, text->capacity);
  cachette__text_deinit(text);
}

void cachette__text_clear(cachette__text *text) {
  text->size = 0;
  text->failed = false;
}

static bool grow(cachette__text *text, size_t size) {
  if (text->failed || size > SIZE_MAX / 4 || text->size > SIZE_MAX / 4) return false;
  size_t wanted = text->size + size + 1;
  if (wanted <= text->capacity) return true;
  size_t capacity = wanted > 2 * text->capacity ? wanted : 2 * text->capacity;
  if (capacity < 256) capacity = 256;
  char *bytes = cachette__realloc(text->bytes, capacity);
  if (bytes == NULL) return false;
  text->bytes = bytes;
  text->capacity = capacity;
  return true;
}

char *cachette__text_reserve(cachette__text *text, size_t size) {
  text->failed = !grow(text, size);
  return text->failed ? NULL : text->bytes + text->size;
}

void cachette__text_add(cachette__text *text, const void *bytes, size_t size) {
  char *at = cachette__text_reserve(text, size);
  if (at == NULL) return;
  if (size > 0) memcpy(at, bytes, size);
  at[size] = '\0';
  text->size += size;
}

void cachette__text_puts(cachette__text *text, const char *string) {
  cachette__text_add(text, string, strlen(string));
}

void cachette__text_printf(cachette__text *text, const char *format, ...) {
  va_list list;
  va_start(list, format);
  int size = vsnprintf(NULL, 0, format, list);
  va_end(list);
  char *at = size < 0 ? NULL : cachette__text_reserve(text, (size_t)size);
  if (at == NULL) return;
  va_start(list, format);
  vsnprintf(at, (size_t)size + 1, format, list);
  va_end(list);
  text->size += (size_t)size;
}

void cachette__text_string(cachette__text *text, cachette_slice string) {
  const char *bytes = string.data;
  size_t plain = 0; /* start of the bytes that need no escape */
  cachette__text_add(text, "\"", 1);
  for (size_t i = 0; i < string.size; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    cachette__text_add(text, bytes + plain, i - plain);
    cachette__text_printf(text, "\\u%04x", byte);
    plain = i + 1;
  }
  cachette__text_add(text, bytes + plain, string.size - plain);
  cachette__text_add(text, "\"", 1);
}

void cachette__text_base64(cachette__text *text, cachette_slice bytes) {
  if (bytes.size > INT_MAX / 2) text->failed = true;
  char *at = text->failed ? NULL : cachette__text_reserve(text, (bytes.size + 2) / 3 * 4);
  if (at == NULL || bytes.size == 0) return;
  text->size += (size_t)EVP_EncodeBlock((unsigned char *)at, bytes.data, (int)bytes.size);
}
