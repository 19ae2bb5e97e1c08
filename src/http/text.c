/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <string.h>

const unsigned char cachette__http_token_chars[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x00 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x10 */
    0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, /* 0x20 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, /* 0x30 */
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 0x40 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, /* 0x50 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 0x60 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, /* 0x70 */
};

/* Does not stop at the first other character, because names are short and almost always tokens. */
bool cachette__http_is_token(cachette_slice text) {
  const unsigned char *at = text.data, *table = cachette__http_token_chars;
  size_t left = text.size;
  unsigned all = text.size > 0;
  for (; left >= 4; at += 4, left -= 4)
    all &= (unsigned)table[at[0]] & table[at[1]] & table[at[2]] & table[at[3]];
  for (; left > 0; at++, left--) all &= table[*at];
  return all != 0;
}

/* Returns 8 characters in lower case: of those less than 0x80, the ones from A to Z carry into the
 * highest bit of their byte in the first sum, but not in the second. */
static inline uint64_t lower_word(const char *text) {
  const uint64_t ones = UINT64_MAX / 0xff, high = ones * 0x80;
  uint64_t word;
  memcpy(&word, text, sizeof word);
  uint64_t low = word & ~high;
  uint64_t is_upper = (low + ones * (0x80 - 'A')) & ~(low + ones * (0x7f - 'Z')) & ~word & high;
  return word | is_upper >> 2;
}

/* Names of fields are compared again and again, so 8 characters are compared at a time. */
bool cachette__http_equals(cachette_slice left, cachette_slice right) {
  const char *one = left.data, *other = right.data;
  size_t size = left.size, at = 0;
  if (size != right.size) return false;
  for (; size - at >= 8; at += 8) {
    if (lower_word(one + at) != lower_word(other + at)) return false;
  }
  if (at > 0) /* the last 8, of which some were compared already */
    return lower_word(one + size - 8) == lower_word(other + size - 8);
  for (; at < size; at++) {
    if (cachette__http_lower(one[at]) != cachette__http_lower(other[at])) return false;
  }
  return true;
}

bool cachette__http_is(cachette_slice text, const char *expected) {
  for (size_t i = 0; i < text.size; i++) {
    if (cachette__http_lower(cachette__http_at(text, i)) != expected[i] || expected[i] == '\0')
      return false;
  }
  return expected[text.size] == '\0';
}

int cachette__http_compare(cachette_slice left, cachette_slice right) {
  for (size_t i = 0; i < left.size && i < right.size; i++) {
    int difference = cachette__http_lower(cachette__http_at(left, i)) -
                     cachette__http_lower(cachette__http_at(right, i));
    if (difference != 0) return difference;
  }
  return (left.size > right.size) - (left.size < right.size);
}

size_t cachette__http_find(cachette_slice text, char character) {
  const char *found = text.size > 0 ? memchr(text.data, character, text.size) : NULL;
  return found != NULL ? (size_t)(found - (const char *)text.data) : text.size;
}

cachette_slice cachette__http_trim(cachette_slice text) {
  while (text.size > 0 && cachette__http_is_blank(cachette__http_at(text, 0)))
    text = cachette__http_from(text, 1);
  while (text.size > 0 && cachette__http_is_blank(cachette__http_at(text, text.size - 1)))
    text.size--;
  return text;
}

/* Returns whether one of `size` characters is CR, LF or NUL. */
static bool has_dangerous(const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '\r' || text[i] == '\n' || text[i] == '\0') return true;
  }
  return false;
}

/* Returns not 0 if one of 8 characters is less than a space: only then the subtraction sets the
 * highest bit of a byte that did not have it. */
static inline uint64_t controls(const char *text) {
  const uint64_t ones = UINT64_MAX / 0xff;
  uint64_t word;
  memcpy(&word, text, sizeof word);
  return (word - ones * ' ') & ~word & ones * 0x80;
}

/* Every field of every message goes through this, so it looks at many characters at a time, and
 * again at those few where a control character is among them. */
bool cachette__http_is_dangerous(cachette_slice text) {
  const char *at = text.data;
  size_t left = text.size;
  if (left < 8) return has_dangerous(at, left);
  for (; left > 32; at += 32, left -= 32) {
    uint64_t found = controls(at) | controls(at + 8) | controls(at + 16) | controls(at + 24);
    if (found != 0 && has_dangerous(at, 32)) return true;
  }
  for (; left > 8; at += 8, left -= 8) {
    if (controls(at) != 0 && has_dangerous(at, 8)) return true;
  }
  at -= 8 - left; /* the last 8 */
  return controls(at) != 0 && has_dangerous(at, 8);
}

/* Returns the offset behind the quoted string that begins at `offset`. */
static size_t skip_quoted(cachette_slice text, size_t offset) {
  for (offset++; offset < text.size; offset++) {
    char character = cachette__http_at(text, offset);
    if (character == '"') return offset + 1;
    if (character == '\\') offset++;
  }
  return text.size;
}

bool cachette__http_next_of(cachette_slice *rest, char separator, cachette_slice *element) {
  while (rest->size > 0) {
    size_t end = 0;
    while (end < rest->size && cachette__http_at(*rest, end) != separator)
      end = cachette__http_at(*rest, end) == '"' ? skip_quoted(*rest, end) : end + 1;
    cachette_slice found = cachette__http_trim(cachette__http_first(*rest, end));
    *rest = cachette__http_from(*rest, end < rest->size ? end + 1 : end);
    if (found.size == 0) continue;
    *element = found;
    return true;
  }
  return false;
}

bool cachette__http_next(cachette_slice *rest, cachette_slice *element) {
  return cachette__http_next_of(rest, ',', element);
}

bool cachette__http_number(cachette_slice text, int64_t most, int64_t *number) {
  if (text.size == 0) return false;
  int64_t value = 0;
  for (size_t i = 0; i < text.size; i++) {
    unsigned digit = (unsigned char)cachette__http_at(text, i) - (unsigned)'0';
    if (digit > 9) return false;
    bool overflows =
        __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value);
    if (overflows || value > most) value = most;
  }
  *number = value;
  return true;
}
