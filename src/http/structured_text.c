/* SPDX-License-Identifier: MIT */
#include "structured_text.h"

#include <string.h>

#include "http/text.h"

/* ---- Characters ---- */

static bool is_lower(char character) { return character >= 'a' && character <= 'z'; }

static bool is_alpha(char character) { return is_lower((char)(character | 0x20)); }

static bool is_digit(char character) { return character >= '0' && character <= '9'; }

static bool is_key_char(char character) {
  return is_lower(character) || is_digit(character) || character == '_' || character == '-' ||
         character == '.' || character == '*';
}

/* RFC 9651, 3.1.2. */
size_t cachette__sf_key_size(cachette_slice text) {
  size_t size = 0;
  if (text.size == 0) return 0;
  char first = cachette__http_at(text, 0);
  if (!is_lower(first) && first != '*') return 0;
  while (size < text.size && is_key_char(cachette__http_at(text, size))) size++;
  return size;
}

static bool is_token_char(char character) {
  return cachette__http_is_token_char(character) || character == ':' || character == '/';
}

/* RFC 9651, 3.3.4. */
size_t cachette__sf_token_size(cachette_slice text) {
  size_t size = 0;
  if (text.size == 0) return 0;
  char first = cachette__http_at(text, 0);
  if (!is_alpha(first) && first != '*') return 0;
  while (size < text.size && is_token_char(cachette__http_at(text, size))) size++;
  return size;
}

int cachette__sf_hex(char character) {
  if (is_digit(character)) return character - '0';
  return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

int cachette__sf_base64(char character) {
  if (is_lower(character)) return character - 'a' + 26;
  if (is_alpha(character)) return character - 'A';
  if (is_digit(character)) return character - '0' + 52;
  if (character == '+') return 62;
  return character == '/' ? 63 : -1;
}

bool cachette__sf_is(cachette_slice text, const char *name) {
  return text.size == strlen(name) && (text.size == 0 || memcmp(text.data, name, text.size) == 0);
}

/* ---- Decoding ---- */

cachette__sf_bytes cachette__sf_bytes_of(const cachette__sf_item *item) {
  enum cachette__sf_type encoding = item->encoded ? item->type : CACHETTE__SF_TOKEN;
  return (cachette__sf_bytes){.rest = item->text, .encoding = encoding};
}

static bool take_char(cachette_slice *rest, char *character) {
  if (rest->size == 0) return false;
  *character = cachette__http_at(*rest, 0);
  *rest = cachette__http_from(*rest, 1);
  return true;
}

/* The padding ends the text. Bits that do not fill a byte are ignored. */
static bool next_of_base64(cachette__sf_bytes *bytes, unsigned char *byte) {
  char character;
  while (bytes->bit_count < 8) {
    if (!take_char(&bytes->rest, &character)) return false;
    int digit = cachette__sf_base64(character);
    if (digit < 0) return false;
    bytes->bits = (bytes->bits << 6 | (unsigned)digit) & 0xfff;
    bytes->bit_count += 6;
  }
  bytes->bit_count -= 8;
  *byte = (unsigned char)(bytes->bits >> bytes->bit_count);
  return true;
}

static bool next_of_display(cachette__sf_bytes *bytes, unsigned char *byte) {
  char character, high, low;
  if (!take_char(&bytes->rest, &character)) return false;
  *byte = (unsigned char)character;
  if (character != '%') return true;
  if (!take_char(&bytes->rest, &high) || !take_char(&bytes->rest, &low)) return false;
  if (cachette__sf_hex(high) < 0 || cachette__sf_hex(low) < 0) return false;
  *byte = (unsigned char)(cachette__sf_hex(high) * 16 + cachette__sf_hex(low));
  return true;
}

bool cachette__sf_next_byte(cachette__sf_bytes *bytes, unsigned char *byte) {
  char character;
  if (bytes->encoding == CACHETTE__SF_BYTES) return next_of_base64(bytes, byte);
  if (bytes->encoding == CACHETTE__SF_DISPLAY) return next_of_display(bytes, byte);
  if (!take_char(&bytes->rest, &character)) return false;
  if (bytes->encoding == CACHETTE__SF_STRING && character == '\\' &&
      !take_char(&bytes->rest, &character))
    return false;
  *byte = (unsigned char)character;
  return true;
}

static bool has_text(enum cachette__sf_type type) {
  return type == CACHETTE__SF_TOKEN || type == CACHETTE__SF_STRING || type == CACHETTE__SF_BYTES ||
         type == CACHETTE__SF_DISPLAY;
}

size_t cachette__sf_decode(const cachette__sf_item *item, void *buffer, size_t capacity) {
  if (!has_text(item->type)) return 0;
  size_t size = 0;
  unsigned char byte, *to = buffer;
  cachette__sf_bytes bytes = cachette__sf_bytes_of(item);
  while (cachette__sf_next_byte(&bytes, &byte)) size++;
  if (size > capacity) return size;
  bytes = cachette__sf_bytes_of(item);
  for (size_t i = 0; i < size && cachette__sf_next_byte(&bytes, &byte); i++) to[i] = byte;
  return size;
}

/* ---- UTF-8 ---- */

/* Takes the bytes that follow the first one of a character. */
static bool follows_utf8(cachette__sf_bytes *bytes, unsigned char first) {
  if (first < 0x80) return true;
  if (first < 0xc2 || first > 0xf4) return false;
  /* The second byte has a narrower range if the first is at an end of its own (RFC 3629, 4). */
  unsigned char byte, low = 0x80, high = 0xbf;
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  for (int left = 1 + (first >= 0xe0) + (first >= 0xf0); left > 0; left--) {
    if (!cachette__sf_next_byte(bytes, &byte) || byte < low || byte > high) return false;
    low = 0x80;
    high = 0xbf;
  }
  return true;
}

bool cachette__sf_is_utf8(const cachette__sf_item *item) {
  unsigned char first;
  cachette__sf_bytes bytes = cachette__sf_bytes_of(item);
  while (cachette__sf_next_byte(&bytes, &first)) {
    if (!follows_utf8(&bytes, first)) return false;
  }
  return true;
}
