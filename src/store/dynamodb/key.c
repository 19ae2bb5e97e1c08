/* SPDX-License-Identifier: MIT */
#include "key.h"

#include <openssl/evp.h>
#include <string.h>

enum { DIGEST_SIZE = 32 };

/* Returns the size of the UTF-8 character at `at` (RFC 3629); 0: it is malformed or NUL. */
static size_t utf8_size(const unsigned char *at, size_t left) {
  static const struct {
    unsigned char first, last, low, high; /* range of the first byte, and of the second */
    size_t size;
  } forms[] = {
      {0x01, 0x7f, 0, 0xff, 1},    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
      {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
      {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
  };
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    size_t size = forms[i].size;
    if (at[0] < forms[i].first || at[0] > forms[i].last) continue;
    if (left < size) return 0;
    if (size > 1 && (at[1] < forms[i].low || at[1] > forms[i].high)) return 0;
    for (size_t rest = 2; rest < size; rest++)
      if ((at[rest] & 0xc0) != 0x80) return 0;
    return size;
  }
  return 0;
}

size_t cachette__dynamo_valid_utf8(const char *bytes, size_t size) {
  size_t at = 0, length;
  while (at < size && (length = utf8_size((const unsigned char *)bytes + at, size - at)) > 0)
    at += length;
  return at;
}

size_t cachette__dynamo_key_capacity(cachette_slice prefix, cachette_slice key) {
  size_t size = prefix.size + key.size;
  bool plain = size <= CACHETTE__DYNAMO_KEY_MAX &&
               cachette__dynamo_valid_utf8(prefix.data, prefix.size) == prefix.size &&
               cachette__dynamo_valid_utf8(key.data, key.size) == key.size;
  return plain ? size : size + CACHETTE__DYNAMO_KEY_MAX;
}

static char *write_digest(cachette_slice full, char *at) {
  static const char digits[] = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE];
  if (EVP_Digest(full.data, full.size, digest, NULL, EVP_sha256(), NULL) != 1) return NULL;
  *at++ = '~';
  for (int i = 0; i < DIGEST_SIZE; i++) {
    *at++ = digits[digest[i] >> 4];
    *at++ = digits[digest[i] & 15];
  }
  return at;
}

char *cachette__dynamo_key_make(cachette_slice prefix, cachette_slice key, char *at,
                                cachette__dynamo_key *result) {
  char *full = at;
  if (prefix.size > 0) memcpy(at, prefix.data, prefix.size);
  if (key.size > 0) memcpy(at + prefix.size, key.data, key.size);
  size_t size = prefix.size + key.size, valid = cachette__dynamo_valid_utf8(full, size);
  *result = (cachette__dynamo_key){.text = {full, size}};
  at += size;
  if (valid == size && size <= CACHETTE__DYNAMO_KEY_MAX) return at;
  size_t head = valid;
  if (head > CACHETTE__DYNAMO_HEAD_MAX)
    head = cachette__dynamo_valid_utf8(full, CACHETTE__DYNAMO_HEAD_MAX);
  memcpy(at, full, head);
  char *end = write_digest((cachette_slice){full, size}, at + head);
  if (end == NULL) return NULL;
  *result = (cachette__dynamo_key){.text = {at, (size_t)(end - at)}, .raw = {full, size}};
  return end;
}
